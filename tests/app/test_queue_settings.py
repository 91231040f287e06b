"""A source's queue in the settings: read as meant, every fault with its remedy, no password ever shown."""

import json
from typing import Any

import pytest

from llm_incident_manager.app.config_file import ConfigFileInvalid, parse_config
from llm_incident_manager.domain.events.queue import QueueKind, QueueSettings
from llm_incident_manager.engine.documents.hidden import masked, masks_left, restored
from llm_incident_manager.engine.settings import build_settings

AMQP = "amqp://guest:sesame@rabbit.example.com/"


def queue_of(queue: dict[str, Any], **source: Any) -> QueueSettings:
    text = json.dumps({"sources": {"theirs": {"mode": "queue", "queue": queue} | source}})
    items = parse_config(text, environment={}).tenants["default"]
    found = build_settings("default", items).sources["theirs"].queue
    assert found is not None
    return found


def faults_of(queue: object) -> list[str]:
    with pytest.raises(ConfigFileInvalid) as refused:
        parse_config(json.dumps({"sources": {"theirs": {"mode": "queue", "queue": queue}}}), environment={})
    return [f"{fault.path}: {fault.message}" for fault in refused.value.found]


@pytest.mark.requirement("ING-10")
def test_the_address_says_which_broker_it_is() -> None:
    rabbit = queue_of({"url": AMQP, "exchange": "sentinel.alerts"})
    assert rabbit == QueueSettings(
        kind=QueueKind.RABBITMQ, url=AMQP, exchange="sentinel.alerts", keys=("#",), sasl="PLAIN"
    )
    kafka = queue_of({"url": "kafka://one:9092,two:9092", "topic": ["a", "b"], "start": "now", "prefetch": 5})
    assert (kafka.kind, kafka.names, kafka.from_now, kafka.prefetch) == (QueueKind.KAFKA, ("a", "b"), True, 5)
    core = queue_of({"url": "nats://nats.example.com", "subject": "alerts.>"})
    assert (core.kind, core.names, core.keys) == (QueueKind.NATS, (), ("alerts.>",))
    redis = queue_of({"url": "rediss://redis.example.com/2", "stream": "alerts", "abandoned_after_seconds": 30})
    assert (redis.kind, redis.names, redis.abandoned_seconds) == (QueueKind.REDIS, ("alerts",), 30)


@pytest.mark.parametrize(
    ("queue", "said"),
    [
        ({}, "url: is required"),
        ({"url": "http://rabbit/"}, "url: must start with one of amqp://, amqps://, kafka://"),
        ({"url": "amqp://"}, "url: names no host; write it like amqp://user:password@broker.example.com"),
        ({"url": "redis://a,b", "stream": "s"}, "url: names no host"),
        ({"url": "redis://redis:x", "stream": "s"}, "url: names no host"),
        ({"url": AMQP}, "queue: is required; say what is read, as in queue: incidents, or exchange: sentinel.alerts"),
        ({"url": "nats://n"}, "stream: is required; say what is read, as in stream: ALERTS, or subject: alerts.>"),
        ({"url": "nats://n", "stream": "S", "group": "a.b"}, 'group: "a.b" has a sign that NATS does not take'),
        ({"url": "redis://r", "stream": "s", "exchange": "e"}, "exchange: is a word of rabbitmq; the url says"),
        ({"url": AMQP, "queue": ["a", "b"]}, "queue: names several; one source reads one of them"),
        ({"url": AMQP, "queue": "q", "prefetch": 0}, "prefetch: 0 is not between 1 and 1000 messages"),
        ({"url": AMQP, "queue": "q", "prefetsch": 9}, 'unknown field "prefetsch"; did you mean "prefetch"?'),
        ({"url": "redis://r", "stream": "s", "start": "then"}, 'start: "then" is not one of beginning, now'),
    ],
)
def test_a_fault_is_named_with_its_remedy(queue: dict[str, Any], said: str) -> None:
    (fault,) = faults_of(queue)
    assert fault.startswith("sources.theirs.queue")
    assert said in fault
    assert "sesame" not in fault


def test_a_source_in_mode_queue_says_where_it_is() -> None:
    with pytest.raises(ConfigFileInvalid) as refused:
        parse_config("sources: {theirs: {mode: queue}}", environment={})
    assert "is required in mode queue; say where" in refused.value.found[0].message


@pytest.mark.requirement("SEC-02")
def test_who_and_with_which_password_is_never_shown_and_kept_where_the_mask_comes_back() -> None:
    document = {"name": "theirs", "queue": {"url": "amqp://guest:se/sa@me@rabbit.example.com/v", "exchange": "e"}}
    shown = masked(document)
    assert shown["queue"] == {"url": "amqp://…@rabbit.example.com/v", "exchange": "e"}
    assert masks_left(shown) == ["queue.url"]
    again = restored(shown | {"description": "theirs"}, document)
    assert again["queue"]["url"] == document["queue"]["url"]  # type: ignore[index]
    moved = restored({"name": "theirs", "queue": {"url": "amqp://…@other.example.com/", "exchange": "e"}}, document)
    assert masks_left(moved) == ["queue.url"]
    plain = {"queue": {"url": "redis://redis.example.com:6379"}}
    assert masked(plain) == plain
    assert repr(queue_of({"url": AMQP, "queue": "q"})) == "QueueSettings(kind='rabbitmq', names=('q',), exchange='')"
