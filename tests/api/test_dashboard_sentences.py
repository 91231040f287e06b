"""The dashboard's sentences: what an engine's record becomes on the page."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from llm_incident_manager.api.dashboard.deadlines import deadline_of
from llm_incident_manager.api.dashboard.deliveries import catch_all_told, deliveries_of, ledger_of, paged_names, tally
from llm_incident_manager.api.dashboard.next_steps import next_step_of, who_has_it
from llm_incident_manager.api.dashboard.reasons import reasons_of
from llm_incident_manager.api.dashboard.signals import measured, plots_of
from llm_incident_manager.api.dashboard.timeline import entries_of, group_sizes
from llm_incident_manager.api.dashboard.untold import untold_of
from llm_incident_manager.api.dashboard.words import People, count_down, listed, spell
from tests.dashboard_night import TEAMS, USERS, incident_at

NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
PEOPLE = People({"users": USERS, "teams": TEAMS}, "ana")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-5, "0 s"), (59, "59 s"), (60, "1 min"), (3600, "1 h"), (7860, "2 h 11"), (97_200, "1 d 3 h"), (864_000, "10 d")],
)
def test_lengths_of_time_are_spelled_short(seconds: int, text: str) -> None:
    assert spell(seconds).replace("\u00a0", " ") == text


@pytest.mark.parametrize(("seconds", "text"), [(108, "1:48"), (0, "0:00"), (-372, "+6:12"), (10_140, "2 h 49")])
def test_time_left_reads_as_a_clock(seconds: int, text: str) -> None:
    assert count_down(seconds).replace("\u00a0", " ") == text


def test_names_are_listed_shortly() -> None:
    assert [listed(["a"]), listed(["a", "b"]), listed(["a", "b", "c"]), listed(list("abcde"))] == [
        "a",
        "a and b",
        "a, b and c",
        "a, b and 3 more",
    ]


@pytest.mark.parametrize(
    ("status", "minutes", "tone", "label"),
    [
        ("NEW", 1, "ok", "Take"),
        ("NEW", 3, "warn", "Take"),
        ("NEW", 6, "bad", "Take"),
        ("ESCALATED", 6, "ok", "Resolve"),
        ("IN_PROGRESS", 14, "warn", "Resolve"),
        ("RESOLVED", 20, "met", "Met"),
        ("CLOSED", 60, "missed", "Late by"),
    ],
)
def test_a_deadline_turns_amber_at_half_and_red_at_its_end(status: str, minutes: float, tone: str, label: str) -> None:
    found = deadline_of(incident_at(NOW, "INC-1", "P0", status, "t", age=minutes), NOW)
    assert (found.tone, found.label) == (tone, label)


def test_a_severity_without_promises_has_no_deadline() -> None:
    none = deadline_of(incident_at(NOW, "INC-1", "P4", "NEW", "t"), NOW)
    assert (none.text, none.why) == ("no deadline", "This severity promises no time.")
    silence = {"silenced_until": "2026-11-25T00:00:00Z", "sla": {}}
    silenced = incident_at(NOW, "INC-1", "P1", "NEW", "t") | silence
    assert deadline_of(silenced, NOW).why == "It counts from the end of the silence."
    never = incident_at(NOW, "INC-1", "P4", "NEW", "t") | silence
    assert deadline_of(never, NOW).why == "This severity promises no time."


def told(**facts: Any) -> dict[str, Any]:
    return {"target": "user:bo", "recipient": "bo", "recipient_name": "Bo", "channel": "email", "level": 1, **facts}


@pytest.mark.parametrize(
    ("facts", "text", "tone"),
    [
        ({"state": "delivered", "attempts": 1}, "delivered", "ok"),
        ({"state": "delivered", "attempts": 3}, "delivered at try 3", "ok"),
        ({"state": "failed", "attempts": 3, "reason": "no such box"}, "failed after 3 tries: no such box", "bad"),
        ({"state": "skipped", "reason": "no phone yet"}, "not sent: no phone yet", "dim"),
        ({"state": "cancelled"}, "not sent: no longer needed", "dim"),
        (
            {"state": "retrying", "attempts": 2, "reason": "503", "next_attempt_at": "2026-11-24T03:00:24Z"},
            "tried 2×: 503, again in",
            "warn",
        ),
        (
            {"state": "waiting", "reason": "throttled", "next_attempt_at": "2026-11-24T03:12:00Z"},
            "waiting: throttled until",
            "warn",
        ),
        ({"state": "planned", "planned_at": "2026-11-24T03:12:00Z"}, "planned for", "dim"),
        ({"state": "unheard_of"}, "unheard of: on its way to the channel", "warn"),
    ],
)
def test_each_delivery_state_is_a_sentence(facts: dict[str, Any], text: str, tone: str) -> None:
    (found,) = deliveries_of([told(**facts)], PEOPLE)
    assert (found.text, found.tone, found.who) == (text, tone, "Bo")


def test_deliveries_are_counted_by_how_they_stand() -> None:
    ledger = [told(state=state, planned_at="2026-11-24T03:12:00Z") for state in ("delivered", "planned", "cancelled")]
    assert tally(deliveries_of(ledger, PEOPLE)) == "1 delivered, 1 planned, 1 not sent"


def test_the_bar_says_who_else_was_paged_and_who_has_it() -> None:
    paged = paged_names([told(state="delivered"), told(state="delivered", recipient="user:ana")], PEOPLE)
    assert paged == ["Bo"]
    new = incident_at(NOW, "INC-1", "P0", "NEW", "t")
    assert who_has_it(new, paged, PEOPLE) == "Bo was paged too. Nobody has it yet."
    assert who_has_it({**new, "assigned_to": "ana"}, paged, PEOPLE) == "Bo was paged too. You have it."
    assert who_has_it({**new, "assigned_to": "chidi"}, [], PEOPLE) == "Chidi Okafor has it."


@pytest.mark.parametrize(
    ("ladder", "text"),
    [
        (
            {
                "level": 1,
                "state": "climbing",
                "next_at": "2026-11-24T03:05:00Z",
                "next_level": 2,
                "next_targets": ["user:bo"],
            },
            "to level 2: Bo Lindqvist is told then, unless somebody takes it.",
        ),
        (
            {
                "level": 3,
                "state": "climbing",
                "next_at": "2026-11-24T03:05:00Z",
                "next_step": "manager_page",
                "next_targets": ["user:bo", "team:platform"],
            },
            "to the incident manager: Bo Lindqvist and Platform are told then, unless somebody takes it.",
        ),
        ({"state": "exhausted"}, ": Every level was told; nobody else is paged by itself."),
        ({"state": "quiet"}, ": It pages nobody by itself."),
        ({"state": "odd", "reason": "the moon is full"}, ": Nobody is paged next: the moon is full."),
    ],
)
def test_what_happens_next_is_said(ladder: dict[str, Any], text: str) -> None:
    step = next_step_of({**incident_at(NOW, "INC-1", "P0", "NEW", "t"), "ladder": ladder}, PEOPLE, NOW)
    assert f"{step.towards}: {step.text}" == text or f": {step.text}" == text


@pytest.mark.parametrize(
    ("kind", "facts", "changes", "group", "said"),
    [
        (
            "notification_sent",
            {"state": "planned", "level": 1, "channel": "email", "pages": [{"name": "Ana"}, {"name": "Bo"}]},
            [],
            "pages",
            "Paged Ana and Bo by email, level 1",
        ),
        (
            "notification_sent",
            {"state": "failed", "recipient": "bo", "target": "bo", "channel": "slack", "reason": "gone"},
            [],
            "pages",
            "Did not reach Bo Lindqvist by slack: gone",
        ),
        (
            "assigned",
            {"kind": "routed", "route": "everything"},
            [("assigned_team", None, "platform")],
            "changes",
            "Routed by “everything” to Platform",
        ),
        ("assigned", {}, [("assigned_to", None, "bo")], "changes", "You assigned it to Bo Lindqvist"),
        (
            "notification_sent",
            {"state": "planned", "reason": "paged_by_hand", "channel": "sms", "pages": [{"name": "Bo"}]},
            [],
            "pages",
            "You paged Bo by sms: somebody asked for it",
        ),
        (
            "notification_sent",
            {"state": "skipped", "reason": "exhausted", "level": 3, "pages": [{"name": "Bo", "skipped": "no phone"}]},
            [],
            "pages",
            "Could not tell Bo: no phone",
        ),
        ("incident_updated", {"kind": "events_joined", "count": 1200}, [], "events", "1,200 more events joined"),
        (
            "incident_updated",
            {"kind": "severity_raised", "reason": "worse"},
            [("severity", "P3", "P0")],
            "changes",
            "You changed the severity: worse",
        ),
        (
            "incident_updated",
            {"kind": "resolution", "root_cause": "disk"},
            [("resolution.root_cause", None, "disk")],
            "changes",
            "You wrote down how it ended",
        ),
        (
            "incident_updated",
            {"kind": "linked", "incident_id": "INC-2", "link": "recurrence_of"},
            [],
            "changes",
            "You linked INC-2 as recurrence of",
        ),
        (
            "state_changed",
            {"action": "start_work"},
            [("status", "ACKNOWLEDGED", "IN_PROGRESS")],
            "changes",
            "You started work",
        ),
        ("something_later", {}, [], "changes", "You something later"),
    ],
)
def test_each_entry_of_the_log_is_a_sentence(
    kind: str, facts: dict[str, Any], changes: list[tuple[str, Any, Any]], group: str, said: str
) -> None:
    moves = [{"field": field, "old_value": old, "new_value": new} for field, old, new in changes]
    line = {"event_type": kind, "event_data": facts, "changes": moves, "actor": {"type": "user", "id": "ana"}}
    (entry,) = entries_of([line], PEOPLE)
    assert (entry.group, f"{entry.who} {entry.text}".strip()) == (group, said)
    assert group_sizes([entry]) == {group: 1}


def line_of(kind: str, facts: dict[str, Any], *, by: str = "ladder", at: str = "03:00") -> dict[str, Any]:
    actor = {"type": "user" if by == "ana" else "system", "id": by, "name": by}
    return {"event_type": kind, "event_data": facts, "actor": actor, "timestamp": f"2026-11-24T{at}:00Z"}


def test_what_the_engine_does_by_itself_is_said_without_a_name() -> None:
    log = [
        line_of("sla_breached", {"deadline": "acknowledgment"}),
        line_of("escalated", {"reason": "next_level reached: nobody acted in time"}),
    ]
    assert [(entry.who, entry.text) for entry in entries_of(log, PEOPLE)] == [
        ("", "The deadline to take it passed"),
        ("", "Escalated: nobody acted in time"),
    ]


def test_neighbours_that_say_the_same_are_one_entry() -> None:
    joined = [line_of("incident_updated", {"count": 30}, at=at) for at in ("03:05", "03:04", "03:03")]
    skipped = {"state": "skipped", "pages": [{"name": "Bo", "skipped": "no phone"}]}
    log = [*joined, *(line_of("notification_sent", skipped | {"level": level}) for level in (3, 2))]
    first, second = entries_of(log, PEOPLE)
    assert (first.text, first.at, first.since) == (
        "90 more events joined",
        datetime(2026, 11, 24, 3, 5, tzinfo=UTC),
        datetime(2026, 11, 24, 3, 3, tzinfo=UTC),
    )
    assert (second.text, second.times) == ("Could not tell Bo: no phone", 2)


def test_the_assignment_that_goes_with_taking_is_not_told_twice() -> None:
    log = [line_of("assigned", {"user": "ana"}, by="ana"), line_of("acknowledged", {}, by="ana")]
    assert [entry.text for entry in entries_of(log, PEOPLE)] == ["took it"]


def test_the_red_banner_says_why_nobody_was_reached_and_what_follows() -> None:
    incident = {**incident_at(NOW, "INC-1", "P0", "NEW", "t"), "untold": True}
    ledger = [told(state="skipped", reason="no phone yet"), told(state="retrying", reason="503", recipient_name="Mei")]
    banner = untold_of(incident, ledger, PEOPLE)
    assert banner is not None
    assert banner.text == "Next is Chidi Okafor. What failed is being tried again."
    assert banner.reasons == ["Mei: 503.", "Bo: no phone yet."]
    over = untold_of({**incident, "ladder": {"state": "exhausted"}}, [], PEOPLE)
    assert over is not None
    assert over.text == "No further step follows by itself."
    assert untold_of({**incident, "untold": False}, ledger, PEOPLE) is None


def test_the_catch_all_knows_only_where_its_page_has_arrived() -> None:
    incident = {**incident_at(NOW, "INC-1", "P0", "ESCALATED", "t"), "ladder": {"state": "exhausted"}}
    failed, arrived = told(state="failed", cause="exhausted"), told(state="delivered", cause="exhausted")
    assert (catch_all_told([failed]), catch_all_told([failed, arrived])) == (False, True)
    assert "catch-all" not in next_step_of(incident, PEOPLE, NOW).text
    assert "catch-all knows" in next_step_of(incident, PEOPLE, NOW, catch_all_knows=True).text


def test_what_was_never_sent_is_folded_and_said_once() -> None:
    ledger = ledger_of([told(state="delivered"), *[told(state="skipped", reason="no phone")] * 3], PEOPLE)
    assert [one.text for one in ledger.now] == ["delivered"]
    assert [(one.text, one.times) for one in ledger.unsent] == [("not sent: no phone", 3)]


def test_a_snooze_counts_down_to_its_end() -> None:
    until = (NOW + timedelta(minutes=30)).isoformat()
    step = next_step_of({**incident_at(NOW, "INC-1", "P0", "NEW", "t"), "snoozed_until": until}, PEOPLE, NOW)
    assert (step.left, step.towards) == ("30:00", "of snooze left")


def test_the_explanation_says_what_did_not_hold_and_leaves_the_deliveries_to_their_place() -> None:
    evidence = [
        {"by": "rule", "finding": "breach is true", "held": False, "severity": "P0"},
        {"by": "ana", "finding": "Ana was told", "channel": "email"},
    ]
    (reason,) = reasons_of({"severity": {"text": "P1 by threshold.", "rule": "p95", "evidence": evidence}}, "P1")
    assert (reason.question, reason.facts) == ("Why P1?", [("rule", "p95")])
    assert [item.what for item in reason.evidence] == ["did not hold: breach is true"]


def test_metrics_become_plots_and_thresholds_their_limits() -> None:
    events = [
        {
            "timestamp": (NOW - timedelta(minutes=minute)).isoformat(),
            "metrics": {"p95_ms": 100.0 + minute, "threshold_ms": 50},
        }
        for minute in range(3)
    ]
    (plot,) = plots_of([*events, {"timestamp": NOW.isoformat(), "metrics": {"model": "x", "ok": True}}])
    assert (plot.name, plot.limit_text.replace("\u00a0", " ")) == ("p95 ms", "limit 50 ms")
    assert plot.path.startswith("M0.0,")
    assert measured("cost_usd", 4.3).replace("\u00a0", " ") == "4.3 USD"
    assert measured("error_rate", 0.12).replace("\u00a0", " ") == "12 %"
