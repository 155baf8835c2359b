"""Room in memory for the bodies of deliveries.

Anybody can send one, because its signature can be verified only once all of it is here.

A small body always finds a place: if all are taken, the oldest body that is still arriving is given up.
Large bodies share a number of bytes, and wait for each other.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

SMALL = 1 << 20  # bytes of the largest small body
_PLACES = 256  # for small bodies
_SHARED = 64 << 20  # bytes of all large bodies together
_PATIENCE = 5.0  # seconds that a body waits for room
# Bodies that wait; of each, the server has up to 320 KiB already.
_WAITING_SMALL = 256
_WAITING_LARGE = 64


class TooManyBodies(Exception):
    """There is no room for the body now. The sender may send it again."""


@dataclass(slots=True, eq=False)
class BodyReservation:
    """The room of one body, from the first byte to the answer."""

    limit: asyncio.Timeout | None = None  # while the body is read
    given_up: bool = False
    small: bool = False
    shared: int = 0  # bytes among the large bodies


class BodyLimits:
    """The places of small bodies, and the bytes that large ones share. Use it from one event loop.

    `largest` is the number of bytes that a large body can have.
    """

    def __init__(self, largest: int) -> None:
        self._small: dict[BodyReservation, None] = {}  # oldest first
        self._free = max(_SHARED, largest)
        self._small_queue = asyncio.Semaphore(_WAITING_SMALL)
        self._large_queue = asyncio.Semaphore(_WAITING_LARGE)
        self._released = asyncio.Event()

    async def fit(self, reservation: BodyReservation, size: int) -> None:
        """Wait for room for a body of up to `size` bytes. Raises TooManyBodies after five seconds."""
        if size > SMALL:
            if not reservation.shared:
                await self._until(lambda: self._free >= size, self._large_queue)
                self.release(reservation)
                self._free -= size
                reservation.shared = size
        elif not reservation.small and not reservation.shared:
            await self._until(self._has_place, self._small_queue)
            self._small[reservation] = None
            reservation.small = True

    def release(self, reservation: BodyReservation) -> None:
        """Free the room of a body. It may have none."""
        if not (reservation.small or reservation.shared):
            return
        self._small.pop(reservation, None)
        self._free += reservation.shared
        reservation.small, reservation.shared = False, 0
        # Every waiting body looks again, and waits for the next event if the room is too small.
        self._released.set()
        self._released = asyncio.Event()

    def _has_place(self) -> bool:
        # A body that is given up leaves its place at once, so nobody waits for that: others, which came
        # earlier, would take the place.
        return len(self._small) < _PLACES or self._gives_up_oldest()

    def _gives_up_oldest(self) -> bool:
        for reservation in self._small:
            if reservation.limit is not None and not reservation.limit.expired() and not reservation.given_up:
                reservation.given_up = True
                reservation.limit.reschedule(0)
                return True
        return False

    async def _until(self, is_free: Callable[[], bool], queue: asyncio.Semaphore) -> None:
        if is_free():
            return
        if queue.locked():
            raise TooManyBodies
        try:
            async with queue, asyncio.timeout(_PATIENCE):
                while not is_free():
                    await self._released.wait()
        except TimeoutError as error:
            raise TooManyBodies from error
