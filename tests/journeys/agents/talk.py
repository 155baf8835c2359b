"""Helpers for journeys with a real agent."""

from dataclasses import dataclass

from bot.domain.task import Run, Task
from bot.domain.usage import Refusal, Spent, Total
from bot.gateway.usage_counter import UsageCounter
from bot.store import costs, usage
from tests.journeys.world import World
from tests.support.model_provider import Asked, ModelServer

KEY = "sk-ant-the-operators-own-key"


@dataclass(frozen=True, slots=True)
class Talk:
    """A world, and the models to which its agent sends requests."""

    world: World
    models: ModelServer

    def after(self, number: int, said: str) -> tuple[Task, Run]:
        """Post the text on issue 1; return the task and its run of that number when that run has ended."""
        self.world.say(1, said)
        return self.world.task_after_run(number, seconds=120)

    @property
    def last(self) -> Asked:
        return self.models.asked[-1]

    def counted(self, run: Run) -> Total:
        """Return the gateway's counts for this run."""
        with self.world.ledger.read() as tx:
            return UsageCounter(run.id, usage.of_run(tx, run.id)).total()

    def spent(self, task: Task) -> list[Spent]:
        """Return the cost of each run of the task, oldest first."""
        with self.world.ledger.read() as tx:
            return list(costs.of_task(tx, task.id).values())

    def refused(self, run: Run) -> list[Refusal]:
        """Return the requests that the gateway refused."""
        with self.world.ledger.read() as tx:
            return usage.refused(tx, run.id)
