"""What could not be processed, kept for a person."""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import BindParameter, Connection, Row, bindparam, delete, func, select

from llm_incident_manager.engine.rows import DeadLetter, LetterRequest
from llm_incident_manager.errors import NotFound
from llm_incident_manager.storage.instants import instant, micros
from llm_incident_manager.storage.pages import after, page_of
from llm_incident_manager.storage.schema import DEAD_LETTERS
from llm_incident_manager.storage.statements import TOTAL_LIMIT, insert

_TENANT: BindParameter[Any] = bindparam("of_tenant")
_OF_ID = (DEAD_LETTERS.c.tenant == _TENANT) & (DEAD_LETTERS.c.id == bindparam("of_id"))
_INSERT = insert(DEAD_LETTERS)
# A letter is written again when its event fails again.
_SAVE = _INSERT.on_conflict_do_update(
    index_elements=["tenant", "id"],
    set_={
        column.name: _INSERT.excluded[column.name] for column in DEAD_LETTERS.c if column.name not in ("tenant", "id")
    },
)
_GET = select(DEAD_LETTERS).where(_OF_ID)
_DELETE = delete(DEAD_LETTERS).where(_OF_ID)
# How many there are, counting no further than totals are exact.
_COUNT = select(func.count()).select_from(
    select(DEAD_LETTERS.c.id).where(DEAD_LETTERS.c.tenant == _TENANT).limit(TOTAL_LIMIT).subquery()
)
# The newest first.
_PAGE = select(DEAD_LETTERS).where(DEAD_LETTERS.c.tenant == _TENANT)
_ORDER = (DEAD_LETTERS.c.at, DEAD_LETTERS.c.id)
_REQUEST = msgspec.json.Decoder(LetterRequest)
_FAULTS = msgspec.json.Decoder(tuple[tuple[str, str], ...])


class SqlDeadLetters:
    """The dead letters of one tenant in one transaction."""

    def __init__(self, connection: Connection, tenant: str) -> None:
        self._connection = connection
        self._tenant = tenant

    def add(self, letters: Sequence[DeadLetter]) -> None:
        if letters:
            self._connection.execute(_SAVE, [self._row(letter) for letter in letters])

    def get(self, letter_id: str) -> DeadLetter:
        row = self._connection.execute(_GET, {"of_tenant": self._tenant, "of_id": letter_id}).one_or_none()
        if row is None:
            raise _unknown(letter_id)
        return _letter(row)

    def page(self, *, limit: int, cursor: str | None) -> tuple[list[DeadLetter], str | None, int]:
        query = after(_PAGE, _ORDER, cursor, "dead_letters", limit)
        rows = self._connection.execute(query, {"of_tenant": self._tenant}).all()
        letters, next_cursor = page_of(rows, limit, "dead_letters", lambda row: (row.at, row.id))
        total = self._connection.execute(_COUNT, {"of_tenant": self._tenant}).scalar_one()
        return [_letter(row) for row in letters], next_cursor, total

    def remove(self, letter_id: str) -> None:
        if self._connection.execute(_DELETE, {"of_tenant": self._tenant, "of_id": letter_id}).rowcount == 0:
            raise _unknown(letter_id)

    def save(self, letter: DeadLetter) -> None:
        self._connection.execute(_SAVE, self._row(letter))

    def _row(self, letter: DeadLetter) -> dict[str, Any]:
        return {
            "tenant": self._tenant,
            "id": letter.id,
            "at": micros(letter.at),
            "source": letter.source,
            "reason": letter.reason,
            "retriable": letter.retriable,
            "attempts": letter.attempts,
            "next_attempt_at": micros(letter.next_attempt_at),
            "faults": msgspec.json.encode(letter.faults),
            "body": letter.body,
            "request": msgspec.json.encode(letter.request) if letter.request is not None else None,
        }


def _letter(row: Row[Any]) -> DeadLetter:
    return DeadLetter(
        id=row.id,
        tenant=row.tenant,
        at=instant(row.at),
        source=row.source,
        reason=row.reason,
        retriable=row.retriable,
        attempts=row.attempts,
        next_attempt_at=instant(row.next_attempt_at),
        faults=_FAULTS.decode(row.faults),
        body=row.body,
        request=_REQUEST.decode(row.request) if row.request is not None else None,
    )


def _unknown(letter_id: str) -> NotFound:
    return NotFound(f"there is no dead letter {letter_id}", letter_id=letter_id)
