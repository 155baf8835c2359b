# Takes the agent's work out of /workspace: its commits, and as one more commit every path that was touched
# and not committed, and no other. Runs in the tools container. Everything in /workspace may lie, fail or
# hang: of the clone's .git this script reads HEAD, refs, objects, the names in the index and info/exclude, and
# never works by its configuration, so nothing in the workspace chooses a program, a filter or a path. The rest
# happens in a repository of our own in /tmp, whose size is limited. The clone is not changed.
#
# Arguments: the most bytes of one file, the most bytes of all changed files, the most changed files, the most
# folders in a path, then commits the host has, whose objects need not come along; the first of these is the
# one the new work must descend from.
# Stdout: "<HEAD>\n<snapshot>\n<%010d bytes of result>\n<%010d bytes of question>\n", the two files, a thin
# pack. Or a refusal: "!<code>\n<complaint of git>\0<path>", see refusals.py.
#
# It is put together of export_tools.sh, export_clone.sh, export_touched.sh and this file, in this order.

# Sets `now` to the tree of HEAD with all that was touched.
build_tree() {
    { only_first /tmp/absent /tmp/skipped && cat /tmp/untracked.now; } | sort -zu >/tmp/gone
    sort -zu /tmp/changed /tmp/new /tmp/renormalized >/tmp/wanted
    weigh
    # What git stores of line ends may depend on the entry that is there.
    sort -zu /tmp/gone /tmp/renormalized >/tmp/removed
    sed -z 's/^/0 0000000000000000000000000000000000000000\t/' /tmp/removed | cat /tmp/moved - >/tmp/updates
    git update-index -z --index-info </tmp/updates || refuse unreadable
    (seconds=$reading && git update-index -z --add --replace --stdin </tmp/wanted) || refuse unreadable
    # Of names that it keeps for itself git only says that it ignores them.
    list_tracked
    only_first /tmp/wanted /tmp/tracked >/tmp/refused
    refuse_if_any name /tmp/refused
    now=$(git write-tree) || refuse objects
}

# commit_of <tree> <parent> <date>: the same arguments make the same commit.
commit_of() (
    export GIT_AUTHOR_NAME=agent GIT_AUTHOR_EMAIL=agent@localhost GIT_AUTHOR_DATE="@$3 +0000" \
        GIT_COMMITTER_NAME=agent GIT_COMMITTER_EMAIL=agent@localhost GIT_COMMITTER_DATE="@$3 +0000"
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
    git rev-list --objects-edge --stdin >/tmp/list <<-END || explain_missing "$@"
	$head
	$snapshot
	$(printf '^%s\n' "$@")
	END
    sed -n '/^[^-]/s/ .*//p' /tmp/list >/tmp/ids
    git cat-file --batch-check='%(objectsize) %(objecttype) %(objectname)' </tmp/ids >/tmp/objects ||
        refuse objects
    ! grep -q ' missing$' /tmp/objects || refuse objects
    grep ' blob ' /tmp/objects | sort -rn | while read -r size _ id; do
        [ "$size" -gt "$most_bytes" ] || break
        echo "blob $id"
    done >/tmp/large.objects
}

# What the host says that it has must be there; what else is missing the agent has lost.
explain_missing() {
    for each in "$@"; do git cat-file -e "$each^{commit}" || fail; done
    refuse objects
}

# A file that is too large: refused if it is in the end result. If only commits in between have it, HEAD goes
# as one commit.
leave_large_behind() {
    [ -s /tmp/large.objects ] || return 0
    for each in "$head" "$snapshot"; do
        git ls-tree -r -z "$each" >/tmp/listed || refuse objects
        grep -zF -f /tmp/large.objects /tmp/listed | cut -z -f 2- >/tmp/refused
        refuse_if_any large /tmp/refused
    done
    if [ "$tree" = "$(git rev-parse "$start^{tree}")" ]; then
        head=$start
    else
        # The date is the agent's too, and may be none.
        date=$(git log -1 --format=%at "$head" | grep -xE '[0-9]{1,10}') || date=0
        head=$(commit_of "$tree" "$start" "$date") || refuse objects
    fi
    take_snapshot
    list_objects "$@"
}

cd /workspace || refuse gone
find_clone
look_around
open_ours
read_head
read_their_index
look_into_submodules
find_touched "$@"
find_renormalized
find_new
build_tree
take_snapshot
list_objects "$@"
leave_large_behind "$@"
# An object that is broken must be told before the first byte of the pack.
(seconds=$reading && git cat-file --batch --buffer </tmp/ids) || refuse objects
[ ! -e /tmp/failed ] || refuse room

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
