"""The export of an agent's work from its workspace into the quarantine.

Only git in a container without network reads the clone. Its output is a stream that the
host does not trust: it is unpacked into a temporary repository, checked and rewritten
there, and only admitted objects are copied into the quarantine.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from bot.domain import interrupt
from bot.domain.errors import ExportRefused, GitFailed
from bot.domain.task import Identity
from bot.git.bare_repository import clear_leftovers, make_bare
from bot.git.history import Commit, read_commits, trees
from bot.git.large_files import streaming
from bot.git.object_reader import object_reader
from bot.git.run import LIMITS, Objects, git, run
from bot.sandbox.engine.containers import Engine, Mount
from bot.sandbox.export.admission import Admission
from bot.sandbox.export.change_summary import summary
from bot.sandbox.export.checks import Check, Rules, large
from bot.sandbox.export.incoming import incoming
from bot.sandbox.export.receive import ExportedResult, Shipment, receive
from bot.sandbox.export.rewrite import Style
from bot.sandbox.export.tree_walk import walk
from bot.sandbox.export.unexported import UnexportedFolder

__all__ = ["ExportPlan", "Exported", "ExportedResult", "Rules", "export_work", "has", "is_done"]

_INSIDE = Path(__file__).parent.parent / "inside"
_PARTS = ("export_tools.sh", "export_clone.sh", "export_touched.sh", "export.sh")
_SCRIPT = "\n".join((_INSIDE / part).read_text() for part in _PARTS)
_OTHER = "The export container sent objects other than HEAD and the uncommitted work on it."


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportPlan:
    """The input of an export. `name` is the container's, with task, run and epoch."""

    task: str
    run: str
    name: str
    workspace_mounts: Sequence[Mount]  # workspace, /task, mirror's and quarantine's objects
    uid: int | None = None  # user id of the workspace; None = the engine's default one
    mirror: Path
    quarantine: Path
    base_head: str
    checked_head: str  # "" = base_head
    shown: Sequence[str]  # all commits for which the clone ever had refs from the mirror
    trusted_head: str  # base for protected paths: last pushed or approved head, else merge base with target
    unchanged_from: str  # last pushed head, else the base
    # Commit that the work must contain if the agent succeeded, and on which it becomes one commit; "" = none.
    onto: str = ""
    succeeded: bool  # then uncommitted work becomes the last commit, else refs/wip/<run>
    author: Identity
    co_author: str  # "" or "login <mail>"
    signoff: bool = False  # add `Signed-off-by` of the author
    title: str  # message for commits without one
    secrets: Sequence[str] = ()  # removed from messages
    rules: Rules = field(default_factory=Rules)
    restored_paths: Sequence[str] = ()  # pathspecs: the agent's changes to these paths are undone
    # Called until the export is promoted.
    check: interrupt.Check = field(default=interrupt.uninterrupted, compare=False)

    @property
    def start(self) -> str:
        """Commit from which the new work must descend."""
        return self.checked_head or self.base_head

    @property
    def known(self) -> list[str]:
        """Commits that the host has, with all their ancestors."""
        first = [self.onto] if self.onto and self.succeeded else []
        return list(dict.fromkeys([*first, self.start, *self.shown]))

    def style(self, title: str = "") -> Style:
        """Return the parts of every commit; `title` is the agent's own, for commits without a message."""
        return Style(
            author=self.author,
            co_author=self.co_author,
            title=title or self.title,
            secrets=self.secrets,
            signoff=self.signoff,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """The result of an export."""

    head: str  # the new checked head; the old one if nothing is new
    wip: str  # uncommitted work of a run that did not succeed, or ""
    changed: bool  # the tree differs from that of `unchanged_from`
    protected_paths: list[str]  # changed since `trusted_head`
    commits: int
    files: int  # changed since `trusted_head`
    result: ExportedResult
    question: str
    unexported: Sequence[UnexportedFolder]  # folders whose content stays in the workspace


def is_done(quarantine: Path, run_id: str) -> bool:
    """Report whether an export of this run was completed."""
    return (quarantine / "refs" / "checked" / run_id).exists()


def has(quarantine: Path, mirror: Path, oid: str) -> bool:
    """Report whether a commit is in the quarantine or in the mirror."""
    env = Objects(quarantine, (mirror,)).borrowing()
    return run("cat-file", "-e", f"{oid}^{{commit}}", at=quarantine, env=env).status == 0


def export_work(engine: Engine, image: str, plan: ExportPlan) -> Exported:
    """Export the workspace. A repetition after a crash gives the same ids.

    Raises ExportRefused (a user must fix the work), SandboxFailed, EngineUnavailable (worth a retry), and
    the exceptions of the plan's check. After an exception nothing is in the quarantine.
    """
    make_bare(plan.quarantine)
    # Only this worker has the run. A git process of an earlier worker could only write the same ids.
    clear_leftovers(plan.quarantine)
    with incoming(plan.quarantine.parent, plan.run, plan.name) as path:
        objects = Objects(path, (plan.quarantine, plan.mirror), plan.check)
        shipment = _receive(engine, image, plan, objects)
        try:
            exported = _admit(plan, objects, shipment)
            # The last step: an interrupted export must not look completed.
            _promote(plan, objects, exported.head, exported.wip)
        except GitFailed as error:
            raise ExportRefused(f"The work in the workspace could not be read: {error}") from error
    return exported


def _receive(engine: Engine, image: str, plan: ExportPlan, objects: Objects) -> Shipment:
    with engine.tool_stream(
        name=plan.name,
        image=image,
        script=_SCRIPT,
        args=[*_limits(plan.rules), *plan.known],
        mounts=[replace(mount, writable=False) for mount in plan.workspace_mounts],
        seconds=plan.rules.seconds,
        uid=plan.uid,
        check=plan.check,
    ) as stream:
        shipment = receive(stream, objects, plan.rules)
    # Only after the block: if the container failed, the block raises its error, which explains a short pack.
    if shipment.unsound:
        raise ExportRefused(f"The new work is invalid: {shipment.unsound}")
    return shipment


def _limits(rules: Rules) -> list[str]:
    """Return the first arguments of the script."""
    return [str(limit) for limit in (rules.blob_bytes, rules.total_bytes, rules.files, rules.folders)]


def _admit(plan: ExportPlan, objects: Objects, shipment: Shipment) -> Exported:
    """Check the unpacked objects and rewrite the commits. Raises ExportRefused, GitFailed."""
    too_large = large(objects, plan.rules)
    with object_reader(objects) as reader:
        admission = _admission(plan, objects, Check(reader, too_large, plan.rules), shipment)
        tips = [shipment.head, shipment.snapshot]
        commits = read_commits(objects, reader, tips, plan.known, plan.rules.commits + 1)
        uncommitted = _uncommitted(objects, shipment, commits)
        tip = shipment.head
        if uncommitted and plan.succeeded:
            commits, tip, uncommitted = [*commits, uncommitted], uncommitted.id, None
        head, count = admission.head(tip, commits)
        wip = admission.wip(uncommitted, head) if uncommitted else ""
        changes = summary(walk(reader, head, [plan.trusted_head]), plan.rules)
    return Exported(
        head=head,
        wip=wip,
        changed=len(set(trees(objects, head, plan.unchanged_from))) > 1,
        protected_paths=changes.protected_paths,
        commits=count,
        files=changes.files,
        result=shipment.result,
        question=shipment.question,
        unexported=shipment.unexported,
    )


def _admission(plan: ExportPlan, objects: Objects, check: Check, shipment: Shipment) -> Admission:
    # A question may be how to merge that commit.
    onto = plan.onto if plan.succeeded and not shipment.question else ""
    # A commit of a repository within the workspace is nowhere else, so no commit may name it.
    unexported = [folder.pathspec for folder in shipment.unexported]
    return Admission(
        objects=objects,
        check=check,
        style=plan.style(shipment.result.title),
        start=onto or plan.start,
        flat=bool(onto),
        known=plan.known,
        restored_paths=[*plan.restored_paths, *unexported],
    )


def _uncommitted(objects: Objects, shipment: Shipment, commits: list[Commit]) -> Commit | None:
    """Remove the snapshot from the end of `commits` and return it; None if there is none."""
    # Filters of the clone run in the container and can forge its output.
    if objects.git("cat-file", "-t", shipment.head) != b"commit\n":
        raise ExportRefused(_OTHER)
    if shipment.snapshot == shipment.head:
        return None
    if not commits or commits[-1].id != shipment.snapshot or commits[-1].parents != (shipment.head,):
        raise ExportRefused(_OTHER)
    return commits.pop()


def _promote(plan: ExportPlan, objects: Objects, head: str, wip: str) -> None:
    """Copy the objects that head and wip need into the quarantine; unreachable ones were not checked."""
    tips = [tip for tip in (head, wip) if tip and tip != plan.start]
    if tips:
        revisions = "\n".join([*tips, *(f"^{oid}" for oid in plan.known), ""])
        pack = plan.quarantine / "objects" / "pack" / "pack"
        args = ("--revs", "--delta-base-offset", "--non-empty", "--quiet", str(pack))
        env, stdin = {**objects.borrowing(), **streaming()}, revisions.encode()
        git(
            "pack-objects",
            *args,
            at=objects.path,
            env=env,
            stdin=stdin,
            seconds=120,
            limits=LIMITS,
            check=plan.check,
        )
    refs = [f"update refs/checked/{plan.run} {head}\n"]
    if wip:
        refs.append(f"update refs/wip/{plan.run} {wip}\n")
    Objects(plan.quarantine, (plan.mirror,)).git("update-ref", "--stdin", stdin="".join(refs).encode())
