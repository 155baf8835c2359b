"""What a person may say to the bot, one file each."""

from bot.commands.router import Router
from handlers import approve, cancel, diff, discard, help, keep, resume, retry, run, status

router = Router(
    run.router,
    resume.router,
    retry.router,
    cancel.router,
    approve.router,
    diff.router,
    keep.router,
    discard.router,
    status.router,
    help.router,
)
