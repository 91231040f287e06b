"""Which channels there are: the built-in ones, and those that installed packages bring.

A package offers one by the entry point group ``llm_incident_manager.channels``; the entry is its ``ChannelSpec``.
"""

from collections.abc import Iterable, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from pydantic import ValidationError

from llm_incident_manager.channels import (
    apprise,
    email,
    jsm,
    opsgenie,
    pagerduty,
    phone,
    slack_bot,
    sms,
    teams,
    webhook,
)
from llm_incident_manager.channels.outgoing import OutgoingGuard
from llm_incident_manager.channels.spec import Channel, ChannelSpec
from llm_incident_manager.clock import Clock
from llm_incident_manager.errors import FieldFault, Invalid

BUILT_IN = (
    email.SPEC,
    slack_bot.SPEC,
    teams.SPEC,
    pagerduty.SPEC,
    opsgenie.SPEC,
    jsm.SPEC,
    webhook.SPEC,
    sms.SPEC,
    phone.SPEC,
    apprise.SPEC,
)
ENTRY_POINT_GROUP = "llm_incident_manager.channels"


def channel_specs(entries: Iterable[EntryPoint] | None = None) -> dict[str, ChannelSpec]:
    """Return every channel by its name, built-in ones first; ``entries`` are those of the installed packages.

    Raises:
        Invalid: an entry is no ``ChannelSpec``, or its name is taken.
    """
    specs = {spec.name: spec for spec in BUILT_IN}
    for entry in entry_points(group=ENTRY_POINT_GROUP) if entries is None else entries:
        spec = entry.load()
        if not isinstance(spec, ChannelSpec):
            raise Invalid(f"{entry.value} is not a ChannelSpec", code="invalid_plugin")
        if spec.name in specs:
            raise Invalid(f"{entry.value}: there is a channel {spec.name!r} already", code="invalid_plugin")
        specs[spec.name] = spec
    return specs


def checked_settings(spec: ChannelSpec, settings: Mapping[str, Any] | None) -> Any:
    """Return the channel's config, or ``None`` if it needs settings and there are none.

    Raises:
        Invalid: the settings are wrong; each fault names its field, ``email.smtp_url``, and never repeats the value.
    """
    if settings is None and spec.needs_settings:
        return None
    try:
        return spec.config_type.model_validate({} if settings is None else settings)
    except ValidationError as error:
        faults = [
            FieldFault(".".join([spec.name, *map(str, fault["loc"])]), fault["msg"].removeprefix("Value error, "))
            for fault in error.errors(include_url=False, include_input=False, include_context=False)
        ]
        raise Invalid(f"the settings of {spec.name} are wrong", faults) from None


def open_channels(
    settings: Mapping[str, Mapping[str, Any] | None],
    *,
    guard: OutgoingGuard,
    clock: Clock,
    specs: Mapping[str, ChannelSpec] | None = None,
) -> dict[str, Channel]:
    """Return the channels that can be used, by name; ``settings`` are the config file's, by channel name.

    A channel that needs settings and has none is left out.

    Raises:
        Invalid: as :func:`checked_settings`.
    """
    configs = {spec: checked_settings(spec, settings.get(name)) for name, spec in (specs or channel_specs()).items()}
    return {
        spec.name: spec.factory(config, guard=guard, clock=clock)
        for spec, config in configs.items()
        if config is not None
    }
