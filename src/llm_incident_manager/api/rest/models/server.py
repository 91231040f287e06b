"""What is asked of the server itself: sign-in links, the config file."""

from typing import Literal

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
