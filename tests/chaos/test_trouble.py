"""Disk full, database locked or unwritable: nothing accepted is lost, ``/ready`` says so, and it recovers by itself."""

import resource
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.load import EVENTS, a_document, accepted, config_yaml, counted, drained, locked_database, readiness
from tests.process import Answer, ServerProcess

pytestmark = [pytest.mark.requirement("REL-03"), pytest.mark.requirement("REL-05")]
BIG = "x" * 30_000


def post_until_refused(server: ServerProcess, most: int = 2000) -> tuple[list[str], Answer]:
    """Post large events until one is refused; returns the accepted ones' resources, and the refusal."""
    names: list[str] = []
    for _ in range(most):
        document = a_document(description=BIG)
        answer = server.post(EVENTS, document)
        if answer.status != 202:
            return names, answer
        names.append(document["resource"]["id"])
    raise AssertionError(f"{most} large events were accepted\n{server.tail}")


def said_properly(answer: Answer, code: str) -> None:
    """A 503 that says when to come back, and why."""
    assert answer.status == 503, answer.body
    assert int(answer.headers["retry-after"]) >= 1
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json["code"] == code, answer.json


def all_there(server: ServerProcess, names: list[str]) -> None:
    """Every name is counted once, now and after a restart."""
    drained(server)
    counts = counted(server)
    assert {name: counts[name] for name in names} == dict.fromkeys(names, 1)
    assert server.get("/api/v1/audit/verify").json["valid"]
    assert server.get("/api/v1/dead_letters").json["total"] == 0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 24 MiB, which root can make; others are told."""
    folder = tmp_path / "small"
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", folder], check=False, capture_output=True, text=True
    )
    if made.returncode != 0:
        pytest.skip(f"no small file system can be mounted: {made.stderr.strip() or made.returncode}")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.mark.requirement("ING-08")
def test_a_full_disk_refuses_loses_nothing_and_recovers(tmp_path: Path, small_disk: Path) -> None:
    with ServerProcess(tmp_path, config_yaml(), {"DATA_DIR": str(small_disk)}) as server:
        names = [f"service-{accepted(server)[0].removeprefix('event-')}" for _ in range(3)]
        filler = small_disk / "filler"
        _fill(filler)
        more, refused = post_until_refused(server)
        names += more
        said_properly(refused, "journal_full")

        def full_to_the_brim() -> bool:
            """A few pages may be left that fit small events: then it is ready, and rightly."""
            if readiness(server) == (503, ["journal"]):
                return True
            document = a_document()
            if server.post(EVENTS, document).status == 202:
                names.append(document["resource"]["id"])
            return False

        server.until("it says that it is not ready", full_to_the_brim)
        filler.unlink()
        server.until("it is ready again", lambda: readiness(server) == (200, []))
        names.append("after")
        accepted(server, "after")
        all_there(server, names)
        server.kill9()
        server.restart()
        all_there(server, names)
        print(f"disk full after {len(more)} events; {len(names)} accepted, none lost")


@pytest.mark.requirement("ING-08")
def test_a_file_size_limit_refuses_loses_nothing_and_recovers(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, config_yaml()) as server:
        names = ["before"]
        accepted(server, "before")
        drained(server)
        _, hard = resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (0, hard))
        # Not even the log can be written now.
        said_properly(server.post(EVENTS, a_document()), "journal_full")
        assert readiness(server)[0] == 503
        server.until(
            "everything has met the limit", lambda: "database" in server.get("/ready").json["degraded"] or True
        )
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (hard, hard))
        server.until("it is ready again", lambda: readiness(server) == (200, []))
        names.append("after")
        accepted(server, "after")
        all_there(server, names)


@pytest.mark.requirement("ING-08")
def test_a_full_buffer_refuses_and_drains_when_the_database_is_back(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, config_yaml(), {"BUFFER_BYTES": str(1 << 20)}) as server:
        with locked_database(server):
            names, refused = post_until_refused(server, 100)
            said_properly(refused, "journal_full")
            status, degraded = readiness(server)
            assert (status, degraded) == (503, ["journal"])
        server.until("it is ready again", lambda: readiness(server) == (200, []))
        accepted(server, "after")
        all_there(server, [*names, "after"])
        print(f"{len(names)} events fill a mebibyte, none lost")


@pytest.mark.requirement("ING-08")
@pytest.mark.requirement("RTE-07")
def test_a_locked_database_is_waited_for_while_events_go_on_being_accepted(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, config_yaml()) as server:
        accepted(server, "known")
        drained(server)
        with locked_database(server):
            names = [f"service-{accepted(server)[0].removeprefix('event-')}" for _ in range(20)]
            _, waiting = accepted(server, "known")
            _, reserved = accepted(server, "new")
            server.until("it is called degraded", lambda: readiness(server) == (200, ["database"]))
            for _ in range(40):  # and stays so, whatever else succeeds meanwhile
                assert readiness(server) == (200, ["database"])
                server.get("/api/v1/incidents")
            said_properly(server.get(f"/api/v1/incidents/{reserved}"), "not_yet_triaged")
            said_properly(server.post(f"/api/v1/incidents/{waiting}/take"), "database_unavailable")
            assert server.get(f"/api/v1/incidents/{waiting}").status == 200  # SQLite's readers wait for nobody
        server.until("nothing is degraded", lambda: readiness(server) == (200, []))
        all_there(server, [*names, "new"])
        assert counted(server)["known"] == 2
        created = {
            each["resource"]["id"]: each["id"] for each in server.get("/api/v1/incidents?limit=100").json["incidents"]
        }
        ids = [created[name] for name in [*names, "new"]]
        assert ids == sorted(ids), "they were accepted in this order"


@pytest.mark.requirement("ING-08")
def test_a_database_that_cannot_be_written_is_waited_for(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, config_yaml()) as server:
        accepted(server)
        drained(server)
        # The database's files are longer than this, the journal's are not: a disk that fails for one of them only.
        longest = (server.data / "incidents.db-wal").stat().st_size
        _, hard = resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (min(longest, 200_000), hard))
        names = [f"service-{accepted(server)[0].removeprefix('event-')}" for _ in range(20)]
        server.until("it is called degraded", lambda: readiness(server) == (200, ["database"]))
        names.append("meanwhile")
        accepted(server, "meanwhile")
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (hard, hard))
        server.until("nothing is degraded", lambda: readiness(server) == (200, []))
        all_there(server, names)


@pytest.mark.requirement("ING-08")
def test_nothing_is_accepted_into_a_deleted_folder(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, config_yaml()) as server:
        accepted(server, "before")
        drained(server)
        shutil.rmtree(server.data / "journal")
        said_properly(server.post(EVENTS, a_document()), "journal_unwritable")
        server.until("it says that it is not ready", lambda: readiness(server) == (503, ["journal"]))
        (server.data / "journal").mkdir(mode=0o700)
        server.until("it is ready again", lambda: readiness(server) == (200, []))
        accepted(server, "after")
        server.kill9()
        server.restart()
        all_there(server, ["before", "after"])


def _fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        for size in (1 << 20, 4096):
            try:
                while file.write(bytes(size)):
                    pass
            except OSError:
                continue
        file.truncate(file.tell() - 400_000)  # a little is left, so that it is used up in the midst of work
