"""Grafana OnCall's API: ``schedules``, ``on_call_shifts``, ``users``, ``shift_swaps``, and ``final_shifts`` of each."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from llm_incident_manager.engine.documents.findings import quoted
from llm_incident_manager.engine.schedule_imports.recurrence import DAYS, Recurring, Rule, layers_of
from llm_incident_manager.engine.schedule_imports.translation import (
    Document,
    Rendered,
    Translated,
    Unreadable,
    Who,
    known_people,
    moment,
    number,
    objects,
    words,
    written,
    zone_of,
)
from llm_incident_manager.errors import FieldFault


def read_grafana_oncall(document: Document, who: Who, today: datetime) -> list[Translated]:
    """Return its schedules. Of levels the highest counts; shifts of one level are on call together."""
    people = {words(user.get("id")): user for user in objects(document.get("users"), "users")}
    shifts = {words(each.get("id")): each for each in objects(document.get("on_call_shifts"), "on_call_shifts")}
    swaps = objects(document.get("shift_swaps"), "shift_swaps")
    schedules = document.get("schedules", document.get("results"))
    return [
        _schedule(each, f"schedules[{index}]", shifts, swaps, people, who, today)
        for index, each in enumerate(objects(schedules, "schedules"))
    ]


def _schedule(
    schedule: Document,
    path: str,
    shifts: dict[str, Document],
    swaps: list[Document],
    people: dict[str, Document],
    who: Who,
    today: datetime,
) -> Translated:
    zone = zone_of(schedule.get("time_zone"), f"{path}.time_zone")
    name = words(schedule.get("name")) or words(schedule.get("id"))
    made: Document = {"name": name, "time_zone": str(zone), "layers": [], "overrides": []}
    found = Translated(id=words(schedule.get("id")) or name, document=made, today=today)
    if words(schedule.get("type")) == "ical" or schedule.get("ical_url_primary"):
        found.faults.append(FieldFault(f"{path}.ical_url_primary", "its shifts are in a calendar elsewhere"))
    if schedule.get("ical_url_overrides"):
        found.notes.append("overrides that come from a calendar elsewhere are left out")
    by_level: dict[int, list[Document]] = {}
    for index, shift_id in enumerate(schedule.get("shifts") or []):
        place = f"{path}.shifts[{index}]"
        shift = shifts.get(words(shift_id))
        if shift is None:
            found.faults.append(FieldFault(place, f"{quoted(shift_id)} is not among on_call_shifts; add it"))
            continue
        level = number(shift.get("level") or 0, f"{place}.level", least=0)
        by_level.setdefault(level, []).extend(_shift(shift, place, zone, people, who, found))
    for _, layers in sorted(by_level.items()):
        made["layers"] += [each | ({"beside": True} if index else {}) for index, each in enumerate(layers)]
    for index, each in enumerate(swaps):
        if words(each.get("schedule")) == found.id and each.get("benefactor"):
            place = f"shift_swaps[{index}]"
            user, by = (_user(each.get(key), place, people, who, found) for key in ("beneficiary", "benefactor"))
            start, end = (written(moment(each.get(key), place)) for key in ("swap_start", "swap_end"))
            found.swaps.append({"id": words(each.get("id")), "user": user, "by": by, "start": start, "end": end})
    for each in objects(schedule.get("final_shifts"), f"{path}.final_shifts"):
        ours = who(words(each.get("user_pk")), words(each.get("user_username")), words(each.get("user_email")))
        begins, ends = (moment(each.get(key), f"{path}.final_shifts") for key in ("shift_start", "shift_end"))
        found.rendered.append(Rendered(ours or words(each.get("user_username")), begins, ends))
    return found


def _shift(
    shift: Document, path: str, zone: ZoneInfo, people: dict[str, Document], who: Who, found: Translated
) -> list[Document]:
    own = shift.get("time_zone")
    if own and str(zone_of(own, path)) != str(zone):
        raise Unreadable(f"{path}.time_zone: {quoted(own)} differs from the schedule's, {zone}; change it there first")
    kind = words(shift.get("type"))
    rolling = kind == "rolling_users"
    groups = shift.get("rolling_users") if rolling else [shift.get("users") or []]
    if not isinstance(groups, list) or not all(isinstance(group, list) for group in groups):
        raise Unreadable(f"{path}.rolling_users: {quoted(groups)} is not a list of lists")
    named = [[user for each in group if (user := _user(each, path, people, who, found))] for group in groups]
    first = number(shift.get("start_rotation_from_user_index") or 0, path, least=0) % max(1, len(named))
    recurring = Recurring(
        name=words(shift.get("name")) or words(shift.get("id")),
        start=_wall(shift.get("start"), f"{path}.start"),
        duration=timedelta(seconds=number(shift.get("duration"), f"{path}.duration")),
        groups=named[first:] + named[:first],
        rule=None if kind == "single_event" else _rule(shift, path),
        by_period=True,
    )
    return layers_of(recurring, zone, found)


def _rule(shift: Document, path: str) -> Rule:
    frequency = words(shift.get("frequency")).upper()
    if frequency not in ("HOURLY", "DAILY", "WEEKLY", "MONTHLY"):
        raise Unreadable(f"{path}.frequency: {quoted(frequency)} is not one of hourly, daily, weekly, monthly")
    days = [words(day).upper() for day in shift.get("by_day") or []]
    start = words(shift.get("week_start")).upper() or "SU"
    if not {*days, start} <= set(DAYS):
        raise Unreadable(f"{path}.by_day: {quoted(days)} are not days such as MO")
    return Rule(
        freq=frequency,
        interval=number(shift.get("interval") or 1, f"{path}.interval"),
        by_day=tuple(sorted(DAYS.index(day) for day in days)),
        by_month=tuple(number(each, f"{path}.by_month") for each in shift.get("by_month") or []),
        by_monthday=tuple(number(each, f"{path}.by_monthday", least=-31) for each in shift.get("by_monthday") or []),
        until=_wall(shift["until"], f"{path}.until") if shift.get("until") else None,
        week_start=DAYS.index(start),
    )


def _wall(value: object, path: str) -> datetime:
    try:
        return datetime.fromisoformat(str(value)).replace(tzinfo=None)
    except ValueError:
        raise Unreadable(f"{path}: {quoted(value)} is not a time such as 2027-01-04T09:00:00") from None


def _user(value: object, path: str, people: dict[str, Document], who: Who, found: Translated) -> str | None:
    user_id = words(value)
    ours, called = known_people(people, who)(user_id)
    if ours is None:
        found.faults.append(FieldFault(path, f"{quoted(called)} is none of our users; make one or map it"))
    return ours
