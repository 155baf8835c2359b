# Part of export.sh: reads the clone, and refuses some files before git opens them.

# Sets `theirs` to the clone's .git folder, which a .git file may name.
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

# Finds special files on which git would block forever, and files above the limit, before git opens any of them.
look_around() {
    find "$theirs" \( -xtype p -o -xtype s -o -xtype c -o -xtype b \) -printf '.git/%P\0' -quit >/tmp/special
    refuse_if_any special /tmp/special
    find . -path ./.git -prune -o -type f -size "+${most_bytes}c" -fprintf /tmp/large.unsorted '%P\0' -o \
        ! -type d ! -type f ! -type l -fprintf /tmp/special.unsorted '%P\0' \
        ! -type s -fprintf /tmp/waits.unsorted '%P\0' # opening a socket does not block, it fails
    [ $? -le 1 ] || refuse room # 1: a folder is not readable
    sort -z /tmp/large.unsorted >/tmp/large
    sort -z /tmp/special.unsorted >/tmp/special
    grep -zE '(^|/)(\.git(/.*)?|\.git(ignore|attributes|modules)|HEAD|commondir)$' /tmp/waits.unsorted >/tmp/waits
    refuse_if_any special /tmp/waits
}

# Sets `head` and `tree`, with a repository of our own that uses only HEAD, refs and objects of the clone.
open_ours() {
    mkdir -p $GIT_DIR/objects $GIT_DIR/info
    # The agent may have changed git's index files of objects (commit graph, multi-pack index), so they are not used.
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
    exclude=$theirs/info/exclude
    if [ -e "$exclude" ] || [ -L "$exclude" ]; then
        { plain "$exclude" 65536 && cp "$exclude" $GIT_DIR/info/exclude; } || refuse exclude
    fi
}

# Fills our index from HEAD alone. A small tree may expand to a huge number of paths, and the cost of a path
# grows with its folders, so both are checked before git reads the tree into the index.
read_head() {
    names | grep -zE -m 1 "$too_deep" >/tmp/deep
    if [ -s /tmp/deep ]; then
        git cat-file -e "$start:$(tr -d '\0' </tmp/deep)" || refuse deep /tmp/deep
    fi
    [ "$(names | wc -c)" -lt "$most_names" ] || {
        names | tail -z -n 2 | head -z -n 1 | cut -z -d / -f 1 >/tmp/refused
        refuse many /tmp/refused
    }
    git read-tree "$tree" || refuse tree
    list_tracked
    cp /tmp/entries.sorted /tmp/head.entries
    grep -z '^160000 ' /tmp/entries | cut -z -f 2- | sort -z >/tmp/submodules
}

names() { git ls-tree -r -z --name-only "$tree" | head -c "$most_names"; }

# Writes /tmp/entries: the entries of our index as `ls-files -s` lists them; /tmp/entries.sorted: the same as a
# set; /tmp/tracked: their paths.
list_tracked() {
    git ls-files -s -z >/tmp/entries || refuse tree
    sort -z /tmp/entries >/tmp/entries.sorted
    cut -z -f 2- /tmp/entries | sort -z >/tmp/tracked
}

# Reads from the agent's index only names and the skip-worktree flags of a sparse checkout. They show files that
# were added despite .gitignore, files that were removed from the index and are ignored now, and files that are
# intentionally not on disk. Ids are used only for entries that cannot be read from disk, or if our git computes
# the same id from the file on disk.
read_their_index() {
    for list in skipped forced taken.out untracked.now theirs.entries unexported.paths; do : >/tmp/$list; done
    if [ ! -e "$theirs/index" ] && [ ! -L "$theirs/index" ]; then return; fi
    plain "$theirs/index" 268435456 || refuse index
    cp "$theirs/index" /tmp/theirs || refuse index
    for shared in "$theirs"/sharedindex.*; do
        if plain "$shared" 268435456; then cp "$shared" $GIT_DIR; fi
    done
    (export GIT_INDEX_FILE=/tmp/theirs && git ls-files -s -t -z) >/tmp/theirs.all || refuse index
    grep -z '^S ' /tmp/theirs.all | cut -z -f 2- | sort -z >/tmp/skipped
    cut -z -c 3- /tmp/theirs.all | sort -z >/tmp/theirs.entries
    cut -z -f 2- /tmp/theirs.all | sort -zu >/tmp/theirs.names
    forget_taken_out
    find_forced
}

# A path that was removed from the agent's index and is ignored now is treated as untracked. A submodule that was
# removed is replaced by the files in its folder.
forget_taken_out() {
    only_first /tmp/tracked /tmp/theirs.names >/tmp/taken.out
    git check-ignore -z --stdin --no-index </tmp/taken.out >/tmp/ignored
    [ $? -le 1 ] || refuse unreadable
    both /tmp/taken.out /tmp/submodules >/tmp/no.submodules
    sort -zru /tmp/ignored /tmp/no.submodules >/tmp/untracked.now
    git update-index -z --force-remove --stdin </tmp/untracked.now || refuse unreadable
    list_tracked
}

# Writes /tmp/submodules.before: the submodules in HEAD that a commit of the host has, too. A merge may have brought
# one from any of these commits, but rarely does, so the first commit is looked into first. Arguments: the commits.
find_submodules_before() {
    cp /tmp/submodules /tmp/submodules.new
    while [ -s /tmp/submodules.new ] && [ $# -gt 0 ]; do
        git ls-tree -r -z "$1" >/tmp/listed || fail
        grep -z '^160000 ' /tmp/listed | cut -z -f 2- | sort -z >/tmp/submodules.here
        only_first /tmp/submodules.new /tmp/submodules.here >/tmp/submodules.rest
        mv /tmp/submodules.rest /tmp/submodules.new
        shift
    done
    only_first /tmp/submodules /tmp/submodules.new >/tmp/submodules.before
}

# Prints those of the folders from stdin that contain a file.
filled() {
    xargs -0 -r sh -c 'for path; do
        [ -z "$(find "./$path" ! -type d -print -quit)" ] || printf "%s\0" "$path"
    done' sh
}

# Writes /tmp/unexported.sorted: the paths of all folders that stay behind; /tmp/unexported: "<kind> <files> <path>"
# for the first hundred.
describe_unexported() {
    sort -zu /tmp/unexported.paths >/tmp/unexported.sorted
    head -z -n 100 /tmp/unexported.sorted >/tmp/unexported.some
    {
        both /tmp/unexported.some /tmp/submodules.before | describe submodule
        only_first /tmp/unexported.some /tmp/submodules.before | describe repository
    } >/tmp/unexported
}

# describe <kind>: describes the folders from stdin, with the number of their files, without those in .git.
describe() {
    xargs -0 -r sh -c 'kind=$1 && shift && for path; do
        files=$(find "./$path" -name .git -prune -o ! -type d -printf . | wc -c)
        printf "%s %d %s\0" "$kind" "$files" "$path"
    done' sh "$1"
}

# Writes /tmp/forced: files that are in the agent's index and on disk, but not in HEAD.
find_forced() {
    only_first /tmp/theirs.names /tmp/tracked >/tmp/added
    [ -s /tmp/added ] || return 0
    grep -z '^160000 ' /tmp/theirs.entries | cut -z -f 2- | sort -zu >/tmp/theirs.submodules
    both /tmp/added /tmp/theirs.submodules | repositories >>/tmp/unexported.paths
    grep -zv '^160000 ' /tmp/theirs.entries | sed -z 's/^\([0-7]* [0-9a-f]*\) [0-3]\t/\1\t/' >/tmp/theirs.files
    (
        export GIT_INDEX_FILE=/tmp/look
        rm -f $GIT_INDEX_FILE
        git update-index -z --index-info </tmp/theirs.files && git diff-files -z --diff-filter=d --name-only
    ) >/tmp/theirs.present || refuse index
    sort -zu /tmp/theirs.present >/tmp/present
    both /tmp/added /tmp/present >/tmp/forced
}

# Submodules are not fetched. git sees no files in the folder of one, and a commit of a repository that the agent
# made there is nowhere else, so such a folder stays behind. So does a submodule that the agent added. Only the index
# can name another commit for a submodule. Writes /tmp/moved: these entries. Arguments: the commits that the host has.
look_into_submodules() {
    both /tmp/tracked /tmp/submodules | folders | filled >>/tmp/unexported.paths
    find_submodules_before "$@"
    only_first /tmp/submodules /tmp/submodules.before >>/tmp/unexported.paths
    grep -z '^160000 [0-9a-f]* 0' /tmp/theirs.entries >/tmp/theirs.links
    only_first /tmp/theirs.links /tmp/entries.sorted >/tmp/links
    pick /tmp/links /tmp/submodules /tmp/moved || refuse index
}

# Writes /tmp/new: files that are not in HEAD. git lists a nested repository with a slash at the end.
find_new() {
    git ls-files -z --others --exclude-standard 2>/tmp/warned | sort -z >/tmp/others
    cat /tmp/warned >&2
    sed -n "s/^warning: could not open directory '\(.*\)': .*/\1/p" /tmp/warned | head -n 1 |
        tr -d '\n' >/tmp/closed
    refuse_if_any closed /tmp/closed
    if grep -aq '^fatal:' /tmp/warned; then refuse unreadable; fi
    grep -z '/$' /tmp/others | sed -z 's:/$::' >>/tmp/unexported.paths
    sort -zu /tmp/changed /tmp/absent | repositories >>/tmp/unexported.paths
    grep -zv '/$' /tmp/others | sort -zu - /tmp/forced >/tmp/new
}

# refuse_many <paths>: refuses too many paths, and names the folder with more than half of them, if there is one.
refuse_many() {
    sed -z '/\//!s/.*/./;s/\/.*//' "$1" | sort -z | uniq -zc | sort -zrn | head -z -n 1 | sed -z 's/^ *//' >/tmp/most
    : >/tmp/refused
    of_them=$(cut -z -d ' ' -f 1 /tmp/most | tr -d '\0')
    if [ $((of_them * 2)) -gt "$(count <"$1")" ]; then cut -z -d ' ' -f 2- /tmp/most >/tmp/refused; fi
    refuse many /tmp/refused
}

# Refuses files above the limits before git reads any of them.
weigh() {
    cut -z -f 2- /tmp/modes | sort -zu - /tmp/wanted /tmp/gone >/tmp/all
    [ "$(count </tmp/all)" -le "$most_files" ] || refuse_many /tmp/all
    both /tmp/wanted /tmp/special >/tmp/refused
    refuse_if_any special /tmp/refused
    both /tmp/wanted /tmp/large >/tmp/refused
    refuse_if_any large /tmp/refused
    grep -zE "$too_deep" /tmp/new >/tmp/refused
    refuse_if_any deep /tmp/refused
    xargs -0 -r sh -c 'for path; do
        [ -L "./$path" ] || [ -r "./$path" ] || { printf "%s\0" "$path" && break; }
    done' sh </tmp/wanted >/tmp/refused
    refuse_if_any closed /tmp/refused
    only_first /tmp/wanted /tmp/submodules >/tmp/files
    [ -s /tmp/files ] || return 0
    du -0blc --files0-from=/tmp/files >/tmp/sizes
    in_all=$(tail -z -n 1 /tmp/sizes | cut -z -f 1 | tr -d '\0')
    [ "$in_all" -le "$most_in_all" ] || {
        head -z -n -1 /tmp/sizes | sort -zrn | cut -z -f 2- >/tmp/refused
        refuse total /tmp/refused
    }
}
