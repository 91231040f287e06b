"""PagerDuty's schedules: ``GET /schedules/{id}`` (layers, v2) and ``GET /v3/schedules/{id}`` (rotations of events)."""

from datetime import datetime
from zoneinfo import ZoneInfo

from llm_incident_manager.engine.documents.findings import quoted
from llm_incident_manager.engine.schedule_imports.recurrence import Recurring, layers_of, read_rule
from llm_incident_manager.engine.schedule_imports.translation import (
    DAY_SECONDS,
    Document,
    Rendered,
    Translated,
    Unreadable,
    Who,
    known_people,
    mapping,
    moment,
    number,
    objects,
    rotation,
    seconds_of,
    window,
    words,
    written,
    zone_of,
)
from llm_incident_manager.errors import FieldFault


def read_pagerduty(document: Document, who: Who, today: datetime) -> list[Translated]:
    """Return its schedules, of both versions; which one is told by ``type`` or ``rotations``."""
    users = {words(user.get("id")): user for user in objects(document.get("users"), "users")}
    given = [document["schedule"]] if "schedule" in document else document.get("schedules")
    found: list[Translated] = []
    for index, each in enumerate(objects(given, "schedules")):
        people = {words(user.get("id")): user for user in objects(each.get("users"), "users")} | users
        shaped = _shifts if words(each.get("type")) == "schedule_v3" or "rotations" in each else _layers
        found.append(shaped(each, f"schedules[{index}]", people, who, today))
    return found


def _layers(schedule: Document, path: str, people: dict[str, Document], who: Who, today: datetime) -> Translated:
    zone = zone_of(schedule.get("time_zone"), f"{path}.time_zone")
    found = _new(schedule, zone, today)
    for each in objects(schedule.get("schedule_layers"), f"{path}.schedule_layers"):
        for one in objects(each.get("users"), f"{path}.schedule_layers"):
            known = mapping(one.get("user", one), f"{path}.schedule_layers")
            people = {**people, words(known.get("id")): known | people.get(words(known.get("id")), {})}
    # The API lists the layer that counts over the others first.
    for index, layer in reversed(list(enumerate(objects(schedule.get("schedule_layers"), f"{path}.schedule_layers")))):
        place = f"{path}.schedule_layers[{index}]"
        users = [
            _user(mapping(one.get("user", one), place), f"{place}.users[{position}]", people, who, found)
            for position, one in enumerate(objects(layer.get("users"), f"{place}.users"))
        ]
        anchor = moment(layer.get("rotation_virtual_start") or layer.get("start"), f"{place}.rotation_virtual_start")
        turn = number(layer.get("rotation_turn_length_seconds"), f"{place}.rotation_turn_length_seconds")
        made: Document = {
            "name": words(layer.get("name")) or f"layer {index + 1}",
            "rotation": rotation(anchor, zone, turn, list(users), f"{place}.rotation_turn_length_seconds"),
            "restrictions": [
                _restriction(one, f"{place}.restrictions") for one in objects(layer.get("restrictions"), place)
            ],
        }
        for ours, theirs in (("starts_at", "start"), ("ends_at", "end")):
            if layer.get(theirs):
                made[ours] = written(moment(layer[theirs], f"{place}.{theirs}"))
        found.document["layers"].append(made)
    overrides = schedule.get("overrides") or _entries(schedule.get("overrides_subschedule"))
    for index, each in enumerate(objects(overrides, f"{path}.overrides")):
        place = f"{path}.overrides[{index}]"
        user = _user(mapping(each.get("user"), place), place, people, who, found)
        start, end = (moment(each.get(key), place) for key in ("start", "end"))
        found.document["overrides"].append({"user": user, "start": written(start), "end": written(end)})
    for each in objects(_entries(schedule.get("final_schedule")), f"{path}.final_schedule"):
        name = _name(mapping(each.get("user"), f"{path}.final_schedule"), people, who)
        start, end = (moment(each.get(key), f"{path}.final_schedule") for key in ("start", "end"))
        found.rendered.append(Rendered(name, start, end))
    return found


def _shifts(schedule: Document, path: str, people: dict[str, Document], who: Who, today: datetime) -> Translated:
    zone = zone_of(schedule.get("time_zone"), f"{path}.time_zone")
    found = _new(schedule, zone, today)
    layers: list[Document] = []
    for index, each in enumerate(objects(schedule.get("rotations"), f"{path}.rotations")):
        for position, one in enumerate(objects(each.get("events"), f"{path}.rotations[{index}].events")):
            place = f"{path}.rotations[{index}].events[{position}]"
            layers += _event(one, place, zone, people, who, found)
    for index, each in enumerate(objects(schedule.get("custom_shifts"), f"{path}.custom_shifts")):
        place = f"{path}.custom_shifts[{index}]"
        start, end = (written(moment(each.get(key), place)) for key in ("start_time", "end_time"))
        shifts = [
            {"user": user, "start": start, "end": end}
            for one in objects(each.get("assignments"), place)
            if (user := _member(mapping(one.get("member"), place), place, people, who, found)) is not None
        ]
        if shifts:
            layers.append({"name": f"custom shift {index + 1}", "shifts": shifts})
    # Shifts add to each other: all are on call together.
    found.document["layers"] = [each | ({"beside": True} if index else {}) for index, each in enumerate(layers)]
    for index, each in enumerate(objects(schedule.get("overrides"), f"{path}.overrides")):
        place = f"{path}.overrides[{index}]"
        user, by = (
            _member(mapping(each.get(key), place), place, people, who, found)
            for key in ("overridden_member", "overriding_member")
        )
        start, end = (written(moment(each.get(key), place)) for key in ("start_time", "end_time"))
        found.swaps.append({"id": words(each.get("id")), "user": user, "by": by, "start": start, "end": end})
    final = mapping(schedule.get("final_schedule") or {}, f"{path}.final_schedule")
    for each in objects(final.get("computed_shift_assignments"), f"{path}.final_schedule"):
        member = mapping(each.get("member"), f"{path}.final_schedule")
        if words(member.get("type")) != "empty_member":
            name = _name({"id": member.get("user_id")}, people, who)
            begins, ends = (moment(each.get(key), f"{path}.final_schedule") for key in ("start_time", "end_time"))
            found.rendered.append(Rendered(name, begins, ends))
    return found


def _event(
    event: Document, path: str, zone: ZoneInfo, people: dict[str, Document], who: Who, found: Translated
) -> list[Document]:
    start, end = (
        moment(mapping(event.get(key), f"{path}.{key}").get("date_time"), f"{path}.{key}")
        for key in ("start_time", "end_time")
    )
    own = mapping(event.get("start_time"), path).get("time_zone")
    if own and str(zone_of(own, path)) != str(zone):
        raise Unreadable(f"{path}.start_time.time_zone: {quoted(own)} differs from the schedule's, {zone}")
    strategy = mapping(event.get("assignment_strategy"), f"{path}.assignment_strategy")
    members = [
        user
        for one in objects(strategy.get("members"), f"{path}.assignment_strategy.members")
        if (user := _member(one, path, people, who, found)) is not None
    ]
    every = words(strategy.get("type")).startswith("every")
    rules = event.get("recurrence") or []
    if not isinstance(rules, list) or len(rules) > 1:
        raise Unreadable(f"{path}.recurrence: {quoted(rules)} is not one rule")
    recurring = Recurring(
        name=words(event.get("name")) or "event",
        start=start.astimezone(zone).replace(tzinfo=None),
        duration=end - start,
        groups=[members] if every else [[member] for member in members],
        per_group=1 if every else number(strategy.get("shifts_per_member", 1), f"{path}.shifts_per_member"),
        rule=read_rule(str(rules[0]), path) if rules else None,
        since=moment(event["effective_since"], path) if event.get("effective_since") else None,
        until=moment(event["effective_until"], path) if event.get("effective_until") else None,
    )
    return layers_of(recurring, zone, found)


def _restriction(each: Document, path: str) -> Document:
    start = seconds_of(each.get("start_time_of_day"), f"{path}.start_time_of_day")
    length = number(each.get("duration_seconds"), f"{path}.duration_seconds")
    if words(each.get("type")) == "weekly_restriction":
        return window([(number(each.get("start_day_of_week"), f"{path}.start_day_of_week") - 1) % 7], start, length)
    return window([], start, min(length, DAY_SECONDS))


def _new(schedule: Document, zone: ZoneInfo, today: datetime) -> Translated:
    name = words(schedule.get("name")) or words(schedule.get("summary")) or words(schedule.get("id"))
    made: Document = {"name": name, "time_zone": str(zone), "layers": [], "overrides": []}
    made["description"] = words(schedule.get("description"))[:2000]
    return Translated(id=words(schedule.get("id")) or name, document=made, today=today)


def _entries(value: object) -> object:
    return value.get("rendered_schedule_entries") if isinstance(value, dict) else None


def _name(user: Document, people: dict[str, Document], who: Who) -> str:
    user_id = words(user.get("id"))
    ours, called = known_people({user_id: user | people.get(user_id, {})}, who)(user_id)
    return ours or called


def _user(user: Document, path: str, people: dict[str, Document], who: Who, found: Translated) -> str | None:
    user_id = words(user.get("id"))
    ours, called = known_people({user_id: user | people.get(user_id, {})}, who)(user_id)
    if ours is None:
        found.faults.append(FieldFault(path, f"{quoted(called)} is none of our users; make one or map it"))
    return ours


def _member(member: Document, path: str, people: dict[str, Document], who: Who, found: Translated) -> str | None:
    if words(member.get("type")) == "empty_member":
        return None
    return _user({"id": member.get("user_id")}, path, people, who, found)
