"""Taking an agent's work out of its workspace, into the quarantine.

The clone is only ever read by git in a container without network; what comes out
is a stream the host does not trust. It is unpacked into a throw-away repository,
judged there, rewritten, and only what passed is promoted.
"""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
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
from bot.sandbox.export.receive import ExportedResult, Shipment, receive
from bot.sandbox.export.rewrite import Style
from bot.sandbox.export.tree_walk import walk

__all__ = ["ExportPlan", "Exported", "ExportedResult", "Rules", "has", "is_done", "take"]

_INSIDE = Path(__file__).parent.parent / "inside"
_PARTS = ("export_tools.sh", "export_clone.sh", "export_touched.sh", "export.sh")
_SCRIPT = "\n".join((_INSIDE / part).read_text() for part in _PARTS)
_OTHER = "The export container sent something else than HEAD and what lay uncommitted on it."


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportPlan:
    """What an export must know. `name` is the container's and carries task, run and epoch."""

    task: str
    run: str
    name: str
    workspace_mounts: Sequence[Mount]  # workspace, /task, mirror's and quarantine's objects
    mirror: Path
    quarantine: Path
    base_head: str
    checked_head: str  # "" = base_head
    shown: Sequence[str]  # every head the mirror gave this clone
    trusted_head: str  # power is judged from here: last pushed or approved, else merge base with the target
    unchanged_from: str  # last pushed head, else the base
    succeeded: bool  # uncommitted work becomes the last commit; else it goes to refs/wip/<run>
    author: Identity
    co_author: str  # "" or "login <mail>"
    title: str  # message of commits that bring none
    secrets: Sequence[str] = ()  # in no message
    rules: Rules = field(default_factory=Rules)
    restored_paths: Sequence[
        str
    ] = ()  # pathspecs: here the agent changes nothing, and what it did is set back
    # Called until the export is promoted.
    check: interrupt.Check = field(default=interrupt.uninterrupted, compare=False)

    @property
    def start(self) -> str:
        """What the new work must descend from."""
        return self.checked_head or self.base_head

    @property
    def known(self) -> list[str]:
        """Commits the host has, with all that is behind them."""
        return list(dict.fromkeys([self.start, *self.shown]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    head: str  # the new checked head; the old one where nothing is new
    wip: str  # uncommitted work of a run that did not succeed, or ""
    changed: bool  # the tree is not that of `unchanged_from`
    protected_paths: list[str]  # paths, from `trusted_head` on
    commits: int
    files: int  # that differ from `trusted_head`
    result: ExportedResult
    question: str


def is_done(quarantine: Path, run_id: str) -> bool:
    """Whether an export of this run came to its end."""
    return (quarantine / "refs" / "checked" / run_id).exists()


def has(quarantine: Path, mirror: Path, oid: str) -> bool:
    """Whether a commit is in the quarantine, or in the mirror it borrows from."""
    env = Objects(quarantine, (mirror,)).borrowing()
    return run("cat-file", "-e", f"{oid}^{{commit}}", at=quarantine, env=env).status == 0


def take(engine: Engine, image: str, plan: ExportPlan) -> Exported:
    """Export the workspace. Done again after a crash, it ends in the same ids.

    Raises ExportRefused (the work does not pass, for the reader to mend), SandboxFailed,
    EngineUnavailable (worth a retry), and what the plan's check raises: nothing is promoted then.
    """
    make_bare(plan.quarantine)
    # The run is ours alone. A git of the worker before us may still write the very same ids.
    clear_leftovers(plan.quarantine)
    with _incoming(plan) as path:
        objects = Objects(path, (plan.quarantine, plan.mirror), plan.check)
        shipment = _receive(engine, image, plan, objects)
        try:
            exported = _admit(plan, objects, shipment)
            # Last: an export that was given up must not be found done.
            _promote(plan, objects, exported.head, exported.wip)
        except GitFailed as error:
            raise ExportRefused(f"What the workspace holds could not be read: {error}") from error
    return exported


@contextmanager
def _incoming(plan: ExportPlan) -> Iterator[Path]:
    """A repository for this epoch's export only; what earlier ones left is removed."""
    root = plan.quarantine.parent
    for stale in root.glob(f"*-{plan.run}-*.incoming"):
        shutil.rmtree(stale, ignore_errors=True)
    path = root / f"{plan.name}.incoming"
    shutil.rmtree(path, ignore_errors=True)
    make_bare(path)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _receive(engine: Engine, image: str, plan: ExportPlan, objects: Objects) -> Shipment:
    with engine.tool_stream(
        name=plan.name,
        image=image,
        script=_SCRIPT,
        args=[*_limits(plan.rules), *plan.known],
        mounts=[replace(mount, writable=False) for mount in plan.workspace_mounts],
        seconds=plan.rules.seconds,
        check=plan.check,
    ) as stream:
        shipment = receive(stream, objects, plan.rules)
    # Only here: a container that failed is the reason for a pack that is cut short, and was raised first.
    if shipment.unsound:
        raise ExportRefused(f"The new work is not sound: {shipment.unsound}")
    return shipment


def _limits(rules: Rules) -> list[str]:
    """Return the first arguments of the script."""
    return [str(limit) for limit in (rules.blob_bytes, rules.total_bytes, rules.files, rules.folders)]


def _admit(plan: ExportPlan, objects: Objects, shipment: Shipment) -> Exported:
    """Judge what was unpacked, and make it ours."""
    too_large = large(objects, plan.rules)
    with object_reader(objects) as reader:
        judge = _judge(plan, objects, Check(reader, too_large, plan.rules), shipment.result.title)
        tips = [shipment.head, shipment.snapshot]
        commits = read_commits(objects, reader, tips, plan.known, plan.rules.commits + 1)
        left = _uncommitted(objects, shipment, commits)
        tip = shipment.head
        if left and plan.succeeded:
            commits, tip, left = [*commits, left], left.id, None
        head, count = judge.head(tip, commits)
        wip = judge.wip(left, head) if left else ""
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
    )


def _judge(plan: ExportPlan, objects: Objects, check: Check, title: str) -> Admission:
    style = Style(
        author=plan.author, co_author=plan.co_author, title=title or plan.title, secrets=plan.secrets
    )
    return Admission(
        objects=objects,
        check=check,
        style=style,
        start=plan.start,
        known=plan.known,
        restored_paths=plan.restored_paths,
    )


def _uncommitted(objects: Objects, shipment: Shipment, commits: list[Commit]) -> Commit | None:
    """Take the snapshot from the end of `commits`, where there is one."""
    # Filters of the clone run in the container, and can write what we read of it.
    if objects.git("cat-file", "-t", shipment.head) != b"commit\n":
        raise ExportRefused(_OTHER)
    if shipment.snapshot == shipment.head:
        return None
    if not commits or commits[-1].id != shipment.snapshot or commits[-1].parents != (shipment.head,):
        raise ExportRefused(_OTHER)
    return commits.pop()


def _promote(plan: ExportPlan, objects: Objects, head: str, wip: str) -> None:
    """Copy what head and wip need into the quarantine: what they do not reach was not checked."""
    tips = [tip for tip in (head, wip) if tip and tip != plan.start]
    if tips:
        wanted = "\n".join([*tips, *(f"^{oid}" for oid in plan.known), ""])
        pack = plan.quarantine / "objects" / "pack" / "pack"
        args = ("--revs", "--delta-base-offset", "--non-empty", "--quiet", str(pack))
        env, stdin = {**objects.borrowing(), **streaming()}, wanted.encode()
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
