"""Time of an export, compared with reading all files: 20,000 files, 124 MB, one file edited.

The baseline is a container of the same image that only reads every file. An export has to do that,
because only the content shows whether a file was changed. Both start and remove one container.

    python -m tests.bench.export [rounds]
"""

import random
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bot.sandbox.engine.containers import Engine
from tests.sandbox.export_source import Site, commit
from tests.support.images import small

FILES, FOLDERS, BYTES = 20_000, 200, 6_200
ROUNDS = 7


def edit_one_file(site: Site) -> None:
    """Start the task at a commit of this many files, and edit one of them."""
    words = random.Random(7).randbytes(BYTES // 2).hex()
    files = {
        f"d{number % FOLDERS}/f{number}.py": f"{number}\n{words[number % 500 :]}\n" for number in range(FILES)
    }
    site.base = commit(site.upstream, files, "Many")
    site.mirror = site.fetch()
    site.show(site.base)
    site.git("reset", "-q", "--hard", site.base)
    (site.repo / "d7/f7.py").write_text("edited\n")


def read_all(site: Site) -> None:
    site.engine.tool(
        name=f"forgehand-{site.name}-floor",
        image=site.image,
        script="cd /workspace && find . -path ./.git -prune -o -type f -print0 | xargs -0 cat | wc -c",
        args=[],
        mounts=site.plan().workspace_mounts,
        seconds=600,
    )


def export(site: Site) -> None:
    site.runs += 1
    assert site.take().files == 1


def timed(work: Callable[[Site], None], site: Site) -> float:
    start = time.perf_counter()
    work(site)
    return time.perf_counter() - start


def main(rounds: int) -> None:
    engine = Engine(url="", instance=f"bench-{uuid.uuid4().hex[:8]}", uid=10001)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        site = Site(Path(folder), engine, small())
        edit_one_file(site)
        pairs = [(timed(read_all, site), timed(export, site)) for _ in range(rounds + 1)][1:]
    floors, exports = zip(*pairs, strict=True)
    table = Table("", "median", "fastest", "slowest", title=f"{FILES} files, {rounds} rounds")
    for name, times in (("read every file", floors), ("export", exports)):
        table.add_row(name, *(f"{of(times):.2f} s" for of in (statistics.median, min, max)))
    ratios = [own / floor for floor, own in pairs]
    table.add_row("ratio", *(f"{of(ratios):.2f}" for of in (statistics.median, min, max)))
    Console().print(table)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS)
