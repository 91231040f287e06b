"""The long tail: any service that Apprise knows, by its URL; ``pip install 'llm-incident-manager[apprise]'``.

Apprise answers yes or no and talks to the network itself, so it runs in processes of its own (``apprise_child.py``):
they reach only what the guard permits, and one that hangs is ended.
"""

import asyncio
import re
from importlib.util import find_spec
from typing import assert_never

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from llm_incident_manager.channels.apprise_workers import AppriseWorkers, Job, Said
from llm_incident_manager.channels.outgoing import OutgoingGuard
from llm_incident_manager.channels.plain_text import one_line, printable
from llm_incident_manager.channels.spec import ChannelSpec
from llm_incident_manager.clock import Clock
from llm_incident_manager.domain.notifications.message import (
    Contact,
    Delivered,
    Message,
    Outcome,
    Rejected,
    RetryLater,
)
from llm_incident_manager.domain.vocabulary import NotificationType, Severity

INSTALL = "pip install 'llm-incident-manager[apprise]'"
MAX_TITLE = 200
MAX_TEXT = 3000
_SCHEME = re.compile(r"([a-z][a-z0-9]{1,29})://\S{1,2000}", re.IGNORECASE)
_CALLS = re.compile(r"(@)(?=\w)|(<)(?=[!@#/a-zA-Z])|(\])(?=\()|(:)(?=//)|(www)(?=\.)|(\{)(?=\{)", re.IGNORECASE)


class AppriseConfig(BaseModel):
    """Settings of the Apprise channel; the service's URL stands in the contact."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    services: list[str] = Field(
        min_length=1, description="The services that may be used, by the word before :// of their URLs: [tgram, ntfys]."
    )
    timeout_seconds: float = Field(10.0, gt=0, le=60, description="The longest one try may take.")
    workers: int = Field(2, ge=1, le=16, description="How many messages are sent at the same time, a process each.")

    @field_validator("services")
    @classmethod
    def _are_words(cls, value: list[str]) -> list[str]:
        if not all(re.fullmatch(r"[a-z][a-z0-9]{1,29}", each) for each in value):
            raise ValueError("a service is the word before :// of its URL, like tgram or ntfys")
        return value

    @model_validator(mode="after")
    def _is_installed(self) -> "AppriseConfig":
        if find_spec("apprise") is None:
            raise ValueError(f"Apprise is not installed; type {INSTALL}")
        return self


class AppriseChannel:
    """Hands messages to Apprise. A URL holds the service's secrets: it appears in no outcome and no log line."""

    def __init__(
        self, config: AppriseConfig, *, guard: OutgoingGuard, clock: Clock, workers: AppriseWorkers | None = None
    ) -> None:
        del clock
        self._services = frozenset(config.services)
        self._timeout_seconds = config.timeout_seconds
        self._workers = workers or AppriseWorkers(guard, config.workers)
        if workers is None:
            self._workers.threads.submit(self._workers.warm)

    async def send(self, message: Message, contact: Contact) -> Outcome:
        if (fault := self.validate(contact)) is not None:
            return Rejected(reason=fault)
        facts = f"{message.incident_id} · {message.notification_id}"
        text = f"{printable(message.text, MAX_TEXT)}\n\n{facts}"
        job = Job(
            url=contact.address,
            title=harmless(one_line(message.subject, MAX_TITLE)) or message.incident_id,
            text=f"{harmless(text)}\n{_link(message)}".rstrip(),
            kind=_kind(message),
        )
        loop = asyncio.get_running_loop()
        scheme = self.destination(contact)
        try:
            said, code = await loop.run_in_executor(
                self._workers.threads, self._workers.ask, job, self._timeout_seconds
            )
        except TimeoutError:
            return RetryLater(reason=f"{scheme} did not answer within {self._timeout_seconds:g} s")
        except OSError:
            return RetryLater(reason="the process in which Apprise runs ended")
        match said:
            case Said.SENT:
                return Delivered()
            case Said.INVALID:
                return Rejected(reason=f"Apprise does not understand this {scheme}:// URL")
            case Said.GUARDED:
                return Rejected(
                    reason=f"the {scheme}:// URL leads to an address that may not be reached; see outgoing.allow"
                )
            case Said.FAILED:
                return _failed(scheme, code)
            case _:
                assert_never(said)

    def validate(self, contact: Contact) -> str | None:
        found = _SCHEME.fullmatch(contact.address)
        if found is None:
            return "this is not a URL of Apprise; write it like tgram://TOKEN/CHAT"
        if found[1].lower() not in self._services:
            return f"{found[1].lower()} is not among apprise.services: {', '.join(sorted(self._services))}"
        return None

    def destination(self, contact: Contact) -> str:
        found = _SCHEME.fullmatch(contact.address)
        return found[1].lower() if found is not None else "invalid"

    async def aclose(self) -> None:
        await asyncio.to_thread(self._workers.close)


def harmless(text: str) -> str:
    """Return ``text`` that calls nobody and links nothing: an invisible space behind what services would look for."""
    return _CALLS.sub(lambda found: found[0] + "\u200b", text)


def _link(message: Message) -> str:
    return message.dashboard_url if re.match(r"https?://\S{1,2000}$", message.dashboard_url) else ""


def _kind(message: Message) -> str:
    if message.type is NotificationType.RESOLVED:
        return "success"
    return "failure" if message.severity.worse_than(Severity.P2) else "warning"


def _failed(scheme: str, code: int | None) -> Outcome:
    """Apprise itself says only no; the number is the service's HTTP status, where Apprise logs one."""
    if code is None:
        return RetryLater(reason=f"{scheme} did not take it, or cannot be connected to")
    said = f"{scheme} answered {code}"
    if 400 <= code < 500 and code not in (408, 425, 429):
        return Rejected(reason=said)
    return RetryLater(reason=said)


SPEC = ChannelSpec(
    name="apprise",
    title="Apprise",
    kind="chat",
    config_type=AppriseConfig,
    factory=AppriseChannel,
    address_label="Apprise URL",
    contact_example="tgram://123456789:AbCdEfGhIjKl/987654321",
    address_is_secret=True,
    description="Any service that Apprise knows: Telegram, ntfy, Pushover, Signal, Matrix and many more.",
)
