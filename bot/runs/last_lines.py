"""The last lines of an agent's output, as the final comment shows them."""

from bot.agents.agent import OutputParser
from bot.agents.transcript import transcript
from bot.runs.leased_run import LeasedRun
from bot.store import log_chunks
from bot.text.sanitize import shown

_READ = 64 * 1024  # bytes of the end of the log
_MOST = 4_000  # characters that are shown


def last_lines(leased: LeasedRun, lines: int) -> str:
    """Return up to so many lines of the end of the output, cleaned as on the page; "" if there are none."""
    agent = leased.runtime.agents.get(leased.task.agent)
    if not lines or agent is None:
        return ""
    with leased.runtime.ledger.read() as tx:
        size = log_chunks.size(tx, leased.run.id)
        start = max(0, size - _READ)
        data = b"".join(piece for _, piece in log_chunks.read(tx, leased.run.id, start, _READ))
    if start:  # the first line is only a part of one
        data = data.partition(b"\n")[2]
    text = _text(agent.output_parser(), data, leased)
    ended = [line.rstrip() for line in text.rstrip().split("\n")][-lines:]
    while len(ended) > 1 and sum(map(len, ended)) + len(ended) > _MOST:
        del ended[0]
    return "\n".join(ended)[-_MOST:]


def _text(parser: OutputParser, data: bytes, leased: LeasedRun) -> str:
    return shown("".join(transcript(parser, iter([data]))), leased.runtime.secrets)
