"""Runs the tests that wait for a container or a process while every core is busy, again and again.

What they wait for then comes late, and in another order than its author thought: a test that passes here
waits for a condition and not for a delay. Each round has an order of its own; its seed is printed, and
`--seed` begins with it.
"""

import argparse
import multiprocessing
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).parent.parent


def main() -> None:
    options, others = _arguments()
    failures: Counter[str] = Counter()
    with _busy(os.cpu_count() or 1), tempfile.TemporaryDirectory() as folder:
        for number in range(options.rounds):
            seed = (options.seed + number) % (1 << 32)
            failures.update(_round(seed, Path(folder), whole=options.whole, others=others))
            _say(f"round {number + 1} of {options.rounds}: seed {seed}, {failures.total()} failures so far")
    for name, times in failures.most_common():
        _say(f"failed in {times} of {options.rounds}: {name}")
    sys.exit(1 if failures else 0)


def _arguments() -> tuple[argparse.Namespace, list[str]]:
    parser = argparse.ArgumentParser(prog="python -m tests.busy", description=__doc__)
    parser.add_argument("rounds", nargs="?", type=int, default=20)
    parser.add_argument("--seed", type=int, default=random.getrandbits(32), help="of the first round's order")
    parser.add_argument("--whole", action="store_true", help="all tests, not only those that wait")
    return parser.parse_known_args()


def _round(seed: int, folder: Path, *, whole: bool, others: list[str]) -> list[str]:
    """Names of what failed, and the reasons printed."""
    report = folder / f"{seed}.xml"
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "--busy",
        f"--randomly-seed={seed}",
        f"--junitxml={report}",
    ]
    # So many that each test has to wait for others most of the time.
    command += ["-n", str(3 * (os.cpu_count() or 1)), "--maxprocesses", "12", "--dist", "worksteal"]
    command += [] if whole else ["-m", "waits"]
    began = time.monotonic()
    status = subprocess.run([*command, *others], cwd=ROOT).returncode
    _say(f"{time.monotonic() - began:.0f} s")
    if status not in (0, 1) or not report.exists():
        return [f"pytest ended with {status}"]
    cases = ElementTree.parse(report).iter("testcase")
    return [
        f"{case.get('classname')}.{case.get('name')}"
        for case in cases
        if case.find("failure") is not None or case.find("error") is not None
    ]


@contextmanager
def _busy(cores: int) -> Iterator[None]:
    """Keep so many cores busy during the block."""
    spinning = [multiprocessing.Process(target=_spin, args=[os.getpid()], daemon=True) for _ in range(cores)]
    for process in spinning:
        process.start()
    try:
        yield
    finally:
        for process in spinning:
            process.kill()


def _spin(parent: int) -> None:
    os.nice(10)  # it takes what the tests leave of a core: they compete with each other
    while os.getppid() == parent:  # else it was killed, and nobody would end us
        for _ in range(100_000):
            pass


def _say(line: str) -> None:
    print(f"== {line}", flush=True)  # noqa: T201 - for who waits for it


if __name__ == "__main__":
    main()
