"""Too much, and no room left: each sender gets the status after which it comes back (ING-06, ING-08, ING-12)."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from llm_incident_manager.api.rest.doors import refusal
from llm_incident_manager.domain.events.document import written
from llm_incident_manager.errors import RateLimited, Unavailable
from llm_incident_manager.sources.registry import source_specs
from tests.api.app import PLATFORM_KEY, a_document, opened

pytestmark = pytest.mark.requirement("ING-06", "ING-08")

LATER: Mapping[str, tuple[int, int]] = {
    # sender: over its rate, no room left
    "alertmanager": (503, 503),  # never comes back after a 429
    "grafana": (503, 503),
    "datadog": (503, 503),  # comes back after 5xx only
    "pagerduty": (429, 429),  # 429 makes its clients slow down
    "pagerduty-v1": (403, 403),  # that version's word for "too many"
    "opsgenie": (429, 429),
    "cloudevents": (429, 429),
    "otlp": (429, 503),  # both are retried, and Retry-After is honoured
    "langfuse": (503, 503),
    "sentinel": (429, 503),
    "generic": (429, 503),
}


@pytest.mark.parametrize("sender", LATER)
def test_later_is_said_in_the_word_that_the_sender_knows(sender: str) -> None:
    spec = source_specs()[sender]
    for error, status in zip(
        (
            RateLimited("too many", retry_after_seconds=17.2),
            Unavailable("full", code="journal_full", retry_after_seconds=17.2),
        ),
        LATER[sender],
        strict=True,
    ):
        answer = refusal(spec, error, {})
        assert answer.status == status
        assert dict(answer.headers)["Retry-After"] == "18", "no sooner than it is true"


async def test_a_full_buffer_refuses_in_the_senders_words_loses_nothing_and_recovers(tmp_path: Path) -> None:
    async with opened(tmp_path, journal_bytes=20_000) as api:
        taken = []
        while (answer := await api.client.post("/api/v1/events", json=a_document(api.story))).status_code == 202:
            taken.append(answer.json()["incident_id"])
            assert len(taken) < 200
        assert (answer.status_code, answer.json()["code"]) == (503, "journal_full")
        assert int(answer.headers["retry-after"]) >= 1
        pager = {
            "routing_key": PLATFORM_KEY, "event_action": "trigger",
            "payload": {"summary": "s", "source": "s", "severity": "critical"},
        }  # fmt: skip
        answer = await api.of(None).post("/v2/enqueue", content=written(pager))
        assert (answer.status_code, "retry-after" in answer.headers) == (429, True)
        (found,) = [
            each
            for each in (await api.client.get("/api/v1/source_traffic")).json()["sources"]
            if each["source"] == "llm-sentinel"
        ]
        assert (found["accepted"], found["refused"]) == (len(taken), {"not_stored": 1})
        await api.story.settle()
        for incident_id in taken:
            assert (await api.client.get(f"/api/v1/incidents/{incident_id}")).status_code == 200
        assert (await api.client.post("/api/v1/events", json=a_document(api.story))).status_code == 202
        await api.story.settle()
        api.story.pages.clear()


async def test_retry_after_is_true_to_the_second(tmp_path: Path) -> None:
    async with opened(tmp_path, {"sources": [{"name": "llm-sentinel", "events_per_minute": 20}]}) as api:

        async def sent() -> tuple[int, int]:
            answer = await api.client.post("/api/v1/events", json=a_document(api.story))
            return answer.status_code, int(answer.headers.get("retry-after", 0))

        api.story.clock.advance(timedelta(seconds=100))
        assert [await sent() for _ in range(22)] == [(202, 0)] * 22
        status, seconds = await sent()
        assert (status, seconds) == (429, 63)
        api.story.clock.advance(timedelta(seconds=seconds - 1))
        assert (await sent()) == (429, 1)
        api.story.clock.advance(timedelta(seconds=1))
        assert (await sent())[0] == 202
        await api.story.settle()
        api.story.pages.clear()
