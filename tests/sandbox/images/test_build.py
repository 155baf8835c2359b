"""Builds of images. The two large ones are built only with --long: they need minutes and the network."""

import subprocess
import sys
import uuid
import zipfile
from pathlib import Path

import pytest

from bot.domain.errors import BadSettings
from bot.sandbox.engine.containers import Engine
from bot.sandbox.images import build

ROOT = Path(__file__).parents[3]


def output_in(engine: Engine, image: str, script: str) -> str:
    name = f"forgehand-test-{uuid.uuid4().hex[:12]}"
    return engine.tool(name=name, image=image, script=script, args=[], mounts=[], seconds=60).decode().strip()


def test_the_small_image_has_all_programs_for_tools_and_agents(engine: Engine, image: str) -> None:
    script = """
        cd /tmp && git init -q x && cd x && git -c user.name=a -c user.email=b commit -q --allow-empty -m x
        git gc -q && git log --format=%s && python3 -c 'import json, ssl, sqlite3, subprocess; print("py")'
        id -un; test -x /usr/local/bin/forgehand-demo-agent && echo demo"""

    assert output_in(engine, image, script).split() == ["x", "py", "agent", "demo"]


def test_an_existing_image_is_not_built_again(image: str) -> None:
    printed: list[str] = []
    # Another checkout may have built its own image with the same name meanwhile.
    build.build("", which=["small"], base="", say=lambda _line: None)

    made = build.build("", which=["small"], base="", say=printed.append)

    assert list(made) == [image]
    assert made[image].startswith("sha256:")
    assert printed == []


def test_a_missing_base_image_is_named(image: str) -> None:
    with pytest.raises(BadSettings, match="forgehand-none"):
        build.build("", which=["tools"], base="forgehand-none.invalid/x", say=lambda line: None)


@pytest.mark.waits
def test_an_installed_package_contains_the_dockerfiles(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )

    (wheel,) = tmp_path.iterdir()
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {f"bot/sandbox/images/{name}.Dockerfile" for name in ("agent", "tools")} <= names
    assert {f"bot/sandbox/inside/{name}.sh" for name in ("prepare", "export", "demo_agent")} <= names
    assert "bot/sandbox/inside/relay.py" in names


@pytest.mark.long
def test_the_agent_image_has_compilers_and_programs_for_all_its_languages(engine: Engine) -> None:
    made = build.build("", which=["tools", "agent"], say=lambda line: None)

    assert list(made) == ["forgehand-tools", "forgehand-agent"]
    assert output_in(engine, "forgehand-tools", "git --version").startswith("git version")
    script = """
        cd /tmp; export HOME=/tmp
        printf 'int main(void) { return 0; }' >a.c && cc a.c && ./a.out && echo c
        printf 'package main\\nfunc main() { println("x") }' >a.go && go run a.go 2>/dev/null && echo go
        node -p '"node"'; npm --version >/dev/null && python -m venv v && v/bin/python -c 'print("python")'
        for each in git cmake ninja rg fd jq curl make g++ claude forgehand-demo-agent forgehand-relay; do
        command -v $each >/dev/null || echo "no $each"; done; id -un"""
    assert output_in(engine, "forgehand-agent", script).split() == ["c", "go", "node", "python", "agent"]
    owner = Engine(url="", instance=f"test-{uuid.uuid4().hex[:12]}", uid=0)
    assert output_in(owner, "forgehand-agent", "find /root /tmp -name '*npm*'") == ""  # caches of the build
    assert build.agent_is_current("")
