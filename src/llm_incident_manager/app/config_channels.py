"""The channels' own sections of the config file (``email: {…}``), checked by the channels themselves."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from llm_incident_manager.channels.registry import channel_specs, checked_settings
from llm_incident_manager.channels.spec import ChannelSpec
from llm_incident_manager.errors import FieldFault, Invalid


def channel_checks(
    specs: Mapping[str, ChannelSpec] | None = None,
) -> dict[str, Callable[[Mapping[str, Any]], list[FieldFault]]]:
    """Return, by channel name, what says the faults of that channel's section, with fields relative to the section."""
    found = specs if specs is not None else channel_specs()
    return {name: partial(_faults, spec) for name, spec in found.items()}


def _faults(spec: ChannelSpec, settings: Mapping[str, Any]) -> list[FieldFault]:
    try:
        checked_settings(spec, settings)
    except Invalid as wrong:
        return [FieldFault(fault.field.removeprefix(f"{spec.name}."), fault.message) for fault in wrong.faults]
    return []
