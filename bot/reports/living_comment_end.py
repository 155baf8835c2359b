"""The end of the comment that was edited while a run went on.

The final comment is a new one, because edits notify nobody. Once it is stored, the living comment says
nothing more, so it is deleted. If people have answered it, it becomes one line that links the final comment.
"""

from bot.domain.errors import ForgeError, ForgeUnavailable
from bot.domain.thread import ReplyTarget, Thread
from bot.reports import twins
from bot.reports.outbox_messages import ProgressMessage
from bot.reports.publisher import Publisher, marker_of
from bot.reports.row_comment import comment, posted
from bot.store import outbox
from bot.store.ledger import Ledger
from bot.store.outbox import Item, Outgoing


def end(
    ledger: Ledger, publisher: Publisher, thread: Thread, item: Item, message: ProgressMessage
) -> int | None:
    """Delete the comment of a run that has ended, or make it one line. Return its id; None if there is none.

    Without a final comment, which the forge may have refused, the line is all that people get.
    """
    target = twins.reply_target(ledger, item)
    with ledger.read() as tx:
        final = next((row.remote_id for row in outbox.of_subject(tx, item.subject, Outgoing.FINAL)), None)
    if final is None:
        return comment(publisher, thread, item, message.text, target)
    living = posted(publisher, thread, item, target)
    if living is None or _deleted(publisher, thread, living, target):
        return living
    text = f"{message.text} [See the result]({_address(publisher, thread, final, target)})."
    publisher.edit_comment(thread, living, text, marker_of(item.kind, item.subject), target)
    return living


def _deleted(publisher: Publisher, thread: Thread, living: int, target: ReplyTarget) -> bool:
    """Delete the comment. Return False if people have answered it, or if the forge refuses that."""
    forge = publisher.forge
    try:
        if forge.is_answered(thread, living, target):
            return False
        forge.delete_comment(thread, living, target)
    except ForgeUnavailable:
        raise
    except ForgeError:
        return False
    return True


def _address(publisher: Publisher, thread: Thread, comment_id: int, target: ReplyTarget) -> str:
    pages = publisher.forge.pages(thread)
    return (pages.line_comment_page if target.discussion else pages.comment_page).format(id=comment_id)
