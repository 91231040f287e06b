"""Parameters of lists and how they are written down; ``api/filters.py`` reads spans and tags."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import Query

from llm_incident_manager.errors import FieldFault, Invalid

DEFAULT_LIMIT = 50
MOST = 500
PLAIN = r"^[^\x00]*$"

Limit = Annotated[int, Query(ge=1, le=MOST, description="How many at most.")]
Cursor = Annotated[
    str | None,
    Query(max_length=500, pattern=r"^[A-Za-z0-9_.-]+$", description="`next_cursor` of the page before."),
]
Start = Annotated[
    str | None,
    Query(
        max_length=40,
        description="From this instant (with zone) or UTC date on.",
        examples=["2027-01-04"],
        json_schema_extra={"anyOf": [{"type": "string", "format": "date"}, {"type": "string", "format": "date-time"}]},
    ),
]
End = Annotated[
    str | None,
    Query(
        max_length=40,
        description="Before this instant (with zone), or up to and including this UTC date.",
        examples=["2027-01-31"],
        json_schema_extra={"anyOf": [{"type": "string", "format": "date"}, {"type": "string", "format": "date-time"}]},
    ),
]
Words = Annotated[list[Annotated[str, Query(max_length=200)]] | None, Query()]


def plain(**named: Any) -> None:
    """Raise Invalid where a parameter holds a NUL, which no value of ours does."""
    faults = [
        FieldFault(name, "holds a NUL character (U+0000); leave it out")
        for name, value in named.items()
        for each in (value if isinstance(value, list) else [value])
        if isinstance(each, str) and "\x00" in each
    ]
    if faults:
        raise Invalid("a parameter is wrong", faults, code="invalid_parameter")


def page(plural: str, found: tuple[Sequence[dict[str, Any]], str | None, int]) -> dict[str, Any]:
    """Return one page as every list answers it."""
    items, following, total = found
    return {plural: list(items), "next_cursor": following, "total": total}
