"""One mapping of a document, whose fields are taken one by one; what is left over at the end is unknown."""

import re
from collections.abc import Sequence
from enum import StrEnum
from typing import TypeVar

from llm_incident_manager.engine.documents.findings import Findings, did_you_mean, listed, quoted

E = TypeVar("E", bound=StrEnum)
_NUMBER = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?")


class Part:
    """A mapping at ``path``. Every taking method records a fault and returns its default where the value is wrong."""

    def __init__(self, value: object, path: str, findings: Findings) -> None:
        self.path = path
        self.findings = findings
        self._known: set[str] = set()
        self._fields: dict[str, object] = {}
        if isinstance(value, dict):
            self._fields = {str(key): member for key, member in value.items()}
        else:
            findings.fault(path, f"{quoted(value)} is not a mapping of fields")

    def at(self, name: str) -> str:
        """Return the path of a field."""
        return f"{self.path}.{name}" if self.path else name

    def fault(self, name: str, message: str) -> None:
        """Record a fault of one field; an empty name means the whole mapping."""
        self.findings.fault(self.at(name) if name else self.path, message)

    def note(self, name: str, message: str) -> None:
        """Record a note on one field."""
        self.findings.note(self.at(name), message)

    def has(self, name: str) -> bool:
        """Whether the field is there and not null."""
        return self._fields.get(name) is not None

    def take(self, name: str, *aliases: str) -> tuple[str, object]:
        """Return the name used and the raw value, ``None`` where there is none; two names at once are a fault."""
        names = (name, *aliases)
        self._known.update(names)
        used = [each for each in names if self.has(each)]
        if len(used) > 1:
            self.fault(used[1], f"says the same as {used[0]}; give one of the two")
        return (used[0], self._fields[used[0]]) if used else (name, None)

    def allow(self, *names: str) -> None:
        """Accept these fields without reading them."""
        self._known.update(names)

    def text(self, name: str, *aliases: str, default: str = "", required: bool = False, limit: int = 500) -> str:
        """Return a text without surrounding space; whole numbers count as text, other types do not."""
        used, value = self.take(name, *aliases)
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if value is None or (isinstance(value, str) and not value.strip()):
            if required:
                self.fault(used, "is required")
            return default
        if not isinstance(value, str):
            self.fault(used, f"{quoted(value)} is not a text; put it in quotes")
            return default
        if len(value) > limit:
            self.fault(used, f"is {len(value)} characters long; at most {limit} are allowed")
            return default
        if any(_unwanted(character) for character in value):
            self.fault(used, "has control characters or half characters; remove them")
            return default
        return value.strip()

    def number(self, name: str, *aliases: str, low: float, high: float, unit: str) -> float | None:
        """Return a number between ``low`` and ``high``; a text of digits counts, since ``${ENV}`` gives texts."""
        used, value = self.take(name, *aliases)
        if value is None:
            return None
        if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
            value = float(value)
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.fault(used, f"{quoted(value)} is not a number of {unit}")
            return None
        if not low <= value <= high:
            self.fault(used, f"{quoted(value)} is not between {low:.15g} and {high:.15g} {unit}")
            return None
        return float(value)

    def whole(self, name: str, *, low: int, high: int, unit: str) -> int | None:
        """Return a whole number between ``low`` and ``high``."""
        value = self.number(name, low=low, high=high, unit=unit)
        if value is not None and value != int(value):
            self.fault(name, f"{value:g} is not a whole number of {unit}")
            return None
        return None if value is None else int(value)

    def flag(self, name: str, *, default: bool) -> bool:
        """Return ``true`` or ``false``; the texts count, since ``${ENV}`` gives texts."""
        _, value = self.take(name)
        if value is None:
            return default
        if isinstance(value, str) and value.strip().lower() in ("true", "false"):
            return value.strip().lower() == "true"
        if not isinstance(value, bool):
            self.fault(name, f"{quoted(value)} is neither true nor false")
            return default
        return value

    def values(self, name: str, *aliases: str) -> list[tuple[str, object]]:
        """Return each member with its path; a scalar or a mapping stands for a list of one, nothing for none."""
        used, value = self.take(name, *aliases)
        if value is None:
            return []
        if isinstance(value, list | tuple):
            return [(f"{self.at(used)}[{index}]", member) for index, member in enumerate(value)]
        return [(self.at(used), value)]

    def words(self, name: str, *aliases: str) -> list[tuple[str, str]]:
        """Return each text of a list (or the one text) with its path."""
        found: list[tuple[str, str]] = []
        for path, value in self.values(name, *aliases):
            if isinstance(value, int) and not isinstance(value, bool):
                value = str(value)
            if isinstance(value, str) and value.strip():
                found.append((path, value.strip()))
            else:
                self.findings.fault(path, f"{quoted(value)} is not a text")
        return found

    def choices(self, name: str, kind: type[E], *, also: dict[str, E] | None = None) -> tuple[E, ...]:
        """Return members of an enumeration, once each, in the order written; case does not matter."""
        chosen: dict[E, None] = {}
        for path, word in self.words(name):
            member = self._member(path, word, kind, also or {})
            if member is not None:
                chosen[member] = None
        return tuple(chosen)

    def choice(self, name: str, kind: type[E], *, required: bool = False) -> E | None:
        """Return one member of an enumeration."""
        word = self.text(name, required=required)
        return self._member(self.at(name), word, kind, {}) if word else None

    def one_of(self, name: str, words: Sequence[str], *, default: str) -> str:
        """Return one of a few words."""
        word = self.text(name, default=default)
        if word not in words:
            self.fault(name, f"{quoted(word)} is not one of {', '.join(words)}")
            return default
        return word

    def part(self, name: str) -> "Part | None":
        """Return the mapping under a field."""
        _, value = self.take(name)
        return None if value is None else Part(value, self.at(name), self.findings)

    def parts(self, name: str) -> "list[Part]":
        """Return the mappings of a list; one mapping stands for a list of one."""
        return [Part(value, path, self.findings) for path, value in self.values(name)]

    def members(self) -> list[tuple[str, object]]:
        """Return every field as it is, and count all of them as known."""
        self._known.update(self._fields)
        return list(self._fields.items())

    def texts(self, name: str) -> dict[str, str]:
        """Return a mapping of texts; true, false and whole numbers count as texts."""
        inner = self.part(name)
        found: dict[str, str] = {}
        for key, value in inner.members() if inner else []:
            if isinstance(value, bool):
                found[key] = str(value).lower()
            elif isinstance(value, str | int):
                found[key] = str(value)
            elif inner:
                inner.fault(key, f"{quoted(value)} is not a text; put it in quotes")
        return found

    def done(self) -> None:
        """Record every field that nobody asked for, with the known name nearest to it."""
        for name in self._fields:
            if name not in self._known:
                hint = did_you_mean(name, self._known) or f"known fields: {listed(self._known)}"
                self.fault(name, f'unknown field "{name}"; {hint}')

    def _member(self, path: str, word: str, kind: type[E], also: dict[str, E]) -> E | None:
        by_word = {member.value.lower(): member for member in kind} | also
        member = by_word.get(word.lower())
        if member is None:
            names = ", ".join(member.value for member in kind)
            self.findings.fault(path, f"{quoted(word)} is not one of {names}")
        return member


def _unwanted(character: str) -> bool:
    return (character < " " and character not in "\t\n\r") or "\ud800" <= character <= "\udfff"
