"""Which log records become events: logs are no incidents, so only what a rule names does (ING-08)."""

from collections.abc import Mapping
from fnmatch import fnmatchcase

import msgspec

ERROR = 17
"""OpenTelemetry's severity number of ERROR; 21 is FATAL."""
_LOOKED_AT = 2000


class LogRule(msgspec.Struct, frozen=True, kw_only=True):
    """What a record must have, all of it. ``attributes`` and ``body`` are shell patterns, in lower case."""

    min_severity: int | None = None
    attributes: dict[str, str] = {}
    body: str | None = None

    def holds(self, severity_number: int, body: str, attributes: Mapping[str, str]) -> bool:
        """Whether a record is of this kind; of its texts the first 2,000 characters are looked at."""
        if self.min_severity is not None and severity_number < self.min_severity:
            return False
        if self.body is not None and not fnmatchcase(body[:_LOOKED_AT].lower(), self.body):
            return False
        return all(
            name in attributes and fnmatchcase(attributes[name][:_LOOKED_AT].lower(), pattern)
            for name, pattern in self.attributes.items()
        )


ERRORS_ONLY = (LogRule(min_severity=ERROR),)
"""What holds where nothing is set."""
