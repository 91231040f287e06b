"""Acting from a page: by its link, a button, a key or a text that comes back; once, however often it is pressed."""

from pathlib import Path

import pytest

from llm_incident_manager.domain.incidents.changes import StatusChanged
from llm_incident_manager.domain.notifications.answers import (
    PageAction,
    Pressed,
    Replied,
    Reported,
    Result,
    Said,
    reply_code,
)
from llm_incident_manager.domain.notifications.message import Message
from tests.stories.app import PUBLIC_URL, TEAM, Story
from tests.stories.towns import NUMBERS, Documents, level, policy, to, user, with_policy

WAYS = ("email", "slack", "webhook", "sms", "phone")


def a_night(*channels: str) -> Documents:
    """Level 1 is ana and bo on ``channels``, level 2 is boss by webhook."""
    users = [user("ana", *channels), user("bo", *channels), user("boss", "webhook"), user("last", "webhook")]
    first = level(to("user", "ana"), to("user", "bo"), after=300, channels=list(channels))
    return with_policy(policy(first, level(to("user", "boss"), after=300)), users=users)


def opened(tmp_path: Path, *channels: str) -> Story:
    return Story(tmp_path, a_night(*channels), channels=WAYS)


async def paged(app: Story, channel: str, **event: object) -> Message:
    """Post a P0 and return the page that ana got; bo's is taken off the list."""
    await app.post_event(severity="P0", **event)
    page = app.expect_page("ana" if channel not in ("sms", "phone") else NUMBERS["ana"], channel=channel)
    app.pages.clear()
    return page.message


def press(message: Message, action: PageAction = PageAction.TAKE, **more: str) -> Pressed:
    return Pressed(token=message.token, action=action, **more)


async def moves(app: Story, incident_id: str) -> list[tuple[str, str]]:
    """Return (who, what) of every change of status."""
    return [
        (each.by.id, change.action.value)
        for each in await app.history(incident_id)
        for change in each.changes
        if isinstance(change, StatusChanged)
    ]


@pytest.mark.requirement("NTF-05")
async def test_a_link_takes_the_incident_once_however_often_it_is_pressed(tmp_path: Path) -> None:
    async with opened(tmp_path, "email") as app:
        message = await paged(app, "email")
        assert message.act_url == f"{PUBLIC_URL}/a/{message.token}"
        assert message.act_url in message.text
        assert message.act_url in str(message.html)
        said = [await app.answers.hear(press(message)) for _ in range(3)]
        assert [each.result for each in said] == [Result.DONE, Result.ALREADY, Result.ALREADY]
        assert said[0].text == "You have it. Also paged: Bo."
        incident = await app.incident(message.incident_id)
        assert (incident.status, incident.assigned_to) == ("ACKNOWLEDGED", "ana")
        assert await moves(app, message.incident_id) == [("ana", "acknowledge")]
        (row,) = [row for row in await app.pages_of(message.incident_id) if row.recipient == "user:ana"]
        assert (row.answer, row.answered_at) == ("take", app.clock.now())
        await app.fast_forward(minutes=14)
        app.expect_silence()


@pytest.mark.requirement("NTF-05")
async def test_looking_at_a_link_changes_nothing_and_says_who_was_paged(tmp_path: Path) -> None:
    async with opened(tmp_path, "email") as app:
        message = await paged(app, "email")
        for _ in range(2):
            offer = await app.answers.look(message.token)
            assert offer is not None
            assert offer.state == "Nobody has it yet. Also paged: Bo."
            assert offer.actions == (PageAction.TAKE, PageAction.RESOLVE)
        assert await moves(app, message.incident_id) == []
        await app.answers.hear(press(message))
        await app.fast_forward(minutes=3)
        offer = await app.answers.look(message.token)
        assert offer is not None
        assert offer.actions == (PageAction.RESOLVE,)
        assert offer.state.startswith("You have it since 3 min.")


@pytest.mark.requirement("NTF-05")
async def test_on_an_escalated_incident_the_link_takes_too(tmp_path: Path) -> None:
    async with opened(tmp_path, "email") as app:
        message = await paged(app, "email")
        await app.fast_forward(minutes=5)
        app.expect_page("boss", "escalated")
        assert (await app.incident(message.incident_id)).status == "ESCALATED"
        assert (await app.answers.hear(press(message))).result is Result.DONE
        incident = await app.incident(message.incident_id)
        assert (incident.status, incident.assigned_to, incident.ladder.state) == ("IN_PROGRESS", "ana", "taken")
        await app.fast_forward(minutes=9)


@pytest.mark.requirement("NTF-05")
async def test_somebody_else_is_told_who_has_it(tmp_path: Path) -> None:
    async with opened(tmp_path, "email") as app:
        await app.post_event(severity="P0")
        ana, bo = app.expect_page("ana").message, app.expect_page("bo").message
        await app.answers.hear(press(ana))
        offer = await app.answers.look(bo.token)
        assert offer is not None
        assert offer.state == "Ana has it. Also paged: Ana."
        said = await app.answers.hear(press(bo))
        assert said.text == "You have it. Ana had it before. Also paged: Ana."
        assert (await app.incident(bo.incident_id)).assigned_to == "bo"


@pytest.mark.requirement("NTF-05")
async def test_resolving_from_a_page_walks_there_and_ends_what_the_page_can_do(tmp_path: Path) -> None:
    async with opened(tmp_path, "email") as app:
        message = await paged(app, "email")
        assert (await app.answers.hear(press(message, PageAction.RESOLVE))).text == "Resolved. Also paged: Bo."
        for action in PageAction:
            assert (await app.answers.hear(press(message, action))).result is Result.ALREADY
        incident = await app.incident(message.incident_id)
        assert (incident.status, incident.resolution.resolved_by) == ("RESOLVED", "ana")
        await app.settle()
        assert app.expect_page("ana", "resolved").message.act_url == ""
        app.expect_page("bo", "resolved")
        await app.act("bo", message.incident_id, "reopen")
        assert (await app.answers.hear(press(message))).result is Result.ALREADY, "the old link stays spent"


@pytest.mark.requirement("NTF-05")
async def test_a_link_ends_after_a_day(tmp_path: Path) -> None:
    async with opened(tmp_path, "email") as app:
        message = await paged(app, "email")
        await app.act("boss", message.incident_id, "take")
        await app.fast_forward(minutes=24 * 60 + 1)
        app.pages.clear()
        said = await app.answers.hear(press(message))
        assert (said.result, said.text[:36]) == (Result.EXPIRED, "This page is too old to act from. Bo"), said.text
        offer = await app.answers.look(message.token)
        assert offer is not None
        assert (offer.actions, offer.why_not) == ((), "This link is too old to act from.")
        assert await moves(app, message.incident_id) == [("boss", "acknowledge")]


@pytest.mark.requirement("NTF-05")
async def test_a_forged_link_does_nothing(tmp_path: Path) -> None:
    async with opened(tmp_path, "email") as app:
        message = await paged(app, "email")
        flipped = ("B" if message.token[0] != "B" else "C") + message.token[1:]
        forged = ["", "x", flipped, message.token + "=", message.token + ".acme", "\u00e9" * 34, "A" * 5000]
        for token in forged:
            assert await app.answers.look(token) is None
            said = await app.answers.hear(Pressed(token=token, action=PageAction.TAKE))
            assert said.result is Result.UNKNOWN
        assert (await app.incident(message.incident_id)).status == "NEW"


@pytest.mark.requirement("NTF-05")
@pytest.mark.requirement("SEC-01")
async def test_a_token_of_one_tenant_does_nothing_in_another(tmp_path: Path) -> None:
    async with opened(tmp_path, "email") as app:
        message = await paged(app, "email")
        other = app.tokens.of("acme", message.notification_id)
        assert other != message.token
        assert (await app.answers.hear(Pressed(token=other, action=PageAction.TAKE))).result is Result.UNKNOWN


@pytest.mark.requirement("NTF-05")
async def test_a_teams_link_asks_who_acts(tmp_path: Path) -> None:
    team = TEAM | {"members": ["ana", "bo"], "contacts": {"email": "platform@example.com"}}
    pages = policy(level(to("team", "platform"), after=300))
    users = [user(name, "webhook") for name in ("ana", "bo", "lead", "boss", "last")]
    async with Story(tmp_path, with_policy(pages, users=users, teams=[team])) as app:
        await app.post_event(severity="P0")
        message = app.expect_page("platform", channel="email").message
        app.pages.clear()
        offer = await app.answers.look(message.token)
        assert offer is not None
        assert offer.people == (("ana", "Ana"), ("bo", "Bo"))
        assert (await app.answers.hear(press(message, person="boss"))).result is Result.REFUSED
        assert (await app.answers.hear(press(message, person="bo"))).result is Result.DONE
        assert (await app.incident(message.incident_id)).assigned_to == "bo"


@pytest.mark.requirement("NTF-05")
@pytest.mark.parametrize(
    ("change", "words"),
    [({"role": "viewer"}, "may look but not act"), ({"enabled": False}, "is no user here any more")],
)
async def test_whoever_may_not_act_is_told_so(tmp_path: Path, change: dict[str, object], words: str) -> None:
    async with opened(tmp_path, "email") as app:
        message = await paged(app, "email")
        await app.configure({"users": [user("ana", "email") | change]})
        said = await app.answers.hear(press(message))
        assert said.result is Result.REFUSED
        assert words in said.text
        assert (await app.incident(message.incident_id)).status == "NEW"


async def reply(app: Story, text: str, once: str, number: str = NUMBERS["ana"]) -> Said:
    return await app.answers.hear(Replied(channel="sms", address=number, text=text, once=once))


@pytest.mark.requirement("NTF-05")
@pytest.mark.parametrize("text", ["T{code}", "t {code}", "take {code}", "ACK #{code}.", "1 {code}", "1", " Take ", "A"])
async def test_a_text_that_comes_back_takes_the_incident_once(tmp_path: Path, text: str) -> None:
    async with opened(tmp_path, "sms") as app:
        message = await paged(app, "sms")
        wanted = text.format(code=message.reply_code)
        said = await reply(app, wanted, "SM1")
        assert (said.result, said.text) == (Result.DONE, "You have it. Also paged: Bo.")
        again = await reply(app, wanted, "SM1")
        assert (again.result, again.text) == (Result.ALREADY, ""), "the same text, delivered twice"
        assert (await reply(app, wanted, "SM2")).result is Result.ALREADY, "the same text, sent twice"
        assert await moves(app, message.incident_id) == [("ana", "acknowledge")]


@pytest.mark.requirement("NTF-05")
async def test_where_several_are_open_a_text_must_say_which(tmp_path: Path) -> None:
    async with opened(tmp_path, "sms") as app:
        first = await paged(app, "sms", title="Slow answers", fingerprint="a", event_id="one")
        second = await paged(
            app, "sms", title="Cost doubled", event_id="two", category="cost",
            resource={"type": "model", "id": "gpt", "name": "gpt"},
        )  # fmt: skip
        assert first.incident_id != second.incident_id
        said = await reply(app, "1", "SM1")
        assert said.result is Result.UNCLEAR
        assert f"T{first.reply_code} P0: Slow answers" in said.text
        assert f"T{second.reply_code} P0: Cost doubled" in said.text
        assert await moves(app, first.incident_id) == []
        assert (await reply(app, f"R{second.reply_code}", "SM2")).result is Result.DONE
        assert (await app.incident(second.incident_id)).status == "RESOLVED"
        assert (await app.incident(first.incident_id)).status == "NEW"
        app.pages.clear()
        await app.settle()
        app.pages.clear()


@pytest.mark.requirement("NTF-05")
async def test_a_text_from_an_unknown_number_does_nothing_and_is_not_answered(tmp_path: Path) -> None:
    async with opened(tmp_path, "sms") as app:
        message = await paged(app, "sms")
        said = await reply(app, f"T{message.reply_code}", "SM1", "+15550001111")
        assert (said.result, said.text) == (Result.UNKNOWN, "")
        assert (await app.incident(message.incident_id)).status == "NEW"


@pytest.mark.requirement("NTF-05")
async def test_a_text_that_is_no_command_is_explained_once_an_hour(tmp_path: Path) -> None:
    async with opened(tmp_path, "sms") as app:
        message = await paged(app, "sms")
        said = [await reply(app, "I am driving", f"SM{number}") for number in range(3)]
        assert said[0].text.startswith(f"Not understood, nothing was changed. Reply T{message.reply_code} to take")
        assert [each.text for each in said[1:]] == ["", ""]
        assert (await reply(app, f"T{int(message.reply_code) + 1}", "SM9")).result is Result.UNCLEAR
        assert (await app.incident(message.incident_id)).status == "NEW"


@pytest.mark.requirement("NTF-05")
async def test_a_replayed_text_does_nothing_though_the_incident_is_paged_again(tmp_path: Path) -> None:
    async with opened(tmp_path, "sms") as app:
        message = await paged(app, "sms")
        await reply(app, "1", "SM1")
        await app.act("bo", message.incident_id, "escalate")
        await app.fast_forward(minutes=10)
        app.pages.clear()
        assert (await reply(app, "1", "SM1")).result is Result.ALREADY
        assert (await app.incident(message.incident_id)).status == "ESCALATED"


@pytest.mark.requirement("NTF-03")
async def test_a_call_that_nobody_answered_leads_to_the_next_step_at_once(tmp_path: Path) -> None:
    users = [user("ana", "phone"), user("boss", "webhook"), user("last", "webhook")]
    pages = policy(level(to("user", "ana"), after=300, channels=["phone"]), level(to("user", "boss"), after=300))
    async with Story(tmp_path, with_policy(pages, users=users), channels=WAYS) as app:
        await app.post_event(severity="P0")
        message = app.expect_page(NUMBERS["ana"], channel="phone").message
        (row,) = await app.pages_of(message.incident_id)
        busy = Reported(token=message.token, channel="phone", receipt=str(row.receipt), arrived=False, reason="busy")
        for _ in range(3):
            assert (await app.answers.hear(busy)).result is Result.NOTED
            await app.settle()
        app.expect_page("boss", "escalated")
        app.expect_silence()
        first = (await app.pages_of(message.incident_id))[0]
        assert (first.state, first.last_error, first.attempts) == ("failed", "busy", 1)
        await app.act("boss", message.incident_id, "take")


@pytest.mark.requirement("NTF-03")
async def test_a_report_that_overtakes_the_acceptance_counts(tmp_path: Path) -> None:
    users = [user("ana", "phone"), user("boss", "webhook"), user("last", "webhook")]
    pages = policy(level(to("user", "ana"), after=300, channels=["phone"]), level(to("user", "boss"), after=300))
    async with Story(tmp_path, with_policy(pages, users=users), channels=WAYS) as app:
        send = app.channels["phone"].send

        async def fails_at_once(message: Message, contact: object) -> object:
            outcome = await send(message, contact)  # type: ignore[arg-type]
            receipt = f"r-{message.notification_id}"
            await app.answers.hear(
                Reported(token=message.token, channel="phone", receipt=receipt, arrived=False, reason="no answer")
            )
            return outcome

        app.channels["phone"].send = fails_at_once  # type: ignore[method-assign, assignment]
        receipt = await app.post_event(severity="P0")
        app.expect_page(NUMBERS["ana"], channel="phone")
        app.expect_page("boss", "escalated")
        first = (await app.pages_of(receipt.incident_id))[0]
        assert (first.state, first.last_error) == ("failed", "no answer")
        await app.act("boss", receipt.incident_id, "take")


@pytest.mark.requirement("NTF-03")
async def test_an_arrival_is_written_down_and_one_of_another_try_is_not(tmp_path: Path) -> None:
    async with opened(tmp_path, "sms") as app:
        message = await paged(app, "sms")
        other = Reported(token=message.token, channel="sms", receipt="another", arrived=False, reason="undelivered")
        await app.answers.hear(other)
        row = next(row for row in await app.pages_of(message.incident_id) if row.recipient == "user:ana")
        assert (row.state, row.reached_at) == ("delivered", None)
        await app.fast_forward(seconds=20)
        arrived = Reported(token=message.token, channel="sms", receipt=str(row.receipt), arrived=True)
        await app.answers.hear(arrived)
        row = next(row for row in await app.pages_of(message.incident_id) if row.recipient == "user:ana")
        assert (row.state, row.reached_at) == ("delivered", app.clock.now())
        wrong = Reported(token=message.token, channel="phone", receipt=str(row.receipt), arrived=False, reason="x")
        assert (await app.answers.hear(wrong)).result is Result.UNKNOWN
        await app.answers.hear(press(message))


@pytest.mark.parametrize(
    ("incident_id", "code"),
    [
        ("INC-20261128-00042", "2842"),
        ("INC-20261102-00842", "02842"),
        ("INC-20261128-123456", "28123456"),
        ("TEST", ""),
    ],
)
def test_the_code_of_an_incident_is_short_and_of_that_day(incident_id: str, code: str) -> None:
    assert reply_code(incident_id) == code
