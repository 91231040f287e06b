"""From a schedule's document (config file or API) to a :class:`Schedule`, naming every fault."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from llm_incident_manager.domain.events.tree import member, shown
from llm_incident_manager.domain.oncall.rotation import Rotation, RotationType
from llm_incident_manager.domain.oncall.schedule import Layer, Override, Schedule
from llm_incident_manager.errors import FieldFault, Invalid

_LONGEST = {RotationType.DAILY: 366, RotationType.WEEKLY: 52, RotationType.CUSTOM: 24 * 366}


def parse_schedule(document: object, path: str = "schedule") -> Schedule:
    """Return the schedule in ``{id, name?, time_zone?, layers, overrides?}`` (times of overrides with their zone).

    Raises:
        Invalid: ``invalid_schedule`` naming every bad member.
    """
    reading = _Reading()
    schedule = reading.schedule(document, path)
    if reading.faults:
        first = reading.faults[0]
        raise Invalid(f"the schedule is wrong: {first.field} {first.message}", reading.faults, code="invalid_schedule")
    return schedule


class _Reading:
    def __init__(self) -> None:
        self.faults: list[FieldFault] = []

    def schedule(self, document: object, path: str) -> Schedule:
        given = self._object(document, path, ("id", "name", "time_zone", "layers", "overrides"))
        if not given and self.faults:
            return Schedule(id="", name="")
        identity = self._text(given.get("id"), f"{path}.id")
        zone = self._text(given.get("time_zone", "UTC"), f"{path}.time_zone")
        if zone:
            try:
                ZoneInfo(zone)
            except (KeyError, ValueError, OSError):  # not found, not a name, a folder
                self._fault(f"{path}.time_zone", f'is {shown(zone)}; it must be an IANA name as "Europe/Madrid"')
        layers = [self._layer(each, where) for each, where in self._list(given, "layers", path)]
        overrides = [self._override(each, where) for each, where in self._list(given, "overrides", path)]
        return Schedule(
            id=identity,
            name=str(given.get("name") or identity),
            time_zone=zone or "UTC",
            layers=tuple(layer for layer in layers if layer is not None),
            overrides=tuple(override for override in overrides if override is not None),
        )

    def _layer(self, document: object, path: str) -> Layer | None:
        given = self._object(document, path, ("name", "rotation"))
        where = f"{path}.rotation"
        rotation = self._object(given.get("rotation"), where, ("type", "length", "hand_off", "starts", "users"))
        before = len(self.faults)
        kind = rotation.get("type", "weekly")
        if kind not in RotationType.__members__.values():
            self._fault(f"{where}.type", f"is {shown(kind)}; it must be one of {', '.join(RotationType)}")
            kind = RotationType.WEEKLY
        length, longest = rotation.get("length", 1), _LONGEST[RotationType(kind)]
        if isinstance(length, bool) or not isinstance(length, int) or not 1 <= length <= longest:
            self._fault(f"{where}.length", f"is {shown(length)}; it must be a whole number from 1 to {longest}")
        hand_off = self._clock(rotation.get("hand_off", "09:00"), f"{where}.hand_off")
        starts = self._date(rotation.get("starts"), f"{where}.starts")
        users = tuple(self._text(each, place) for each, place in self._list(rotation, "users", where))
        if not users and len(self.faults) == before:
            self._fault(f"{where}.users", "is empty; it must name at least one user")
        if len(self.faults) > before or starts is None or hand_off is None:
            return None
        turn = Rotation(type=RotationType(kind), length=length, hand_off=hand_off, starts=starts, users=users)
        return Layer(name=str(given.get("name") or ""), rotation=turn)

    def _override(self, document: object, path: str) -> Override | None:
        given = self._object(document, path, ("user", "start", "end"))
        user = self._text(given.get("user"), f"{path}.user")
        start = self._instant(given.get("start"), f"{path}.start")
        end = self._instant(given.get("end"), f"{path}.end")
        if start is None or end is None:
            return None
        if end <= start:
            self._fault(f"{path}.end", f"is {end.isoformat()}; it must be after start")
            return None
        return Override(user=user, start=start, end=end)

    def _fault(self, field: str, message: str) -> None:
        self.faults.append(FieldFault(field, message))

    def _object(self, value: object, path: str, known: tuple[str, ...]) -> Mapping[Any, Any]:
        if not isinstance(value, Mapping):
            self._fault(path, f"is {shown(value)}; it must be an object with {', '.join(known)}")
            return {}
        for key in value:
            if key not in known:
                self._fault(member(path, key), f"is not known; known are {', '.join(known)}")
        return value

    def _list(self, holder: Mapping[Any, Any], name: str, path: str) -> list[tuple[Any, str]]:
        value = holder.get(name)
        if value is None:
            return []
        if not isinstance(value, list | tuple):
            self._fault(f"{path}.{name}", f"is {shown(value)}; it must be a list")
            return []
        return [(each, f"{path}.{name}[{index}]") for index, each in enumerate(value)]

    def _text(self, value: object, path: str) -> str:
        if isinstance(value, str) and value.strip():
            return value
        self._fault(path, f"is {shown(value)}; it must be text")
        return ""

    def _clock(self, value: object, path: str) -> time | None:
        try:
            if isinstance(value, str) and len(value) == 5:
                return time.fromisoformat(value)
        except ValueError:
            pass
        self._fault(path, f'is {shown(value)}; it must be a time as "09:00", in quotes')
        return None

    def _date(self, value: object, path: str) -> date | None:
        if isinstance(value, date) and not isinstance(value, datetime):
            return value
        try:
            if isinstance(value, str):
                return date.fromisoformat(value)
        except ValueError:
            pass
        self._fault(path, f'is {shown(value)}; it must be a date as "2027-01-04"')
        return None

    def _instant(self, value: object, path: str) -> datetime | None:
        try:
            instant = datetime.fromisoformat(value.upper()) if isinstance(value, str) else value
            if isinstance(instant, datetime) and instant.tzinfo is not None:
                return instant.astimezone(UTC)
        except (ValueError, OverflowError):
            pass
        self._fault(path, f'is {shown(value)}; it must be a time with its zone, as "2027-02-01T08:00:00Z"')
        return None
