"""A task's workspace on the real engine, in which a test acts as the agent."""

import uuid
from dataclasses import dataclass, field
from pathlib import Path

from bot.agents.registry import instruction_files
from bot.sandbox.engine.containers import ContainerLimits, ContainerSpec, Engine
from bot.sandbox.workspace import Workspaces
from bot.sandbox.workspace_plan import Prepared, WorkspacePlan
from tests.sandbox.export_source import git

TASK = "t1"
BRANCH = "forgehand/1-tidy"
FILES = {"README.md": "hello\n", "src/main.py": "print(1)\n"}


def commit(bare: Path, files: dict[str, str], *parents: str) -> str:
    """Make a commit of exactly these files in a bare repository; a path has at most one folder."""
    trees: dict[str, list[str]] = {"": []}
    blobs = {text: git(bare, "hash-object", "-w", "--stdin", stdin=text) for text in set(files.values())}
    for name, text in files.items():
        folder, _, leaf = name.rpartition("/")
        trees.setdefault(folder, []).append(f"100644 blob {blobs[text]}\t{leaf}")
    for folder in set(trees) - {""}:
        tree = git(bare, "mktree", stdin="\n".join(trees[folder]) + "\n")
        trees[""].append(f"040000 tree {tree}\t{folder}")
    tree = git(bare, "mktree", stdin="\n".join(trees[""]) + "\n")
    return git(bare, "commit-tree", tree, *(word for parent in parents for word in ("-p", parent)), stdin="c")


@dataclass
class Site:
    """A task's workspace with mirror and quarantine; `agent` runs a script in it as the agent does."""

    data: Path
    engine: Engine
    image: str
    runs: int = 0
    tags: dict[str, str] = field(default_factory=dict)
    places: Workspaces = field(init=False)

    def __post_init__(self) -> None:
        self.places = Workspaces(root=self.data / "workspaces", engine=self.engine, image=self.image)
        for bare in (self.mirror, self.quarantine):
            bare.mkdir(parents=True)
            git(bare, "init", "-q", "--bare")
        self.base = commit(self.mirror, FILES)

    @property
    def mirror(self) -> Path:
        return self.data / "mirrors" / "m.git"

    @property
    def quarantine(self) -> Path:
        return self.data / "quarantine" / "t1.git"

    @property
    def folder(self) -> Path:
        return self.data / "workspaces" / TASK

    def prepare(self, start: str = "", **given: str) -> bool:
        """Prepare the workspace; return whether the session's file is there. `given` as for `prepared`."""
        return self.prepared(start, **given).has_session

    def prepared(
        self,
        start: str = "",
        *,
        before: str = "",
        briefed_by: str = "",
        session_file: str = "",
        **refs: str,
    ) -> Prepared:
        self.runs += 1
        plan = WorkspacePlan(
            task=TASK,
            run=self.runs,
            name=f"forgehand-test-{uuid.uuid4().hex[:12]}",
            mirror=self.mirror,
            quarantine=self.quarantine,
            branch=BRANCH,
            start=start or self.base,
            before=before,
            tags=self.tags,
            refs={f"origin/{name}": oid for name, oid in refs.items()} or {"origin/main": self.base},
            instruction_files=instruction_files(),
            briefed_by=briefed_by,
            session_file=session_file,
        )
        there = self.places.prepare(plan)
        self.places.write_prompt(TASK, self.runs, f"prompt {self.runs}")
        return there

    def agent(self, script: str) -> str:
        name = f"forgehand-test-{uuid.uuid4().hex[:12]}"
        env = {
            "HOME": "/home/agent",
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "safe.directory",
            "GIT_CONFIG_VALUE_0": "/workspace",
            **{f"GIT_{who}_{what}": "agent" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
        }
        sandbox = ContainerSpec(
            name=name,
            image=self.image,
            argv=["sh", "-ec", script],
            env=env,
            mounts=self.places.mounts(TASK, self.runs, self.mirror, self.quarantine),
            limits=ContainerLimits(memory="256m", cpus=1, pids=64, disk=1 << 30),
            labels={},
            log_bytes=1 << 20,
        )
        self.engine.start(sandbox)
        printed = b"".join(self.engine.follow(name, 0)).decode()
        condition = self.engine.condition(name)
        self.engine.remove(name)
        assert condition is not None
        assert condition.exit_status == 0, printed
        return printed.strip()
