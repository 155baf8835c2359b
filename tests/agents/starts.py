"""The start of an agent's run. A test replaces the values that it needs."""

from bot.agents.agent import Start
from bot.domain.task import Identity

START = Start(
    task="t1",
    run="t1-2",
    resume=False,
    agent="demo",
    model="",
    base="main",
    branch="forgehand/1",
    identity=Identity("Forgehand", "bot@example.org"),
)
