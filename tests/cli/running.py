"""A real server in a thread of its own, so that the command line can be called from the test's."""

import asyncio
import json
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import structlog

from llm_incident_manager.app.config import read_environment

KEY = "lim-tests-bootstrap-key-0123456789"
USERS = [
    {"id": name, "name": name.title(), "contacts": {"webhook": f"http://127.0.0.1:9/{name}"}} for name in ("ana", "bo")
]
CONFIGURATION = {
    "outgoing": {"allow": ["127.0.0.0/8"]},
    "users": USERS,
    "teams": [{"id": "platform", "name": "Platform", "members": ["ana", "bo"]}],
    "routes": [
        {"name": "everything", "priority": 0, "conditions": {}, "assign": {"team": "platform"}, "policy": "slow"}
    ],
    "escalation_policies": [
        {
            "name": "slow",
            "conditions": {},
            "levels": [
                {
                    "level": 1,
                    "targets": [{"type": "user", "id": "ana"}],
                    "escalate_after": 86400,
                    "channels": ["webhook"],
                }
            ],
        }
    ],
    "schedules": [
        {
            "id": "primary",
            "name": "Primary",
            "time_zone": "Europe/Madrid",
            "layers": [
                {
                    "name": "week",
                    "rotation": {
                        "type": "weekly",
                        "length": 1,
                        "hand_off": "09:00",
                        "starts": "2026-01-05",
                        "users": ["ana", "bo"],
                    },
                }
            ],
        }
    ],
}


class Running(NamedTuple):
    """Where it is, and what belongs to it."""

    url: str
    key: str
    folder: Path
    config_file: Path


@contextmanager
def running_server(folder: Path) -> Iterator[Running]:
    """Run a server on a free port until the block ends."""
    from llm_incident_manager.app.serve import Server

    file = folder / "config.yaml"
    file.write_text(json.dumps(CONFIGURATION))
    config = read_environment(
        {
            "DATA_DIR": str(folder / "data"),
            "CONFIG_FILE": str(file),
            "HTTP_PORT": "0",
            "GRPC_PORT": "0",
            "OTLP_GRPC_PORT": "",
            "WS_PORT": "",
            "BOOTSTRAP_API_KEY": KEY,
        }
    )
    started, ended = threading.Event(), threading.Event()
    said: list[str | BaseException] = []

    async def run() -> None:
        server = Server(config)
        await server.start()
        said.append(server.url)
        started.set()
        await asyncio.to_thread(ended.wait)
        await server.stop()

    def thread() -> None:
        try:
            asyncio.run(run())
        except BaseException as error:
            said.append(error)
            started.set()
            raise

    worker = threading.Thread(target=thread, name="server")
    # It shares this process's standard output, which the tests read.
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    worker.start()
    try:
        assert started.wait(30), "the server does not start"
        first = said[0]
        if isinstance(first, BaseException):
            raise first
        yield Running(url=first, key=KEY, folder=folder, config_file=file)
    finally:
        ended.set()
        worker.join(20)
        structlog.configure(**before)
