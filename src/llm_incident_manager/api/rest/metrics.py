"""Specification §8.5's metrics in the Prometheus text format 0.0.4, with exactly its names and kinds (ANA-02)."""

import os
import shutil
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType

from llm_incident_manager.engine.telemetry import Labels, Snapshot, Spread, Telemetry

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"

FAMILIES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "api_requests_total": ("counter", "Requests answered, by method, path template and status."),
        "api_request_duration_seconds": ("histogram", "Time from request to answer."),
        "api_errors_total": ("counter", "Requests answered with 5xx."),
        "worker_queue_depth": ("gauge", "Events accepted and not yet triaged."),
        "worker_processing_duration_seconds": ("histogram", "Time of one batch or delivery of a worker."),
        "incidents_created_total": ("counter", "Incidents opened, by severity and category."),
        "incidents_by_severity": ("gauge", "Open incidents."),
        "incidents_untold": ("gauge", "Open incidents that ask for somebody while no page has reached anyone."),
        "incidents_by_status": ("gauge", "All incidents."),
        "incident_mttr_seconds": ("histogram", "Time to resolve: how long incidents were open."),
        "incident_mtta_seconds": ("histogram", "Time to acknowledge, by people only."),
        "incident_mttd_seconds": ("histogram", "Time to detect: received minus occurred."),
        "integration_requests_total": ("counter", "Events taken in from sources and pages handed to channels."),
        "integration_errors_total": ("counter", "Events refused and pages that failed, with the reason."),
        "integration_latency_seconds": ("histogram", "Time a channel took to answer."),
        "events_without_payload_total": ("counter", "Events counted over their source's rate, payloads not kept."),
        "rate_counted_alone": ("gauge", "1 while this node counts rates by itself because Redis is away."),
        "circuit_breaker_state": ("gauge", "0 closed, 1 open, 2 half open."),
        "queue_connected": ("gauge", "1 while the queue of this source is being read."),
        "queue_last_success_timestamp_seconds": ("gauge", "When a message of this source's queue was last done with."),
        "queue_messages_total": ("counter", "Messages of this source's queue that were done with."),
        "queue_messages_held": ("gauge", "Messages fetched that cannot be taken yet."),
        "queue_messages_waiting": ("gauge", "Messages at the broker for this source, where it says."),
        "polls_total": ("counter", "Sources asked, by outcome: news, unchanged, held, failed."),
        "poll_last_success_timestamp_seconds": ("gauge", "When a source that is asked answered last."),
        "cpu_usage_percent": ("gauge", "Of one core, since the last look."),
        "memory_usage_bytes": ("gauge", "Resident memory of the process."),
        "disk_usage_bytes": ("gauge", "Used on the disk of the data folder."),
        "network_io_bytes": ("counter", "Bytes in and out of this machine's interfaces."),
        "sla_acknowledgment_breached_total": ("counter", "Acknowledgment deadlines missed."),
        "sla_resolution_breached_total": ("counter", "Resolution deadlines missed."),
        "uptime_seconds": ("counter", "Since the process started."),
        "database_connections_active": ("gauge", "Database connections in use."),
        "database_connections_max": ("gauge", "Database connections allowed."),
    }
)
"""Name to kind and meaning. Names that are counted and not listed here are shown with the kind they were counted as."""

_BARE_COUNTERS = (
    "sla_acknowledgment_breached_total",
    "sla_resolution_breached_total",
)
"""Counters without labels start at 0, so that a rate is known from the first one on."""


class Machine:
    """What the process uses of its machine; where the system does not say, the figure is left out."""

    def __init__(self, folder: str = ".") -> None:
        self._folder = folder
        self._started = time.monotonic()
        self._looked = self._started
        self._busy = _cpu_seconds()

    def look(self, telemetry: Telemetry) -> None:
        """Put the present figures into the gauges."""
        now, busy = time.monotonic(), _cpu_seconds()
        if now > self._looked:
            telemetry.set("cpu_usage_percent", None, round(100 * (busy - self._busy) / (now - self._looked), 2))
        self._looked, self._busy = now, busy
        telemetry.set("uptime_seconds", None, round(now - self._started, 3))
        try:
            pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
            telemetry.set("memory_usage_bytes", None, pages * os.sysconf("SC_PAGE_SIZE"))
            for direction, size in _network().items():
                telemetry.set("network_io_bytes", {"direction": direction}, size)
            telemetry.set("disk_usage_bytes", None, shutil.disk_usage(self._folder).used)
        except (OSError, ValueError, IndexError):
            return


def exposition(snapshot: Snapshot) -> str:
    """Return everything counted in the text format; families without samples are named all the same."""
    lines: list[str] = []
    names = {*FAMILIES, *snapshot.counters, *snapshot.gauges, *snapshot.spreads}
    for name in sorted(names):
        if name in snapshot.spreads:
            kind, samples = "histogram", list(_histogram(name, snapshot.spreads[name]))
        elif name in snapshot.counters:
            kind, samples = "counter", list(_plain(name, snapshot.counters[name]))
        else:
            kind = FAMILIES.get(name, ("gauge", ""))[0]
            samples = list(_plain(name, snapshot.gauges.get(name, {})))
        if not samples and name in _BARE_COUNTERS:
            samples = [f"{name} 0"]
        kind, meaning = FAMILIES.get(name, (kind, name.replace("_", " ")))
        lines += [f"# HELP {name} {meaning}", f"# TYPE {name} {kind}", *samples]
    return "\n".join(lines) + "\n"


def _plain(name: str, series: Mapping[Labels, float]) -> Iterable[str]:
    for labels, value in sorted(series.items()):
        yield f"{name}{_shown(labels)} {_number(value)}"


def _histogram(name: str, series: Mapping[Labels, Spread]) -> Iterable[str]:
    for labels, spread in sorted(series.items(), key=lambda item: item[0]):
        below = 0
        for bound, number in zip((*spread.bounds, float("inf")), spread.buckets, strict=True):
            below += number
            edge = "+Inf" if bound == float("inf") else f"{bound:g}"
            yield f"{name}_bucket{_shown((*labels, ('le', edge)))} {below}"
        yield f"{name}_sum{_shown(labels)} {_number(spread.total)}"
        yield f"{name}_count{_shown(labels)} {spread.number}"


def _shown(labels: Labels) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() and abs(value) < 1e15 else repr(float(value))


def _cpu_seconds() -> float:
    used = os.times()
    return used.user + used.system


def _network() -> dict[str, int]:
    totals = {"in": 0, "out": 0}
    for line in Path("/proc/self/net/dev").read_text(encoding="ascii").splitlines()[2:]:
        name, _, figures = line.partition(":")
        if name.strip() != "lo":
            fields = figures.split()
            totals["in"] += int(fields[0])
            totals["out"] += int(fields[8])
    return totals
