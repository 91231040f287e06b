"""③ Which incidents are on a provider or its models, and which of them an outage explains (ING-13)."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from llm_incident_manager.domain.correlation.providers import MODELS, explained, touches
from llm_incident_manager.domain.events.event import Resource
from llm_incident_manager.domain.events.pulling import Provider
from llm_incident_manager.domain.incidents.incident import Incident
from llm_incident_manager.domain.vocabulary import Status
from tests.build import NOON, an_incident

pytestmark = pytest.mark.requirement("ING-13")
OPENAI = Provider(id="openai", models=MODELS["openai"], window_seconds=600)
SECOND = timedelta(seconds=1)


def incident(**fields: Any) -> Incident:
    return msgspec.structs.replace(
        an_incident(), **{"created_at": NOON, "resource": Resource(type="service", id="chat"), "tags": {}} | fields
    )


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"tags": {"provider": "OpenAI"}}, "its tag provider is OpenAI"),
        ({"tags": {"gen_ai.system": "openai"}}, "its tag gen_ai.system is openai"),
        ({"tags": {"model": "gpt-4o"}}, "its model gpt-4o is one of openai's"),
        ({"tags": {"model": "openai/whatever-9"}}, "its model openai/whatever-9 is one of openai's"),
        ({"tags": {"model": "azure/gpt-4o"}}, "its model azure/gpt-4o is one of openai's"),
        (
            {"tags": {"gen_ai.request.model": "text-embedding-3-large"}},
            "its model text-embedding-3-large is one of openai's",
        ),
        (
            {"resource": Resource(type="model", id="m-1", name="GPT-4 Turbo")},
            "its model GPT-4 Turbo is one of openai's",
        ),
        ({"resource": Resource(type="model", id="gpt-4-0613")}, "its model gpt-4-0613 is one of openai's"),
        ({"resource": Resource(type="service", id="gpt-4-0613")}, None),
        (
            {"resource": Resource(type="service", id="x", metadata={"provider": "openai"})},
            "its resource's provider is openai",
        ),
        ({"resource": Resource(type="service", id="x", metadata={"model": ["gpt-4"]})}, None),
        ({"tags": {"provider": "anthropic", "model": "claude-3"}}, None),
        ({"tags": {"model": "o100"}}, None),
        ({"tags": {"model": "notgpt-4"}}, None),
        ({}, None),
    ],
)
def test_what_touches_a_provider(fields: dict[str, Any], why: str | None) -> None:
    assert touches(incident(**fields), OPENAI) == why


@pytest.mark.parametrize(
    ("model", "provider"),
    [("anthropic.claude-3-sonnet-20240229-v1:0", "anthropic"), ("bedrock/anthropic.claude-v2", "anthropic"),
     ("vertex_ai/gemini-1.5-pro", "google"), ("mistral-large-latest", "mistral"), ("grok-2", "xai")],
)  # fmt: skip
def test_models_behind_gateways_are_known(model: str, provider: str) -> None:
    for name, patterns in MODELS.items():
        found = touches(incident(tags={"model": model}), Provider(id=name, models=patterns))
        assert (found is not None) == (name == provider), name


@pytest.mark.parametrize(
    ("opened", "ended", "holds"),
    [
        (-600, None, True), (-601, None, False), (0, None, True), (86_400, None, True),
        (599, 600, True), (600, 600, True), (601, 600, False),
    ],
)  # fmt: skip
def test_the_window_has_these_borders(opened: int, ended: int | None, holds: bool) -> None:
    found = explained(
        incident(tags={"provider": "openai"}, created_at=NOON + opened * SECOND),
        OPENAI,
        began=NOON,
        ended=None if ended is None else NOON + ended * SECOND,
    )
    assert (found is not None) is holds


def test_what_is_over_or_is_an_outage_itself_is_not_explained() -> None:
    tags = {"provider": "openai"}
    over = incident(tags=tags, status=Status.RESOLVED)
    outage = incident(tags=tags, resource=Resource(type="llm_provider", id="openai"))
    for each in (over, outage):
        assert explained(each, OPENAI, began=NOON, ended=None) is None


def test_the_reason_says_how_far_apart_they_are() -> None:
    found = explained(incident(tags={"provider": "openai"}), OPENAI, began=NOON + 150 * SECOND, ended=None)
    assert found == "its tag provider is openai; it opened 2 min before openai's outage began"
