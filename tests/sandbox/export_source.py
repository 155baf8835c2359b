"""A remote, its mirror, and a clone in which a test acts as the agent."""

import os
import subprocess
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bot.domain.task import Identity
from bot.git.bare_repository import make_bare
from bot.git.fetch import fetch
from bot.git.mirror import Mirror
from bot.sandbox.engine.containers import Engine, Mount
from bot.sandbox.export.workspace_export import Exported, ExportPlan, export_work

PERSON = {"NAME": "Ann", "EMAIL": "ann@example.org", "DATE": "1700000000 +0100"}


def git(at: Path, *args: str, env: Mapping[str, str] | None = None, stdin: str = "") -> str:
    """Run git as a person, without the settings of this machine."""
    person = {f"GIT_{who}_{what}": text for who in ("AUTHOR", "COMMITTER") for what, text in PERSON.items()}
    closed = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "GIT_CONFIG_GLOBAL": "/dev/null"}
    done = subprocess.run(
        ["git", "-c", "init.defaultBranch=main", "-c", "gc.auto=0", "-C", str(at), *args],
        env={**closed, "GIT_CONFIG_NOSYSTEM": "1", **person, **(env or {})},
        input=stdin.encode(errors="surrogateescape"),
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode().strip()


def commit(
    at: Path, files: Mapping[str, str], message: str = "Work", env: Mapping[str, str] | None = None
) -> str:
    for name, content in files.items():
        path = at / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    git(at, "add", "-A", env=env)
    git(at, "commit", "--allow-empty", "-q", "-m", message, env=env)
    return git(at, "rev-parse", "HEAD", env=env)


@dataclass
class Site:
    """All files that an export needs, in one folder; `repo` is the clone."""

    root: Path
    engine: Engine
    image: str
    base: str = ""
    checked: str = ""
    runs: int = 0
    shown: list[str] = field(default_factory=list)
    name: str = field(
        default_factory=lambda: uuid.uuid4().hex
    )  # names of folders repeat between test workers

    def __post_init__(self) -> None:
        self.upstream.mkdir()
        git(self.upstream, "init", "-q")
        self.base = commit(self.upstream, {"README.md": "hello\n", "src/main.py": "print(1)\n"}, "First")
        self.mirror = self.fetch()
        make_bare(self.quarantine)
        self.repo.mkdir()
        git(self.repo, "init", "-q")
        alternates = self.repo / ".git/objects/info/alternates"
        alternates.write_text("/mirror/objects\n/quarantine/objects\n")
        self.show(self.base)
        git(self.repo, "reset", "-q", "--hard", self.base, env=self.env)
        self.out.mkdir(parents=True)
        (self.out.parent / "prompt.md").write_text("do it")

    @property
    def upstream(self) -> Path:
        return self.root / "upstream"

    @property
    def repo(self) -> Path:
        return self.root / "repo"

    @property
    def out(self) -> Path:
        return self.root / "task" / "out"

    @property
    def quarantine(self) -> Path:
        return self.root / "quarantine" / "t1.git"

    @property
    def env(self) -> dict[str, str]:
        paths = [str(path / "objects") for path in (self.mirror.path, self.quarantine)]
        return {"GIT_ALTERNATE_OBJECT_DIRECTORIES": ":".join(paths)}

    def fetch(self) -> Mirror:
        return fetch(Mirror(self.root / "mirrors" / "up.git"), str(self.upstream), {})

    def show(self, oid: str) -> None:
        self.shown.append(oid)

    def git(self, *args: str, stdin: str = "") -> str:
        return git(self.repo, *args, env=self.env, stdin=stdin)

    def commit(self, files: Mapping[str, str], message: str = "Work") -> str:
        return commit(self.repo, files, message, env=self.env)

    def plan(self) -> ExportPlan:
        return ExportPlan(
            task="t1",
            run=f"t1-{self.runs}",
            name=f"forgehand-{self.name}-t1-{self.runs}-1-export",
            workspace_mounts=[
                Mount(source=self.repo, target="/workspace", writable=True),
                Mount(source=self.mirror.path / "objects", target="/mirror/objects"),
                Mount(source=self.quarantine / "objects", target="/quarantine/objects"),
                Mount(source=self.out.parent, target="/task"),
            ],
            mirror=self.mirror.path,
            quarantine=self.quarantine,
            base_head=self.base,
            checked_head=self.checked,
            shown=self.shown,
            trusted_head=self.base,
            unchanged_from=self.base,
            succeeded=True,
            author=Identity("Forgehand", "bot@example.org"),
            co_author="ann <1+ann@users.noreply.example.org>",
            title="Tidy the parser",
        )

    def take(self, **changes: Any) -> Exported:
        return export_work(self.engine, self.image, replace(self.plan(), **changes))

    def next_run(self, exported: Exported) -> None:
        """Move the clone to the checked head without a change of its files, like the next run."""
        self.checked, self.runs = exported.head, self.runs + 1
        self.git("reset", "-q", exported.head)

    def see(self, *args: str) -> str:
        """Run git in the quarantine."""
        mirror = {"GIT_ALTERNATE_OBJECT_DIRECTORIES": str(self.mirror.path / "objects")}
        return git(self.quarantine, *args, env=mirror)
