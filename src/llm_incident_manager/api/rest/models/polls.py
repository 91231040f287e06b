"""How the sources do that are asked."""

from typing import Literal

from pydantic import Field

from llm_incident_manager.api.rest.models.shapes import Answer, Instant


class Poll(Answer):
    """One source of mode `pull`."""

    source: str
    plugin: str | None
    state: Literal["ok", "failing", "waiting", "disabled"] = Field(
        description="`failing`: the last poll got no answer that could be read; `waiting`: it was not asked yet."
    )
    interval_seconds: int | None
    last_poll_at: Instant | None
    last_success_at: Instant | None
    last_news_at: Instant | None
    next_poll_at: Instant | None
    failures: int = Field(description="Polls without an answer in a row.")
    error: str = Field(description="Why the last poll failed.")
    note: str = Field(description="What could not be read of a document that could.")


class PollPage(Answer):
    """All of them."""

    polls: list[Poll]
    next_cursor: str | None
    total: int
