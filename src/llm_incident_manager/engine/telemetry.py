"""Counters, gauges and histograms as plain dictionaries: any use case counts, and an edge tells whoever asks."""

import threading
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import msgspec

Labels = tuple[tuple[str, str], ...]
"""Label names and values, in order of name."""

SECONDS: tuple[float, ...] = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds for what a machine does."""

INCIDENT_SECONDS: tuple[float, ...] = (60, 300, 900, 1800, 3600, 7200, 14400, 43200, 86400, 259200, 604800)
"""Upper bounds for what people do: a minute to a week."""

BOUNDS: Mapping[str, tuple[float, ...]] = MappingProxyType(
    {
        "incident_mttd_seconds": (1, 5, 15, 60, 300, 900, 3600, 14400, 86400),
        "incident_mtta_seconds": INCIDENT_SECONDS,
        "incident_mttr_seconds": INCIDENT_SECONDS,
    }
)
"""Histograms whose bounds differ from :data:`SECONDS`."""


class Spread(msgspec.Struct):
    """A histogram's state: how many values fell at or below each bound (and above all), their sum and number."""

    bounds: tuple[float, ...]
    buckets: list[int]
    total: float = 0.0
    number: int = 0


class Telemetry:
    """What was counted since the start. Names and kinds are specification §8.5's; safe between threads."""

    def __init__(self) -> None:
        self.counters: dict[str, dict[Labels, float]] = {}
        self.gauges: dict[str, dict[Labels, float]] = {}
        self.spreads: dict[str, dict[Labels, Spread]] = {}
        self._watched: dict[str, dict[Labels, Callable[[], float]]] = {}
        self._lock = threading.Lock()

    def count(self, name: str, labels: Mapping[str, str] | Labels | None = None, by: float = 1) -> None:
        """Add to a counter. Labels that are in order already, as a tuple, are taken as they are, which is faster."""
        key = _key(labels)
        with self._lock:
            series = self.counters.setdefault(name, {})
            series[key] = series.get(key, 0) + by

    def set(self, name: str, labels: Mapping[str, str] | None, value: float) -> None:
        """Set a gauge."""
        with self._lock:
            self.gauges.setdefault(name, {})[_key(labels)] = value

    def observe(self, name: str, labels: Mapping[str, str] | Labels | None, seconds: float) -> None:
        """Put a duration into a histogram; labels as for :meth:`count`."""
        key = _key(labels)
        with self._lock:
            spread = self._spread(name, key)
            spread.buckets[bisect_left(spread.bounds, seconds)] += 1
            spread.total += seconds
            spread.number += 1

    def observe_all(self, name: str, labels: Labels, seconds: Sequence[float]) -> None:
        """Put several durations into one histogram."""
        with self._lock:
            spread = self._spread(name, labels)
            for each in seconds:
                spread.buckets[bisect_left(spread.bounds, each)] += 1
            spread.total += sum(seconds)
            spread.number += len(seconds)

    def _spread(self, name: str, key: Labels) -> Spread:
        series = self.spreads.setdefault(name, {})
        spread = series.get(key)
        if spread is None:
            bounds = BOUNDS.get(name, SECONDS)
            spread = series[key] = Spread(bounds=bounds, buckets=[0] * (len(bounds) + 1))
        return spread

    def watch(self, name: str, labels: Mapping[str, str] | None, value: Callable[[], float]) -> None:
        """Let a gauge be asked for whenever somebody looks (a queue's depth, a breaker's state)."""
        with self._lock:
            self._watched.setdefault(name, {})[_key(labels)] = value

    def forget(self, name: str, labels: Mapping[str, str] | None) -> None:
        """Ask no more for a watched gauge whose subject is gone."""
        with self._lock:
            self._watched.get(name, {}).pop(_key(labels), None)

    def snapshot(self) -> "Snapshot":
        """Return a copy of everything, watched gauges included; one that cannot be read now is left out."""
        with self._lock:
            watched = {name: dict(series) for name, series in self._watched.items()}
            counters = {name: dict(series) for name, series in self.counters.items()}
            gauges = {name: dict(series) for name, series in self.gauges.items()}
            spreads = {
                name: {key: msgspec.structs.replace(each, buckets=list(each.buckets)) for key, each in series.items()}
                for name, series in self.spreads.items()
            }
        for name, asked in watched.items():
            for key, read in asked.items():
                try:
                    gauges.setdefault(name, {})[key] = read()
                except (OSError, RuntimeError):
                    continue
        return Snapshot(counters=counters, gauges=gauges, spreads=spreads)


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """Everything counted, at one moment."""

    counters: dict[str, dict[Labels, float]]
    gauges: dict[str, dict[Labels, float]]
    spreads: dict[str, dict[Labels, Spread]]


def _key(labels: Mapping[str, str] | Labels | None) -> Labels:
    if not labels:
        return ()
    if isinstance(labels, tuple):
        return labels
    return tuple(labels.items()) if len(labels) == 1 else tuple(sorted(labels.items()))
