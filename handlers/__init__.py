"""What a person may say to the bot, one file each."""

from bot.router import Router
from handlers import approve, cancel, help, resume, run, status

router = Router(run.router, resume.router, cancel.router, approve.router, status.router, help.router)
