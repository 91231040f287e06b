"""The peer: prometheus-alertmanager, which keeps everything in memory."""

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from benchmarks.calls import Calls
from benchmarks.load import Target, until
from benchmarks.missing import Missing
from benchmarks.ports import free_port

_CONFIG = "route: {receiver: nobody}\nreceivers: [{name: nobody}]\n"


@contextlib.contextmanager
def alertmanager(folder: Path) -> Iterator[Target]:
    """Start the peer and yield where its alerts go. Raises Missing where it is not installed."""
    program = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
    if program is None:
        raise Missing("prometheus-alertmanager is not installed")
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "alertmanager.yml"
    config.write_text(_CONFIG, encoding="utf-8")
    address = f"127.0.0.1:{free_port()}"
    options = [
        f"--config.file={config}",
        f"--storage.path={folder / 'state'}",
        f"--web.listen-address={address}",
        "--cluster.listen-address=",
        "--log.level=error",
    ]
    process = subprocess.Popen([program, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        if not until(lambda: _ready(address), 15.0):
            raise Missing("prometheus-alertmanager does not become ready")
        yield Target(url=f"http://{address}", path="/api/v2/alerts")
    finally:
        process.terminate()
        process.wait(15)


def _ready(address: str) -> bool:
    calls = Calls(f"http://{address}", "")
    try:
        return calls.get("/-/ready").status == 200
    except OSError:
        return False
    finally:
        calls.close()
