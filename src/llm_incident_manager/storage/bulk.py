"""Many rows in one parameter: a statement that takes a JSON list costs the same to send for one row and for thousands.

Both databases read it themselves, which is several times faster than binding each value, and leaves the interpreter to
others meanwhile.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

import msgspec
from sqlalchemy import Table, Text, bindparam, cast, column, func, literal_column, select, true
from sqlalchemy.dialects.postgresql import JSONB

from llm_incident_manager.storage.statements import insert

_ROWS = "packed_rows"
_encode = msgspec.json.Encoder().encode


def packed(rows: Sequence[Sequence[str | None]]) -> dict[str, str]:
    """Return the parameter of :func:`insert_packed` for these rows; texts without NUL only."""
    return {_ROWS: _encode(rows).decode()}


@cache
def insert_packed(table: Table, names: tuple[str, ...], dialect: str) -> Any:
    """Return the insert of packed rows of text; rows that any unique index refuses are left out.

    It returns the columns between the first and the last of ``names``, of the rows that were inserted.
    """
    given: Any = bindparam(_ROWS, type_=Text)
    if dialect == "postgresql":
        each = func.jsonb_array_elements(cast(given, JSONB)).table_valued(column("value", JSONB), name="each_row")
        values: list[Any] = [each.c.value.op("->>")(literal_column(str(place))) for place in range(len(names))]
    else:
        each = func.json_each(given).table_valued("value", name="each_row")
        values = [func.json_extract(each.c.value, literal_column(f"'$[{place}]'")) for place in range(len(names))]
    # SQLite takes ON CONFLICT for a join's ON where the select has no WHERE.
    rows = select(*values).select_from(each).where(true())
    return (
        insert(table)
        .from_select(list(names), rows)
        .on_conflict_do_nothing()
        .returning(*(table.c[name] for name in names[1:-1]))
    )
