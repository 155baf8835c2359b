"""The command line an agent is started by, and what it finds in its environment."""

import subprocess
from pathlib import Path

from bot.agents import command
from bot.model import Identity


def environment(*, resume: bool = False, base: str = "main") -> dict[str, str]:
    identity = Identity("Forgehand", "bot@example.org")
    return command.environment(
        task="t1", run="t1-2", resume=resume, agent="demo", base=base, branch="forgehand/1", identity=identity
    )


def test_the_prompt_is_opened_inside_and_every_word_kept(tmp_path: Path) -> None:
    prompt = tmp_path / "prompt.md"
    prompt.write_text("tidy up")
    argv = [
        word.replace("/task/prompt.md", str(prompt))
        for word in command.argv(["sh", "-c", 'cat; echo " $1"', "sh", "a b$HOME"])
    ]

    assert subprocess.run(argv, capture_output=True, check=True).stdout == b"tidy up a b$HOME\n"


def test_the_environment_says_what_is_known_and_nothing_empty() -> None:
    first, second = environment(base=""), environment(resume=True)

    assert "FORGEHAND_RESUME" not in first
    assert "FORGEHAND_BASE" not in first
    assert second["FORGEHAND_RESUME"] == "1"
    assert {name: second[f"FORGEHAND_{name}"] for name in ("TASK", "RUN", "AGENT", "BASE", "BRANCH")} == {
        "TASK": "t1",
        "RUN": "t1-2",
        "AGENT": "demo",
        "BASE": "main",
        "BRANCH": "forgehand/1",
    }
    assert second["GIT_AUTHOR_NAME"] == "Forgehand"
