"""Work in a thread of its own while a block runs."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def in_background(work: Callable[[threading.Event], None], *, name: str) -> Iterator[None]:
    """Run `work` in a thread with this name during the block.

    At the end of the block the event is set, which tells `work` to return, and the thread is joined.
    """
    done = threading.Event()
    thread = threading.Thread(target=work, args=(done,), name=name)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
