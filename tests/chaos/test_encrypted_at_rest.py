"""What a source wants encrypted stands in no file and no table in the clear: journal, database, letters (SEC-04)."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from llm_incident_manager.engine.keyring import new_key
from tests.process import KEY, ServerProcess

pytestmark = pytest.mark.requirement("SEC-04")

OLD, NEW = f"old:{new_key()}", f"new:{new_key()}"
SECRETS = ("zebra-crossing", "ana.lopez@example.com", "4000-0000", "mellow yellow", "umbrella stand")
CONFIG = """
users:
  - {id: ana, name: Ana, contacts: {webhook: "http://127.0.0.1:9/ana"}}
teams: [{id: platform, name: Platform, members: [ana]}]
routes: [{name: everything, priority: 0, conditions: {}, assign: {team: platform}}]
sources:
  shop:
    encrypt: [title, "payload.messages[*].content", payload.user, tags.customer, description]
classification:
  rules: [{name: names a zebra, if: {title: {contains: zebra}}, severity: P1}]
"""


def an_event(number: int, **more: Any) -> dict[str, Any]:
    return {
        "event_id": f"e-{number}",
        "source": "shop",
        "timestamp": "2026-01-01T00:00:00Z",
        "event_type": "anomaly",
        "category": "security",
        "title": "The prompt asks for zebra-crossing",
        "description": "sent by ana.lopez@example.com",
        "severity": "low",
        "resource": {"type": "model", "id": "m-1", "name": "model of ana.lopez@example.com"},
        "tags": {"customer": "4000-0000", "environment": "production"},
        "payload": {
            "messages": [{"role": "user", "content": "mellow yellow"}, {"role": "assistant", "content": "fine"}],
            "user": {"mail": "ana.lopez@example.com", "age": 44},
            "region": "eu",
        },
    } | more


def tables(url: str) -> Iterator[tuple[str, bytes]]:
    """Yield every table with all that its rows hold."""
    with psycopg.connect(url.replace("+psycopg", "")) as connection:
        names = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        for (name,) in names:
            rows = connection.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(name))).fetchall()
            parts = [each if isinstance(each, bytes) else str(each).encode() for row in rows for each in row]
            yield name, b"\n".join(parts)


def leaks(server: ServerProcess, url: str | None) -> list[str]:
    """Return what is found of the secrets, and where."""
    places = [
        (str(path.relative_to(server.folder)), path.read_bytes())
        for path in sorted([*server.data.rglob("*"), server.log_path])
        if path.is_file()
    ]
    assert any(name.startswith("data/journal") for name, _ in places)
    if url is not None:
        places += tables(url)
    return [f"{secret} in {name}" for name, held in places for secret in SECRETS if secret.encode() in held]


def incident(server: ServerProcess, incident_id: str) -> dict[str, Any]:
    answer = server.get(f"/api/v1/incidents/{incident_id}")
    assert answer.status == 200, answer.body
    return dict(answer.json)


@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_nothing_is_kept_in_the_clear_and_who_may_reads_it(
    database: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = request.getfixturevalue("postgres_url") if database == "postgres" else None
    env = {"ENCRYPTION_KEYS": OLD} | ({"DATABASE_URL": url} if url else {})
    with ServerProcess(tmp_path, CONFIG, env) as server:
        first = server.post("/api/v1/events", an_event(1)).json["incident_id"]
        batch = server.post("/api/v1/events", [an_event(2), an_event(3, severity="purple umbrella stand")]).json
        assert (batch["accepted"], batch["rejected"]) == (1, 1)
        other = an_event(4, title="The prompt asks for umbrella stand")
        second = server.post("/api/v1/events", other).json["incident_id"]
        assert server.post("/api/v1/events", an_event(1)).json["status"] == "duplicate"
        assert server.post("/api/v1/sources/shop", an_event(5)).status == 202
        assert server.post("/api/v1/sources/shop", {"nonsense": "umbrella stand"}).status == 422
        assert leaks(server, url) == [], "before it is triaged, or just then"
        server.until("all is counted", lambda: incident(server, first)["event_count"] == 3)
        found = incident(server, first)
        assert (found["title"], found["description"]) == ("[encrypted]", "[encrypted]")
        assert (found["severity"], found["environment"]) == ("P1", "production"), "rules look at what was sent"
        assert found["tags"]["customer"] == "[encrypted]"
        assert found["resource"]["name"] == "[encrypted]", "it held a copy"
        assert incident(server, second)["severity"] == "P3", "another title is other trouble"
        assert second != first
        server.kill9()
        assert leaks(server, url) == []
        server.start()
        assert leaks(server, url) == []

        def seen(key: str, path: str) -> str:
            answer = server.ask("GET", path, headers={"Authorization": f"Bearer {key}"})
            assert answer.status == 200, answer.body
            return answer.body.decode()

        reader = server.post("/api/v1/api_keys", {"name": "reader", "scopes": ["read", "respond"]}).json["key"]
        events = f"/api/v1/incidents/{first}/events"
        whole = json.loads(seen(KEY, events))["events"]
        assert whole[-1]["title"] == "The prompt asks for zebra-crossing"
        assert whole[-1]["payload"] == an_event(1)["payload"]
        assert whole[-1]["tags"]["customer"] == "4000-0000"
        assert whole[-1]["resource"]["name"] == "model of ana.lopez@example.com"
        marked = json.loads(seen(reader, events))["events"][-1]["payload"]
        assert marked["messages"][0] == {"role": "user", "content": "[encrypted]"}
        assert (marked["user"], marked["region"]) == ("[encrypted]", "eu")
        for part in ("", "/timeline", "/explanation", "/notifications", "/related"):
            for key in (KEY, reader):
                text = seen(key, f"/api/v1/incidents/{first}{part}")
                assert not [secret for secret in SECRETS if secret in text], (part, text)
        text = seen(reader, events) + seen(reader, "/api/v1/dead_letters") + seen(reader, "/api/v1/audit")
        assert not [secret for secret in SECRETS if secret in text]
        letters = json.loads(seen(KEY, "/api/v1/dead_letters"))["dead_letters"]
        assert sorted("umbrella stand" in letter["body"] for letter in letters) == [True, True]


def test_keys_are_changed_and_a_missing_one_is_said(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, CONFIG, {"ENCRYPTION_KEYS": OLD}) as server:
        first = server.post("/api/v1/events", an_event(1)).json["incident_id"]
        server.post("/api/v1/events", [an_event(2, severity="purple")])
        server.until("it is triaged", lambda: server.metric("worker_queue_depth") == 0)
        events = f"/api/v1/incidents/{first}/events"

        def restarted(keys: str | None) -> None:
            server.kill9()
            server.env.pop("ENCRYPTION_KEYS", None)
            if keys is not None:
                server.env["ENCRYPTION_KEYS"] = keys
            server.start()

        restarted(NEW)
        (lost,) = server.get(events).json["events"]
        assert "encrypted with the key old, which this server does not have" in lost["payload"]["user"]
        (letter,) = server.get("/api/v1/dead_letters").json["dead_letters"]
        assert "the key old, which this server does not have" in letter["body"]
        refused = server.post(f"/api/v1/dead_letters/{letter['id']}/replay")
        assert (refused.status, refused.json["code"]) == (422, "encrypted")
        assert rotated(server) == {"rewritten": 0, "unreadable": 2}

        restarted(f"{NEW},{OLD}")
        assert server.get("/api/v1/encryption").json == {"active": "new", "keys": ["new", "old"]}
        again = server.post("/api/v1/events", an_event(7)).json
        assert again["incident_id"] == first, "the same trouble, whatever key its fingerprint was made with"
        server.until("it is triaged", lambda: server.metric("worker_queue_depth") == 0)
        assert rotated(server) == {"rewritten": 2, "unreadable": 0}
        assert rotated(server) == {"rewritten": 0, "unreadable": 0}

        restarted(NEW)
        assert [each["payload"]["user"]["age"] for each in server.get(events).json["events"]] == [44, 44]
        (letter,) = server.get("/api/v1/dead_letters").json["dead_letters"]
        assert "zebra-crossing" in letter["body"]
        assert leaks(server, None) == []

        restarted(None)
        waits = server.post("/api/v1/events", an_event(8))
        assert (waits.status, waits.json["code"]) == (503, "encryption_key_missing")
        assert "ENCRYPTION_KEYS" in waits.json["detail"]
        assert server.post("/api/v1/sources/shop", {"nonsense": "umbrella stand"}).status == 503
        assert leaks(server, None) == [], "what cannot be encrypted is not kept"
        assert server.post("/api/v1/events", an_event(9, source="plain")).status == 202


def rotated(server: ServerProcess) -> dict[str, int]:
    """Change keys step by step, as the command line does."""
    totals, cursor = {"rewritten": 0, "unreadable": 0}, None
    while True:
        step = server.post("/api/v1/encryption/rotate" + (f"?cursor={cursor}" if cursor else ""))
        assert step.status == 200, step.body
        totals = {name: totals[name] + step.json[name] for name in totals}
        cursor = step.json["next_cursor"]
        if cursor is None:
            return totals


def test_what_waits_in_the_journal_is_judged_after_a_kill_as_it_was_sent(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, CONFIG, {"ENCRYPTION_KEYS": OLD}) as server:
        taken = [
            server.post("/api/v1/events", an_event(n, resource={"type": "model", "id": f"r-{n}"})) for n in range(40)
        ]
        server.kill9()
        assert leaks(server, None) == []
        server.start()
        for answer in taken:
            found = incident(server, answer.json["incident_id"])
            assert (found["severity"], found["title"]) == ("P1", "[encrypted]")
