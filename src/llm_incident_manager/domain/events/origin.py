"""Where a request may come from: a source's allow list of networks."""

import ipaddress
from functools import lru_cache

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def network(text: str) -> Network:
    """Return the network that ``text`` writes (``10.0.0.0/8``, or one address); raises ValueError."""
    return ipaddress.ip_network(text.strip(), strict=False)


def is_within(address: str, networks: tuple[str, ...]) -> bool:
    """Whether ``address`` lies in one of ``networks``; what is no address lies in none.

    An IPv4 address that arrived over an IPv6 socket (``::ffff:192.0.2.1``) is the IPv4 address.
    """
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    return any(found.version == each.version and found in each for each in _networks(networks))


@lru_cache(maxsize=1024)
def _networks(texts: tuple[str, ...]) -> tuple[Network, ...]:
    return tuple(network(text) for text in texts)
