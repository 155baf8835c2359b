"""A start that the bot refuses, in a process of its own with settings from the environment only."""

import os
import subprocess
import sys


def refused_start(**settings: str) -> str:
    """Run `forgehand up`, which must refuse to start; return its log. `settings`: as in FORGEHAND_<name>."""
    done = subprocess.run(
        [sys.executable, "-m", "bot", "up"],
        env={"PATH": os.environ["PATH"], **{f"FORGEHAND_{name}": value for name, value in settings.items()}},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    return done.stderr
