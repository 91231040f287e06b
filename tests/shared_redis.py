"""The Redis that tests share: by LIM_TEST_REDIS_URL, or the one of this machine; else a reason to skip."""

import os
import socket
from urllib.parse import urlsplit

import pytest

HERE = "redis://127.0.0.1:6379/0"


def redis_url() -> str:
    """Return the URL of a Redis that answers; skips the test where there is none."""
    url = os.environ.get("LIM_TEST_REDIS_URL", HERE)
    where = urlsplit(url)
    try:
        with socket.create_connection((where.hostname or "127.0.0.1", where.port or 6379), timeout=2) as wire:
            wire.sendall(b"PING\r\n")
            assert wire.recv(100)
    except OSError as fault:
        pytest.skip(f"no Redis at {where.hostname}:{where.port or 6379}: {fault.strerror or fault}")
    return url
