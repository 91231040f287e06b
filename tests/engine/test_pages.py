"""A test page goes to every contact now and says of each how it went."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from llm_incident_manager.clock import ManualClock
from llm_incident_manager.domain.notifications.message import Contact, Delivered, Message, Outcome, Rejected
from llm_incident_manager.domain.people import User
from llm_incident_manager.domain.vocabulary import Scope
from llm_incident_manager.engine.caller import Caller
from llm_incident_manager.engine.context import Context
from llm_incident_manager.engine.messages.render import renderer
from llm_incident_manager.engine.pages import Pages
from llm_incident_manager.engine.settings import TenantSettings
from llm_incident_manager.errors import Forbidden, Invalid, NotFound
from llm_incident_manager.ids import CountingIds
from llm_incident_manager.storage.store import SqlStore, open_store
from tests.build import ANA, NOON

PERSON = Caller(tenant="default", actor=ANA, scopes=frozenset({Scope.RESPOND}))


class RecordingChannel:
    """Keeps what it is handed and says what it was told to."""

    def __init__(self, outcome: Outcome | None) -> None:
        self.sent: list[Message] = []
        self._outcome = outcome

    async def send(self, message: Message, contact: Contact) -> Outcome:
        self.sent.append(message)
        if self._outcome is None:
            await asyncio.Event().wait()
        assert self._outcome is not None
        return self._outcome

    def destination(self, contact: Contact) -> str:
        return contact.address


class Broken(RecordingChannel):
    """A channel with a fault of its own."""

    async def send(self, message: Message, contact: Contact) -> Outcome:
        raise ValueError(contact.address)


@pytest.fixture
async def store() -> AsyncIterator[SqlStore]:
    opened = open_store("sqlite://", clock=ManualClock(NOON), inline=True)
    yield opened
    await opened.close()


def pages(store: SqlStore, **channels: RecordingChannel) -> Pages:
    contacts = tuple(Contact(channel=name, address=f"{name}@example.com") for name in ("email", "webhook", "sms"))
    users = {"ana": User(id="ana", name="Ana", contacts=contacts), "bo": User(id="bo", name="Bo")}
    settings = TenantSettings(tenant="default", users=users)
    context = Context(
        settings=settings, directory=settings.directory(), channels=frozenset(channels), ids=CountingIds()
    )
    render = renderer("https://incidents.example.com")
    return Pages(store, lambda _: context, channels, render, ManualClock(NOON), CountingIds())


@pytest.mark.requirement("NTF-03")
async def test_every_contact_is_tried_and_answers_for_itself(store: SqlStore) -> None:
    email = RecordingChannel(Delivered(receipt="250 ok"))
    webhook = RecordingChannel(Rejected(reason="404"))
    told = await pages(store, email=email, webhook=webhook).test_page(PERSON, "ana")
    assert told["delivered"] is True
    assert [(each["channel"], each["delivered"], each["reason"]) for each in told["notifications"]] == [
        ("email", True, ""),
        ("webhook", False, "404"),
        ("sms", False, "there is no sms channel here"),
    ]
    entries, _, _ = await store.read(
        "default",
        lambda tx: tx.audit.page(start=None, end=None, actor=None, incident=None, limit=5, cursor=None),
    )
    assert [entry.event_type for entry in entries] == ["test_page_sent"]


async def test_it_cannot_be_taken_for_an_incident(store: SqlStore) -> None:
    webhook = RecordingChannel(Delivered())
    told = await pages(store, webhook=webhook).test_page(PERSON, "ana", "webhook")
    assert [each["channel"] for each in told["notifications"]] == ["webhook"]
    (message,) = webhook.sent
    assert message.subject == "[P4] TEST PAGE: nothing has happened"
    assert message.text.startswith(message.subject)
    assert "take it" not in message.text
    assert message.payload["type"] == "custom"
    assert message.payload["incident"]["id"] == "TEST"
    assert message.payload["dashboard_url"] == "https://incidents.example.com/incidents"


async def test_a_channel_that_hangs_or_breaks_holds_up_nobody(store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llm_incident_manager.engine.pages.SEND_SECONDS", 0.01)
    told = await pages(store, email=RecordingChannel(None), webhook=Broken(None)).test_page(PERSON, "ana")
    reasons = [each["reason"] for each in told["notifications"][:2]]
    assert reasons == ["no answer within 0 s", "the channel failed; the log says how"]
    assert told["delivered"] is False


async def test_unknown_people_unreachable_people_and_readers_are_refused(store: SqlStore) -> None:
    tried = pages(store, email=RecordingChannel(Delivered()))
    with pytest.raises(NotFound):
        await tried.test_page(PERSON, "nobody")
    with pytest.raises(Invalid):
        await tried.test_page(PERSON, "bo")
    with pytest.raises(Invalid):
        await tried.test_page(PERSON, "ana", "slack")
    with pytest.raises(Forbidden):
        await tried.test_page(Caller(tenant="default", actor=ANA, scopes=frozenset({Scope.READ})), "ana")
