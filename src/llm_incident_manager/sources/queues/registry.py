"""Which brokers can be read from; the library of each is an extra, loaded when somebody has a queue there."""

from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType

from llm_incident_manager.domain.events.queue import QueueKind
from llm_incident_manager.errors import Invalid
from llm_incident_manager.sources.queues.spec import QueueSpec

_ROOM = "llm_incident_manager.sources.queues"
DRIVERS: Mapping[QueueKind, tuple[str, str]] = MappingProxyType(
    {
        QueueKind.RABBITMQ: ("rabbitmq", "rabbitmq"),
        QueueKind.KAFKA: ("kafka", "kafka"),
        QueueKind.NATS: ("nats", "nats"),
        QueueKind.REDIS: ("redis_streams", "redis"),
    }
)
"""The module of each driver, and the extra that it needs."""


def queue_spec(kind: QueueKind) -> QueueSpec:
    """Return the driver; raises Invalid, with the line to type, where its library is not installed."""
    module, extra = DRIVERS[kind]
    try:
        loaded = import_module(f"{_ROOM}.{module}")
    except ImportError as missing:
        if (missing.name or "").startswith("llm_incident_manager"):
            raise  # a fault of ours, not an extra that was not installed
        raise Invalid(
            f"queues of {kind.value} need an extra: pip install 'llm-incident-manager[{extra}]'",
            code="extra_not_installed",
        ) from None
    found: QueueSpec = loaded.SPEC
    return found
