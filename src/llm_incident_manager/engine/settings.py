"""A tenant's settings in memory: people, routes, policies, sources …, built from its configuration documents."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import msgspec
import structlog

from llm_incident_manager.domain.classification.rules import Rule
from llm_incident_manager.domain.classification.thresholds import Threshold
from llm_incident_manager.domain.correlation.cross_keys import CrossKey
from llm_incident_manager.domain.escalation.policy import Policy
from llm_incident_manager.domain.events.event import SourceSettings
from llm_incident_manager.domain.oncall.layer import Layer
from llm_incident_manager.domain.oncall.rotation import Shift
from llm_incident_manager.domain.oncall.schedule import Schedule
from llm_incident_manager.domain.people import CatchAll, Team, User
from llm_incident_manager.domain.routing.directory import Directory, OnCallAnswer
from llm_incident_manager.domain.routing.route import Route
from llm_incident_manager.domain.routing.silence import Silence
from llm_incident_manager.engine.documents.classification import Classifying
from llm_incident_manager.engine.documents.findings import Findings
from llm_incident_manager.engine.documents.kinds import SINGLE, Kind, Written
from llm_incident_manager.engine.documents.known import Known, survey
from llm_incident_manager.engine.documents.parse import PARSERS, read
from llm_incident_manager.engine.documents.schedules import feed_of
from llm_incident_manager.engine.documents.server import Limits, Retention, ServerSettings
from llm_incident_manager.engine.documents.silences import stored_silence
from llm_incident_manager.engine.documents.templates import Template
from llm_incident_manager.engine.ports import Store
from llm_incident_manager.errors import FieldFault, Unavailable

_LOG = structlog.get_logger(__name__)


class TenantSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is set for one tenant, at one revision.

    ``paused`` names what people have paused. ``faults`` are those of stored documents that could not be used any more
    (field ``kind/id: path``).
    """

    tenant: str
    revision: int = 0
    users: dict[str, User] = msgspec.field(default_factory=dict)
    teams: dict[str, Team] = msgspec.field(default_factory=dict)
    routes: tuple[Route, ...] = ()
    policies: tuple[Policy, ...] = ()
    catch_all: CatchAll = CatchAll()
    schedules: dict[str, Schedule] = msgspec.field(default_factory=dict)
    templates: tuple[Template, ...] = ()
    sources: dict[str, SourceSettings] = msgspec.field(default_factory=dict)
    rules: tuple[Rule, ...] = ()
    thresholds: tuple[Threshold, ...] = ()
    cross_keys: tuple[CrossKey, ...] = ()
    limits: Limits = Limits()
    retention: Retention = Retention()
    paused: frozenset[str] = frozenset()
    silences: tuple[Silence, ...] = ()
    calendar_feeds: dict[str, dict[str, Any]] = msgspec.field(default_factory=dict)
    calendar_links: dict[str, tuple[str, str]] = msgspec.field(default_factory=dict)
    known: Known = Known()
    faults: tuple[FieldFault, ...] = ()

    @property
    def events_per_minute(self) -> int:
        """The rate of a source that names none of its own."""
        return self.limits.events_per_minute_per_source

    def policy(self, word: str) -> Policy | None:
        """Return the policy with this id or name."""
        return next((policy for policy in self.policies if word in (policy.id, policy.name)), None)

    def directory(self, on_call: OnCallAnswer | None = None) -> Directory:
        """Return who targets are; without ``on_call`` schedules come to nobody."""
        return Directory(self.users, self.teams, on_call)

    def unknown_on_call(self, schedule: str, address: str) -> list[str]:
        """Return whom the calendar at an address names although no user fits."""
        words = _by_word(self.users)
        told = self.calendar_feeds.get(feed_of(schedule, address), {}).get("shifts", ())
        return sorted({who for who, _, _ in told if who.casefold() not in words})

    def ingest_keys(self) -> dict[bytes, str]:
        """Return the source's name by the SHA-256 of the ingest key that its settings hold."""
        return {
            bytes.fromhex(digest): source.name
            for source in self.sources.values()
            if source.enabled and (digest := source.extra.get("api_key_sha256"))
        }

    def client_certificates(self) -> dict[str, tuple[str, ...]]:
        """Return the sources that each name of a client certificate stands for; more than one is one too many."""
        found: dict[str, tuple[str, ...]] = {}
        for source in self.sources.values():
            for name in source.extra.get("client_certificates", ()) if source.enabled else ():
                found[name] = (*found.get(name, ()), source.name)
        return found


def build_settings(
    tenant: str, items: Iterable[Written], *, server: ServerSettings | None = None, revision: int = 0
) -> TenantSettings:
    """Return the settings that ``items`` make; a faulty document never raises, it is named in ``faults``.

    A team or policy that lost one of its people is used with the rest: paging fewer is better than paging nobody. One
    whose conditions cannot be read is left out, or it would match everything; so is a silence with any fault.
    """
    server = server or ServerSettings()
    items = sorted(items, key=lambda item: (item.kind, item.id))
    known = survey(items)
    values: dict[str, dict[str, Any]] = {kind: {} for kind in Kind}
    faults: list[FieldFault] = []
    for item in items:
        if item.kind not in PARSERS:
            continue
        document = item.document | _identity(item)
        if item.kind == Kind.SILENCES and (silence := stored_silence(document)) is not None:
            values[Kind.SILENCES][item.id] = silence
            continue
        findings = Findings()
        value = read(item.kind, document, known, findings)
        faults += [FieldFault(f"{item.kind}/{item.id}: {each.field}", each.message) for each in findings.faults]
        muting = item.kind == Kind.SILENCES and bool(findings.faults)
        if not muting and not any(fault.field.startswith("conditions") for fault in findings.faults):
            values[item.kind][item.id] = value
    classifying = values[Kind.CLASSIFICATION].get(Kind.CLASSIFICATION.value, Classifying())
    return TenantSettings(
        tenant=tenant,
        revision=revision,
        users=values[Kind.USERS],
        teams=values[Kind.TEAMS],
        routes=tuple(values[Kind.ROUTES].values()),
        policies=tuple(values[Kind.POLICIES].values()),
        catch_all=values[Kind.CATCH_ALL].get(Kind.CATCH_ALL.value, CatchAll()),
        schedules=_as_they_count(values),
        calendar_feeds=values[Kind.CALENDAR_FEEDS],
        templates=tuple(values[Kind.TEMPLATES].values()),
        sources=values[Kind.SOURCES],
        rules=classifying.rules,
        thresholds=classifying.thresholds,
        cross_keys=values[Kind.CORRELATION].get(Kind.CORRELATION.value, ()),
        limits=server.limits,
        retention=server.retention,
        silences=tuple(values[Kind.SILENCES].values()),
        calendar_links=dict(values[Kind.CALENDAR_LINKS].values()),
        paused=frozenset(name for name, paused in values[Kind.PAUSES].items() if paused),
        known=known,
        faults=tuple(faults),
    )


class SettingsMemory:
    """The settings of every tenant, in memory; the last good ones are kept while the store is away."""

    def __init__(self, server: ServerSettings | None = None) -> None:
        self.server = server or ServerSettings()
        self._settings: dict[str, TenantSettings] = {}

    def of(self, tenant: str) -> TenantSettings:
        """Return the tenant's settings; a tenant that has none yet gets the defaults."""
        found = self._settings.get(tenant)
        if found is None:
            found = self._settings[tenant] = build_settings(tenant, (), server=self.server)
        return found

    def put(self, settings: TenantSettings) -> None:
        """Use these from now on."""
        self._settings[settings.tenant] = settings

    def tenants(self) -> list[str]:
        """Return the tenants that have settings in memory."""
        return sorted(self._settings)

    async def refresh(self, store: Store, *, everything: bool = False) -> list[str]:
        """Read again what has a new revision, and return those tenants.

        While the store is away it returns nothing and the last good settings stay. With ``everything`` the revisions
        are not looked at (after ``server`` was replaced).
        """
        try:
            revisions: Mapping[str, int] = await store.system_read(lambda tx: tx.configuration_revision())
            changed = [
                tenant
                for tenant, revision in revisions.items()
                if everything or tenant not in self._settings or self._settings[tenant].revision != revision
            ]
            for tenant in changed:
                items = await store.read(tenant, lambda tx: tx.configuration.all())
                self._use(build_settings(tenant, items, server=self.server, revision=revisions[tenant]))
        except Unavailable as away:
            _LOG.warning("settings_not_refreshed", reason=away.message)
            return []
        return changed

    def _use(self, settings: TenantSettings) -> None:
        for fault in settings.faults:
            _LOG.error("setting_faulty", tenant=settings.tenant, where=fault.field, message=fault.message)
        self.put(settings)


def _as_they_count(values: dict[str, dict[str, Any]]) -> dict[str, Schedule]:
    """Return the schedules with the overrides and swaps that stand as documents of their own."""
    words = _by_word(values[Kind.USERS])
    feeds = values[Kind.CALENDAR_FEEDS]
    overrides, swaps = values[Kind.OVERRIDES].values(), values[Kind.SWAPS].values()
    return {
        schedule.id: msgspec.structs.replace(
            schedule,
            layers=tuple(_with_feed(schedule.id, layer, feeds, words) for layer in schedule.layers),
            overrides=schedule.overrides
            + tuple(each.override for each in overrides if each.schedule == schedule.id and each.override is not None),
            swaps=tuple(each.swap for each in swaps if each.schedule == schedule.id and each.swap is not None),
        )
        for schedule in values[Kind.SCHEDULES].values()
    }


def _with_feed(schedule: str, layer: Layer, feeds: dict[str, dict[str, Any]], words: dict[str, str]) -> Layer:
    if not layer.calendar:
        return layer
    told = feeds.get(feed_of(schedule, layer.calendar), {}).get("shifts", ())
    shifts = [
        Shift(words[who.casefold()], datetime.fromisoformat(start), datetime.fromisoformat(end))
        for who, start, end in told
        if who.casefold() in words
    ]
    return msgspec.structs.replace(layer, shifts=tuple(sorted(shifts, key=lambda shift: shift.start)))


def _by_word(users: Mapping[str, User]) -> dict[str, str]:
    """Return the ids of users by what calendars call them: name, e-mail address, id; the later counts."""
    found = {user.name.casefold(): user.id for user in users.values()}
    for user in users.values():
        found |= {each.address.casefold(): user.id for each in user.contacts if each.channel == "email"}
    return found | {user.casefold(): user for user in users}


def _identity(item: Written) -> dict[str, Any]:
    """Return what a document must say of itself: the id under which it is stored."""
    return {} if item.kind in SINGLE else {"id": item.id}
