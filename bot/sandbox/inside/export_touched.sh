# Part of export.sh: finds the files that the agent touched, by their bytes and not by the status of its git.

# pick <entries> <paths> <result>: writes the entries that have one of the paths.
pick() (
    export GIT_INDEX_FILE=/tmp/picked
    rm -f $GIT_INDEX_FILE
    cut -z -f 2- "$1" | sort -zu >/tmp/to.pick.from
    # In reverse order, because git closes the gap that each removal leaves.
    only_first /tmp/to.pick.from "$2" | sort -zr >/tmp/not.picked
    git update-index -z --index-info <"$1" || exit
    git update-index -z --force-remove --stdin </tmp/not.picked || exit
    git ls-files -s -z >"$3"
)

# changed_paths <entries> <result>: writes the paths in /workspace that differ from the entries, each as
# "<status> <path>". Status D: missing. Reads every file once. A submodule differs if its own HEAD does.
changed_paths() (
    export GIT_INDEX_FILE=/tmp/look
    seconds=$reading
    rm -f $GIT_INDEX_FILE
    git update-index -z --index-info <"$1" || exit
    git update-index -q --refresh
    [ $? -le 1 ] || exit
    git diff-files -z --ignore-submodules=dirty >/tmp/raw 2>/tmp/passed.over || exit
    sed -z 'N;s/^:[0-7]* [0-7]* [0-9a-f]* [0-9a-f]* \(.\)[0-9]*\x00/\1 /' /tmp/raw >"$2"
)

# A path was touched if its bytes, its type or its mode differ from HEAD, and also from git's conversions of HEAD
# by the repository's .gitattributes or by the configuration of the agent's own git. Writes paths to /tmp/changed
# and /tmp/absent. Arguments: commits from which the clone may have been checked out.
find_touched() {
    both /tmp/tracked /tmp/large >/tmp/large.tracked
    # Such a file is opened only if its size allows that it is the one in HEAD, with any line ends.
    xargs -0 -r sh -c 'for path; do
        size=$(timeout 60 git cat-file -s ":0:$path") || size=0
        [ "$(stat -c %s "./$path")" -le $((size * 2)) ] || { printf "%s\0" "$path" && break; }
    done' sh </tmp/large.tracked >/tmp/refused
    refuse_if_any large /tmp/refused

    as_bytes changed_paths /tmp/entries /tmp/touched || refuse unreadable
    # git skips the files of a folder that it can list but not enter.
    passed_over=$(sed -n 's/: Permission denied$//p' /tmp/passed.over | head -n 1)
    [ -z "$passed_over" ] || refuse_closed "$passed_over"
    grep -z '^D' /tmp/touched | cut -z -c 3- | sort -z >/tmp/absent
    grep -z '^[^D]' /tmp/touched | cut -z -c 3- | sort -z >/tmp/changed

    # Their entries with the mode on disk, so that files are compared only by their bytes.
    sed -nEz 'N;s/^:100[0-7]* (100[0-7]*) ([0-9a-f]*) [0-9a-f]* .\x00/\1 \2 0\t/p;t
        s/^:([0-7]*) [0-7]* ([0-9a-f]*) [0-9a-f]* [^D]\x00/\1 \2 0\t/p' /tmp/raw >/tmp/candidates

    take_modes
    leave_out_conversions
    leave_out_former_conversions "$@"
    if set_as_theirs; then leave_out_conversions; fi
    git config core.autocrlf false
    rm -f $attributes
}

# If the bytes of a file are those of HEAD, only its mode is exported, even if attributes would now convert the
# bytes. Writes /tmp/modes: entries with a mode other than that of HEAD.
take_modes() {
    sort -z /tmp/candidates >/tmp/with.modes
    only_first /tmp/with.modes /tmp/entries.sorted | grep -z '^100' >/tmp/modes
    [ -s /tmp/modes ] || return 0
    git update-index -z --index-info </tmp/modes || refuse unreadable
    list_tracked
    as_bytes changed_paths /tmp/modes /tmp/touched || refuse unreadable
    cut -z -c 3- /tmp/touched | sort -z >/tmp/differ
    cut -z -f 2- /tmp/modes | sort -z >/tmp/other.modes
    only_first /tmp/other.modes /tmp/differ >/tmp/alike
    only_first /tmp/changed /tmp/alike >/tmp/still.changed
    mv /tmp/still.changed /tmp/changed
}

# refuse_closed <path>: refuses the export and names the first folder of the path that cannot be entered.
refuse_closed() {
    folder='' rest=$1
    while [ "$rest" != "${rest#*/}" ]; do
        folder=$folder${rest%%/*}/ rest=${rest#*/}
        [ -x "./$folder" ] || break
    done
    printf '%s' "$folder" >/tmp/closed
    refuse closed /tmp/closed
}

# as_bytes <command>...: runs a command with all conversions by attributes disabled.
as_bytes() {
    if [ -e $attributes ]; then mv $attributes /tmp/put.away; fi
    # All attributes that git looks up are set, otherwise it would also read those of the repository.
    echo '* -text !crlf !eol -ident -filter !working-tree-encoding' >$attributes
    "$@"
    result=$?
    rm $attributes
    if [ -e /tmp/put.away ]; then mv /tmp/put.away $attributes; fi
    return $result
}

# Removes from /tmp/changed the files that git would store as they are in HEAD, and those that equal git's
# checkout of HEAD. The two differ if the files in HEAD were stored before the attributes were added.
leave_out_conversions() {
    [ -s /tmp/changed ] || return 0
    pick /tmp/candidates /tmp/changed /tmp/there || refuse unreadable
    changed_paths /tmp/there /tmp/touched || refuse unreadable
    cut -z -c 3- /tmp/touched | sort -z >/tmp/changed
    leave_out_checked_out /workspace
}

# The same with the attributes at the time of the checkout, because the agent may have changed, committed or
# removed them since. Arguments: commits with such attributes; the first twenty are used.
leave_out_former_conversions() {
    : >/tmp/seen
    printf '%s\n' "$head" "$@" | head -n 20 >/tmp/commits
    while [ -s /tmp/changed ] && read -r commit; do
        git ls-tree -r -z "$commit" >/tmp/listed || continue
        grep -zE '^100.*[/[:space:]]\.gitattributes$' /tmp/listed >/tmp/rules.entries
        rules=$(git hash-object --stdin </tmp/rules.entries) || refuse tree
        if [ ! -s /tmp/rules.entries ] || grep -q "$rules" /tmp/seen; then continue; fi
        echo "$rules" >>/tmp/seen
        as_bytes check_out /tmp/rules.entries /tmp/rules /workspace || refuse unreadable
        leave_out_checked_out /tmp/rules
        rm -rf /tmp/rules
    done </tmp/commits
}

# leave_out_checked_out <rules>: removes files that equal a checkout by the .gitattributes in that folder.
leave_out_checked_out() {
    grep -zvE '(^|/)\.gitattributes$' /tmp/changed >/tmp/asked
    if [ -s /tmp/asked ] && is_converted_on_checkout "$1"; then
        only_first /tmp/asked /tmp/submodules >/tmp/asked.files
        pick /tmp/candidates /tmp/asked.files /tmp/there || refuse unreadable
        if check_out /tmp/there /tmp/out "$1" && as_bytes list_checked_out; then
            as_bytes changed_paths /tmp/checked.out /tmp/touched || refuse unreadable
            cut -z -c 3- /tmp/touched | sort -z >/tmp/differ
            only_first /tmp/asked.files /tmp/differ >/tmp/alike
            only_first /tmp/changed /tmp/alike >/tmp/still.changed
            mv /tmp/still.changed /tmp/changed
        fi
        rm -rf /tmp/out
    fi
}

is_converted_on_checkout() (
    [ "$(git config core.autocrlf)" != true ] || exit 0
    export GIT_WORK_TREE="$1" GIT_INDEX_FILE=/tmp/none
    cd "$1" || exit
    git check-attr -z --stdin eol ident working-tree-encoding </tmp/asked >/tmp/attributes || exit
    sed -z 'N;N;s/^.*\x00\([^\x00]*\x00[^\x00]*\)$/\1/' /tmp/attributes | tr '\0' ' ' |
        grep -qE '(^| )(eol crlf|ident set|working-tree-encoding [^u ][^ ]*|working-tree-encoding u[^n][^ ]*) '
)

# check_out <entries> <folder> <rules>: checks out into a new folder, by the .gitattributes in <rules>.
check_out() (
    export GIT_INDEX_FILE=/tmp/look GIT_WORK_TREE="$3"
    seconds=$reading
    rm -f $GIT_INDEX_FILE
    mkdir "$2" && cd "$3" || exit
    git update-index -z --index-info <"$1" && git checkout-index --prefix="$2/" -a -f -q
)

# Writes /tmp/checked.out: entries of the files in /tmp/out, which are those of /tmp/asked.files.
list_checked_out() (
    export GIT_INDEX_FILE=/tmp/look GIT_WORK_TREE=/tmp/out
    seconds=$reading
    rm -f $GIT_INDEX_FILE
    cd /tmp/out && git update-index -z --add --stdin </tmp/asked.files && git ls-files -s -z >/tmp/checked.out
)

# Applies the line-end settings of the agent's own git. They decide which files count as touched, and never how
# files are stored. Fails if there are no such settings.
set_as_theirs() {
    nothing=1
    for config in "$theirs/config" /home/agent/.gitconfig; do
        plain "$config" 1048576 || continue
        git config --file "$config" --no-includes --get core.autocrlf >/tmp/autocrlf || continue
        case $(tr A-Z a-z </tmp/autocrlf) in
        true | yes | on | 1 | '') git config core.autocrlf true ;;
        input) git config core.autocrlf input ;;
        *) break ;;
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

# Writes /tmp/renormalized: untouched files that the agent staged in another form (`git add --renormalize`), if
# the repository's attributes require that form.
find_renormalized() {
    : >/tmp/renormalized
    sort -zmu /tmp/head.entries /tmp/entries.sorted >/tmp/unstaged
    only_first /tmp/theirs.entries /tmp/unstaged | grep -zv '^160000 ' | cut -z -f 2- | sort -zu >/tmp/staged
    sort -zu /tmp/changed /tmp/absent /tmp/large /tmp/submodules >/tmp/decided
    both /tmp/staged /tmp/tracked >/tmp/staged.tracked
    only_first /tmp/staged.tracked /tmp/decided >/tmp/asked
    [ -s /tmp/asked ] || return 0
    [ "$(count </tmp/asked)" -le "$most_files" ] || refuse_many /tmp/asked
    (
        export GIT_INDEX_FILE=/tmp/look
        seconds=$reading
        cp /tmp/index $GIT_INDEX_FILE && git update-index -z --force-remove --stdin </tmp/asked &&
            git update-index -z --add --stdin </tmp/asked && git ls-files -s -z
    ) >/tmp/made || refuse unreadable
    sort -z /tmp/made >/tmp/made.sorted
    both /tmp/made.sorted /tmp/theirs.entries | cut -z -f 2- | sort -z >/tmp/same
    both /tmp/same /tmp/asked >/tmp/renormalized
}
