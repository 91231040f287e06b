"""Windows shared in a real Redis: counted once for all, and what they say about waiting is true (ING-06)."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
import redis.asyncio

from llm_incident_manager.engine.rate_port import Ask
from llm_incident_manager.errors import Invalid, Unavailable
from llm_incident_manager.storage.shared_windows import RedisWindows
from tests.servers import free_port
from tests.shared_redis import redis_url

pytestmark = pytest.mark.requirement("ING-06", "SEC-06")


@pytest.fixture
async def two() -> AsyncIterator[tuple[RedisWindows, RedisWindows]]:
    first, second = RedisWindows(redis_url()), RedisWindows(redis_url())
    yield first, second
    await first.close()
    await second.close()


async def number(windows: RedisWindows, key: str, limit: float, wanted: int) -> int:
    (grant,) = await windows.take([Ask(key=(key,), limit=limit, number=wanted)])
    return grant.number


async def test_what_two_take_at_once_is_never_more_than_the_limit(two: tuple[RedisWindows, RedisWindows]) -> None:
    key = uuid4().hex
    asked = [number(each, key, 50, 1) for _ in range(40) for each in two]
    assert sum(await asyncio.gather(*asked)) == 50


async def test_the_less_is_left_the_smaller_the_part(two: tuple[RedisWindows, RedisWindows]) -> None:
    key, granted = uuid4().hex, []
    while more := await number(two[len(granted) % 2], key, 1000, 1000):
        granted.append(more)
    assert sum(granted) == 1000
    assert (granted[0], granted[-1]) == (125, 1)


async def test_what_was_not_used_can_be_given_back(two: tuple[RedisWindows, RedisWindows]) -> None:
    key = uuid4().hex
    assert await number(two[0], key, 8, 1) == 1
    assert sum([await number(two[1], key, 8, 1) for _ in range(9)]) == 7
    assert await number(two[0], key, 8, -1) == 0
    assert await number(two[1], key, 8, 1) == 1


async def test_waiting_as_told_is_enough_and_less_is_not(two: tuple[RedisWindows, RedisWindows]) -> None:
    key = uuid4().hex
    while (grant := (await two[0].take([Ask(key=(key,), limit=20, number=20)]))[0]).number:
        pass
    assert 60 < grant.wait_seconds < 66
    # Time is Redis's own: instead of waiting, the window is made to have begun earlier.
    client = redis.asyncio.from_url(redis_url())
    name = f"lim:rate:{hashlib.blake2b(key.encode(), digest_size=16).hexdigest()}"

    async def moved(seconds: float) -> int:
        start = int(await client.hget(name, "start"))  # type: ignore[misc,arg-type]
        await client.hset(name, "start", start - int(seconds * 1_000_000))  # type: ignore[misc]
        return await number(two[1], key, 20, 1)

    assert await moved(grant.wait_seconds - 2) == 0
    assert await moved(2) == 1
    assert 0 < await client.pttl(name) <= 120_000
    await client.aclose()


async def test_what_is_away_is_said_without_the_password() -> None:
    windows = RedisWindows(f"redis://:hunter2@127.0.0.1:{free_port()}/0")
    with pytest.raises(Unavailable) as away:
        await windows.take([Ask(key=("x",), limit=1, number=1)])
    assert away.value.code == "redis"
    assert "hunter2" not in away.value.message
    with pytest.raises(Unavailable):
        await windows.ping()
    await windows.close()


def test_an_address_that_is_none_is_refused_at_the_start() -> None:
    with pytest.raises(Invalid, match="REDIS_URL") as wrong:
        RedisWindows("http://:hunter2@h")
    assert "hunter2" not in wrong.value.message
