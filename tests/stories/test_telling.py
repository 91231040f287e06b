"""Pages on their way: retries, other ways, fallbacks, the breaker, what is cancelled, and who hears of the end."""

from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

from llm_incident_manager.domain.notifications.message import Contact, Message, Outcome, Rejected, RetryLater
from llm_incident_manager.domain.notifications.notification import DeliveryState
from llm_incident_manager.domain.vocabulary import Action
from llm_incident_manager.engine.ports import Transaction
from tests.stories.app import Story, person
from tests.stories.towns import by_mail, contact, level, policy, to, user, with_policy

BUSY = RetryLater(reason="503 Service Unavailable")
GONE = Rejected(reason="410 Gone")


def one_way(fallback: str | None = "boss") -> dict[str, list[dict[str, object]]]:
    """Level 1 is ana by webhook, who also reads mail; her fallback is boss; level 2 is bo."""
    users = [user("ana", "webhook", "email"), *(user(name, "webhook") for name in ("bo", "boss", "last"))]
    first = to("user", "ana", fallback=to("user", fallback) if fallback else None)
    pages = policy(level(first, after=300, channels=["webhook"]), level(to("user", "bo"), after=300))
    return with_policy(pages, users=users)


@pytest.mark.requirement("NTF-03")
@pytest.mark.requirement("REL-02")
async def test_after_three_retries_other_ways_are_told_while_retries_go_on(tmp_path: Path) -> None:
    async with Story(tmp_path, one_way()) as app:
        app.channels["webhook"].answers["ana"] = [BUSY] * 6
        receipt = await app.post_event(severity="P0")
        app.expect_silence()
        await app.fast_forward(seconds=6)
        app.expect_silence()
        await app.fast_forward(seconds=4)
        app.expect_page("ana", "incident_created", "email")
        app.expect_silence()
        await app.fast_forward(seconds=180)
        late = app.expect_page("ana", "incident_created", "webhook")
        (row,) = [row for row in await app.pages_of(receipt.incident_id) if row.channel == "webhook"]
        assert (row.state, row.attempts, row.id) == ("delivered", 7, late.message.notification_id)
        await app.act("ana", receipt.incident_id, "take")


@pytest.mark.requirement("REL-02")
async def test_retries_wait_a_second_and_twice_as_long_each_time_up_to_the_cap(tmp_path: Path) -> None:
    async with Story(tmp_path, one_way()) as app:
        tries: list[float] = []
        started = app.clock.now()

        async def busy(message: Message, contact: Contact) -> Outcome:
            tries.append((app.clock.now() - started).total_seconds())
            return BUSY

        app.channels["webhook"].send = busy  # type: ignore[method-assign]
        await app.post_event(severity="P3")
        receipt = await app.post_event(severity="P0")
        await app.fast_forward(seconds=250)
        gaps = [later - earlier for earlier, later in pairwise(tries)]
        for gap, planned in zip(gaps, (1, 2, 4), strict=False):
            assert planned <= gap <= 1.3 * planned + 0.001
        app.pages.clear()
        await app.act("ana", receipt.incident_id, "take")
        seen = len(tries)
        await app.fast_forward(seconds=250)
        assert len(tries) == seen, "acted upon: nobody is tried any more"


@pytest.mark.requirement("NTF-03")
async def test_what_is_rejected_goes_by_other_ways_at_once(tmp_path: Path) -> None:
    async with Story(tmp_path, one_way()) as app:
        app.channels["webhook"].answers["ana"] = [GONE]
        receipt = await app.post_event(severity="P0")
        app.expect_page("ana", "incident_created", "email")
        rows = {(row.recipient, row.channel): row for row in await app.pages_of(receipt.incident_id)}
        failed = rows["user:ana", "webhook"]
        assert (failed.state, failed.last_error, failed.attempts) == ("failed", "410 Gone", 1)
        assert rows["user:ana", "email"].stage == 1
        await app.act("ana", receipt.incident_id, "take")


@pytest.mark.requirement("NTF-03")
@pytest.mark.requirement("RTE-04")
async def test_with_no_way_left_the_fallback_is_told_and_then_the_next_level_at_once(tmp_path: Path) -> None:
    async with Story(tmp_path, one_way()) as app:
        app.channels["webhook"].answers |= {"ana": [GONE], "boss": [GONE]}
        app.channels["email"].answers["ana"] = [GONE]
        receipt = await app.post_event(severity="P0")
        app.expect_page("bo", "escalated")
        states = {(row.recipient, row.channel): row.state for row in await app.pages_of(receipt.incident_id)}
        assert states["user:boss", "webhook"] == "failed"
        assert (await app.incident(receipt.incident_id)).escalation_level == 2
        await app.act("bo", receipt.incident_id, "take")


@pytest.mark.requirement("NTF-03")
async def test_one_reached_target_is_enough_for_the_level_but_each_target_falls_back(tmp_path: Path) -> None:
    users = [user(name, "webhook") for name in ("ana", "bo", "boss", "last")]
    pages = policy(level(to("user", "ana", fallback=to("user", "boss")), to("user", "bo"), after=300))
    async with Story(tmp_path, with_policy(pages, users=users)) as app:
        app.channels["webhook"].answers["ana"] = [GONE]
        await app.post_event(severity="P0")
        assert app.told() == ["bo", "boss"]


@pytest.mark.requirement("NTF-03")
async def test_the_ladder_moves_on_and_a_page_that_failed_is_tried_no_more(tmp_path: Path) -> None:
    users = [user(name, "webhook") for name in ("ana", "bo", "last")]
    pages = policy(level(to("user", "ana"), after=300), level(to("user", "bo"), after=300))
    async with Story(tmp_path, with_policy(pages, users=users)) as app:
        app.channels["webhook"].answers["ana"] = [BUSY] * 100
        receipt = await app.post_event(severity="P0")
        await app.fast_forward(seconds=15)
        app.expect_page("bo", "escalated")
        (row,) = [row for row in await app.pages_of(receipt.incident_id) if row.recipient == "user:ana"]
        assert (row.state, row.last_error) == ("cancelled", "the ladder has moved on")


@pytest.mark.requirement("REL-01")
async def test_the_breaker_opens_after_five_failures_and_lets_the_only_way_through(tmp_path: Path) -> None:
    users = [
        {"id": "ana", "name": "Ana", "contacts": {"webhook": contact("ana", "webhook")}},
        {"id": "bo", "name": "Bo", "contacts": {"webhook": contact("ana", "webhook"), "email": contact("bo", "email")}},
        user("last", "email"),
    ]
    routes = [
        {"name": "models", "priority": 2, "conditions": {"tags": {"for": "bo"}}, "policy": "for-bo"},
        {"name": "everything", "priority": 1, "conditions": {}, "policy": "pages"},
    ]
    mine = policy(level(to("user", "ana"), after=3600))
    his = policy(level(to("user", "bo"), after=3600, channels=["webhook"])) | {"id": "for-bo", "name": "for-bo"}
    async with Story(tmp_path, with_policy(mine, his, users=users, routes=routes)) as app:
        tries: list[str] = []

        async def dead(message: Message, contact: Contact) -> Outcome:
            tries.append(message.incident_id)
            return BUSY

        alive = app.channels["webhook"].send
        app.channels["webhook"].send = dead  # type: ignore[method-assign]
        await app.post_event(severity="P2")
        await app.post_event(severity="P2", resource={"type": "model", "id": "a"})
        await app.fast_forward(seconds=40)
        assert len(tries) == 5
        app.pages.clear()
        two_ways = await app.post_event(severity="P0", tags={"for": "bo"}, resource={"type": "model", "id": "b"})
        assert len(tries) == 5, "bo has another way: nothing is sent where nobody answers"
        assert app.told() == ["bo"], "by mail, at once"
        only_way = await app.post_event(severity="P0", resource={"type": "model", "id": "c"})
        assert tries[5:] == [only_way.incident_id], "the only way of a P0 is the breaker's probe"
        app.channels["webhook"].send = alive  # type: ignore[method-assign]
        await app.fast_forward(minutes=3)
        assert {page.message.incident_id for page in app.pages if page.to == "ana"} >= {only_way.incident_id}
        app.pages.clear()
        for receipt in (two_ways, only_way):
            await app.act("ana", receipt.incident_id, "take")


@pytest.mark.requirement("REL-03")
async def test_every_repeat_of_a_page_carries_the_same_id(tmp_path: Path) -> None:
    async with Story(tmp_path) as app:
        seen: list[str] = []
        alive = app.channels["webhook"].send

        async def twice_unknown(message: Message, contact: Contact) -> Outcome:
            seen.append(message.notification_id)
            return await alive(message, contact) if len(seen) > 2 else BUSY

        app.channels["webhook"].send = twice_unknown  # type: ignore[method-assign]
        await app.post_event(severity="P0")
        await app.restart()
        await app.fast_forward(seconds=10)
        assert len(seen) == 3
        assert len(set(seen)) == 1
        app.expect_page("ana", "incident_created")


@pytest.mark.requirement("REL-03")
async def test_a_page_whose_answer_was_never_written_down_is_sent_again(tmp_path: Path) -> None:
    async with Story(tmp_path) as app:
        await app.post_event(severity="P0", settle=False)
        await app.house.triage.run_once()
        claimed = await app.house.deliver.claim()
        assert len(claimed) == 1
        await app.restart()
        await app.fast_forward(seconds=29)
        app.expect_silence()
        await app.fast_forward(seconds=2)
        assert app.expect_page("ana").message.notification_id == claimed[0].id


@pytest.mark.requirement("NTF-04")
async def test_the_end_is_announced_where_the_incident_was_and_nowhere_else(tmp_path: Path) -> None:
    async with Story(tmp_path, by_mail()) as app:
        incident_id = (await app.post_event(severity="P0")).incident_id
        await app.fast_forward(minutes=5)
        assert app.told() == ["ana", "bo"]
        await app.act("bo", incident_id, "take")
        await app.act("bo", incident_id, "resolve")
        assert [page.message.type for page in app.pages] == ["resolved", "resolved"]
        assert app.told() == ["ana", "bo"]


@pytest.mark.requirement("NTF-04")
async def test_a_page_in_flight_when_it_ended_is_followed_by_the_news(tmp_path: Path) -> None:
    async with Story(tmp_path) as app:
        incident_id = str((await app.post_event(severity="P0", settle=False)).incident_id)
        await app.house.triage.run_once()
        alive = app.channels["webhook"].send

        async def slow(message: Message, contact: Contact) -> Outcome:
            app.channels["webhook"].send = alive  # type: ignore[method-assign]
            for action in ("acknowledge", "start_work", "resolve"):
                await app.house.respond.act(person("bo"), incident_id, Action(action))
            return await alive(message, contact)

        app.channels["webhook"].send = slow  # type: ignore[method-assign]
        await app.settle()
        assert [(page.to, page.message.type) for page in app.pages] == [
            ("ana", "incident_created"),
            ("ana", "resolved"),
        ]
        app.pages.clear()


@pytest.mark.requirement("NTF-03")
async def test_a_page_claimed_before_somebody_took_it_is_not_sent(tmp_path: Path) -> None:
    async with Story(tmp_path) as app:
        incident_id = str((await app.post_event(severity="P0", settle=False)).incident_id)
        await app.house.triage.run_once()
        (claimed,) = await app.house.deliver.claim()
        await app.act("bo", incident_id, "take")
        await app.house.deliver.deliver(claimed)
        await app.fast_forward(seconds=100)
        app.expect_silence()
        (row,) = await app.pages_of(incident_id)
        assert (row.state, row.last_error) == ("cancelled", "somebody has it")


@pytest.mark.requirement("NTF-03")
async def test_nothing_waits_behind_a_channel_that_hangs(tmp_path: Path) -> None:
    users = [user("ana", "webhook", "email"), user("last", "email")]
    async with Story(tmp_path, with_policy(policy(level(to("user", "ana"))), users=users)) as app:

        async def hanging(message: Message, contact: Contact) -> Outcome:
            raise TimeoutError

        app.channels["webhook"].send = hanging  # type: ignore[method-assign]
        receipt = await app.post_event(severity="P0")
        app.expect_page("ana", "incident_created", "email")
        rows = {row.channel: row for row in await app.pages_of(receipt.incident_id)}
        assert rows["webhook"].last_error == "no answer within 15 s"
        await app.act("ana", receipt.incident_id, "take")


@pytest.mark.requirement("NTF-03")
async def test_a_faulty_channel_is_a_failed_try_not_a_lost_page(tmp_path: Path) -> None:
    async with Story(tmp_path) as app:
        alive = app.channels["webhook"].send
        calls = 0

        async def faulty(message: Message, contact: Contact) -> Outcome:
            nonlocal calls
            calls += 1
            if calls == 1:
                raise ZeroDivisionError
            return await alive(message, contact)

        app.channels["webhook"].send = faulty  # type: ignore[method-assign]
        await app.post_event(severity="P0")
        await app.fast_forward(seconds=2)
        app.expect_page("ana", "incident_created")


@pytest.mark.requirement("NTF-04")
async def test_the_news_of_an_end_that_is_none_any_more_is_not_sent(tmp_path: Path) -> None:
    async with Story(tmp_path) as app:
        incident_id = (await app.post_event(severity="P0")).incident_id
        app.pages.clear()
        app.channels["webhook"].answers["ana"] = [BUSY] * 3
        for action in ("acknowledge", "start_work", "resolve", "reopen"):
            await app.act("bo", incident_id, action)
        await app.fast_forward(minutes=2)
        app.expect_silence()


async def test_the_page_of_an_incident_that_is_gone_ends(tmp_path: Path) -> None:
    async with Story(tmp_path) as app:
        incident_id = str((await app.post_event(severity="P0")).incident_id)
        app.pages.clear()
        (row,) = await app.pages_of(incident_id)

        def lost(tx: Transaction) -> None:
            gone = msgspec.structs.replace(
                row, id="ntf-lost", incident_id="INC-20200101-00001", state=DeliveryState.PLANNED, delivered_at=None
            )
            tx.notifications.add([gone])

        await app.store.transact("default", lost)
        await app.settle()
        assert (await app.store.read("default", lambda tx: tx.notifications.get("ntf-lost"))).state == "failed"
