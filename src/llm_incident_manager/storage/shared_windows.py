"""Sliding windows that several processes share, counted in Redis: atomically, by its clock alone (ING-06, SEC-06).

The same counter as ``resilience.sliding_window``. A key holds two numbers and the time its window began, and is gone
after two windows without a sender: losing all of them costs nothing but a minute's memory.
"""

import hashlib
from collections.abc import Sequence
from typing import Any, cast

from llm_incident_manager.engine.rate_port import Ask, Grant
from llm_incident_manager.errors import Invalid, Unavailable

TIMEOUT_SECONDS = 0.5
"""An event waits no longer than this for Redis."""
CONNECTIONS = 16
_PREFIX = "lim:rate:"

_TAKE = """
local limit, length, wanted = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local kept = redis.call('HMGET', KEYS[1], 'start', 'current', 'previous')
local start, current, previous = tonumber(kept[1] or now), tonumber(kept[2] or 0), tonumber(kept[3] or 0)
local passed = now - start
if passed >= 2 * length then
  start, current, previous = now, 0, 0
elseif passed >= length then
  start, current, previous = start + length, 0, current
end
passed = math.max(0, now - start)
if wanted < 0 then
  current = math.max(0, current + wanted)
end
local room = math.floor(limit - previous * (1 - passed / length) - current)
local granted, wait = 0, 0
if wanted > 0 and room >= 1 then
  granted = math.min(wanted, math.max(1, math.floor(room / 8)))
  current = current + granted
elseif wanted > 0 then
  local left = limit - 1 - current
  if left >= 0 and previous > 0 then
    wait = start + length * (1 - left / previous) - now
  else
    wait = start + length * (2 - math.min(1, (limit - 1) / current)) - now
  end
  wait = math.max(wait, 1000)
end
redis.call('HSET', KEYS[1], 'start', string.format('%.0f', start), 'current', current, 'previous', previous)
redis.call('PEXPIRE', KEYS[1], math.ceil(2 * length / 1000))
return {granted, math.ceil(wait)}
"""
"""Takes as many as fit of what is wanted, fewer the less is left; a negative number gives back. Microseconds."""


class RedisWindows:
    """The windows in one Redis. ``take`` raises Unavailable (code ``redis``) where it does not answer in time."""

    def __init__(self, url: str) -> None:
        try:
            import redis.asyncio
            from redis.exceptions import RedisError
        except ModuleNotFoundError:
            raise Invalid(
                "REDIS_URL needs the Redis client: pip install 'llm-incident-manager[redis]'",
                code="extra_missing",
            ) from None
        self._failures = (RedisError, OSError, TimeoutError)
        try:
            pool = redis.asyncio.BlockingConnectionPool.from_url(
                url,
                max_connections=CONNECTIONS,
                timeout=TIMEOUT_SECONDS,
                socket_timeout=TIMEOUT_SECONDS,
                socket_connect_timeout=TIMEOUT_SECONDS,
            )
        except ValueError as fault:
            # The URL may hold a password, so the message leaves it out.
            raise Invalid("REDIS_URL is no address such as redis://host:6379/0", code="invalid_environment") from fault
        self._redis: Any = redis.asyncio.Redis.from_pool(pool)
        self._take = self._redis.register_script(_TAKE)

    async def take(self, asks: Sequence[Ask]) -> list[Grant]:
        """Return what is granted of each."""
        return [await self._one(ask) for ask in asks]

    async def ping(self) -> None:
        """Return if it answers."""
        try:
            await self._redis.ping()
        except self._failures as failure:
            raise _away(failure) from failure

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()

    async def _one(self, ask: Ask) -> Grant:
        # A source's name is the sender's text, however long: what Redis sees of it is a digest.
        key = _PREFIX + hashlib.blake2b("\0".join(ask.key).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
        arguments = [int(ask.limit), int(ask.window_seconds * 1_000_000), ask.number]
        try:
            granted, wait = cast(list[int], await self._take(keys=[key], args=arguments))
        except self._failures as failure:
            raise _away(failure) from failure
        return Grant(number=int(granted), wait_seconds=int(wait) / 1_000_000)


def _away(failure: Exception) -> Unavailable:
    reason = f"Redis does not answer: {type(failure).__name__}"
    return Unavailable(reason, code="redis", retry_after_seconds=1.0)
