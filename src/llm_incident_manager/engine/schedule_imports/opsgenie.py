"""Opsgenie's ``GET /v2/schedules?expand=rotation``, with ``overrides`` and ``timeline`` of each where given."""

from datetime import datetime

from llm_incident_manager.engine.documents.findings import quoted
from llm_incident_manager.engine.schedule_imports.translation import (
    HOUR_SECONDS,
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
    words,
    written,
    zone_of,
)
from llm_incident_manager.errors import FieldFault

_SECONDS = {"hourly": HOUR_SECONDS, "daily": 86_400, "weekly": 604_800}
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def read_opsgenie(document: Document, who: Who, today: datetime) -> list[Translated]:
    """Return its schedules. All rotations of one are on call at once, so they stand beside each other."""
    people = {words(user.get("id")): user for user in objects(document.get("users"), "users")}
    schedules = objects(document.get("data", document.get("schedules")), "data")
    return [
        _schedule(each, f"schedules[{index}]", people, who, today)
        for index, each in enumerate(objects(schedules, "data"))
    ]


def _schedule(schedule: Document, path: str, people: dict[str, Document], who: Who, today: datetime) -> Translated:
    zone = zone_of(schedule.get("timezone"), f"{path}.timezone")
    name = words(schedule.get("name")) or words(schedule.get("id"))
    made: Document = {"name": name, "time_zone": str(zone), "layers": [], "overrides": []}
    made["description"] = words(schedule.get("description"))[:2000]
    found = Translated(id=words(schedule.get("id")) or name, document=made, today=today)
    if schedule.get("enabled") is False:
        found.notes.append("it is disabled there; here it counts once a policy names it")
    for index, each in enumerate(objects(schedule.get("rotations"), f"{path}.rotations")):
        place = f"{path}.rotations[{index}]"
        turns = [
            _participant(one, f"{place}.participants[{position}]", people, who, found)
            for position, one in enumerate(objects(each.get("participants"), f"{place}.participants"))
        ]
        kind = words(each.get("type"))
        if kind not in _SECONDS:
            raise Unreadable(f"{place}.type: {quoted(kind)} is not one of hourly, daily, weekly")
        seconds = number(each.get("length", 1), f"{place}.length") * _SECONDS[kind]
        start = moment(each.get("startDate"), f"{place}.startDate")
        layer: Document = {
            "name": words(each.get("name")) or f"rotation {index + 1}",
            "rotation": rotation(start, zone, seconds, turns, f"{place}.length"),
            "restrictions": _restrictions(each.get("timeRestriction"), f"{place}.timeRestriction"),
            "starts_at": written(start),
        }
        if each.get("endDate"):
            layer["ends_at"] = written(moment(each["endDate"], f"{place}.endDate"))
        made["layers"].append(layer | ({"beside": True} if index else {}))
    several = len(made["layers"]) > 1
    for index, each in enumerate(objects(schedule.get("overrides"), f"{path}.overrides")):
        place = f"{path}.overrides[{index}]"
        user = _participant(mapping(each.get("user"), f"{place}.user") | {"type": "user"}, place, people, who, found)
        start, end = (moment(each.get(key), f"{place}.{key}") for key in ("startDate", "endDate"))
        made["overrides"].append({"user": user, "start": written(start), "end": written(end)})
        if each.get("rotations") and several:
            found.notes.append(f"the override of {user} from {written(start)} is for some rotations; here for all")
    _timeline(schedule.get("timeline"), f"{path}.timeline", people, who, found)
    return found


def _participant(one: Document, path: str, people: dict[str, Document], who: Who, found: Translated) -> str | None:
    kind = words(one.get("type")) or "user"
    if kind == "none":
        return None
    if kind != "user":
        found.faults.append(
            FieldFault(
                path, f"a {kind} takes turns ({words(one.get('name')) or words(one.get('id'))}); name people there"
            )
        )
        return None
    user_id = words(one.get("id"))
    user, called = known_people({user_id: people.get(user_id, {}) | one}, who)(user_id)
    if user is None:
        found.faults.append(FieldFault(path, f"{quoted(called)} is none of our users; make one or map it"))
    return user


def _restrictions(value: object, path: str) -> list[Document]:
    if not value:
        return []
    given = mapping(value, path)
    single = words(given.get("type")) == "time-of-day"
    windows = objects([given.get("restriction")] if single else given.get("restrictions"), path)
    made: list[Document] = []
    for index, each in enumerate(windows):
        start, end = (
            ":".join(f"{number(each.get(f'{edge}{unit}', 0), path, least=0):02}" for unit in ("Hour", "Min"))
            for edge in ("start", "end")
        )
        one: Document = {"start": start, "end": end}
        if not single:
            days = [words(each.get(f"{edge}Day")).lower() for edge in ("start", "end")]
            if not set(days) <= set(_DAYS):
                raise Unreadable(f"{path}.restrictions[{index}]: {quoted(days)} are not two days")
            same = days[0] == days[1] and start < end
            one |= {"days": [days[0][:3]]} if same else {"days": [days[0][:3]], "until": days[1][:3]}
        made.append(one)
    return made


def _timeline(value: object, path: str, people: dict[str, Document], who: Who, found: Translated) -> None:
    if not value:
        return
    given = mapping(value, path)
    given = mapping(given.get("data", given), path)
    final = mapping(given.get("finalTimeline", {}), f"{path}.finalTimeline")
    for each in objects(final.get("rotations"), path):
        for period in objects(each.get("periods"), f"{path}.periods"):
            recipient = mapping(period.get("recipient") or {"type": "none"}, f"{path}.recipient")
            if words(recipient.get("type")) in ("", "user"):
                user_id = words(recipient.get("id"))
                # The timeline names people by their address.
                theirs = {"username": recipient.get("name")} | people.get(user_id, {})
                user, called = known_people({user_id: theirs}, who)(user_id)
                start, end = (moment(period.get(key), path) for key in ("startDate", "endDate"))
                found.rendered.append(Rendered(user or called, start, end))
