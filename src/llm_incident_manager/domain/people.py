"""Who can be told: users, teams, the targets that name them, and the contacts that reach them (specification §5.3)."""

import msgspec

from llm_incident_manager.domain.vocabulary import TargetType


class Contact(msgspec.Struct, frozen=True, kw_only=True):
    """One way to reach somebody: a channel's name, the address there, and the secret that signs for it.

    ``address`` is an e-mail address, a webhook URL or a phone number in E.164; ``repr`` shows neither.
    """

    channel: str
    address: str
    secret: str | None = None

    def __repr__(self) -> str:
        return f"Contact(channel={self.channel!r}, address=…)"


class Target(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Whom an escalation level reaches; ``fallback`` is told when the target cannot be reached."""

    type: TargetType
    id: str
    fallback: "Target | None" = None

    @property
    def label(self) -> str:
        """``user:ana``, for pages, logs and explanations."""
        return f"{self.type.value}:{self.id}"


class User(msgspec.Struct, frozen=True, kw_only=True):
    """A person. Contacts are told in the order written; ``time_zone`` is an IANA name.

    ``skills`` are words that routes ask for (``vector-db``, ``prompts``).
    """

    id: str
    name: str
    time_zone: str = "UTC"
    contacts: tuple[Contact, ...] = ()
    role: str = "responder"
    enabled: bool = True
    skills: tuple[str, ...] = ()


class Team(msgspec.Struct, frozen=True, kw_only=True):
    """People who answer together. ``escalation`` says who level 2, 3 and the ``manager`` of §4.3 are."""

    id: str
    name: str
    members: tuple[str, ...] = ()
    contacts: tuple[Contact, ...] = ()
    escalation: dict[str, tuple[Target, ...]] = msgspec.field(default_factory=dict)


class CatchAll(msgspec.Struct, frozen=True, kw_only=True):
    """Who is told when a ladder is exhausted or nobody else can be found; no channels means all contacts."""

    targets: tuple[Target, ...] = ()
    channels: tuple[str, ...] = ()


class Recipient(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody a target came to: ``key`` is ``user:ana``, ``team:platform`` or ``external:…``."""

    key: str
    name: str
    contacts: tuple[Contact, ...] = ()
