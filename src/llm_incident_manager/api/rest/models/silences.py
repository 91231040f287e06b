"""Silences: what they match, from when until when."""

from typing import Annotated, Literal

from pydantic import Field

from llm_incident_manager.api.rest.models.shapes import NO_NUL, NOT_BLANK, Answer, Instant, Request, ShortText


class MatcherDocument(Request):
    """One label of an incident. Patterns hold for the whole value; a label that is missing is empty."""

    name: Annotated[str, Field(min_length=1, max_length=200, pattern=NOT_BLANK, examples=["severity"])]
    value: Annotated[str, Field(max_length=500, pattern=NO_NUL, examples=["P1"])]
    is_regex: bool = False
    is_equal: bool = True


class SilenceDocument(Request):
    """What is muted; every matcher must hold. `starts_at` is now where it is left out."""

    matchers: Annotated[list[MatcherDocument], Field(min_length=1, max_length=50)]
    starts_at: Instant | None = None
    ends_at: Instant
    created_by: Annotated[str, Field(max_length=200, pattern=NO_NUL)] | None = None
    comment: Annotated[str, Field(max_length=2000, pattern=NO_NUL)] = ""


class Silenced(Answer):
    """A silence as it is; `version` is what the `ETag` says."""

    id: str
    state: Literal["pending", "active", "expired"]
    matchers: list[MatcherDocument]
    starts_at: Instant
    ends_at: Instant
    created_by: ShortText
    comment: str
    created_at: Instant
    updated_at: Instant
    version: int


class SilencePage(Answer):
    """One page."""

    silences: list[Silenced]
    next_cursor: str | None
    total: int
