"""The commands of the bot, one file each.

Imports: domain, text, reports, tasks, commands.
"""

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
