"""The sections of a config file, read into the server's settings and each tenant's documents."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from llm_incident_manager.engine.documents.findings import Findings, did_you_mean, listed, quoted
from llm_incident_manager.engine.documents.kinds import SINGLE, Kind, WrittenItem, identify
from llm_incident_manager.engine.documents.known import Known, survey
from llm_incident_manager.engine.documents.parse import CheckTemplate, read, stored
from llm_incident_manager.engine.documents.server import (
    ServerSettings,
    parse_incoming,
    parse_limits,
    parse_outgoing,
    parse_retention,
)
from llm_incident_manager.errors import FieldFault

T = TypeVar("T")
SERVER_SECTIONS = ("limits", "retention", "outgoing", "incoming")
INTEGRATIONS = "integrations"
LISTS = (
    Kind.USERS,
    Kind.TEAMS,
    Kind.ROUTES,
    Kind.POLICIES,
    Kind.SCHEDULES,
    Kind.OVERRIDES,
    Kind.SWAPS,
    Kind.TEMPLATES,
)
MAPPINGS = {Kind.SOURCES.value: Kind.SOURCES, INTEGRATIONS: Kind.SOURCES}
"""Sections that map a source's name to its settings; specification §6.1 calls them integrations."""
TENANT_SECTIONS = (*(kind.value for kind in LISTS), *MAPPINGS, *(kind.value for kind in sorted(SINGLE)))

Place = tuple[str, str, dict[str, Any]]
"""(kind, path in the file, document)"""


def channel_section(name: str) -> str:
    """Return the section of a channel's settings: its name, or ``teams_channel``, because ``teams`` are people."""
    return f"{name}_channel" if name in TENANT_SECTIONS else name


class SectionReader:
    """Reads sections and gathers the findings of all of them, with paths from the top of the file."""

    def __init__(
        self,
        *,
        channels: frozenset[str],
        check_channels: Mapping[str, Callable[[Mapping[str, Any]], list[FieldFault]]],
        check_template: CheckTemplate | None,
    ) -> None:
        self.findings = Findings()
        self._channels = channels
        self._check_channels = check_channels
        self._check_template = check_template

    def server(self, sections: dict[str, Any]) -> ServerSettings:
        """Return the server's own sections and take them out of ``sections``."""
        defaults = ServerSettings()
        limits = self._section(sections, "limits", parse_limits, defaults.limits)
        retention = self._section(sections, "retention", parse_retention, defaults.retention)
        outgoing = self._section(sections, "outgoing", parse_outgoing, defaults.outgoing)
        incoming = self._section(sections, "incoming", parse_incoming, defaults.incoming)
        channels: dict[str, dict[str, Any]] = {}
        for name in sorted(self._channels):
            section = channel_section(name)
            settings = sections.pop(section, None)
            if settings is None:
                continue
            if not isinstance(settings, dict):
                self.findings.fault(section, f"{quoted(settings)} is not a mapping of fields")
                continue
            check = self._check_channels.get(name)
            self._add(section, check(settings) if check is not None else [])
            channels[name] = settings
        return ServerSettings(
            limits=limits, retention=retention, outgoing=outgoing, incoming=incoming, channels=channels
        )

    def items(self, sections: Mapping[str, Any], prefix: str) -> list[WrittenItem]:
        """Return a tenant's documents; ``prefix`` is where its sections stand."""
        places: list[Place] = []
        for name, section in sections.items():
            path = f"{prefix}.{name}" if prefix else name
            if section is None:
                continue
            if name in MAPPINGS:
                places += self._named(MAPPINGS[name], section, path)
            elif name in SINGLE:
                places += self._each(name, [(path, section)])
            elif name in LISTS:
                places += self._each(name, _members(section, path))
            else:
                self._unknown(name, path, prefix)
        found = [stored(kind, document) for kind, _, document in places]
        known = survey(found, channels=self._channels)
        self._check_twice(places)
        for kind, path, document in places:
            self._read(kind, path, document, known)
        return found

    def _section(self, sections: dict[str, Any], name: str, parse: Callable[[object, Findings], T], default: T) -> T:
        document = sections.pop(name, None)
        if document is None:
            return default
        findings = Findings()
        value = parse(document, findings)
        self._add(name, findings.faults)
        return value

    def _each(self, kind: str, members: list[tuple[str, object]]) -> list[Place]:
        found: list[Place] = []
        for path, document in members:
            if isinstance(document, dict):
                found.append((kind, path, document))
            else:
                self.findings.fault(path, f"{quoted(document)} is not a mapping of fields")
        return found

    def _named(self, kind: str, section: object, path: str) -> list[Place]:
        if isinstance(section, list):
            return self._each(kind, _members(section, path))
        if not isinstance(section, dict):
            self.findings.fault(path, f"{quoted(section)} is not a mapping from a source's name to its settings")
            return []
        return self._each(
            kind,
            [
                (f"{path}.{name}", {"name": name} | ({} if each is None else each))
                if isinstance(each, dict) or each is None
                else (f"{path}.{name}", each)
                for name, each in section.items()
            ],
        )

    def _read(self, kind: str, path: str, document: dict[str, Any], known: Known) -> None:
        findings = Findings()
        read(kind, document, known, findings, check_template=self._check_template)
        self._add(path, findings.faults)
        self.findings.notes += [FieldFault(_joined(path, note.field), note.message) for note in findings.notes]

    def _check_twice(self, places: list[Place]) -> None:
        ids: dict[tuple[str, str], str] = {}
        names: dict[str, str] = {}
        for kind, path, document in places:
            found = identify(kind, document)
            first = ids.setdefault((kind, found), path)
            if found and first != path:
                self.findings.fault(path, f"the id {quoted(found)} is that of {first} too; ids are unique")
            elif kind == Kind.POLICIES and isinstance(name := document.get("name"), str):
                other = names.setdefault(name, path)
                if other != path:
                    self.findings.fault(f"{path}.name", f"{quoted(name)} is the name of {other} too; names are unique")

    def _unknown(self, name: str, path: str, prefix: str) -> None:
        channels = {channel_section(each) for each in self._channels}
        if prefix and (name in SERVER_SECTIONS or name in channels):
            self.findings.fault(path, f'"{name}" is set for the whole server; move it to the top of the file')
            return
        names = {*TENANT_SECTIONS, "name"} if prefix else {
            *TENANT_SECTIONS, *SERVER_SECTIONS, *channels, "tenants"
        }  # fmt: skip
        hint = did_you_mean(name, names) or f"known sections: {listed(names)}"
        self.findings.fault(path, f"unknown section {quoted(name)}; {hint}")

    def _add(self, path: str, faults: list[FieldFault]) -> None:
        self.findings.faults += [FieldFault(_joined(path, fault.field), fault.message) for fault in faults]


def _members(section: object, path: str) -> list[tuple[str, object]]:
    if isinstance(section, list):
        return [(f"{path}[{index}]", each) for index, each in enumerate(section)]
    return [(path, section)]


def _joined(path: str, field: str) -> str:
    return f"{path}.{field}" if field else path
