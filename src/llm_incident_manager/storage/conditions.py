"""What a list of incidents filters by, and which condition leads.

The leading condition is written plainly, so that its index is read; all others are wrapped so that no index serves
them and the database cannot choose to begin there. What leads is said in the statement itself, since SQLite keeps no
figures to choose by. The indexes that lead hold every column a filter asks about, so that only pages are looked up.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, exists, func, select

from llm_incident_manager.domain.vocabulary import Status
from llm_incident_manager.engine.rows import IncidentFilter
from llm_incident_manager.storage.facets import Facets
from llm_incident_manager.storage.instants import micros
from llm_incident_manager.storage.schema import INCIDENT_TAGS, INCIDENTS

Columns = Mapping[str, ColumnElement[Any]]

PLAIN: Columns = {column.name: column for column in INCIDENTS.c}
"""The columns themselves, which indexes serve."""
HIDDEN: Columns = {name: func.coalesce(column, column) for name, column in PLAIN.items()}
"""The same values in a form that no index serves."""
OPEN_STATUSES = tuple(status for status in Status if status.is_open)
ENDED_STATUSES = tuple(status for status in Status if not status.is_open)
OPEN_ONLY = Facets().narrowed(statuses=OPEN_STATUSES)
_NAMES = ("source", "assigned_team", "assigned_to")


class Lead(NamedTuple):
    """What leads: ``facets``, ``created_at``, ``is_open``, a column of names, or ``tag`` with its place."""

    by: str
    tag: int = 0

    @property
    def seeks_facets(self) -> bool:
        """Whether its index goes on with the facets and the instant of creation."""
        return self.by == "facets" or self.by in _NAMES


class Asked(NamedTuple):
    """A filter taken apart. ``created`` is [first, last) in microseconds."""

    tenant: str
    facets: Facets
    names: dict[str, tuple[str, ...]]
    created: tuple[int | None, int | None] | None
    tags: Sequence[tuple[str, Sequence[str]]]

    @property
    def leads(self) -> list[Lead]:
        """What may lead, each over an index of its own; the first is as good as any where there is but one."""
        found = [Lead(name) for name in self.names] + [Lead("tag", place) for place in range(len(self.tags))]
        if not self.names and not self.facets.everything:
            found.append(Lead("facets"))
        elif not self.names and self.created is not None:
            found.append(Lead("created_at"))
        return found

    def only(self, lead: Lead) -> "Asked":
        """Return the part of it that the lead's index answers alone."""
        names = {lead.by: self.names[lead.by]} if lead.by in self.names else {}
        tags = [self.tags[lead.tag]] if lead.by == "tag" else []
        created = self.created if lead.seeks_facets or lead.by == "created_at" else None
        return self._replace(
            names=names, tags=tags, created=created, facets=self.facets if lead.seeks_facets else Facets()
        )

    def where(
        self, lead: Lead | None, *, facets: Facets | None = None, walks_created: bool = False
    ) -> list[ColumnElement[bool]]:
        """Return the conditions with ``lead`` plain and the others hidden; ``facets`` cut them to a part of the list.

        ``walks_created``: the order's own index begins with the instant of creation, so a bound on it is plain.
        """
        facets = self.facets if facets is None else facets
        seeks = lead is not None and lead.seeks_facets
        found: list[ColumnElement[bool]] = [INCIDENTS.c.tenant == self.tenant]
        if lead is not None and lead.by == "is_open":
            found.append(INCIDENTS.c.is_open)
        for name, values in self.names.items():
            found.append(_one_of((PLAIN if lead is not None and lead.by == name else HIDDEN)[name], values))
        if seeks and (not facets.everything or self.created is not None):
            found.append(INCIDENTS.c.facets.in_(facets.numbers()))
        else:
            found.extend(facets.tests(INCIDENTS.c.facets))
        if self.created is not None:
            plain = seeks or walks_created or (lead is not None and lead.by == "created_at")
            found.extend(_within((PLAIN if plain else HIDDEN)["created_at"], self.created))
        for place, (key, wanted) in enumerate(self.tags):
            ids = _tagged(self.tenant, key, wanted)
            leads = lead is not None and lead == Lead("tag", place)
            has = exists(ids.where(INCIDENT_TAGS.c.incident_id == INCIDENTS.c.id).correlate(INCIDENTS))
            found.append(INCIDENTS.c.id.in_(ids) if leads else has)
        return found


def asked_for(tenant: str, wanted: IncidentFilter) -> Asked:
    """Return what ``wanted`` asks for, apart from text, order and page."""
    facets = Facets().narrowed(
        severities=wanted.severity,
        statuses=wanted.status,
        categories=wanted.category,
        environments=wanted.environment,
    )
    if wanted.open_only:
        facets = facets.narrowed(statuses=OPEN_STATUSES)
    values_of: dict[str, list[str]] = {}
    for key, value in wanted.tags:
        values_of.setdefault(key, []).append(value)
    bounded = wanted.start is not None or wanted.end is not None
    return Asked(
        tenant=tenant,
        facets=facets,
        names={name: values for name in _NAMES if (values := getattr(wanted, name))},
        created=(micros(wanted.start), micros(wanted.end)) if bounded else None,
        tags=list(values_of.items()),
    )


def _one_of(column: ColumnElement[Any], values: Sequence[str]) -> ColumnElement[bool]:
    return column == values[0] if len(values) == 1 else column.in_(values)


def _within(column: ColumnElement[Any], bounds: tuple[int | None, int | None]) -> list[ColumnElement[bool]]:
    first, last = bounds
    return [*([column >= first] if first is not None else []), *([column < last] if last is not None else [])]


def _tagged(tenant: str, key: str, values: Sequence[str]) -> Select[Any]:
    tags = INCIDENT_TAGS.c
    return select(tags.incident_id).where(tags.tenant == tenant, tags.key == key, tags.value.in_(values))
