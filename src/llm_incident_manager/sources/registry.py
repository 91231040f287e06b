"""Which sources there are: the built-in ones, and those that installed packages bring.

A package offers one by the entry point group ``llm_incident_manager.sources``; the entry is its ``SourceSpec``.
"""

from collections.abc import Iterable
from importlib.metadata import EntryPoint, entry_points

from llm_incident_manager.errors import Invalid
from llm_incident_manager.sources import (
    alertmanager,
    cloudevents,
    core_bundle,
    datadog,
    edge_agent,
    governance,
    grafana,
    incidentio,
    langfuse,
    langsmith,
    litellm,
    native,
    observatory,
    opsgenie,
    otlp,
    pagerduty,
    pagerduty_v1,
    sentinel,
    sentry,
    shield,
    slack,
    statuspage_poll,
    victorops,
)
from llm_incident_manager.sources.spec import SourceSpec

BUILT_IN = (
    native.SPEC,
    statuspage_poll.SPEC,
    sentinel.SPEC,
    shield.SPEC,
    edge_agent.SPEC,
    governance.SPEC,
    observatory.SPEC,
    core_bundle.SPEC,
    cloudevents.SPEC,
    otlp.SPEC,
    slack.SPEC,
    litellm.SPEC,
    datadog.SPEC,
    sentry.SPEC,
    langfuse.SPEC,
    langsmith.SPEC,
    incidentio.SPEC,
    opsgenie.SPEC,
    pagerduty.SPEC,
    pagerduty_v1.SPEC,
    victorops.SPEC,
    alertmanager.SPEC,
    grafana.SPEC,
)
ENTRY_POINT_GROUP = "llm_incident_manager.sources"


def source_specs(entries: Iterable[EntryPoint] | None = None) -> dict[str, SourceSpec]:
    """Return every source by its name, built-in ones first; ``entries`` are those of the installed packages.

    Raises:
        Invalid: an entry is no ``SourceSpec``, or its name is taken.
    """
    specs = {spec.name: spec for spec in BUILT_IN}
    for entry in entry_points(group=ENTRY_POINT_GROUP) if entries is None else entries:
        spec = entry.load()
        if not isinstance(spec, SourceSpec):
            raise Invalid(f"{entry.value} is not a SourceSpec", code="invalid_plugin")
        if spec.name in specs:
            raise Invalid(f"{entry.value}: there is a source {spec.name!r} already", code="invalid_plugin")
        specs[spec.name] = spec
    return specs
