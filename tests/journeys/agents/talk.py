"""What journeys with a real agent ask of its world."""

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
    """A world, and the models its agent talks to."""

    world: World
    models: ModelServer

    def after(self, number: int, said: str) -> tuple[Task, Run]:
        """Say it on issue 1; the task and its run of that number, once that has ended."""
        self.world.say(1, said)
        return self.world.task_after_run(number, seconds=120)

    @property
    def last(self) -> Asked:
        return self.models.asked[-1]

    def counted(self, run: Run) -> Total:
        """What the gateway let out for this run."""
        with self.world.ledger.read() as tx:
            return UsageCounter(run.id, usage.of_run(tx, run.id)).total()

    def spent(self, task: Task) -> list[Spent]:
        """By each run of the task, the oldest first."""
        with self.world.ledger.read() as tx:
            return list(costs.of_task(tx, task.id).values())

    def refused(self, run: Run) -> list[Refusal]:
        """What the gateway kept in."""
        with self.world.ledger.read() as tx:
            return usage.refused(tx, run.id)
