"""Schemathesis over the OpenAPI document: what it says is true, whatever is sent (SEC-05)."""

import asyncio
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn

from tests.api.app import PLATFORM_KEY, opened

SECONDS = 20
TOOL = Path(sys.executable).with_name("schemathesis")
# A cursor, an `If-Match` and the name of somebody who exists cannot be said in a schema, so that what fits one may be
# refused all the same; that it is refused rightly, the other tests say.
LEFT_OUT = "positive_data_acceptance"


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """The API on a port of its own; the socket listens at once, so that nobody has to wait for the server."""
    listener = socket.create_server(("127.0.0.1", 0))
    stop: list[uvicorn.Server] = []
    begun = threading.Event()

    async def serve() -> None:
        async with opened(tmp_path) as api:
            await api.incident()
            await api.event()
            server = uvicorn.Server(
                uvicorn.Config(api.app, log_level="error", access_log=False, ws="none", lifespan="off")
            )
            stop.append(server)
            begun.set()

            async def work() -> None:
                while True:
                    await api.story.journal.wait()
                    await api.story.settle()

            working = asyncio.create_task(work())
            await server.serve(sockets=[listener])
            working.cancel()

    faults: list[BaseException] = []

    def run() -> None:
        try:
            asyncio.run(serve())
        except BaseException as fault:
            faults.append(fault)
        finally:
            begun.set()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    begun.wait(30)
    try:
        if faults or not stop:
            raise AssertionError("the API did not start") from (faults[0] if faults else None)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/api/v1/openapi.json"
    finally:
        for server in stop:
            server.should_exit = True
        thread.join(20)
        listener.close()
    assert not faults, faults


@pytest.mark.requirement("SEC-05")
@pytest.mark.timeout(SECONDS + 80)
def test_nothing_that_can_be_sent_makes_the_document_untrue(url: str) -> None:
    run = subprocess.run(
        [
            str(TOOL), "run", url, "--header", f"Authorization: Bearer {PLATFORM_KEY}", "--max-time", str(SECONDS),
            "--exclude-checks", LEFT_OUT, "--max-examples", "15", "--phases", "examples,coverage,fuzzing", "--no-color",
        ],
        capture_output=True, text=True, timeout=SECONDS + 60, check=False,
    )  # fmt: skip
    print(run.stdout[-1500:])  # the seed to replay stands there
    assert run.returncode == 0, run.stdout[-8000:] + run.stderr[-2000:]
