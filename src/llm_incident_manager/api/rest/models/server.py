"""What is asked of the server itself: sign-in links, the config file."""

from typing import Literal

from pydantic import Field

from llm_incident_manager.api.rest.models.shapes import Answer, Instant


class SignInLink(Answer):
    """A personal link that works once."""

    url: str
    expires_at: Instant


class ConfigChange(Answer):
    """One item that the config file adds, changes or removes."""

    tenant: str
    kind: str
    id: str
    change: Literal["added", "changed", "removed", "taken_over"]


class ConfigChanges(Answer):
    """What the config file would change, or has changed."""

    file: str
    changes: list[ConfigChange]
    notes: list[str]


class EncryptionKeys(Answer):
    """The ids of the keys that this node has."""

    active: str | None = Field(description="The one that encrypts; null where there is none.")
    keys: list[str]


class Resealed(Answer):
    """What one step of changing keys did."""

    looked_at: int
    rewritten: int
    unreadable: int = Field(description="Encrypted with keys that this node does not have; left as they are.")
    next_cursor: str | None = Field(description="Where the next step begins; null when all is done.")
