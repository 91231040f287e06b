"""Where a server is when nothing else is said, and whether an address leads to this machine."""

from ipaddress import ip_address
from urllib.parse import urlsplit

DEFAULT_URL = "http://127.0.0.1:3000"


def is_loopback(url: str) -> bool:
    """Whether ``url`` leads to this machine."""
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def websocket_url(url: str, path: str) -> str:
    """Return where a WebSocket is, from a server's address; one of ``ws://`` with a path stays as it is."""
    parts = urlsplit(url)
    before = parts.path.rstrip("/")
    if parts.scheme in ("ws", "wss"):
        return parts._replace(path=before or path).geturl()
    return parts._replace(scheme="wss" if parts.scheme == "https" else "ws", path=before + path).geturl()
