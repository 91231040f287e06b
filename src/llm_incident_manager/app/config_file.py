"""The config file: read whole, checked whole, every fault with its line."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from llm_incident_manager.app.config_channels import channel_checks
from llm_incident_manager.app.config_sections import SectionReader
from llm_incident_manager.app.yaml_tree import Tree
from llm_incident_manager.engine.documents.findings import quoted
from llm_incident_manager.engine.documents.kinds import ID, WrittenItem
from llm_incident_manager.engine.documents.known import AVAILABLE
from llm_incident_manager.engine.documents.parse import CheckTemplate
from llm_incident_manager.engine.documents.server import ServerSettings
from llm_incident_manager.errors import FieldFault, Invalid

DEFAULT_TENANT = "default"
LARGEST_BYTES = 10 * 1024**2

CheckChannel = Callable[[Mapping[str, Any]], list[FieldFault]]
"""Says what is wrong with a channel's own section (``email: {…}``); fields are relative to the section."""


class ConfigFault(msgspec.Struct, frozen=True, kw_only=True):
    """One thing wrong (or, as a note, worth saying), with its line from 1 and its path in the file."""

    file: str
    line: int
    path: str
    message: str

    def __str__(self) -> str:
        """``config.yaml:14: routes[0].policy: policy "x" does not exist; known policies: none``."""
        return f"{self.file}:{self.line}: {self.path + ': ' if self.path else ''}{self.message}"


class ConfigFileInvalid(Invalid):
    """The config file cannot be used; ``found`` names every fault, in the order of lines."""

    code = "invalid_config_file"

    def __init__(self, found: list[ConfigFault]) -> None:
        super().__init__(describe_faults(found), [FieldFault(fault.path, fault.message) for fault in found])
        self.found = found


class ConfigFile(msgspec.Struct, frozen=True, kw_only=True):
    """What a config file says: the server's own sections, each tenant's documents, and notes for people.

    Tenant ``default`` is always there; ``tenant_names`` are the display names under ``tenants``.
    """

    server: ServerSettings = ServerSettings()
    tenants: dict[str, list[WrittenItem]] = msgspec.field(default_factory=dict)
    tenant_names: dict[str, str] = msgspec.field(default_factory=dict)
    notes: tuple[ConfigFault, ...] = ()


def read_config_file(
    path: Path,
    *,
    environment: Mapping[str, str],
    channels: frozenset[str] = AVAILABLE,
    check_channels: Mapping[str, CheckChannel] | None = None,
    check_template: CheckTemplate | None = None,
) -> ConfigFile:
    """Return what the file says.

    ``channels`` are the names that can be sent on; ``check_channels`` checks the section of each channel that has one,
    the channels themselves where it is left out.

    Raises:
        ConfigFileInvalid: with every fault and its line.
    """
    text = _text(path)
    return parse_config(
        text,
        name=path.name,
        environment=environment,
        channels=channels,
        check_channels=channel_checks() if check_channels is None else check_channels,
        check_template=check_template,
    )


def parse_config(
    text: str,
    *,
    name: str = "config.yaml",
    environment: Mapping[str, str],
    channels: frozenset[str] = AVAILABLE,
    check_channels: Mapping[str, CheckChannel] | None = None,
    check_template: CheckTemplate | None = None,
) -> ConfigFile:
    """Return what the text of a config file says; as :func:`read_config_file`."""
    tree = Tree(text, environment)
    faults = [ConfigFault(file=name, line=line, path=path, message=message) for line, path, message in tree.faults]
    reader = SectionReader(channels=channels, check_channels=check_channels or {}, check_template=check_template)
    server, names = ServerSettings(), {}
    tenants: dict[str, list[WrittenItem]] = {DEFAULT_TENANT: []}
    if tree.value is not None and not isinstance(tree.value, dict):
        faults.append(ConfigFault(file=name, line=1, path="", message="the file must be a mapping of sections"))
    elif tree.value:
        sections = dict(tree.value)
        others = sections.pop("tenants", None)
        server = reader.server(sections)
        tenants[DEFAULT_TENANT] = reader.items(sections, "")
        names = _tenants(others, reader, tenants)
    # What the text itself says wrongly (an unset variable) is said once, not again by whoever reads the value.
    said = {fault.path for fault in faults}
    faults += [_placed(fault, tree, name) for fault in reader.findings.faults if fault.field not in said]
    if faults:
        raise ConfigFileInvalid(sorted(dict.fromkeys(faults), key=lambda fault: fault.line))
    notes = tuple(_placed(note, tree, name) for note in dict.fromkeys(reader.findings.notes))
    return ConfigFile(server=server, tenants=tenants, tenant_names=names, notes=notes)


def describe_faults(found: list[ConfigFault]) -> str:
    """Return one line for each fault."""
    return "\n".join(str(fault) for fault in found)


def _tenants(others: object, reader: SectionReader, tenants: dict[str, list[WrittenItem]]) -> dict[str, str]:
    names: dict[str, str] = {}
    if others is None:
        return names
    if not isinstance(others, dict):
        reader.findings.fault("tenants", f"{quoted(others)} is not a mapping from a tenant's id to its sections")
        return names
    for tenant, sections in others.items():
        path = f"tenants.{tenant}"
        if not ID.fullmatch(tenant):
            reader.findings.fault(path, f"{quoted(tenant)} cannot be an id; use letters, digits and . _ - @ : +")
        elif tenant == DEFAULT_TENANT:
            reader.findings.fault(path, "what belongs to tenant default stands at the top of the file")
        elif isinstance(sections, dict) or sections is None:
            own = dict(sections or {})
            names[tenant] = str(own.pop("name", tenant))
            tenants[tenant] = reader.items(own, path)
        else:
            reader.findings.fault(path, f"{quoted(sections)} is not a mapping of sections")
    return names


def _placed(fault: FieldFault, tree: Tree, name: str) -> ConfigFault:
    return ConfigFault(file=name, line=tree.line(fault.field), path=fault.field, message=fault.message)


def _text(path: Path) -> str:
    def refused(message: str, line: int = 1) -> ConfigFileInvalid:
        return ConfigFileInvalid([ConfigFault(file=path.name, line=line, path="", message=message)])

    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_BYTES + 1)
    except OSError as error:
        raise refused(f"{path} cannot be read: {error.strerror or error}") from None
    if len(content) > LARGEST_BYTES:
        raise refused(f"the file is larger than {LARGEST_BYTES} bytes")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise refused("the file is not UTF-8 here; save it as UTF-8", line) from None
