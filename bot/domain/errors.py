"""The errors that the bot expects.

The message of a `BotError` is a sentence for the person who gave the command: it may be posted as a
comment. Any other error is a bug. It is logged with its traceback, and the thread gets only the number
of an incident.
"""


class BotError(Exception):
    """An expected error, whose message is written for the person who reads it."""


class NotUnderstood(BotError):
    """The comment is for the bot, but it is not a command that the bot knows."""


class NotAllowed(BotError):
    """The person may not give this command in this repository."""


class NotPossible(BotError):
    """The command is valid, but the task's present state does not allow it."""


class BadSettings(BotError):
    """The settings cannot work. The operator must change them."""


class NoLedger(BotError):
    """There is no ledger yet, and a command that only reads makes none."""


class LeaseLost(BotError):
    """Another worker has taken over this run. This one must stop and change nothing more."""


class ForgeError(BotError):
    """The forge refused the request, or failed. `__cause__` is the library's error."""


class ForgeUnavailable(ForgeError):
    """The forge did not answer, or it limits our requests. A retry may succeed.

    `retry_after` is in seconds; None if the forge did not name a time.
    """

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ForgeUnrecognized(ForgeUnavailable):
    """The response is not the forge's: it comes from a proxy, from another API, or from a wrong address.

    A proxy answers so for a forge that restarts, so a retry may succeed. At a start, it is an error of the
    settings.
    """


class ForgeGone(ForgeError):
    """The thread or repository does not exist any more, or refuses the bot (404, 410, locked, archived)."""


class GitFailed(BotError):
    """A git command on the host failed. The message contains no credentials and no file content."""


class BranchMissing(GitFailed):
    """The branch that the work is for does not exist, so that the same command fails again."""


class RemoteMissing(GitFailed):
    """The remote says that the repository does not exist. It says the same if the token may not see it."""


class RemoteUnavailable(GitFailed):
    """The remote did not answer. A retry may succeed."""


class PushRejected(GitFailed):
    """The remote refused the push and changed nothing. `moved`: somebody else has pushed to the branch."""

    def __init__(self, message: str, *, moved: bool = False) -> None:
        super().__init__(message)
        self.moved = moved


class ChangeEnded(PushRejected):
    """The change of the branch was merged or closed, so nobody would see a push to that branch."""


class WorkflowsRefused(PushRejected):
    """GitHub refused workflow files that differ from those of the default branch, for want of a permission.

    `merge` is the branch whose merge makes the push possible; "" = none, the permission is necessary.
    """

    def __init__(self, message: str, *, merge: str = "") -> None:
        super().__init__(message)
        self.merge = merge


class LedgerUnavailable(Exception):
    """The ledger does not answer, or closed the connection. A retry may succeed.

    Not a BotError, because nobody on a thread can do anything about it.
    """


class EngineUnavailable(BotError):
    """The container engine did not answer. A retry may succeed."""


class ProcessKilled(BotError):
    """A signal from outside the bot ended a git process or a helper container. A retry may succeed.

    `process` names it in the sentence, for example "`git fetch`".
    """

    def __init__(self, process: str) -> None:
        super().__init__(
            f"Something on the machine that the bot runs on killed {process}, for instance because the "
            "machine was short of memory. This is not a fault of the agent or its work. An operator can find "
            "the cause in the log of that machine."
        )


class SandboxFailed(BotError):
    """A helper container failed."""


class ExportRefused(BotError):
    """The content of the workspace did not pass the checks of the export. Nothing was exported."""


class NotMerged(ExportRefused):
    """The work does not contain a commit of the target branch that its new branch begins at."""

    def __init__(self, commit: str) -> None:
        super().__init__(
            f"The work does not contain commit `{commit[:10]}` of the target branch, with which it conflicts."
        )


class DiskFull(BotError):
    """The disk of the bot's machine is full, or has too little space for a run: `shortage` says so."""

    def __init__(self, shortage: str = "The disk of the machine that the bot runs on is full.") -> None:
        super().__init__(
            f"{shortage} An operator must free some space (`forgehand workspaces ls`, "
            "`forgehand workspaces rm`)."
        )
