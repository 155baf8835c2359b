"""Room for bodies in memory: small ones always have some, large ones share a number of bytes."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest

from bot.web import body_limits
from bot.web.body_limits import SMALL, BodyLimits, BodyReservation, TooManyBodies

MIB = 1 << 20
FULL = 64 * MIB  # bytes of all large bodies


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body_limits, "_PATIENCE", 0.05)


def in_room(test: Callable[[BodyLimits], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    """Run the coroutine in an event loop, with a room for bodies of 25 MiB."""

    def run() -> None:
        asyncio.run(test(BodyLimits(25 * MIB)))

    run.__name__ = test.__name__
    return run


async def placed(room: BodyLimits, *sizes: int) -> list[BodyReservation]:
    places = [BodyReservation() for _ in sizes]
    for place, size in zip(places, sizes, strict=True):
        await room.fit(place, size)
    return places


async def refused(fitting: Awaitable[None]) -> bool:
    try:
        await fitting
    except TooManyBodies:
        return True
    return False


@in_room
async def test_large_bodies_share_64_mib(room: BodyLimits) -> None:
    first, *_ = await placed(room, 24 * MIB, 24 * MIB, 16 * MIB)
    assert await refused(room.fit(BodyReservation(), SMALL + 1))

    room.release(first)

    await placed(room, 12 * MIB, 12 * MIB)
    assert await refused(room.fit(BodyReservation(), SMALL + 1))


@in_room
async def test_a_large_body_waits_for_one_that_ends(room: BodyLimits) -> None:
    first, *_ = await placed(room, FULL - 10)
    second = asyncio.create_task(room.fit(BodyReservation(), FULL))
    await asyncio.sleep(0)
    assert not second.done()

    room.release(first)

    await second


@in_room
async def test_only_64_large_bodies_wait(room: BodyLimits) -> None:
    await placed(room, FULL)
    waiting = [asyncio.create_task(refused(room.fit(BodyReservation(), FULL))) for _ in range(100)]
    await asyncio.sleep(0)

    assert sum(each.done() for each in waiting) == 36
    assert all(await asyncio.gather(*waiting))
    assert await refused(room.fit(BodyReservation(), FULL))


@in_room
async def test_small_bodies_have_room_beside_large_ones(room: BodyLimits) -> None:
    await placed(room, FULL)

    await placed(room, *[SMALL] * 256)


@in_room
async def test_the_oldest_small_body_that_is_still_arriving_is_given_up(room: BodyLimits) -> None:
    places = await placed(room, *[SMALL] * 256)
    ended: list[int] = []

    async def read(number: int) -> None:
        try:
            async with asyncio.timeout(60) as places[number].limit:
                await asyncio.Event().wait()
        except TimeoutError:
            ended.append(number)
            room.release(places[number])

    tasks = [asyncio.create_task(read(number)) for number in (7, 3, 9)]
    await asyncio.sleep(0)

    await placed(room, SMALL, 1)

    await asyncio.gather(tasks[0], tasks[1])
    assert ended == [3, 7]
    assert [places[number].given_up for number in (3, 7, 9)] == [True, True, False]
    assert [task.done() for task in tasks] == [True, True, False]
    tasks[2].cancel()


@in_room
async def test_a_body_has_room_behind_a_burst_of_others_that_never_end(room: BodyLimits) -> None:
    async def never_end() -> None:
        place = BodyReservation()
        try:
            await room.fit(place, 1)
            async with asyncio.timeout(60) as place.limit:
                await asyncio.Event().wait()
        except (TimeoutError, TooManyBodies):
            room.release(place)

    burst = [asyncio.create_task(never_end()) for _ in range(1000)]
    await asyncio.sleep(0)

    [last] = await placed(room, 1)

    await asyncio.gather(*burst[: 1000 - 255])
    assert not any(each.done() for each in burst[1000 - 255 :])
    assert not last.given_up
    for each in burst:
        each.cancel()


@in_room
async def test_bodies_that_have_arrived_are_not_given_up(room: BodyLimits) -> None:
    places = await placed(room, *[SMALL] * 256)

    assert await refused(room.fit(BodyReservation(), 1))

    assert not any(place.given_up for place in places)
    room.release(places[0])
    await placed(room, 1)


@in_room
async def test_only_256_small_bodies_wait_for_those_that_have_arrived(room: BodyLimits) -> None:
    places = await placed(room, *[SMALL] * 256)
    waiting = [asyncio.create_task(refused(room.fit(BodyReservation(), 1))) for _ in range(300)]
    await asyncio.sleep(0)

    assert sum(each.done() for each in waiting) == 300 - 256
    for place in places:
        room.release(place)
    assert Counter(await asyncio.gather(*waiting)) == {True: 300 - 256, False: 256}


@in_room
async def test_a_body_of_unknown_length_moves_to_the_shared_bytes(
    room: BodyLimits,
) -> None:
    [place] = await placed(room, 0)
    await room.fit(place, FULL)
    await room.fit(place, FULL)

    await placed(room, *[SMALL] * 256)
    assert await refused(room.fit(BodyReservation(), SMALL + 1))
    room.release(place)
    room.release(place)
    await placed(room, FULL)
    assert await refused(room.fit(BodyReservation(), SMALL + 1))


@in_room
async def test_the_largest_body_always_fits_into_an_empty_room(room: BodyLimits) -> None:
    await placed(BodyLimits(100 * MIB), 100 * MIB)
