"""Whom a step pages, on which channel, what is skipped and why, and in which order other ways follow."""

import pytest

from llm_incident_manager.domain.notifications.planning import Reach, last_stage, pages_for, target_pages
from llm_incident_manager.domain.people import Contact, Target, Team, User
from llm_incident_manager.domain.routing.directory import Directory
from llm_incident_manager.domain.vocabulary import Severity, TargetType
from llm_incident_manager.ids import CountingIds
from tests.build import NOON


def a_user(name: str, *channels: str, enabled: bool = True) -> User:
    return User(
        id=name,
        name=name.title(),
        enabled=enabled,
        contacts=tuple(Contact(channel=each, address=name) for each in channels),
    )


USERS = [
    a_user("ana", "webhook", "email"),
    a_user("bo", "email", "email"),
    a_user("cy", "phone"),
    a_user("dee"),
    a_user("off", "email", enabled=False),
]
TEAMS = [
    Team(id="both", name="Both", members=("ana", "bo", "off")),
    Team(id="own", name="Own", members=("ana",), contacts=(Contact(channel="slack", address="#own"),)),
    Team(id="none", name="None"),
]


def target(kind: str, name: str, fallback: Target | None = None) -> Target:
    return Target(type=TargetType(kind), id=name, fallback=fallback)


def reach(severity: Severity = Severity.P0, on_call: tuple[str, ...] = ()) -> Reach:
    ids = CountingIds()
    people = Directory({user.id: user for user in USERS}, {team.id: team for team in TEAMS}, lambda *_: on_call)
    return Reach(
        directory=people, channels=frozenset({"email", "webhook", "slack"}), severity=severity, at=NOON,
        new_id=lambda: ids.new("ntf"),
    )  # fmt: skip


def told(*targets: Target, channels: tuple[str, ...] = (), by: Reach | None = None) -> list[str]:
    """Return ``recipient channel`` of what is tried."""
    pages = pages_for(targets, channels, by or reach())
    return [f"{page.recipient} {page.channel}" for page in pages if page.skipped is None]


def skipped(*targets: Target, channels: tuple[str, ...] = (), by: Reach | None = None) -> list[str]:
    """Return why others are not."""
    return [page.skipped for page in pages_for(targets, channels, by or reach()) if page.skipped is not None]


@pytest.mark.requirement("RTE-04")
@pytest.mark.parametrize(
    ("aimed", "channels", "expected"),
    [
        (target("user", "ana"), (), ["user:ana webhook", "user:ana email"]),
        (target("user", "ana"), ("email",), ["user:ana email"]),
        (target("user", "bo"), ("email",), ["user:bo email", "user:bo email"]),
        (target("team", "both"), ("email",), ["user:ana email", "user:bo email", "user:bo email"]),
        (target("team", "own"), (), ["team:own slack", "user:ana webhook", "user:ana email"]),
        (target("team", "own"), ("slack",), ["team:own slack"]),
        (target("on_call", "primary"), ("webhook",), ["user:ana webhook"]),
        (target("external", "https://example.com/hook"), (), ["external:https://example.com/hook webhook"]),
        (target("external", "help@example.com"), (), ["external:help@example.com email"]),
    ],
)
def test_a_target_comes_to_these_pages(aimed: Target, channels: tuple[str, ...], expected: list[str]) -> None:
    assert told(aimed, channels=channels, by=reach(on_call=("ana",))) == expected


@pytest.mark.requirement("NTF-03")
@pytest.mark.parametrize(
    ("aimed", "channels", "why"),
    [
        (target("user", "nobody"), (), "user nobody does not exist"),
        (target("user", "off"), (), "user off is disabled"),
        (target("user", "dee"), (), "Dee has no contacts"),
        (target("user", "cy"), (), "there is no phone channel here yet"),
        (target("team", "none"), (), "team none has neither members nor contacts"),
        (target("team", "gone"), (), "team gone does not exist"),
        (target("on_call", "primary"), (), "nobody is on call on schedule primary"),
        (target("user", "ana"), ("slack",), "Ana: no slack contact"),
        (target("user", "ana"), ("pagerduty",), "there is no pagerduty channel here yet"),
    ],
)
def test_who_cannot_be_reached_is_shown_with_the_reason(aimed: Target, channels: tuple[str, ...], why: str) -> None:
    assert why in skipped(aimed, channels=channels)


@pytest.mark.requirement("NTF-03")
def test_other_contacts_come_before_the_fallback() -> None:
    aimed = target("user", "ana", fallback=target("user", "bo"))
    assert told(aimed, channels=("slack",)) == ["user:ana webhook", "user:ana email"]
    stages = {page.stage for page in target_pages(aimed, ("webhook",), reach(), stage=1)}
    assert stages == {1}
    assert [page.recipient for page in target_pages(aimed, (), reach(), stage=2)] == ["user:bo", "user:bo"]
    assert last_stage(aimed) == 3


def test_fallbacks_chain_until_somebody_is_reached() -> None:
    aimed = target("user", "dee", fallback=target("user", "cy", fallback=target("user", "bo")))
    assert told(aimed) == ["user:bo email", "user:bo email"]
    assert skipped(aimed)[0] == "Dee has no contacts"


def test_one_contact_is_paged_once_though_several_targets_come_to_it() -> None:
    assert told(target("user", "ana"), target("team", "both"), channels=("webhook",)) == ["user:ana webhook"]


@pytest.mark.requirement("NTF-03")
@pytest.mark.parametrize(("severity", "expected"), [
    (Severity.P2, ["user:ana webhook", "user:ana email"]), (Severity.P3, ["user:ana email"]), (Severity.P4, []),
])  # fmt: skip
def test_the_less_urgent_are_told_more_quietly(severity: Severity, expected: list[str]) -> None:
    assert told(target("user", "ana"), by=reach(severity)) == expected
