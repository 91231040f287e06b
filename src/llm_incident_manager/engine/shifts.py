"""④ Who is on call, asked by people: now and next, shift by shift, gaps and overlaps, and as calendars (RTE-03)."""

import secrets
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

from llm_incident_manager.clock import Clock
from llm_incident_manager.domain.oncall.coverage import gaps, overlaps
from llm_incident_manager.domain.oncall.schedule import YEAR, Schedule, on_call, people_of, stretches
from llm_incident_manager.domain.vocabulary import Scope
from llm_incident_manager.engine.audit_note import note
from llm_incident_manager.engine.calendars.export import day_of, person_calendar, rules_calendar, shifts_calendar
from llm_incident_manager.engine.caller import Caller
from llm_incident_manager.engine.documents.kinds import Kind
from llm_incident_manager.engine.identify import digest_of
from llm_incident_manager.engine.ports import Store, Transaction
from llm_incident_manager.engine.rows import ConfigurationItem
from llm_incident_manager.engine.settings import SettingsMemory, TenantSettings
from llm_incident_manager.engine.views.instants import iso
from llm_incident_manager.errors import FieldFault, Forbidden, Invalid, NotFound

Document = dict[str, Any]
LONGEST = timedelta(days=366 * 11)
"""The widest span that is worked out in one answer."""
SOON = timedelta(days=28)
MOST = 20_000
"""Shifts or gaps of one answer."""
BEFORE, AFTER = timedelta(days=31), YEAR
"""What a calendar holds where nobody says otherwise: a month back, a year ahead."""


class Shifts:
    """Answers from the settings in memory, so that they cost no look-up. Reading needs the scope ``read``."""

    def __init__(
        self,
        store: Store,
        settings: SettingsMemory,
        clock: Clock,
        on_changed: Callable[[str], Awaitable[object]],
    ) -> None:
        self._store = store
        self._settings = settings
        self._clock = clock
        self._on_changed = on_changed

    def on_call(self, caller: Caller, schedule_id: str, at: datetime | None = None) -> Document:
        """Return ``{at, on_call, until, next, gap}`` at an instant (aware), now without; raises NotFound."""
        schedule = self._schedule(caller, schedule_id)
        at = at or self._clock.now()
        found = on_call(schedule, at)
        return {
            "at": iso(at),
            "on_call": list(found.users),
            "until": iso(found.until) if found.until is not None else None,
            "next": list(found.next_users),
            "gap": found.gap,
        }

    def shifts(self, caller: Caller, schedule_id: str, start: datetime | None, end: datetime | None) -> Document:
        """Return ``{schedule, start, end, shifts: [{users, start, end, why, via}]}``; a month from now without a span.

        Raises NotFound, and Invalid for a span that ends before it starts or is longer than eleven years.
        """
        schedule = self._schedule(caller, schedule_id)
        start, end = self._span(start, end, timedelta(days=31))
        found = [
            {
                "users": list(each.users),
                "start": iso(each.start),
                "end": iso(each.end or end),
                "why": each.why.value,
                "via": each.via,
            }
            for each in _bounded(stretches(schedule, start, end))
        ]
        return {"schedule": schedule.id, "start": iso(start), "end": iso(end), "shifts": found}

    def coverage(self, caller: Caller, schedule_id: str, start: datetime | None, end: datetime | None) -> Document:
        """Return ``{schedule, start, end, gaps, overlaps}``, each with its reason; twelve months without a span.

        Raises NotFound and Invalid.
        """
        schedule = self._schedule(caller, schedule_id)
        start, end = self._span(start, end, YEAR)
        return {
            "schedule": schedule.id,
            "start": iso(start),
            "end": iso(end),
            "gaps": [
                {"start": iso(each.start), "end": iso(each.end), "reason": each.reason.value}
                for each in _bounded(gaps(schedule, start, end))
            ],
            "overlaps": [
                {
                    "start": iso(each.start),
                    "end": iso(each.end),
                    "users": list(each.users),
                    "reason": each.reason.value,
                }
                for each in _bounded(overlaps(schedule, start, end))
            ],
        }

    def next_gaps(self, caller: Caller, schedule_id: str) -> list[Document]:
        """Return the gaps of the next four weeks."""
        now = self._clock.now()
        found: list[Document] = self.coverage(caller, schedule_id, now, now + SOON)["gaps"]
        return found

    def of_person(self, caller: Caller, user: str) -> list[Document]:
        """Return the shifts of one person in the next twelve months, on any schedule: ``{schedule, start, end}``."""
        caller.require(Scope.READ)
        now = self._clock.now()
        found = [
            {"schedule": schedule.name, "start": iso(each.start), "end": iso(each.end or now + YEAR)}
            for schedule in self._settings.of(caller.tenant).schedules.values()
            if user in people_of(schedule)
            for each in stretches(schedule, now, now + YEAR)
            if user in each.users
        ]
        return sorted(found, key=lambda each: each["start"])

    def coming_overrides(self, caller: Caller) -> list[Document]:
        """Return the overrides that have not ended, of every schedule, the soonest first."""
        caller.require(Scope.READ)
        now = self._clock.now()
        found = [
            {
                "id": each.id,
                "schedule": schedule.name,
                "user": each.user,
                "start": iso(each.start),
                "end": iso(each.end),
            }
            for schedule in self._settings.of(caller.tenant).schedules.values()
            for each in schedule.overrides
            if each.end > now
        ]
        return sorted(found, key=lambda each: each["start"])

    def calendar(
        self,
        caller: Caller,
        schedule_id: str,
        start: datetime | None = None,
        end: datetime | None = None,
        *,
        rules: bool = False,
    ) -> str:
        """Return the schedule as iCalendar: its shifts, or with ``rules`` what it is made of."""
        schedule = self._schedule(caller, schedule_id)
        return self._calendar(self._settings.of(caller.tenant), schedule, start, end, rules=rules)

    async def make_link(self, caller: Caller, kind: str, item_id: str) -> str:
        """Return the token of a new secret link to the calendar of a schedule or a user; the one before ends.

        Needs ``respond``; a user's calendar is made by that user or with ``admin``. Raises NotFound and Forbidden.
        """
        self._require(caller, kind, item_id)
        token = secrets.token_urlsafe(32)
        link_id = _link_id(kind, item_id)
        document = {"kind": kind, "item": item_id, "digest": digest_of(token).hex()}

        def work(tx: Transaction) -> None:
            before = _found(tx, link_id)
            tx.configuration.put(
                ConfigurationItem(
                    kind=Kind.CALENDAR_LINKS,
                    id=link_id,
                    document=document,
                    created_at=before.created_at if before is not None else tx.now,
                    updated_at=tx.now,
                    created_by=caller.actor.id,
                )
            )
            _note(tx, caller, "calendar_link_rotated" if before is not None else "calendar_link_created", kind, item_id)

        await self._store.transact(caller.tenant, work)
        await self._on_changed(caller.tenant)
        return token

    async def end_link(self, caller: Caller, kind: str, item_id: str) -> None:
        """End the secret link; raises NotFound where there is none."""
        self._require(caller, kind, item_id)

        def work(tx: Transaction) -> None:
            tx.configuration.delete(Kind.CALENDAR_LINKS, _link_id(kind, item_id))
            _note(tx, caller, "calendar_link_ended", kind, item_id)

        await self._store.transact(caller.tenant, work)
        await self._on_changed(caller.tenant)

    def by_link(self, token: str) -> str:
        """Return the calendar that a secret link leads to; raises NotFound for any other token."""
        digest = digest_of(token).hex() if token.isascii() else ""
        for tenant in self._settings.tenants():
            settings = self._settings.of(tenant)
            kind, item_id = settings.calendar_links.get(digest, ("", ""))
            if kind == Kind.SCHEDULES and item_id in settings.schedules:
                return self._calendar(settings, settings.schedules[item_id], None, None)
            if kind == Kind.USERS and item_id in settings.users:
                start, end = self._calendar_span(None, None)
                return person_calendar(
                    settings.schedules.values(),
                    item_id,
                    start,
                    end,
                    stamp=day_of(self._clock.now()),
                    named=_names(settings),
                )
        raise NotFound("there is no calendar at this address; the link may have been replaced, ask for the new one")

    def _calendar(
        self,
        settings: TenantSettings,
        schedule: Schedule,
        start: datetime | None,
        end: datetime | None,
        *,
        rules: bool = False,
    ) -> str:
        stamp = day_of(self._clock.now())
        if rules:
            return rules_calendar(schedule, stamp=stamp)
        start, end = self._calendar_span(start, end)
        return shifts_calendar(schedule, start, end, stamp=stamp, named=_names(settings))

    def _calendar_span(self, start: datetime | None, end: datetime | None) -> tuple[datetime, datetime]:
        today = day_of(self._clock.now())
        return self._span(start or today - BEFORE, end or (start or today) + AFTER, AFTER)

    def _schedule(self, caller: Caller, schedule_id: str) -> Schedule:
        caller.require(Scope.READ)
        found = self._settings.of(caller.tenant).schedules.get(schedule_id)
        if found is None:
            raise NotFound(f"there is no schedule {schedule_id}")
        return found

    def _span(self, start: datetime | None, end: datetime | None, usual: timedelta) -> tuple[datetime, datetime]:
        try:
            start = start or self._clock.now()
            end = end or start + usual
        except OverflowError:
            end = start
        assert start is not None
        assert end is not None
        if not start < end <= start + LONGEST:
            what = f"{iso(end)} is not after the start, {iso(start)}, and within eleven years of it"
            raise Invalid("the span is wrong", [FieldFault("end", what)], code="invalid_parameter")
        return start, end

    def _require(self, caller: Caller, kind: str, item_id: str) -> None:
        settings = self._settings.of(caller.tenant)
        known = settings.schedules if kind == Kind.SCHEDULES else settings.users
        if item_id not in known:
            raise NotFound(f"there is no {kind.removesuffix('s')} {item_id}")
        caller.require(Scope.RESPOND)
        if kind == Kind.USERS and caller.actor.id != item_id and Scope.ADMIN not in caller.scopes:
            raise Forbidden("a person's calendar is shared by that person, or by an administrator")


def _bounded(found: Any) -> list[Any]:
    items: list[Any] = []
    for each in found:
        if len(items) >= MOST:
            what = f"holds more than {MOST} shifts; ask for a shorter time"
            raise Invalid("the span is too long", [FieldFault("end", what)], code="invalid_parameter")
        items.append(each)
    return items


def _names(settings: TenantSettings) -> Callable[[str], str]:
    return lambda user: settings.users[user].name if user in settings.users else user


def _link_id(kind: str, item_id: str) -> str:
    return f"{kind}:{item_id}"


def _found(tx: Transaction, link_id: str) -> ConfigurationItem | None:
    try:
        return tx.configuration.get(Kind.CALENDAR_LINKS, link_id)
    except NotFound:
        return None


def _note(tx: Transaction, caller: Caller, event_type: str, kind: str, item_id: str) -> None:
    note(tx, by=caller.actor, request=caller.request, event_type=event_type, kind=kind, item_id=item_id, changes=[])
