"""Every way a task can go wrong that the person who asked should hear about.

`BotError` carries a sentence fit to post as a comment. Anything else that
escapes is a bug: it is logged with its traceback, and the thread is told only
that something broke and which number to quote.
"""


class BotError(Exception):
    """Something we expected might happen, worded for the person who reads it."""


class NotUnderstood(BotError):
    """The comment addressed the bot but is not a command it knows."""


class NotAllowed(BotError):
    """The person may not give this command in this repository."""


class NotPossible(BotError):
    """The command is fine, but not while the task is in its present state."""


class BadSettings(BotError):
    """The configuration cannot work. An operator must change it."""


class LeaseLost(BotError):
    """Another worker has taken this run over: stop, and touch nothing more."""


class ForgeError(BotError):
    """The forge refused or failed. The library's own error is `__cause__`."""


class ForgeUnavailable(ForgeError):
    """The forge did not answer, or asked us to slow down. Worth a retry.

    `retry_after` is in seconds; None where the forge named no time.
    """

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ForgeGone(ForgeError):
    """What we spoke about is not there any more, or closed to us (404, 410, locked, archived)."""


class GitFailed(BotError):
    """A git command on the host ended badly. The message carries no credential and no file content."""


class RemoteMissing(GitFailed):
    """The remote repository answers that it does not exist (or hides itself from this token)."""


class RemoteUnavailable(GitFailed):
    """The remote did not answer this time. Worth a retry."""


class PushRejected(GitFailed):
    """The remote refused the push. Nothing was changed there. `moved`: somebody else pushed to the branch."""

    def __init__(self, message: str, *, moved: bool = False) -> None:
        super().__init__(message)
        self.moved = moved


class LedgerUnavailable(Exception):
    """The ledger is away, or has thrown us out: worth another try. No person on a thread can help with it."""


class EngineUnavailable(BotError):
    """The container engine did not answer. Worth a retry."""


class SandboxFailed(BotError):
    """A container of ours ended in a way it should not."""


class ExportRefused(BotError):
    """What the workspace holds did not pass the checks; nothing of it was taken."""


class DiskFull(BotError):
    """Nothing more can be written on the machine the bot is on."""

    def __init__(self) -> None:
        super().__init__(
            "The disk of the machine the bot runs on is full. Somebody with access to it must make room "
            "(`forgehand workspaces ls`, `forgehand workspaces rm`)."
        )
