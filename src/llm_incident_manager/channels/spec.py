"""What a channel is: one way to hand a message to somebody, and how it describes itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

from pydantic import BaseModel

from llm_incident_manager.channels.outgoing import OutgoingGuard
from llm_incident_manager.clock import Clock
from llm_incident_manager.domain.notifications.answers import Heard, Said
from llm_incident_manager.domain.notifications.message import Contact, Message, Outcome

Kind = Literal["email", "chat", "webhook", "voice", "sms"]


class Channel(Protocol):
    """An opened channel, shared by everybody who is told through it; safe for many sends at once."""

    async def send(self, message: Message, contact: Contact) -> Outcome:
        """Try once and say how it went.

        It never sleeps, never retries, never raises for what the far side does, and ends within its own time-out.
        Retry, breaker and dead letters belong to the engine. A message sent again carries the same ``notification_id``.
        """
        ...

    def validate(self, contact: Contact) -> str | None:
        """Return why nothing can ever reach this contact, or ``None``; asked when a person or team is saved."""
        ...

    def destination(self, contact: Contact) -> str:
        """Return whose failures belong together (the circuit breaker's key); no secret, no personal address."""
        ...

    async def aclose(self) -> None:
        """Close its connections."""
        ...


class ChannelRequest(NamedTuple):
    """What came to a channel's own door, ``/api/v1/channels/{name}/{what}``.

    ``url`` is the whole address as its caller knows it, ``headers`` have lower-case names, ``body`` is unpacked.
    """

    what: str
    url: str
    headers: Mapping[str, str]
    body: bytes


class ChannelAnswer(NamedTuple):
    """What the caller gets."""

    status: int = 200
    body: bytes = b""
    media_type: str = "text/plain; charset=utf-8"


@runtime_checkable
class Hearing(Protocol):
    """A channel on which people answer, or whose provider says later what became of a message."""

    def hear(self, request: ChannelRequest) -> list[Heard]:
        """Return what was said, once it is certain who said it; changes nothing.

        Raises Unauthenticated for what its provider did not send, Invalid for what cannot be read, NotFound for a
        ``what`` that it does not know.
        """
        ...

    async def say(self, request: ChannelRequest, said: Sequence[Said]) -> ChannelAnswer:
        """Return the answer to ``request``, in the provider's own form; ``said`` is what came of each thing heard."""
        ...


class ChannelFactory(Protocol):
    """Opens a channel from its checked config; opens no connection yet."""

    def __call__(self, config: Any, *, guard: OutgoingGuard, clock: Clock) -> Channel: ...


@dataclass(frozen=True, kw_only=True)
class ChannelSpec:
    """How a channel describes itself: to the config file, the dashboard's form, the docs page and the contract tests.

    ``name`` is the word in ``contacts`` and ``channels``, and the key of its settings in the config file.
    ``address_label``, ``contact_example`` and ``secret_label`` are for people; ``address_is_secret`` says that the
    address is never shown again. ``keeps_alerts`` says that the far side keeps an alert of each incident, so that it is
    told who has it (``Message.acknowledges``) and that it is over, by :attr:`Message.incident_key`.
    """

    name: str
    title: str
    kind: Kind
    config_type: type[BaseModel]
    factory: ChannelFactory
    address_label: str
    contact_example: str
    description: str
    address_is_secret: bool = False
    secret_label: str | None = None
    secret_example: str | None = None
    keeps_alerts: bool = False

    @property
    def needs_settings(self) -> bool:
        """Whether it cannot be used before the config file sets something."""
        return any(field.is_required() for field in self.config_type.model_fields.values())

    def form_fields(self) -> Mapping[str, Any]:
        """Return the settings as a JSON Schema."""
        return self.config_type.model_json_schema(by_alias=True)
