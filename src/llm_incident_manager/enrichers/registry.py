"""Which enrichers there are: the built-in ones, and those that installed packages bring.

A package offers one by the entry point group ``llm_incident_manager.enrichers``; the entry is its ``EnricherSpec``.
"""

from collections.abc import Iterable
from importlib.metadata import EntryPoint, entry_points

from llm_incident_manager.enrichers import tags
from llm_incident_manager.enrichers.spec import EnricherSpec
from llm_incident_manager.errors import Invalid

BUILT_IN = (tags.SPEC,)
ENTRY_POINT_GROUP = "llm_incident_manager.enrichers"


def enricher_specs(entries: Iterable[EntryPoint] | None = None) -> tuple[EnricherSpec, ...]:
    """Return every enricher in the order in which they run; ``entries`` are those of the installed packages.

    Raises:
        Invalid: an entry is no ``EnricherSpec``, or its name is taken.
    """
    specs = {spec.name: spec for spec in BUILT_IN}
    for entry in entry_points(group=ENTRY_POINT_GROUP) if entries is None else entries:
        spec = entry.load()
        if not isinstance(spec, EnricherSpec):
            raise Invalid(f"{entry.value} is not an EnricherSpec", code="invalid_plugin")
        if spec.name in specs:
            raise Invalid(f"{entry.value}: there is an enricher {spec.name!r} already", code="invalid_plugin")
        specs[spec.name] = spec
    return tuple(sorted(specs.values(), key=lambda spec: (spec.order, spec.name)))
