"""Slack by a bot over the whole engine: one thread per incident, shown as it stands, acted on once by who is known."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from llm_incident_manager.clock import ManualClock
from tests.api.app import Api, opened
from tests.contract.fakes.rigs import opened as a_channel
from tests.contract.fakes.rigs import slack_settings
from tests.contract.fakes.slack_api_fake import CONVERSATION, SlackApiFake
from tests.contract.test_channel_slack_bot import buttons
from tests.stories.app import TEAM
from tests.stories.towns import level, policy, to, user, with_policy

ACTIONS = "/api/v1/channels/slack/actions"
ANA = "U012AB3CD"


class Room:
    """A Slack channel with one incident in it."""

    def __init__(self, api: Api, slack: SlackApiFake) -> None:
        self.api, self.slack = api, slack
        self.story = api.story

    async def open(self) -> str:
        """Open a P0 and return its id."""
        await self.api.event(severity="critical", title="It is <slow>")
        (row,) = [row for row in await self.rows() if row.channel == "slack"]
        return str(row.incident_id)

    async def rows(self) -> list[Any]:
        page = await self.api.client.get("/api/v1/incidents")
        return await self.story.pages_of(page.json()["incidents"][0]["id"])

    async def press(self, action: str, value: str, **more: Any) -> httpx2.Response:
        """Press a button as Slack would tell it."""
        headers, body = self.slack.pressed(action, value, **{"at": self.story.clock.now().timestamp()} | more)
        return await self.send(headers, body)

    async def send(self, headers: dict[str, str], body: bytes) -> httpx2.Response:
        answer = await self.api.of(None).post(ACTIONS, headers=headers, content=body)
        await self.settle()
        return answer

    async def settle(self) -> None:
        await self.story.settle()
        while await self.story.house.live_messages.run_once():
            pass

    def shown(self) -> dict[str, Any]:
        """Return the first message as it stands now."""
        return next(iter(self.slack.messages.values()))


@asynccontextmanager
async def a_room(folder: Path) -> AsyncIterator[Room]:
    team = TEAM | {"members": ["ana"], "contacts": {"slack": CONVERSATION}}
    others = [user(name, "webhook") for name in ("bo", "lead", "boss", "last")]
    users = [{**user("ana"), "contacts": {"slack": ANA}}, *others]
    whole = to("team", "platform")
    pages = policy(level(whole, after=300, channels=["slack"]), level(whole, after=300, channels=["slack"]))
    night = with_policy(pages, users=users, teams=[team])
    channels: dict[str, Any] = {}
    async with SlackApiFake() as slack, opened(folder, night, channels=channels) as api:
        bot = a_channel("slack", slack_settings(slack), clock=api.story.clock)
        channels["slack"] = api.story.channels["slack"] = bot  # type: ignore[assignment]
        yield Room(api, slack)
        await bot.aclose()


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[Room]:
    async with a_room(tmp_path) as made:
        yield made


@pytest.mark.requirement("NTF-05")
async def test_a_button_takes_the_incident_once_and_the_message_shows_it(room: Room) -> None:
    incident_id = await room.open()
    (take, token), (resolve, _) = buttons(room.shown())
    assert (take, resolve) == ("take", "resolve")
    headers, body = room.slack.pressed("take", token, at=room.story.clock.now().timestamp())
    for _ in range(3):
        assert (await room.send(headers, body)).status_code == 200
    incident = await room.story.incident(incident_id)
    assert (incident.status, incident.assigned_to, incident.acknowledged_at) == (
        "ACKNOWLEDGED", "ana", room.story.clock.now(),
    )  # fmt: skip
    assert len([each for each in await room.story.history(incident_id) if each.by.id == "ana"]) == 1
    assert room.slack.answers[0]["text"] == "You have it. Nobody else was paged."
    assert room.slack.answers[1]["text"].startswith("Nothing was changed. You have it.")
    assert "Ana" in str(room.shown()["blocks"])
    assert len(room.slack.messages) == 1, "it is updated in its place"


@pytest.mark.requirement("NTF-05")
async def test_resolving_by_button_ends_the_buttons(room: Room) -> None:
    incident_id = await room.open()
    token = buttons(room.shown())[0][1]
    await room.press("resolve", token)
    assert (await room.story.incident(incident_id)).status == "RESOLVED"
    first, end = room.slack.messages.values()
    assert (first["text"], buttons(first)) == ("[P0] Resolved: It is &lt;slow&gt;", [])
    assert end["thread_ts"] in {ts for _, ts in room.slack.messages}
    assert await room.story.house.live_messages.run_once() == 0, "it rests"


@pytest.mark.requirement("NTF-05")
async def test_a_forged_a_replayed_and_a_strangers_press_do_nothing(room: Room) -> None:
    incident_id = await room.open()
    token = buttons(room.shown())[0][1]
    now = room.story.clock.now().timestamp()
    assert (await room.press("take", token, secret="guessed")).status_code == 401
    assert (await room.press("take", token, at=now - 301)).status_code == 401
    assert (await room.press("take", "stolen")).status_code == 200
    assert (await room.press("take", token, user="U0STRANGE")).status_code == 200
    assert room.slack.answers[-1]["text"].startswith("I do not know you here, so nothing was changed.")
    assert (await room.story.incident(incident_id)).status == "NEW"


@pytest.mark.requirement("NTF-01")
async def test_the_next_level_stands_in_the_thread_and_the_buttons_are_the_newest(room: Room) -> None:
    incident_id = await room.open()
    old = buttons(room.shown())[0][1]
    await room.story.fast_forward(minutes=5)
    await room.settle()
    first, second = room.slack.messages.values()
    assert (second["thread_ts"], second["reply_broadcast"]) == (next(iter(room.slack.messages))[1], True)
    assert buttons(first)[0][1] == buttons(second)[0][1] != old
    await room.press("take", buttons(first)[0][1])
    assert (await room.story.incident(incident_id)).status == "IN_PROGRESS"
    room.story.pages.clear()


async def test_an_update_that_fails_is_tried_again_later_and_a_deleted_message_is_let_go(room: Room) -> None:
    incident_id = await room.open()
    clock = room.story.clock
    assert isinstance(clock, ManualClock)
    room.slack.refuse("ratelimited")
    await room.story.act("ana", incident_id, "take")
    assert await room.story.house.live_messages.run_once() == 1
    assert await room.story.house.live_messages.run_once() == 0, "not at once"
    await room.story.fast_forward(seconds=5)
    assert await room.story.house.live_messages.run_once() == 1
    assert "Ana" in str(room.shown()["blocks"])
    channel, ts = next(iter(room.slack.messages))
    room.slack.delete(f"{channel}:{ts}")
    await room.story.act("ana", incident_id, "start_work")
    assert await room.story.house.live_messages.run_once() == 1
    assert await room.story.house.live_messages.run_once() == 0
