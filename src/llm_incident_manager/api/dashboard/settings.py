"""What the dashboard is told at start."""

from datetime import timedelta
from urllib.parse import urlsplit

import msgspec

from llm_incident_manager.clock import Clock, SystemClock


class DashboardSettings(msgspec.Struct, frozen=True, kw_only=True):
    """``secret`` signs the cookies: 32 random bytes or more, the same on every node, else people are signed out.

    ``public_url`` is where people reach the dashboard; its scheme decides whether cookies are for TLS only.
    ``page_size`` is the rows of one list page, ``heartbeat`` the silence after which a stream says that it lives.
    """

    secret: str
    public_url: str = "http://127.0.0.1:3000"
    session_lifetime: timedelta = timedelta(days=14)
    page_size: int = 50
    heartbeat: timedelta = timedelta(seconds=15)
    clock: Clock = msgspec.field(default_factory=SystemClock)

    def __post_init__(self) -> None:
        if len(self.secret) < 32:
            raise ValueError("the dashboard's secret needs at least 32 characters")

    @property
    def secure(self) -> bool:
        """Whether people come over TLS."""
        return urlsplit(self.public_url).scheme == "https"
