#!/bin/sh
# The demo agent works without a model, but does the steps of an agent: it reads the request, changes the
# checkout, commits, and reports. If the request contains "fail", it shows the leftovers of a failed run.
set -eu

request=$(sed -n '/^# What is asked$/,/^# /{/^# /d;/./p}' | tr -d '\000-\011\013-\037' | head -c 2000)
title=$(printf '%s\n' "$request" | head -n 1 | cut -c 1-60)
out=/task/out

json() { printf '%s' "$1" | tr '\n' ' ' | sed 's/[\\"]/\\&/g'; }

found=
if [ "${FORGEHAND_RESUME:-}" ]; then
    if [ -f half-done.txt ]; then found=" I found half-done.txt of the last run and finished it."; fi
    if [ -f "$HOME/note.txt" ]; then found="$found My note says: $(cat "$HOME/note.txt")"; fi
fi

echo "I was asked: $title"
case $request in
*fail*)
    echo "I leave a file half done and fail, as I was asked to."
    echo "begun, not finished" >half-done.txt
    echo "run $FORGEHAND_RUN stopped half way." >"$HOME/note.txt"
    printf '{"summary": "I failed on purpose."}\n' >$out/result.json
    exit 3
    ;;
esac

printf -- '- %s\n' "$title" >>NOTES.md
[ ! -f half-done.txt ] || echo "finished" >>half-done.txt
git add --all
git commit --quiet --message "Note: $title"
rm -f "$HOME/note.txt"
summary="I wrote what was asked into NOTES.md.$found"
echo "$summary"
printf '{"summary": "%s", "title": "%s"}\n' "$(json "$summary")" "$(json "Note: $title")" >$out/result.json
