"""Processor time of `forgehand --help`, compared with a Python process that does nothing.

    python -m tests.bench.help [rounds]

The two take turns in one run, and the difference is calculated for each pair, so that other load on
the machine affects both equally.
"""

import os
import statistics
import subprocess
import sys

from rich.console import Console

AIM = 0.25  # seconds of processor time more than `python -c pass`
ROUNDS = 15
NOTHING = (sys.executable, "-c", "pass")
HELP = (sys.executable, "-m", "bot", "--help")


def processor_time(command: tuple[str, ...]) -> float:
    """Run the command to its end; return its user and system time in seconds."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with status {process.returncode}.")
    return used.ru_utime + used.ru_stime


def main(rounds: int) -> None:
    processor_time(HELP)  # compiles the modules first
    pairs = [(processor_time(NOTHING), processor_time(HELP)) for _ in range(rounds)]
    nothing, whole = (statistics.median(side) for side in zip(*pairs, strict=True))
    more = statistics.median(second - first for first, second in pairs)
    Console(highlight=False, soft_wrap=True).print(
        f"python -c pass {nothing:.3f} s, forgehand --help {whole:.3f} s: {more:.3f} s more, "
        f"{whole / nothing:.1f} times as much; aim: at most {AIM} s more; medians of {rounds} pairs"
    )
    sys.exit(more > AIM)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS)
