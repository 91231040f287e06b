"""How a command fails: one sentence for people or a problem document for scripts, exit code 1, never a traceback."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

import click

from llm_incident_manager.app.cli.text import harmless, json_text
from llm_incident_manager.client.errors import Refused, Unreachable
from llm_incident_manager.errors import IncidentManagerError, Invalid


class Failed(click.ClickException):
    """The command did not do what was asked; ``document`` is what ``--output json`` prints instead of the sentence."""

    exit_code = 1

    def __init__(self, message: str, document: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.document = document

    def show(self, file: IO[Any] | None = None) -> None:
        text = json_text(self.document) if self.document is not None else harmless(self.message)
        click.echo(text, file=file, err=file is None)


@contextmanager
def failures_told(*, as_json: bool = False) -> Iterator[None]:
    """Turn every error inside into :class:`Failed`; ``LIM_DEBUG`` lets unforeseen ones pass with their traceback."""
    try:
        yield
    except Failed as failed:
        raise failed if as_json else Failed(failed.message) from None
    except (click.ClickException, click.exceptions.Exit, click.Abort):
        raise
    except Refused as refused:
        raise Failed(_refused(refused), refused.document if as_json else None) from None
    except Unreachable as away:
        document = {"code": "unreachable", "detail": str(away)} if as_json else None
        raise Failed(_unreachable(away), document) from None
    except IncidentManagerError as error:
        raise Failed(_ours(error), {"code": error.code, "detail": error.message} if as_json else None) from None
    except OSError as error:
        if error.errno == errno.EPIPE:
            raise
        raise Failed(f"{error.filename or 'it'}: {error.strerror or error}") from None
    except Exception as error:
        # The last border before a person: a traceback would tell them nothing they can act on.
        if os.environ.get("LIM_DEBUG"):
            raise
        raise Failed(f"it failed here: {type(error).__name__}: {error}; LIM_DEBUG=1 shows where") from None


def _refused(refused: Refused) -> str:
    lines = [refused.detail, *(f"  {field}: {message}" for field, message in refused.errors)]
    if refused.allowed_actions is not None:
        lines.append(f"  allowed now: {', '.join(refused.allowed_actions) or 'nothing'}")
    if refused.retry_after_seconds is not None:
        lines.append(f"  try again in {refused.retry_after_seconds:g} s")
    if refused.status == 401:
        lines.append("  set LIM_API_KEY; on the server's machine the first key lies in admin.key of its data folder")
    if refused.status == 403:
        lines.append("  the key in LIM_API_KEY lacks a scope; `lim keys list` shows what keys may do")
    return "\n".join(lines)


def _unreachable(away: Unreachable) -> str:
    remedy = "set LIM_URL to where it runs"
    if away.connection_refused:
        remedy = "start the server with `llm-incident-manager serve` (from a checkout: `make run`), or " + remedy
    return f"{away}\n  {remedy}"


def _ours(error: IncidentManagerError) -> str:
    faults = error.faults if isinstance(error, Invalid) else []
    told = [f"  {fault.field}: {fault.message}" for fault in faults if fault.message not in error.message]
    return "\n".join([error.message, *told])
