"""The buses that come with the product; third parties use the entry point ``llm_incident_manager.buses``."""

from importlib.metadata import entry_points

from llm_incident_manager.bus import memory
from llm_incident_manager.bus.spec import Bus, BusSpec
from llm_incident_manager.errors import Invalid

BUILT_IN: tuple[BusSpec, ...] = (memory.SPEC,)


def open_bus(url: str) -> Bus:
    """Return the bus of ``url`` (``memory:``); raises Invalid naming the schemes that there are."""
    specs = {spec.scheme: spec for spec in BUILT_IN}
    for entry in entry_points(group="llm_incident_manager.buses"):
        spec: BusSpec = entry.load()
        specs.setdefault(spec.scheme, spec)
    scheme = url.partition(":")[0]
    if scheme not in specs:
        raise Invalid(f"BUS_URL starts with {scheme}:, which is no bus here; known are {', '.join(sorted(specs))}")
    return specs[scheme].open(url)
