"""What those who run the product do from the command line, against a real server."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Lim
from tests.cli.running import Running
from tests.cli.test_incidents import an_event, opened

STATUS_PAGE: dict[str, Any] = {
    "page": {"id": "acme", "name": "Acme Models"},
    "incidents": [
        {
            "id": "i-1",
            "name": "Elevated errors",
            "impact": "major",
            "status": "resolved",
            "created_at": "2026-10-01T10:00:00Z",
            "resolved_at": "2026-10-01T11:30:00Z",
            "incident_updates": [
                {"status": "investigating", "body": "We look into it.", "created_at": "2026-10-01T10:05:00Z"},
                {"status": "resolved", "body": "It is over.", "created_at": "2026-10-01T11:30:00Z"},
            ],
        }
    ],
}


@pytest.mark.requirement("SEC-01")
def test_a_key_is_made_rotated_and_revoked(real: Lim) -> None:
    made = json.loads(real("keys", "create", "ci", "--scope", "read", "-o", "json").stdout)
    assert real("incidents", "list", LIM_API_KEY=made["key"]).exit_code == 0
    successor = real("keys", "rotate", made["id"], "--overlap-seconds", "3600")
    assert successor.exit_code == 0, successor.output
    new_key = successor.stdout.strip()
    assert new_key != made["key"]
    assert real("incidents", "list", LIM_API_KEY=new_key).exit_code == 0
    assert made["id"] in real("keys", "list").stdout
    assert real("keys", "revoke", made["id"]).exit_code == 0
    assert real("incidents", "list", LIM_API_KEY=made["key"]).exit_code == 1


def test_a_key_without_the_scope_is_told_so(real: Lim) -> None:
    key = real("keys", "create", "reader", "--scope", "read").stdout.strip()
    result = real("incidents", "take", opened(real), LIM_API_KEY=key)
    assert result.exit_code == 1
    assert "scope" in result.stderr


@pytest.mark.requirement("SEC-01")
def test_what_a_person_does_with_their_key_is_recorded_in_their_name(real: Lim) -> None:
    key = real("keys", "create", "anas", "--scope", "respond", "--scope", "read", "--user", "ana").stdout.strip()
    incident_id = opened(real)
    taken = json.loads(real("incidents", "take", incident_id, "-o", "json", LIM_API_KEY=key).stdout)
    assert taken["assigned_to"] == "ana"


def test_a_person_gets_a_sign_in_link(real: Lim, running: Running) -> None:
    result = real("users", "link", "ana")
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith(f"{running.url}/sign-in/")
    assert "works once" in result.stderr
    assert real("users", "link", "nobody").exit_code == 1


def test_a_test_page_says_how_it_went(real: Lim) -> None:
    result = real("users", "test-page", "ana", "-o", "json")
    assert result.exit_code == 1, result.output
    (page,) = json.loads(result.stdout)["notifications"]
    assert (page["channel"], page["delivered"]) == ("webhook", False)
    told = real("users", "test-page", "ana").stdout
    assert "failed" in told
    assert page["reason"] in told


def test_who_is_on_call(real: Lim) -> None:
    asked = ("--at", "2026-01-07T12:00:00Z", "-o", "json")
    found = json.loads(real("oncall", "who", *asked).stdout)["schedules"]
    assert [(each["id"], each["on_call"]) for each in found] == [("primary", ["ana"])]
    shown = real("oncall", "show", "primary", "--at", "2026-01-14T12:00:00Z")
    assert shown.exit_code == 0, shown.output
    for words in ("Primary", "Europe/Madrid", "bo", "weekly", "09:00"):
        assert words in shown.stdout


def test_a_route_is_rehearsed(real: Lim) -> None:
    result = real("routes", "test", "--severity", "P1", "--category", "cost", "--tag", "team=search")
    assert result.exit_code == 0, result.output
    for words in ("everything", "slow", "Ana", "webhook"):
        assert words in result.stdout
    bad = real("routes", "test", "--severity", "purple")
    assert bad.exit_code == 1
    assert "severity" in bad.stderr


def test_a_source_is_tried_out(real: Lim, tmp_path: Path) -> None:
    body = tmp_path / "anomaly.json"
    body.write_text('{"alert_id": "a", "anomaly_type": "cost_anomaly", "service_name": "rag", "severity": "high"}')
    shown = real("sources", "test", "sentinel", str(body))
    assert shown.exit_code == 0, shown.output
    for words in ("Cost anomaly in rag", "P1", "the source says high", "open an incident"):
        assert words in shown.stdout
    body.write_text('{"outputs": {"anomaly_detected": false}}')
    assert "nothing in it" in real("sources", "test", "sentinel", str(body)).stdout
    body.write_text('{"what": "else"}')
    refused = real("sources", "test", "sentinel", str(body))
    assert refused.exit_code == 1
    assert "anomaly_type" in refused.stderr


@pytest.mark.requirement("CLS-08")
def test_cross_source_keys_are_looked_at_before_they_fold(real: Lim, tmp_path: Path) -> None:
    assert "no cross-source key is set" in real("correlation", "preview").stdout
    for number, source in enumerate(("prometheus", "datadog")):
        event = {
            "event_id": f"fold-{number}", "source": source, "timestamp": "2026-01-31T10:30:00Z", "event_type": "alert",
            "category": "performance", "title": f"Slow, says {source}", "severity": "high",
            "resource": {"type": "service", "id": "fold-me"},
        }  # fmt: skip
        sent = tmp_path / f"{source}.json"
        sent.write_text(json.dumps(event))
        answer = json.loads(real("send", str(sent), "-o", "json").stdout)
        assert real("incidents", "show", answer["incident_id"]).exit_code == 0
    config = tmp_path / "keys.yaml"
    config.write_text('correlation: {keys: [{name: one service, key: "{resource.type}/{resource.id}"}]}')
    shown = real("correlation", "preview", "--config", str(config), "--hours", "2")
    assert shown.exit_code == 0, shown.output
    for words in ("one service: service/fold-me", "Slow, says prometheus", "Slow, says datadog"):
        assert words in shown.stdout
    config.write_text('correlation: {keys: [{name: one service, key: "{colour}"}]}')
    wrong = real("correlation", "preview", "--config", str(config))
    assert wrong.exit_code == 1
    assert "correlation.keys[0].key" in wrong.stderr
    checked = real("config", "check", str(config))
    assert (checked.exit_code, "correlation.keys[0].key" in checked.output + checked.stderr) == (1, True)


@pytest.mark.requirement("REL-04")
def test_dead_letters_are_listed_replayed_and_discarded(real: Lim) -> None:
    wrong = [an_event(severity="purple"), an_event(title="")]
    assert real("send", "-", stdin=json.dumps(wrong)).exit_code == 1
    letters = json.loads(real("dead-letters", "list", "-o", "json").stdout)["dead_letters"]
    ids = [each["id"] for each in letters]
    assert len(ids) >= 2
    again = real("dead-letters", "replay", ids[0])
    assert again.exit_code == 1
    both = real("dead-letters", "discard", *ids)
    assert both.exit_code == 0, both.output
    assert json.loads(real("dead-letters", "list", "-o", "json").stdout)["dead_letters"] == []
    assert real("dead-letters", "discard", ids[0]).exit_code == 1


@pytest.mark.requirement("AUD-06")
def test_the_trail_is_verified_exported_and_verified_offline(real: Lim, tmp_path: Path) -> None:
    opened(real, "acknowledge")
    assert "holds" in real("audit", "verify").stdout
    file = tmp_path / "trail.jsonl"
    exported = real("audit", "export", str(file))
    assert exported.exit_code == 0, exported.output
    offline = {"LIM_URL": "http://127.0.0.1:1"}
    assert "holds" in real("audit", "verify", str(file), **offline).stdout
    opened(real)
    assert real("audit", "verify", "--against", str(file)).exit_code == 0
    alone = real("audit", "verify", "--against", str(file), **offline)
    assert alone.exit_code == 0
    assert "compared with nothing" in alone.stderr
    lines = file.read_text().splitlines()
    file.write_text("\n".join([*lines[:-2], *lines[-1:]]) + "\n")
    cut = real("audit", "verify", str(file), **offline)
    assert cut.exit_code == 1
    assert "DOES NOT HOLD" in cut.stdout
    assert real("audit", "verify", "--against", str(file)).exit_code == 1


@pytest.mark.requirement("AUD-06")
def test_a_trail_that_lost_what_an_older_export_saw_does_not_hold(real: Lim, tmp_path: Path) -> None:
    older, newer = tmp_path / "older.jsonl", tmp_path / "newer.jsonl"
    assert real("audit", "export", str(older)).exit_code == 0
    opened(real, "acknowledge")
    assert real("audit", "export", str(newer)).exit_code == 0
    assert real("audit", "verify", str(newer), "--against", str(older)).exit_code == 0
    result = real("audit", "verify", str(older), "--against", str(newer), "-o", "json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["first_fault"]["reason"]


@pytest.mark.requirement("DEP-07")
def test_the_config_file_is_compared_and_reloaded(real: Lim, running: Running) -> None:
    assert "nothing would change" in real("config", "diff").stdout
    document = json.loads(running.config_file.read_text())
    before = running.config_file.read_text()
    document["users"].append({"id": "chen", "name": "Chen"})
    running.config_file.write_text(json.dumps(document))
    assert "chen" in real("config", "diff").stdout
    assert "chen" in real("config", "reload").stdout
    assert "chen" in real("users", "list").stdout
    running.config_file.write_text('{"users": [{"id": "ana", "nmae": "Ana"}]}')
    wrong = real("config", "reload")
    assert wrong.exit_code == 1
    assert "nmae" in wrong.stderr
    running.config_file.write_text(before)
    assert real("config", "reload").exit_code == 0


def test_history_of_a_status_page_comes_in_once(real: Lim, tmp_path: Path) -> None:
    file = tmp_path / "history.json"
    file.write_text(json.dumps(STATUS_PAGE))
    first = real("import", "statuspage", str(file))
    assert first.exit_code == 0, first.output
    found = real("incidents", "list", "--source", "statuspage:acme", "-o", "json")
    listed = json.loads(found.stdout)["incidents"]
    assert [(each["title"], each["metrics"]["mttr"]) for each in listed] == [("Elevated errors", 5400.0)]
    assert real("import", "statuspage", str(file)).exit_code == 0
    assert json.loads(real("incidents", "list", "--source", "statuspage:acme", "-o", "json").stdout)["total"] == 1


def test_history_is_sent_again_as_fresh_events(real: Lim, tmp_path: Path) -> None:
    file = tmp_path / "history.json"
    file.write_text(json.dumps({**STATUS_PAGE, "page": {"id": "live", "name": "Live"}}))
    result = real("import", "statuspage", str(file), "--live", "--speed", "1000000", "-o", "json")
    assert result.exit_code == 0, result.output
    counts = {"source": "statuspage:live", "events": 2, "accepted": 2, "duplicate": 0, "faults": []}
    assert json.loads(result.stdout) == counts


def test_what_a_history_holds_that_cannot_be_read_is_named(real: Lim, tmp_path: Path) -> None:
    file = tmp_path / "history.json"
    odd = {**STATUS_PAGE["incidents"][0], "id": "i-2", "impact": "apocalyptic"}
    file.write_text(json.dumps({"page": {"id": "odd"}, "incidents": [odd, *STATUS_PAGE["incidents"]]}))
    for extra in ((), ("--live", "--speed", "1000000")):
        result = real("import", "statuspage", str(file), *extra)
        assert result.exit_code == 0, result.output
        assert "apocalyptic" in result.stdout


def test_a_document_that_is_no_status_page_is_refused(real: Lim, tmp_path: Path) -> None:
    file = tmp_path / "history.json"
    file.write_text('{"incidents": 3}')
    for extra in ((), ("--live",)):
        result = real("import", "statuspage", str(file), *extra)
        assert result.exit_code == 1
        assert "page" in result.stderr
