# Takes the agent's work out of /workspace: its commits, and as one more commit every path that was touched
# and not committed, and no other. Runs in the tools container. Everything in /workspace may lie, fail or
# hang: of the clone's .git this script reads HEAD, refs, objects, the names in the index and info/exclude,
# and never its configuration, so nothing in the workspace chooses a program, a filter or a path. The rest
# happens in a repository of our own in /tmp, whose size is limited. The clone is not changed.
#
# Arguments: the most bytes of one file, the most bytes of all changed files, the most changed files, the most
# folders in a path, then commits the host has, whose objects need not come along; the first of these is the
# one the new work must descend from.
# Stdout: "<HEAD>\n<snapshot>\n<%010d bytes of result>\n<%010d bytes of question>\n", the two files, a thin
# pack. Or a refusal: "!<code>\n<complaint of git>\0<path>", see refusals.py.
set -u
exec 3>&1 4>&2 >/dev/null 2>/tmp/said

export HOME=/nonexistent LC_ALL=C GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null GIT_ATTR_NOSYSTEM=1 \
    GIT_NO_REPLACE_OBJECTS=1 GIT_NO_LAZY_FETCH=1 GIT_TERMINAL_PROMPT=0 \
    GIT_DIR=/tmp/ours GIT_WORK_TREE=/workspace GIT_INDEX_FILE=/tmp/index
most_bytes=$1 most_in_all=$2 most_files=$3 most_folders=$4
shift 4
start=$1
seconds=60 # for one call of git
reading=300 # for one that reads all files
attributes=$GIT_DIR/info/attributes

git() {
    timeout -k 1 "$seconds" git "$@"
    status=$?
    case $status in
    124) echo "fatal: git $1 took longer than $seconds seconds" ;;
    137) echo "fatal: git $1 ran out of memory" ;;
    esac >&2
    return $status
}

# Ends the script. Arguments: a code of refusals.py, then files in which the first NUL-ended item is the path.
refuse() {
    code=$1
    shift
    printf '!%s\n%s\0' "$code" "$(grep -aE '^(error|fatal):' /tmp/said | head -c 1000)" >&3
    if [ $# -gt 0 ]; then cat "$@" | head -z -n 1 | head -c 4096 >&3; fi
    exit 0
}

refuse_if_any() { [ ! -s "$2" ] || refuse "$1" "$2"; }

# plain <path> <bytes>: a regular file, no link, of at most so many bytes.
plain() { [ -f "$1" ] && [ ! -L "$1" ] && [ "$(stat -c %s "$1")" -le "$2" ]; }

# Sets of NUL-ended paths, each sorted and without doubles.
both() { sort -z "$1" "$2" | uniq -zd; }
only_first() { sort -z "$1" "$2" "$2" | uniq -zu; }
count() { tr -dc '\0' | wc -c; }

# Sets `theirs` to the clone's .git, which may be a file that names the folder.
find_clone() {
    theirs=/workspace/.git
    if plain .git 4096; then
        theirs=$(sed -n '1s/^gitdir: //p' .git)
        case $theirs in /*) ;; *) theirs=/workspace/$theirs ;; esac
    elif [ -L .git ]; then
        refuse head
    fi
    [ -d "$theirs" ] || refuse head
}

# Finds what git would wait for without end, and files over the limit, before git opens any of them.
look_around() {
    find "$theirs" ! -xtype d ! -xtype f ! -xtype l -printf '.git/%P\0' -quit >/tmp/special
    refuse_if_any special /tmp/special
    find . -path ./.git -prune -o -type f -size "+${most_bytes}c" -fprintf /tmp/large.unsorted '%P\0' -o \
        ! -type d ! -type f ! -type l -fprintf /tmp/special.unsorted '%P\0'
    sort -z /tmp/large.unsorted >/tmp/large
    sort -z /tmp/special.unsorted >/tmp/special
    grep -zE '(^|/)\.(git(/.*)?|gitignore|gitattributes)$' /tmp/special >/tmp/waits
    refuse_if_any special /tmp/waits
}

# Sets `head` and `tree`, by a repository of ours that has nothing of the clone's but HEAD, refs and objects.
open_ours() {
    mkdir -p $GIT_DIR/objects $GIT_DIR/info
    # Files that speed git up are the agent's too, and may say something else than the objects.
    printf '[core]\n%s\n' 'bigFileThreshold = 8m' 'looseCompression = 1' \
        'commitGraph = false' 'multiPackIndex = false' >$GIT_DIR/config
    export GIT_ALTERNATE_OBJECT_DIRECTORIES="$theirs/objects:/mirror/objects:/quarantine/objects"
    if plain "$theirs/HEAD" 4096; then
        cp "$theirs/HEAD" $GIT_DIR/HEAD
    else
        echo "ref: $(readlink "$theirs/HEAD")" >$GIT_DIR/HEAD
    fi
    ln -s "$theirs/refs" $GIT_DIR/refs
    if plain "$theirs/packed-refs" 67108864; then cp "$theirs/packed-refs" $GIT_DIR/packed-refs; fi
    found=$(seconds=20 && git rev-parse 'HEAD^{commit}' 'HEAD^{tree}') || refuse head
    head=${found%?????????????????????????????????????????}
    tree=${found#?????????????????????????????????????????}
    rm -f $GIT_DIR/refs $GIT_DIR/packed-refs
    mkdir $GIT_DIR/refs
    echo "$head" >$GIT_DIR/HEAD
    if plain "$theirs/info/exclude" 65536; then cp "$theirs/info/exclude" $GIT_DIR/info/exclude; fi
}

# Our index, from HEAD alone: /tmp/entries has its files and links as `ls-files -s` lists them, /tmp/tracked
# the paths of all of it. A tree may unfold without end, so it is measured first.
read_head() {
    [ "$(git ls-tree -r -z --name-only "$tree" | head -c 134217728 | wc -c)" -lt 134217728 ] || refuse tree
    git read-tree "$tree" || refuse tree
    git ls-files -s -z | tee /tmp/all | grep -zv '^160000 ' >/tmp/entries
    cut -z -f 2- /tmp/all | sort -z >/tmp/tracked
}

# changed_entries <entries> <result>: entries of files that do not lie in /workspace as they are given, each
# as "<status> <mode> <id>\t<path>". Status D: gone. Reads every file once.
changed_entries() (
    export GIT_INDEX_FILE=/tmp/look
    seconds=$reading
    rm -f $GIT_INDEX_FILE
    git update-index -z --index-info <"$1" || exit
    git update-index -q --refresh
    [ $? -le 1 ] || exit
    git diff-files -z >/tmp/raw || exit
    sed -z 'N;s/^:\([0-7]*\) [0-7]* \([0-9a-f]*\) [0-9a-f]* \(.\)[0-9]*\x00/\3 \1 \2\t/' /tmp/raw >"$2"
)

# A path was touched if its bytes, its type or its mode are not HEAD's, nor what git makes of them: by the
# repository's .gitattributes, or by what the agent's own git was set to. /tmp/changed, /tmp/absent: paths.
find_touched() {
    both /tmp/tracked /tmp/large >/tmp/large.tracked
    # Such a file is opened only if it can be the one in HEAD, whatever git makes of its line ends.
    xargs -0 -r sh -c 'for path; do
        size=$(timeout 60 git cat-file -s ":0:$path") || size=0
        [ "$(stat -c %s "./$path")" -le $((size * 2)) ] || { printf "%s\0" "$path" && break; }
    done' sh </tmp/large.tracked >/tmp/refused
    refuse_if_any large /tmp/refused

    as_bytes changed_entries /tmp/entries /tmp/touched || refuse unreadable
    leave_out_conversions
    if set_as_theirs; then leave_out_conversions; fi
    git config core.autocrlf false
    rm -f $attributes

    grep -z '^[^D]' /tmp/touched | cut -z -f 2- | sort -z >/tmp/changed
    grep -z '^D' /tmp/touched | cut -z -f 2- >/tmp/absent.unsorted
    # The folder of a submodule is empty here: only one that is gone was removed.
    grep -z '^160000 ' /tmp/all | cut -z -f 2- |
        xargs -0 -r sh -c 'for path; do [ -d "./$path" ] || printf "%s\0" "$path"; done' sh >>/tmp/absent.unsorted
    sort -z /tmp/absent.unsorted >/tmp/absent
}

# as_bytes <command>...: runs it while no attribute converts anything.
as_bytes() {
    if [ -e $attributes ]; then mv $attributes /tmp/put.away; fi
    echo '* -text !eol -ident -filter !working-tree-encoding' >$attributes
    "$@"
    result=$?
    rm $attributes
    if [ -e /tmp/put.away ]; then mv /tmp/put.away $attributes; fi
    return $result
}

# Takes out of /tmp/touched the files that git would store as HEAD has them, and those that are what git
# makes of HEAD's when it checks them out: the two differ if HEAD's were stored before the attributes came.
leave_out_conversions() {
    grep -z '^D' /tmp/touched >/tmp/not.there
    grep -z '^[^D]' /tmp/touched | cut -z -c 3- >/tmp/there
    : >/tmp/touched
    if [ -s /tmp/there ]; then
        changed_entries /tmp/there /tmp/touched || refuse unreadable
        cut -z -c 3- /tmp/touched >/tmp/there
        if [ -s /tmp/there ] && is_converted_on_checkout; then
            if check_out; then as_bytes changed_entries /tmp/checked.out /tmp/touched || refuse unreadable; fi
            rm -rf /tmp/out
        fi
    fi
    cat /tmp/not.there >>/tmp/touched
}

is_converted_on_checkout() {
    [ "$(git config core.autocrlf)" != true ] || return 0
    cut -z -f 2- /tmp/there | git check-attr -z --stdin eol ident working-tree-encoding >/tmp/attributes
    sed -z 'N;N;s/^.*\x00\([^\x00]*\x00[^\x00]*\)$/\1/' /tmp/attributes | tr '\0' ' ' |
        grep -qE '(^| )(eol crlf|ident set|working-tree-encoding [^u ][^ ]*|working-tree-encoding u[^n][^ ]*) '
}

# Makes of the entries in /tmp/there, as git checks them out, entries that have those bytes: /tmp/checked.out.
check_out() (
    export GIT_INDEX_FILE=/tmp/look
    seconds=$reading
    mkdir /tmp/out
    rm -f $GIT_INDEX_FILE
    git update-index -z --index-info </tmp/there || exit
    git checkout-index --prefix=/tmp/out/ -a -f -q || exit
    rm $GIT_INDEX_FILE
    cut -z -f 2- /tmp/there >/tmp/there.paths
    export GIT_WORK_TREE=/tmp/out
    cd /tmp/out && as_bytes git update-index -z --add --stdin </tmp/there.paths || exit
    git ls-files -s -z >/tmp/checked.out
)

# What else the agent's own git makes of line ends. It decides what counts as touched, never what is stored.
# Fails if that is nothing.
set_as_theirs() {
    nothing=1
    for config in "$theirs/config" /home/agent/.gitconfig; do
        plain "$config" 1048576 || continue
        case $(git config --file "$config" --no-includes --get core.autocrlf 2>&1 | tr A-Z a-z) in
        true | yes | on | 1) git config core.autocrlf true ;;
        input) git config core.autocrlf input ;;
        *) continue ;;
        esac
        nothing=0
        break
    done
    if plain "$theirs/info/attributes" 65536; then
        cp "$theirs/info/attributes" $attributes
        nothing=0
    fi
    return $nothing
}

# From the agent's index only names and the skip-worktree flags of a sparse checkout: what was added against
# .gitignore, what was taken out and is ignored now, and what is not on disk on purpose.
read_their_index() {
    : >/tmp/skipped
    : >/tmp/forced
    : >/tmp/untracked.now
    if [ ! -e "$theirs/index" ] && [ ! -L "$theirs/index" ]; then return; fi
    plain "$theirs/index" 268435456 || refuse index
    cp "$theirs/index" /tmp/theirs
    for shared in "$theirs"/sharedindex.*; do
        if plain "$shared" 268435456; then cp "$shared" $GIT_DIR; fi
    done
    (export GIT_INDEX_FILE=/tmp/theirs && git ls-files -s -t -z) >/tmp/theirs.all || refuse index
    grep -z '^S ' /tmp/theirs.all | cut -z -f 2- | sort -z >/tmp/skipped
    cut -z -f 2- /tmp/theirs.all | sort -zu >/tmp/theirs.names
    sort -zu /tmp/theirs.names /tmp/absent >/tmp/theirs.or.absent
    only_first /tmp/tracked /tmp/theirs.or.absent >/tmp/taken.out
    git check-ignore -z --stdin --no-index </tmp/taken.out | sort -z >/tmp/untracked.now
    only_first /tmp/theirs.names /tmp/tracked >/tmp/added
    [ -s /tmp/added ] || return 0
    (
        export GIT_INDEX_FILE=/tmp/look
        rm -f $GIT_INDEX_FILE
        grep -zv '^. 160000 ' /tmp/theirs.all | cut -z -c 3- | sed -z 's/^\([0-7]* [0-9a-f]*\) [0-3]\t/\1\t/' |
            git update-index -z --index-info
        git diff-files -z --diff-filter=d --name-only | sort -zu
    ) >/tmp/theirs.present
    both /tmp/added /tmp/theirs.present >/tmp/forced
}

# /tmp/new: files that HEAD does not have. A folder that is a repository ends in a slash.
find_new() {
    git ls-files -z --others --exclude-standard 2>/tmp/warned | sort -z >/tmp/others
    cat /tmp/warned >&2
    sed -n "s/^warning: could not open directory '\(.*\)': .*/\1/p" /tmp/warned | head -n 1 | tr -d '\n' >/tmp/closed
    refuse_if_any closed /tmp/closed
    if grep -aq '^fatal:' /tmp/warned; then refuse unreadable; fi
    grep -z '/$' /tmp/others >/tmp/nested
    refuse_if_any nested /tmp/nested
    sort -zu /tmp/others /tmp/forced >/tmp/new
}

# Refuses what is too much before git reads a byte of it.
weigh() {
    [ "$(cat /tmp/changed /tmp/new /tmp/gone | count)" -le "$most_files" ] || {
        # The folder that most of them are below.
        cat /tmp/changed /tmp/new /tmp/gone | cut -z -d / -f 1 | sort -z | uniq -zc | sort -zrn |
            sed -z 's/^ *[0-9]* //' >/tmp/refused
        refuse many /tmp/refused
    }
    sort -zu /tmp/changed /tmp/new >/tmp/wanted
    both /tmp/wanted /tmp/special >/tmp/refused
    refuse_if_any special /tmp/refused
    both /tmp/wanted /tmp/large >/tmp/refused
    refuse_if_any large /tmp/refused
    grep -zE "^([^/]*/){$((most_folders + 1))}" /tmp/new >/tmp/refused
    refuse_if_any deep /tmp/refused
    [ -s /tmp/wanted ] || return 0
    du -0blc --files0-from=/tmp/wanted | sort -zrn >/tmp/sizes
    in_all=$(head -z -n 1 /tmp/sizes | cut -z -f 1 | tr -d '\0')
    [ "$in_all" -le "$most_in_all" ] || {
        sed -z 1d /tmp/sizes | cut -z -f 2- >/tmp/refused
        refuse total /tmp/refused
    }
}

# Sets `now` to the tree of HEAD with all that was touched.
build_tree() {
    { only_first /tmp/absent /tmp/skipped && cat /tmp/untracked.now; } | sort -zu >/tmp/gone
    only_first /tmp/changed /tmp/untracked.now >/tmp/changed.kept
    mv /tmp/changed.kept /tmp/changed
    weigh
    sed -z 's/^/0 0000000000000000000000000000000000000000\t/' /tmp/gone | git update-index -z --index-info ||
        refuse unreadable
    (seconds=$reading && git update-index -z --add --replace --stdin </tmp/wanted) || refuse unreadable
    now=$(git write-tree) || refuse unreadable
}

# commit_of <tree> <parent> <date>: the same arguments make the same commit.
commit_of() (
    export GIT_AUTHOR_NAME=agent GIT_AUTHOR_EMAIL=agent@localhost GIT_AUTHOR_DATE="$3 +0000" \
        GIT_COMMITTER_NAME=agent GIT_COMMITTER_EMAIL=agent@localhost GIT_COMMITTER_DATE="$3 +0000"
    git commit-tree "$1" -p "$2" </dev/null
)

# Sets `snapshot`: HEAD, or a commit of its own on it.
take_snapshot() {
    snapshot=$head
    if [ "$now" != "$tree" ]; then
        # The run's own start: repeated, the same export gives the same ids.
        date=$(stat -c %Y /task/prompt.md) || date=$(git log -1 --format=%ct "$head")
        snapshot=$(commit_of "$now" "$head" "$date") || refuse unreadable
    fi
}

# list_objects <known>...: what goes into the pack, and in /tmp/large.objects what of it is too large.
list_objects() {
    git rev-list --objects-edge --stdin >/tmp/list <<-END || fail
	$head
	$snapshot
	$(printf '^%s\n' "$@")
	END
    sed -n '/^[^-]/s/ .*//p' /tmp/list | git cat-file --batch-check='%(objectsize) %(objecttype) %(objectname)' |
        grep ' blob ' | sort -rn | while read -r size _ id; do
        [ "$size" -gt "$most_bytes" ] || break
        echo "blob $id"
    done >/tmp/large.objects
}

# A file that is too large: refused if it is in the end result. If only commits in between have it, HEAD goes
# as one commit.
leave_large_behind() {
    [ -s /tmp/large.objects ] || return 0
    for each in "$head" "$snapshot"; do
        git ls-tree -r -z "$each" | grep -zF -f /tmp/large.objects | cut -z -f 2- >/tmp/refused
        refuse_if_any large /tmp/refused
    done
    if [ "$tree" = "$(git rev-parse "$start^{tree}")" ]; then
        head=$start
    else
        head=$(commit_of "$tree" "$start" "$(git log -1 --format=%at "$head")") || refuse unreadable
    fi
    take_snapshot
    list_objects "$@"
}

fail() {
    tail -c 1000 /tmp/said >&4
    exit 1
}

cd /workspace || refuse gone
find_clone
look_around
open_ours
read_head
find_touched
read_their_index
find_new
build_tree
take_snapshot
list_objects "$@"
leave_large_behind "$@"

for name in result.json question.md; do
    : >"/tmp/$name"
    if plain "/task/out/$name" 9223372036854775807; then
        head -c 65536 "/task/out/$name" >"/tmp/$name"
    fi
done
printf '%s\n%s\n%010d\n%010d\n' "$head" "$snapshot" \
    "$(stat -c %s /tmp/result.json)" "$(stat -c %s /tmp/question.md)" >&3
cat /tmp/result.json /tmp/question.md >&3
seconds=$reading
git pack-objects --stdout --delta-base-offset -q </tmp/list >&3 || fail
