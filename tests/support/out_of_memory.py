"""A script that needs more memory than its container may have."""

# A process that is killed for its memory goes unnoticed if its container ends at once, because the engine
# removes what it watches: on a busy machine, 2 of 252 times. So the script ends a second later.
GREEDY = "tail /dev/zero || { status=$?; sleep 1; exit $status; }"
