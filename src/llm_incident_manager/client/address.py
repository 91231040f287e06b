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
