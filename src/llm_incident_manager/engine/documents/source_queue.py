"""The ``queue`` of a source: an address, what is read there, and how (ING-10)."""

from urllib.parse import urlsplit

from llm_incident_manager.domain.events.queue import SCHEMES, QueueKind, QueueSettings
from llm_incident_manager.engine.documents.findings import quoted
from llm_incident_manager.engine.documents.part import Part

_COMMON = ("url", "prefetch")
_FIELDS = {
    QueueKind.RABBITMQ: (*_COMMON, "queue", "exchange", "routing_keys"),
    QueueKind.KAFKA: (*_COMMON, "topic", "group", "start", "sasl"),
    QueueKind.NATS: (*_COMMON, "stream", "subject", "group", "start", "abandoned_after_seconds"),
    QueueKind.REDIS: (*_COMMON, "stream", "group", "field", "start", "abandoned_after_seconds"),
}
_NAMED_BY = {
    QueueKind.RABBITMQ: ("queue", "queue: incidents, or exchange: sentinel.alerts"),
    QueueKind.KAFKA: ("topic", "topic: anomaly.alerts"),
    QueueKind.NATS: ("stream", "stream: ALERTS, or subject: alerts.> without JetStream"),
    QueueKind.REDIS: ("stream", "stream: alerts"),
}
_SASL = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
_MOST_NAMES = 50
_LONGEST_NAME = 255


def parse_queue(owner: Part) -> QueueSettings | None:
    """Return the queue of a source, ``None`` where it has none; faults name what is wrong or belongs to other brokers.

    ``url`` says which broker it is: ``amqp://`` RabbitMQ, ``kafka://``, ``nats://``, ``redis://``.
    """
    part = owner.part("queue")
    if part is None:
        return None
    url = part.text("url", required=True, limit=2000)
    kind = _kind(part, url) if url else None
    if kind is None:
        part.members()  # what else is wrong shows once it is known whose words they are
        return None
    _refuse_the_words_of_others(part, kind)
    named_by, example = _NAMED_BY[kind]
    names = _names(part, named_by)
    exchange = part.text("exchange", limit=_LONGEST_NAME)
    keys = _names(part, "routing_keys" if kind is QueueKind.RABBITMQ else "subject")
    group = part.text("group", limit=_LONGEST_NAME)
    if not names and not exchange and not (kind is QueueKind.NATS and keys):
        part.fault(named_by, f"is required; say what is read, as in {example}")
    if kind in (QueueKind.RABBITMQ, QueueKind.NATS) and len(names) > 1:
        part.fault(named_by, "names several; one source reads one of them, set up a source for each")
    if kind is QueueKind.NATS and any(sign in group for sign in " .*>/\\"):
        part.fault("group", f"{quoted(group)} has a sign that NATS does not take here: space . * > / \\")
    return QueueSettings(
        kind=kind,
        url=url,
        names=names,
        exchange=exchange,
        keys=keys or (("#",) if exchange else ()),
        group=group,
        field=part.text("field", limit=_LONGEST_NAME),
        sasl=part.one_of("sasl", _SASL, default=_SASL[0]),
        prefetch=part.whole("prefetch", low=1, high=1000, unit="messages") or 100,
        abandoned_seconds=part.whole("abandoned_after_seconds", low=1, high=3600, unit="seconds") or 60,
        from_now=part.one_of("start", ("beginning", "now"), default="beginning") == "now",
    )


def _kind(part: Part, url: str) -> QueueKind | None:
    scheme = url.partition("://")[0].lower()
    kind = SCHEMES.get(scheme) if "://" in url else None
    if kind is None:
        part.fault("url", f"must start with one of {', '.join(f'{each}://' for each in SCHEMES)}")
        return None
    try:
        # Kafka's address may list several brokers, which is no URL: the first one stands for them.
        parts = urlsplit(url.split(",")[0])
        sound = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        sound = False
    if not sound or (kind is not QueueKind.KAFKA and "," in url):
        part.fault("url", f"names no host; write it like {scheme}://user:password@broker.example.com")
        return None
    return kind


def _refuse_the_words_of_others(part: Part, kind: QueueKind) -> None:
    every = dict.fromkeys(name for names in _FIELDS.values() for name in names)
    for name in every:
        if name not in _FIELDS[kind]:
            if part.has(name):
                owners = [each.value for each, names in _FIELDS.items() if name in names]
                part.fault(name, f"is a word of {' and '.join(owners)}; the url says that this is {kind.value}")
            part.allow(name)
    part.allow(*_FIELDS[kind])
    part.done()


def _names(part: Part, name: str) -> tuple[str, ...]:
    found = []
    for path, word in part.words(name):
        if len(word) > _LONGEST_NAME or not word.isprintable():
            part.findings.fault(path, f"is no name of at most {_LONGEST_NAME} characters")
        else:
            found.append(word)
    if len(found) > _MOST_NAMES:
        part.fault(name, f"holds {len(found)}; at most {_MOST_NAMES} are allowed")
    return tuple(dict.fromkeys(found))
