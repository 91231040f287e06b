"""What Prometheus calls an alert by: its labels. The same labels are the same alert, wherever they come from."""

from collections.abc import Mapping

_OFFSET = 14695981039346656037
_PRIME = 1099511628211
_SEPARATOR = 0xFF
_MASK = (1 << 64) - 1


def label_fingerprint(labels: Mapping[str, str]) -> str:
    """Return the 16 hex digits that Prometheus and Alertmanager make of ``labels``: FNV-1a over them in order."""
    found = _OFFSET
    for name in sorted(labels, key=lambda name: name.encode("utf-8", "surrogatepass")):
        for part in (name, labels[name]):
            for byte in part.encode("utf-8", "surrogatepass"):
                found = (found ^ byte) * _PRIME & _MASK
            found = (found ^ _SEPARATOR) * _PRIME & _MASK
    return f"{found:016x}"
