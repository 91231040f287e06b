"""The log: one JSON object a line on standard error, or coloured lines on a terminal; no secret reaches either."""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

_SECRET = re.compile(
    r"(?i)((?:bearer\s+|x-api-key[:=]\s*|[?&](?:key|token)=))[^\s@&\"']+|(://[^/\s:@]+:)[^\s@/]+(?=@)"
    r"|lim_[A-Za-z0-9_-]{16,}|hooks\.slack\.com/services/\S+|/sign-in/[A-Za-z0-9_-]{20,}"
)
_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}


def configure_logs(level: str) -> None:
    """Send everything of ``level`` and above to standard error; libraries' own logs join from warnings on."""
    number = _LEVELS[level]
    terminal = sys.stderr.isatty()
    last: Any = structlog.dev.ConsoleRenderer() if terminal else structlog.processors.JSONRenderer(ensure_ascii=False)
    shared: list[Any] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    if not terminal:
        shared.append(structlog.processors.format_exc_info)
    structlog.configure(
        processors=[*shared, without_secrets, last],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=[_flat, without_secrets, last])
    )
    logging.basicConfig(level=max(number, logging.WARNING), handlers=[handler], force=True)


def without_secrets(_: Any, __: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Return the line with keys, tokens and passwords blotted out, wherever in its texts they stand."""
    return {name: _SECRET.sub(_blotted, value) if isinstance(value, str) else value for name, value in line.items()}


def _blotted(found: "re.Match[str]") -> str:
    return f"{found.group(1) or found.group(2) or ''}…"


def _flat(_: Any, __: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return {name: value for name, value in line.items() if name not in ("_record", "_from_structlog")}
