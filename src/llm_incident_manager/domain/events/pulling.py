"""What is set for a source that is asked instead of sending itself (ING-10), and for one that watches a provider."""

import msgspec


class PullSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where a source is asked, and how often.

    ``interval_seconds`` None: as its plugin says. After ``failures`` bad or failed polls in a row a plugin that watches
    something says that it is unwell. ``key`` goes in ``key_header``; ``repr`` shows neither it nor the address.
    """

    endpoint: str
    interval_seconds: int | None = None
    failures: int = 3
    key_header: str | None = None
    key: str | None = None

    def __repr__(self) -> str:
        """Return what may stand in a log."""
        return f"PullSettings(interval_seconds={self.interval_seconds}, failures={self.failures})"


class Provider(msgspec.Struct, frozen=True, kw_only=True):
    """The LLM provider that a status page speaks of (ING-13).

    ``models`` are shell patterns in lower case. An incident that opened up to ``window_seconds`` before the outage
    began, or during it, is explained by it.
    """

    id: str
    models: tuple[str, ...] = ()
    window_seconds: int = 3600
