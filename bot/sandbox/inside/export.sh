# Exports the agent's work from /workspace: its commits, and one more commit with exactly the paths that were
# touched and not committed. Runs in the tools container. Any file in /workspace may be false, fail or hang.
# So this script reads only HEAD, refs, objects, the names in the index and info/exclude of the clone's .git. It
# does not use the clone's configuration, so no file in the workspace can select a program, a filter or a path.
# All other work is done in a repository of our own in /tmp, whose size is limited. The clone is not changed.
#
# Arguments: maximum bytes of one file, maximum bytes of all changed files, maximum number of changed files,
# maximum folders in a path, then commits that the host has, whose objects are not sent. The new work must
# descend from the first of these commits.
# Stdout: "<HEAD>\n<snapshot>\n<%010d bytes of result>\n<%010d bytes of question>\n<%010d bytes of folders>\n", these
# three files, a thin pack. The last one has "<kind> <files> <path>\0" for each folder that stays behind, with
# kind "submodule" or "repository". Or a refusal: "!<code>\n<error message of git>\0<path>", see refusals.py.
#
# The script consists of export_tools.sh, export_clone.sh, export_touched.sh and this file, in this order.

# Sets `now` to the tree of HEAD with all touched paths.
build_tree() {
    { only_first /tmp/absent /tmp/skipped && cat /tmp/untracked.now; } | sort -zu >/tmp/gone
    sort -zu /tmp/changed /tmp/new /tmp/renormalized >/tmp/found
    only_first /tmp/found /tmp/unexported.sorted >/tmp/wanted
    weigh
    # How git stores line ends may depend on the existing entry, so it is removed first.
    sort -zu /tmp/gone /tmp/renormalized >/tmp/removed
    sed -z 's/^/0 0000000000000000000000000000000000000000\t/' /tmp/removed | cat /tmp/moved - >/tmp/updates
    git update-index -z --index-info </tmp/updates || refuse unreadable
    (seconds=$reading && git update-index -z --add --replace --stdin </tmp/wanted) || refuse unreadable
    # git only warns that it ignores a reserved name.
    list_tracked
    only_first /tmp/wanted /tmp/tracked >/tmp/refused
    refuse_if_any name /tmp/refused
    now=$(git write-tree) || refuse objects
}

# commit_of <tree> <parent> <date>: writes a commit; the same arguments give the same id.
commit_of() (
    export GIT_AUTHOR_NAME=agent GIT_AUTHOR_EMAIL=agent@localhost GIT_AUTHOR_DATE="@$3 +0000" \
        GIT_COMMITTER_NAME=agent GIT_COMMITTER_EMAIL=agent@localhost GIT_COMMITTER_DATE="@$3 +0000"
    git commit-tree "$1" -p "$2" </dev/null
)

# Sets `snapshot` to HEAD, or to a commit on HEAD with the uncommitted work.
take_snapshot() {
    snapshot=$head
    if [ "$now" != "$tree" ]; then
        # The start of the run, so that a repeated export gives the same ids.
        date=$(stat -c %Y /task/prompt.md) || date=$(git log -1 --format=%ct "$head")
        snapshot=$(commit_of "$now" "$head" "$date") || refuse unreadable
    fi
}

# list_objects <known>...: lists the objects for the pack, and in /tmp/large.objects those that are too large.
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

# Fails if a commit that the host has is missing. If any other object is missing, the agent has lost it.
explain_missing() {
    for each in "$@"; do git cat-file -e "$each^{commit}" || fail; done
    refuse objects
}

# Refuses a file that is too large if it is in the final tree. If only earlier commits have it, the work is
# exported as one commit.
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
        # The agent sets the date, so it may be invalid.
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
look_into_submodules "$@"
find_touched "$@"
find_renormalized
find_new
describe_unexported
build_tree
take_snapshot
list_objects "$@"
leave_large_behind "$@"
# A damaged object must be found before the first byte of the pack is sent.
(seconds=$reading && git cat-file --batch --buffer </tmp/ids) || refuse objects
[ ! -e /tmp/failed ] || refuse room
exit_if_killed

for name in result.json question.md; do
    : >"/tmp/$name"
    if plain "/task/out/$name" 9223372036854775807; then
        head -c 65536 "/task/out/$name" >"/tmp/$name"
    fi
done
head -c 65536 /tmp/unexported >/tmp/unexported.sent
printf '%s\n%s\n' "$head" "$snapshot" >&3
for name in result.json question.md unexported.sent; do printf '%010d\n' "$(stat -c %s /tmp/$name)"; done >&3
cat /tmp/result.json /tmp/question.md /tmp/unexported.sent >&3
seconds=$reading
git pack-objects --stdout --delta-base-offset -q </tmp/list >&3 || fail
