"""Rigs of the channels that hand messages to another service: Teams, the alert keepers, and what Apprise knows."""

import asyncio
import atexit
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache

from llm_incident_manager.channels.apprise import AppriseChannel, AppriseConfig
from llm_incident_manager.channels.apprise_workers import AppriseWorkers
from llm_incident_manager.clock import ManualClock
from llm_incident_manager.domain.notifications.message import Contact
from tests.contract.fakes import opsgenie_fake, pagerduty_fake
from tests.contract.fakes.opsgenie_fake import JsmFake, OpsgenieFake
from tests.contract.fakes.pagerduty_fake import PagerDutyFake
from tests.contract.fakes.receiver import WebhookReceiver
from tests.contract.fakes.rigs import LOCAL, NOW, HttpFar, Rig, a_message, opened
from tests.contract.fakes.teams_fake import TeamsFake


@asynccontextmanager
async def teams_rig(timeout_seconds: float) -> AsyncIterator[Rig]:
    async with TeamsFake() as teams:
        channel = opened("teams", {"timeout_seconds": timeout_seconds})
        contact = Contact(channel="teams", address=teams.workflow_url)
        impossible = Contact(channel="teams", address="https://example.webhook.office.com/webhookb2/x")
        yield Rig(channel, contact, impossible, HttpFar(teams), ["s1gNaTuRe-x", "0f1e2d"])
        await channel.aclose()


@asynccontextmanager
async def pagerduty_rig(timeout_seconds: float) -> AsyncIterator[Rig]:
    async with PagerDutyFake() as pagerduty:
        channel = opened("pagerduty", {"url": pagerduty.url, "timeout_seconds": timeout_seconds})
        contact = Contact(channel="pagerduty", address=pagerduty_fake.KEY)
        impossible = Contact(channel="pagerduty", address="not-a-key")
        yield Rig(channel, contact, impossible, HttpFar(pagerduty), [pagerduty_fake.KEY])
        await channel.aclose()


@asynccontextmanager
async def opsgenie_rig(timeout_seconds: float) -> AsyncIterator[Rig]:
    async with OpsgenieFake() as opsgenie:
        channel = opened("opsgenie", {"url": opsgenie.url, "timeout_seconds": timeout_seconds})
        contact = Contact(channel="opsgenie", address="team:Platform", secret=opsgenie_fake.KEY)
        impossible = Contact(channel="opsgenie", address="Platform", secret=opsgenie_fake.KEY)
        yield Rig(channel, contact, impossible, HttpFar(opsgenie), [opsgenie_fake.KEY])
        await channel.aclose()


@asynccontextmanager
async def jsm_rig(timeout_seconds: float) -> AsyncIterator[Rig]:
    async with JsmFake() as jsm:
        jsm.create({"message": "it is known already", "alias": a_message().incident_key})
        channel = opened("jsm", {"url": jsm.url, "timeout_seconds": timeout_seconds})
        token = f"{opsgenie_fake.EMAIL}:{opsgenie_fake.TOKEN}"
        contact = Contact(channel="jsm", address=f"{opsgenie_fake.CLOUD_ID}/team:4513b7ea", secret=token)
        impossible = Contact(channel="jsm", address=opsgenie_fake.CLOUD_ID)
        yield Rig(channel, contact, impossible, HttpFar(jsm), [opsgenie_fake.TOKEN])
        await channel.aclose()


@cache
def apprise_workers() -> AppriseWorkers:
    """Apprise takes seconds to start: its processes serve all tests of this run."""
    workers = AppriseWorkers(LOCAL, 2)
    atexit.register(workers.close)
    return workers


class AppriseFar(HttpFar):
    """Apprise has no header of ours: the id stands in the text."""

    def vanish(self) -> None:
        # Of half a head the library that Apprise uses reads the status, and is content with it.
        self.server.drop()

    def seen_ids(self) -> list[str]:
        return [re.findall(r"ntf-\w+", request.json["message"])[-1] for request in self.server.requests]


@asynccontextmanager
async def apprise_rig(timeout_seconds: float) -> AsyncIterator[Rig]:
    async with WebhookReceiver() as receiver:
        config = AppriseConfig(services=["json"], timeout_seconds=timeout_seconds)
        channel = AppriseChannel(config, guard=LOCAL, clock=ManualClock(NOW), workers=apprise_workers())
        await asyncio.to_thread(apprise_workers().warm)
        contact = Contact(channel="apprise", address=f"json://ana:pa55word@127.0.0.1:{receiver.port}/t0ken")
        impossible = Contact(channel="apprise", address="tgram://t0ken/1")
        yield Rig(channel, contact, impossible, AppriseFar(receiver), ["pa55word", "t0ken"])


SERVICE_RIGS = {
    "apprise": apprise_rig,
    "jsm": jsm_rig,
    "opsgenie": opsgenie_rig,
    "pagerduty": pagerduty_rig,
    "teams": teams_rig,
}
