"""The end of a container of ours before its time, from outside.

For calls to the engine that take no `check` of their own.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from bot.errors import BotError
from bot.sandbox.container import Engine

_EVERY = 0.3  # seconds between two calls of a check


@contextmanager
def interrupted_by(engine: Engine, name: str, check: Callable[[], None]) -> Iterator[None]:
    """Call `check` while the block lasts; once it raises, kill the container `name` and raise that.

    A block that comes to its end all the same has succeeded.
    """
    raised: list[Exception] = []
    done = threading.Event()

    def watch() -> None:
        while not done.wait(_EVERY):
            try:
                if not raised:
                    check()
            except Exception as error:  # noqa: BLE001 - whatever it is, the block raises it
                raised.append(error)
            if raised:  # again and again: the container may not have been made yet
                with suppress(BotError):
                    engine.remove(name)

    thread = threading.Thread(target=watch, name=f"watch-{name}", daemon=True)
    thread.start()
    try:
        yield
    except BotError:
        if raised:
            raise raised[0] from None
        raise
    finally:
        done.set()
        thread.join(1)  # a later container may have the same name
