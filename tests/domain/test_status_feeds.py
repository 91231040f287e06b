"""Feeds of status pages, Atom and RSS, as the pages write them (ING-13)."""

import os
import random
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from llm_incident_manager.domain.events.event import SourceSettings
from llm_incident_manager.domain.events.pulling import Provider
from llm_incident_manager.errors import Invalid
from llm_incident_manager.sources.spec import Polled, PollMoment, SourceRequest
from llm_incident_manager.sources.statuspage_poll import poll, url_of

pytestmark = pytest.mark.requirement("ING-13")
NOW = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
SETTINGS = SourceSettings(name="status", provider=Provider(id="openai"))
ATOM = """<?xml version="1.0" encoding="UTF-8"?>
<feed xml:lang="en-US" xmlns="http://www.w3.org/2005/Atom">
  <id>tag:status.openai.example,2005:/history</id>
  <link rel="alternate" type="text/html" href="https://status.openai.example"/>
  <link rel="self" type="application/atom+xml" href="https://status.openai.example/history.atom"/>
  <title>OpenAI Status - Incident History</title>
  <updated>2026-11-02T08:50:00Z</updated>
  <entry>
    <id>tag:status.openai.example,2005:Incident/22334455</id>
    <published>2026-11-02T08:31:00Z</published>
    <updated>2026-11-02T08:50:00Z</updated>
    <link rel="alternate" type="text/html" href="https://status.openai.example/incidents/abc"/>
    <title>Elevated errors &amp; timeouts</title>
    <content type="html">&lt;p&gt;&lt;small&gt;Nov &lt;var data-var='date'&gt; 2&lt;/var&gt;, 00:50 PST&lt;/small&gt;
      &lt;br&gt;&lt;strong&gt;{word}&lt;/strong&gt; - A fix is on &lt;b&gt;its&lt;/b&gt; way.&lt;/p&gt;
      &lt;p&gt;&lt;small&gt;Nov 2&lt;/small&gt;&lt;br&gt;
      &lt;strong&gt;Investigating&lt;/strong&gt; - We are looking.&lt;/p&gt;</content>
  </entry>
</feed>"""
RSS = """<?xml version="1.0" encoding="UTF-8"?>
<rss version="2.0"><channel><title>Acme AI - Status Feed</title><link>https://status.acme.example</link>
<item><title>Models answer slowly</title>
<description>&lt;b&gt;Status: {word}&lt;/b&gt;&lt;br/&gt;&lt;br/&gt;We have found it.&lt;br/&gt;&lt;br/&gt;&lt;b&gt;
Affected components&lt;/b&gt;
&lt;ul&gt;&lt;li&gt;Chat (Partial outage)&lt;/li&gt;&lt;/ul&gt;</description>
<pubDate>Mon, 02 Nov 2026 08:31:00 GMT</pubDate><link>https://status.acme.example/incidents/01JX</link>
<guid>https://status.acme.example/incidents/01JX</guid></item></channel></rss>"""


def asked(body: str | bytes, told: dict[str, str] | None = None) -> Polled:
    request = SourceRequest(source="status", body=body.encode() if isinstance(body, str) else body, received_at=NOW)
    return poll(request, SETTINGS, PollMoment(told=told or {}, since=NOW))


def event_of(polled: Polled) -> dict[str, Any]:
    (step,) = polled.sent.steps
    assert isinstance(step, dict)
    return step


def test_an_atom_feed_tells_its_outage() -> None:
    polled = asked(ATOM.replace("{word}", "Identified"))
    event = event_of(polled)
    assert (event["event_type"], event["title"], event["severity"], event["timestamp"], event["dedup_key"]) == (
        "alert", "Elevated errors & timeouts", "P3", "2026-11-02T08:31:00+00:00", "22334455",
    )  # fmt: skip
    assert event["description"] == "A fix is on its way."
    assert (event["resource"]["id"], event["resource"]["name"]) == ("openai", "OpenAI")
    assert asked(ATOM.replace("{word}", "Identified"), dict(polled.told)).sent.steps == ()
    over = event_of(asked(ATOM.replace("{word}", "Resolved"), dict(polled.told)))
    assert (over["event_type"], over["dedup_key"], over["timestamp"]) == (
        "resolved", "22334455", "2026-11-02T09:00:00+00:00",
    )  # fmt: skip


def test_an_rss_feed_tells_its_outage_and_its_impact() -> None:
    polled = asked(RSS.replace("{word}", "Monitoring"))
    event = event_of(polled)
    assert (event["title"], event["severity"], event["dedup_key"], event["description"]) == (
        "Models answer slowly", "P2", "01JX", "We have found it.",
    )  # fmt: skip
    assert event_of(asked(RSS.replace("{word}", "Resolved"), dict(polled.told)))["event_type"] == "resolved"


@pytest.mark.parametrize(("word", "kept"), [("Scheduled", ["change"]), ("In progress", ["change"]), ("Completed", [])])
def test_planned_work_in_a_feed_opens_nothing(word: str, kept: list[str]) -> None:
    steps = asked(ATOM.replace("{word}", word)).sent.steps
    assert [step["event_type"] for step in steps if isinstance(step, dict)] == kept


def test_an_entry_that_leaves_the_feed_is_not_over_for_that() -> None:
    polled = asked(RSS.replace("{word}", "Monitoring"))
    empty = asked('<rss version="2.0"><channel><title>Acme</title></channel></rss>', dict(polled.told))
    assert (empty.sent.steps, empty.told) == ((), polled.told)


@pytest.mark.requirement("SEC-05")
@pytest.mark.parametrize(
    ("body", "why"),
    [
        (ATOM[:-20], "is no whole feed"),
        ('<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaa">]><feed>&a;</feed>', "declares a document type"),
        ("<!DOCTYPE html><html><body>Just a moment…</body></html>", "declares a document type"),
        ("<html><body>no</body></html>", "neither an Atom feed nor RSS"),
        ('<?xml version="1.0" encoding="UTF-16"?><feed>'.encode("utf-16"), "body"),
        (b"<feed>\xff</feed>", "is not UTF-8"),
        ("<feed>&undefined;</feed>", "is no whole feed"),
    ],
)
def test_what_is_no_feed_is_refused_with_its_reason(body: str | bytes, why: str) -> None:
    with pytest.raises(Invalid) as refused:
        asked(body)
    assert why in refused.value.message or why in refused.value.faults[0].field


def test_whatever_a_feed_holds_is_read_or_refused() -> None:
    """Mutants: nothing but Invalid, and never a step that names no incident."""
    dice = random.Random(20261102)
    for _ in range(1500):
        text = list(dice.choice((ATOM, RSS)).replace("{word}", dice.choice(("Resolved", "Update", "Scheduled"))))
        for _ in range(dice.randint(1, 6)):
            at = dice.randrange(len(text))
            text[at : at + dice.choice((0, 1, 1, 30))] = dice.choice(
                ("<", "&", ">", "\x00", "9999", "&lt;", "\ud800", "é", "")
            )
        try:
            polled = asked("".join(text).encode("utf-8", "surrogatepass"))
        except Invalid:
            continue
        for step in polled.sent.steps:
            assert isinstance(step, dict)
            assert step["event_id"]
            assert step["dedup_key" if step["event_type"] != "change" else "title"]


@pytest.mark.parametrize(
    ("endpoint", "url"),
    [
        ("https://status.openai.com", "https://status.openai.com/api/v2/incidents.json"),
        ("https://status.openai.com/", "https://status.openai.com/api/v2/incidents.json"),
        ("https://status.openai.com/history.atom", "https://status.openai.com/history.atom"),
        ("https://x.example/?page=1", "https://x.example/?page=1"),
    ],
)
def test_a_page_s_address_stands_for_its_list(endpoint: str, url: str) -> None:
    assert url_of(endpoint) == url


def test_real_history_holds_nothing_that_cannot_be_read() -> None:
    folder = os.environ.get("LIM_TEST_STATUS_HISTORY")
    if not folder:
        pytest.skip("no real histories: LIM_TEST_STATUS_HISTORY names no folder of incidents.json files")
    files = sorted(Path(folder).glob("*.json"))
    assert files
    for file in files:
        polled = asked(file.read_bytes())
        assert polled.note == ""
        assert len(polled.told) > 10
        again = asked(file.read_bytes(), dict(polled.told))
        assert (again.sent.steps, again.told) == ((), polled.told)
