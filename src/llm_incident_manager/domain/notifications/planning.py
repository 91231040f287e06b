"""Which pages a step makes: whom, on which channel, and what is skipped and why (NTF-03, interfaces "Telling")."""

from collections.abc import Callable, Iterable
from datetime import datetime

import msgspec

from llm_incident_manager.domain.incidents.changes import PlannedPage
from llm_incident_manager.domain.people import Recipient, Target
from llm_incident_manager.domain.routing.directory import Directory
from llm_incident_manager.domain.vocabulary import Severity

QUIET_CHANNELS = frozenset({"email", "slack", "teams"})
"""What P3 may be told on: e-mail and chat only (interfaces, "Telling")."""

NewId = Callable[[], str]


class Reach(msgspec.Struct, frozen=True, kw_only=True):
    """What planning looks at beside the target: the people, the channels that exist, and how urgent it is."""

    directory: Directory
    channels: frozenset[str]
    severity: Severity
    at: datetime
    new_id: NewId


def pages_for(targets: Iterable[Target], channels: tuple[str, ...], reach: Reach) -> tuple[PlannedPage, ...]:
    """Return the pages for all targets at once; a target that cannot be reached falls back at once.

    The same contact is paged once though several targets come to it. Skipped pages carry their reason.
    """
    pages: list[PlannedPage] = []
    for target in targets:
        pages += target_pages(target, channels, reach)
    return _once(pages)


def target_pages(target: Target, channels: tuple[str, ...], reach: Reach, *, stage: int = 0) -> list[PlannedPage]:
    """Return the pages of one target from ``stage`` on: 0 the level's channels, 1 other contacts, 2 the fallback, on.

    Stages that hold no page that can be tried are passed through, their skipped pages kept for the record.
    """
    pages: list[PlannedPage] = []
    current: Target | None = _at_stage(target, stage)
    step = stage
    while current is not None:
        found = reach.directory.find(current, reach.at)
        if found.missing is not None:
            pages.append(_skipped(target, current.label, "", step, found.missing, reach))
        elif step % 2 == 0:
            pages += _on_channels(target, found.recipients, channels, step, reach)
        else:
            pages += _other_contacts(target, found.recipients, channels, step, reach)
        if any(page.skipped is None for page in pages):
            return pages
        step += 1
        current = _at_stage(target, step)
    return pages


def reachable(pages: Iterable[PlannedPage]) -> bool:
    """Whether at least one page can be tried."""
    return any(page.skipped is None for page in pages)


def last_stage(target: Target) -> int:
    """Return the highest stage of a target: two per link of its fallback chain."""
    stage, current = 1, target.fallback
    while current is not None:
        stage, current = stage + 2, current.fallback
    return stage


def find_target(label: str, targets: Iterable[Target]) -> Target | None:
    """Return the target of that label among ``targets``."""
    return next((target for target in targets if target.label == label), None)


def _at_stage(target: Target, stage: int) -> Target | None:
    current: Target | None = target
    for _ in range(stage // 2):
        current = current.fallback if current is not None else None
    return current


def _on_channels(
    target: Target, recipients: tuple[Recipient, ...], channels: tuple[str, ...], stage: int, reach: Reach
) -> list[PlannedPage]:
    pages: list[PlannedPage] = []
    for recipient in recipients:
        if not channels and not recipient.contacts:
            why = f"{recipient.name} has no contacts"
            pages.append(_skipped(target, recipient.key, "", stage, why, reach, recipient.name))
        elif not channels:
            pages += _contacts(target, recipient, None, stage, reach)
    own = next((each for each in recipients if each.key.startswith("team:")), None)
    for channel in channels:
        holders = [each for each in recipients if any(contact.channel == channel for contact in each.contacts)]
        if own is not None and own in holders:
            holders = [own]
        if not holders:
            names = ", ".join(each.name for each in recipients)
            why = f"{names}: no {channel} contact" if channel in reach.channels else _unavailable(channel)
            pages.append(_skipped(target, recipients[0].key, channel, stage, why, reach, recipients[0].name))
        for recipient in holders:
            pages += _contacts(target, recipient, channel, stage, reach)
    return pages


def _other_contacts(
    target: Target, recipients: tuple[Recipient, ...], channels: tuple[str, ...], stage: int, reach: Reach
) -> list[PlannedPage]:
    if not channels:
        return []
    pages: list[PlannedPage] = []
    for recipient in recipients:
        pages += [page for page in _contacts(target, recipient, None, stage, reach) if page.channel not in channels]
    return pages


def _contacts(target: Target, recipient: Recipient, channel: str | None, stage: int, reach: Reach) -> list[PlannedPage]:
    pages: list[PlannedPage] = []
    seen: dict[str, int] = {}
    for contact in recipient.contacts:
        number = seen.get(contact.channel, 0)
        seen[contact.channel] = number + 1
        if channel is not None and contact.channel != channel:
            continue
        skipped = None
        if contact.channel not in reach.channels:
            skipped = _unavailable(contact.channel)
        elif reach.severity is Severity.P3 and contact.channel not in QUIET_CHANNELS:
            skipped = "P3 is told by e-mail and chat only"
        elif reach.severity is Severity.P4:
            skipped = "P4 pages nobody"
        pages.append(
            PlannedPage(
                notification_id=reach.new_id(),
                target=target.label,
                recipient=recipient.key,
                name=recipient.name,
                channel=contact.channel,
                contact=number,
                stage=stage,
                skipped=skipped,
            )
        )
    return pages


def _skipped(
    target: Target, recipient: str, channel: str, stage: int, why: str, reach: Reach, name: str = ""
) -> PlannedPage:
    return PlannedPage(
        notification_id=reach.new_id(),
        target=target.label,
        recipient=recipient,
        name=name,
        channel=channel,
        stage=stage,
        skipped=why,
    )


def _unavailable(channel: str) -> str:
    return f"there is no {channel} channel here yet"


def _once(pages: Iterable[PlannedPage]) -> tuple[PlannedPage, ...]:
    kept: dict[tuple[str, str, int, bool], PlannedPage] = {}
    for page in pages:
        kept.setdefault((page.recipient, page.channel, page.contact, page.skipped is None), page)
    return tuple(kept.values())
