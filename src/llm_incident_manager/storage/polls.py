"""① Sources that are asked: how far each was read, and who asks now."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import BindParameter, Connection, and_, bindparam, delete, select, update

from llm_incident_manager.engine.poll_rows import PollState
from llm_incident_manager.storage.instants import instant, micros
from llm_incident_manager.storage.schema import POLLS
from llm_incident_manager.storage.statements import insert, pieces

_TENANT: BindParameter[Any] = bindparam("of_tenant")
_ONE = and_(POLLS.c.tenant == _TENANT, POLLS.c.source == bindparam("of_source"))
_HELD = and_(_ONE, POLLS.c.holder == bindparam("of_holder"))
# When somebody must look at each.
_LOOKS = select(POLLS.c.source, POLLS.c.look_at).where(POLLS.c.tenant == _TENANT)
_ALL = select(POLLS.c.body, POLLS.c.look_at).where(POLLS.c.tenant == _TENANT).order_by(POLLS.c.source)
# A source that was never asked.
_BEGIN = insert(POLLS).on_conflict_do_nothing()
# Whoever is first finds it due; the others find it leased.
_CLAIM = (
    update(POLLS)
    .where(_ONE, POLLS.c.look_at <= bindparam("at"))
    .values(look_at=bindparam("until"), holder=bindparam("by"))
    .returning(POLLS.c.body)
)
_KEEP = update(POLLS).where(_HELD).values(look_at=bindparam("until"), body=bindparam("now"))
_DONE = update(POLLS).where(_HELD).values(look_at=bindparam("until"), body=bindparam("now"), holder=None)
_FORGET = delete(POLLS).where(POLLS.c.tenant == _TENANT, POLLS.c.source.in_(bindparam("sources", expanding=True)))
_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(PollState)


class SqlPolls:
    """The polls of one tenant in one transaction at ``now``."""

    def __init__(self, connection: Connection, tenant: str, now: datetime) -> None:
        self._connection = connection
        self._tenant = tenant
        self._now = now

    def due(self, sources: Sequence[str]) -> list[str]:
        looks = {row.source: row.look_at for row in self._connection.execute(_LOOKS, {"of_tenant": self._tenant})}
        at = micros(self._now)
        return sorted(
            (each for each in sources if looks.get(each, at) <= at), key=lambda each: (looks.get(each, 0), each)
        )

    def claim(self, sources: Sequence[str], *, holder: str, lease_seconds: float) -> list[PollState]:
        claimed: list[PollState] = []
        at, until = micros(self._now), self._after(lease_seconds)
        for source in sources:
            body = _ENCODER.encode(PollState(source=source))
            row = {"tenant": self._tenant, "source": source, "look_at": at, "holder": None, "body": body}
            self._connection.execute(_BEGIN, row)
            found = self._connection.execute(_CLAIM, self._of(source) | {"at": at, "until": until, "by": holder})
            claimed += [_DECODER.decode(each.body) for each in found]
        return claimed

    def keep(self, state: PollState, *, holder: str, lease_seconds: float) -> bool:
        return self._written(_KEEP, state, holder, lease_seconds)

    def done(self, state: PollState, *, holder: str, wait_seconds: float) -> bool:
        return self._written(_DONE, state, holder, wait_seconds)

    def all(self) -> list[tuple[PollState, datetime]]:
        rows = self._connection.execute(_ALL, {"of_tenant": self._tenant})
        return [(_DECODER.decode(row.body), instant(row.look_at)) for row in rows]

    def keep_only(self, sources: Sequence[str]) -> None:
        stored = self._connection.execute(_LOOKS, {"of_tenant": self._tenant})
        gone = sorted({row.source for row in stored} - set(sources))
        for several in pieces(gone):
            self._connection.execute(_FORGET, {"of_tenant": self._tenant, "sources": list(several)})

    def _written(self, statement: Any, state: PollState, holder: str, seconds: float) -> bool:
        row = {"of_holder": holder, "until": self._after(seconds), "now": _ENCODER.encode(state)}
        return self._connection.execute(statement, self._of(state.source) | row).rowcount == 1

    def _after(self, seconds: float) -> int:
        return micros(self._now + timedelta(seconds=seconds))

    def _of(self, source: str) -> dict[str, Any]:
        return {"of_tenant": self._tenant, "of_source": source}
