"""Reading variables and flags: every bad one is named with its value and what would be right."""

import re
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from llm_incident_manager.errors import FieldFault, Invalid

E = TypeVar("E", bound=StrEnum)


class Secret:
    """A text that ``repr`` and ``str`` do not show."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the text itself."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(…)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self._value)


class Environment:
    """Variables by name; a flag of the same name in lower case goes first. Empty values count as not set."""

    def __init__(self, variables: Mapping[str, str], flags: Mapping[str, str | None]) -> None:
        self._variables = variables
        self._flags = flags
        self._faults: list[FieldFault] = []
        self.notes: list[str] = []

    def text(self, name: str, *, flag: str | None = None) -> str | None:
        """Return the value without surrounding space, or ``None``."""
        given = self._flags.get(flag or name.lower()) or self._variables.get(name)
        return (given.strip() or None) if given else None

    def is_blank(self, name: str) -> bool:
        """Whether it is set to nothing, which for some means "none"."""
        return name in self._variables and self.text(name) is None

    def secret(self, name: str) -> Secret | None:
        """Return the value hidden."""
        value = self.text(name)
        return Secret(value) if value is not None else None

    def whole(self, name: str, default: int, low: int, high: int) -> int:
        """Return a whole number from ``low`` to ``high``."""
        value = self.text(name)
        if value is None:
            return default
        if not re.fullmatch(r"[0-9]{1,18}", value) or not low <= int(value) <= high:
            self.fault(name, f"is not a whole number from {low} to {high}")
            return default
        return int(value)

    def flag(self, name: str, default: bool) -> bool:
        """Return ``true`` or ``false`` (also ``1``/``0``, ``yes``/``no``, ``on``/``off``)."""
        value = (self.text(name) or "").lower()
        if value in ("true", "1", "yes", "on"):
            return True
        if value in ("false", "0", "no", "off"):
            return False
        if value:
            self.fault(name, "is neither true nor false")
        return default

    def choice(self, name: str, kind: type[E], default: E) -> E:
        """Return a member of an enumeration."""
        value = self.text(name)
        if value is None:
            return default
        if value.lower() not in {member.value for member in kind}:
            self.fault(name, f"is not one of {', '.join(kind)}")
            return default
        return kind(value.lower())

    def path(self, name: str, *, flag: str | None = None) -> Path | None:
        """Return a path as written; ``~`` is the home folder."""
        value = self.text(name, flag=flag)
        return Path(value).expanduser() if value is not None else None

    def file(self, name: str) -> Path | None:
        """Return the path of a file that exists."""
        path = self.path(name)
        if path is not None and not path.is_file():
            self.fault(name, "is not a file; name one that exists")
        return path

    def fault(self, name: str, message: str, *, show: bool = True) -> None:
        """Record a fault; ``show`` is false where the value may hold a secret."""
        value = self.text(name) if show else None
        self._faults.append(FieldFault(name, f"{name}={value}: {message}" if value else f"{name}: {message}"))

    def refuse(self) -> None:
        """Raise Invalid with every fault, if there is any."""
        if self._faults:
            message = "\n".join(fault.message for fault in self._faults)
            raise Invalid(message, self._faults, code="invalid_environment")
