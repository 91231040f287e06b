"""SIGTERM: what is in flight is answered, the process ends within ten seconds, the rest waits in the journal."""

import http.client
import json
import re
import time
import urllib.parse
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.chaos.load import (
    EVENTS,
    Sender,
    a_document,
    accepted,
    config_yaml,
    counted,
    drained,
    locked_database,
    silent_server,
)
from tests.process import ServerProcess

pytestmark = [pytest.mark.requirement("REL-05"), pytest.mark.requirement("DEP-01")]
WITHIN_SECONDS = 10.0


def stopped(server: ServerProcess) -> float:
    """Wait for the end of a server that was told to stop; returns the seconds, which must be few, and code 0."""
    began = time.monotonic()
    code = server.wait_ended()
    took = time.monotonic() - began
    assert code == 0, f"it ended with code {code}\n{server.tail}"
    assert took < WITHIN_SECONDS, f"it took {took:.1f} s\n{server.tail}"
    assert "Traceback" not in server.log, server.tail
    return took


@pytest.mark.requirement("ING-08")
def test_under_load_it_ends_in_time_and_everything_accepted_is_there_afterwards(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, config_yaml()) as server:
        senders = [Sender(server) for _ in range(4)]
        for sender in senders:
            sender.start()
        server.until("some are accepted", lambda: min(len(sender.answers) for sender in senders) > 10)
        server.terminate()
        took = stopped(server)
        for sender in senders:
            sender.join(20)
        answers = [answer for sender in senders for answer in sender.answers]
        assert {status for _, status, _ in answers} <= {202, 503}
        server.restart()
        drained(server)
        counts = counted(server)
        taken = [(event_id, incident_id) for event_id, status, incident_id in answers if status == 202]
        lost = [event_id for event_id, _ in taken if counts["service-" + event_id.removeprefix("event-")] != 1]
        assert lost == []
        assert all(server.get(f"/api/v1/incidents/{incident_id}").status == 200 for _, incident_id in taken[-20:])
        print(f"stopped in {took:.1f} s, {len(taken)} accepted, none lost")


def test_a_request_whose_body_is_still_coming_is_answered(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, config_yaml()) as server:
        where = urlsplit(server.url)
        connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=20)
        body = json.dumps(a_document("half")).encode()
        connection.putrequest("POST", EVENTS)
        for name, value in {"X-API-Key": server.key, "Content-Length": str(len(body))}.items():
            connection.putheader(name, value)
        connection.endheaders(body[:50])
        accepted(server)  # the half request was read before this one was answered
        server.terminate()
        server.until("it takes no more connections", lambda: not _connects(server))
        connection.send(body[50:])
        answer = connection.getresponse()
        said = answer.read()
        connection.close()
        assert answer.status == 202, said
        stopped(server)
        server.restart()
        drained(server)
        assert counted(server)["half"] == 1


def test_an_open_stream_does_not_hold_it_up(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, config_yaml()) as server:
        connection, stream = _stream(server)
        server.terminate()
        took = stopped(server)
        stream.read()  # to its proper end: a stream that was cut off raises IncompleteRead
        connection.close()
        assert took < 5.0, "the stream ends when the process is told to stop, not by the grace time"


@pytest.mark.requirement("NTF-03")
def test_hanging_receivers_do_not_hold_it_up_and_their_pages_are_not_forgotten(tmp_path: Path) -> None:
    with silent_server() as web, silent_server() as mail:
        people = [
            {"id": "ana", "name": "Ana", "contacts": {"webhook": f"http://127.0.0.1:{web}/", "email": "a@b.example"}}
        ]
        level = {"level": 1, "targets": [{"type": "user", "id": "ana"}], "channels": ["webhook", "email"]}
        yaml = config_yaml(
            users=people,
            email={"smtp_url": f"smtp://127.0.0.1:{mail}", "from": "lim@example.com"},
            escalation_policies=[{"name": "slow", "conditions": {}, "levels": [level | {"escalate_after": 86400}]}],
        )
        with ServerProcess(tmp_path, yaml) as server:
            _, incident_id = accepted(server)
            path = f"/api/v1/incidents/{incident_id}/notifications"
            server.until("both pages are planned", lambda: len(server.get(path).json["notifications"]) == 2)
            server.until("both are tried", lambda: _attempted(server) >= 2)
            server.terminate()
            stopped(server)
            server.restart()
            rows = server.get(path).json["notifications"]
            assert {row["channel"]: row["state"] in ("planned", "retrying") for row in rows} == {
                "webhook": True,
                "email": True,
            }


def test_a_locked_database_does_not_hold_it_up(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, config_yaml()) as server:
        with locked_database(server):
            names = [accepted(server)[0] for _ in range(5)]
            server.terminate()
            took = stopped(server)
        server.restart()
        drained(server)
        assert sum(counted(server).values()) == len(names)
        print(f"stopped in {took:.1f} s with a locked database")


def test_told_to_stop_while_it_starts_it_stops_as_properly(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path, config_yaml())
    try:
        server.start(wait=False)
        server.until("it has begun to start", server.data.exists)
        server.terminate()
        stopped(server)
        assert "listens on" not in server.log
    finally:
        server.kill9()


def _attempted(server: ServerProcess) -> float:
    text = server.get("/metrics").body.decode()
    return sum(float(each) for each in re.findall(r"^notifications_attempted_total\{.*\} (\S+)$", text, re.MULTILINE))


def _connects(server: ServerProcess) -> bool:
    try:
        return server.get("/ready").status == 200
    except (OSError, http.client.HTTPException):
        return False


def _stream(server: ServerProcess) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
    """Sign in by the link that was printed, and open the stream; returns after its first event."""
    where = urlsplit(server.url)
    connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=20)
    path = urlsplit(server.sign_in_link).path
    connection.request("GET", path)
    offered = connection.getresponse()
    page = offered.read().decode()
    cookies = _cookies(offered)
    token = re.search(r'name="csrf"\s+value="([^"]+)"', page)
    assert token is not None, page
    form = urllib.parse.urlencode({"csrf": token[1]})
    own = {"Origin": server.url, "Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "same-origin"}
    connection.request("POST", path, body=form, headers=own | {"Cookie": cookies})
    entered = connection.getresponse()
    entered.read()
    assert entered.status == 303
    connection.request("GET", "/stream", headers={"Cookie": _cookies(entered)})
    stream = connection.getresponse()
    assert (stream.status, stream.getheader("Content-Type", "")[:17]) == (200, "text/event-stream")
    hello = b""
    while b"hello" not in hello:
        hello += stream.readline()
    return connection, stream


def _cookies(response: http.client.HTTPResponse) -> str:
    set_by = [value for name, value in response.getheaders() if name.lower() == "set-cookie"]
    return "; ".join(each.split(";")[0] for each in set_by)
