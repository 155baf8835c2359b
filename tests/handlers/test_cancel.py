"""`/cancel`, before a run starts and while it is running."""

from tests.support.commander import Say, begin_run


def test_a_queued_run_is_cancelled_at_once(say: Say) -> None:
    say("/run tidy it")

    reply = say("/cancel")

    assert reply == (
        f"Task `{say.newest()[0].id}` is cancelled; its run had not started. `/resume` queues it again."
    )


def test_the_reply_to_the_cancel_of_a_running_run_confirms_the_stop(say: Say) -> None:
    say("/run tidy it")
    task, run = say.newest()
    with say.ledger.write() as tx:
        begin_run(tx, run)

    reply = say("/cancel")

    assert reply == (
        f"Stopping task `{task.id}`. Nothing is pushed, the workspace is kept, `/resume` continues."
    )
