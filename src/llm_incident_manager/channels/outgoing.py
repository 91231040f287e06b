"""The guard of everything that is sent to an address somebody typed in (SEC-05).

Without it, a webhook contact ``http://169.254.169.254/…`` would make this server fetch its cloud's credentials. The
guard resolves the name itself, checks what comes out against the special-purpose networks (IANA registries, RFC 6890)
and connects to that very address, so that a second look-up cannot give another answer (DNS rebinding).
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

import httpcore2
import httpx2

from llm_incident_manager.errors import Forbidden, Unavailable

Network = IPv4Network | IPv6Network
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Gives the addresses of a host, as text; raises :class:`OSError` when there are none."""

URL_LIMIT = 2048
_TRIED_ADDRESSES = 3

_SPECIAL = [
    (ip_network(network), kind)
    for kind, networks in {
        "the unspecified network": ("0.0.0.0/8", "::/128"),
        "a loopback network": ("127.0.0.0/8", "::1/128"),
        "a private network": ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "fec0::/10"),
        "a link-local network": ("169.254.0.0/16", "fe80::/10"),
        "a carrier's shared network": ("100.64.0.0/10",),
        "a cloud's platform network": ("168.63.129.16/32",),
        "a multicast network": ("224.0.0.0/4", "ff00::/8"),
        "an IPv4-mapped network": ("::ffff:0:0/96", "::/96"),
        "a NAT64 network": ("64:ff9b::/96", "64:ff9b:1::/48"),
        "a 6to4 network": ("2002::/16", "192.88.99.0/24"),
        "a documentation network": (
            "192.0.2.0/24",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "2001:db8::/32",
            "3fff::/20",
        ),
        "a reserved network": ("192.0.0.0/24", "198.18.0.0/15", "240.0.0.0/4", "100::/64", "2001::/23", "5f00::/16"),
    }.items()
    for network in networks
]
_GLOBAL_IPV6 = ip_network("2000::/3")


class OutgoingRefused(Forbidden):
    """The address is not one that this server may send to; the message says why and what would be right."""

    code = "outgoing_refused"


class HostUnknown(Unavailable):
    """The host's name has no address now."""

    code = "host_unknown"


class OutgoingGuard:
    """Decides which addresses may be reached: all public ones, and those in ``allow`` (``outgoing.allow``).

    Raises:
        ValueError: a member of ``allow`` is not a network in CIDR form.
    """

    def __init__(self, allow: Iterable[str | Network] = (), *, resolve: Resolve | None = None) -> None:
        self._allow = [ip_network(network, strict=False) for network in allow]
        self._resolve = resolve or _system_resolve

    @property
    def allowed(self) -> list[str]:
        """The networks that are allowed beside the public ones, in CIDR form."""
        return [str(network) for network in self._allow]

    def refusal(self, address: str) -> str | None:
        """Return why this IP address may not be reached, or ``None`` if it may."""
        ip = ip_address(address)
        if any(ip in network for network in self._allow):
            return None
        for network, kind in _SPECIAL:
            if ip in network:
                return f"{ip} is in {kind}; allow it under outgoing.allow"
        if isinstance(ip, IPv6Address) and ip not in _GLOBAL_IPV6:
            return f"{ip} is in a reserved network; allow it under outgoing.allow"
        return None

    def fault(self, url: str, *, secure: bool = False) -> str | None:
        """Return why nothing can ever be sent to ``url``, or ``None``; looks nothing up, and shows only the host.

        With ``secure``, plain ``http`` is refused unless the host is an allowed address or ``localhost`` while allowed.
        """
        try:
            parsed = self.parse(url)
        except OutgoingRefused as refused:
            return refused.message
        literal = _literal(parsed.host)
        if literal is not None and (reason := self.refusal(str(literal))) is not None:
            return reason
        if secure and parsed.scheme != "https" and not self._is_allowed_host(parsed.host):
            return "the URL is a secret and must start with https://"
        return None

    def parse(self, url: str) -> httpx2.URL:
        """Return the parsed URL.

        Raises:
            OutgoingRefused: it is no absolute ``http`` or ``https`` URL.
        """
        if len(url) > URL_LIMIT:
            raise OutgoingRefused(f"the URL is longer than {URL_LIMIT} characters")
        try:
            parsed = httpx2.URL(url)
            host = parsed.host
            port = parsed.port
        except (httpx2.InvalidURL, ValueError):
            raise OutgoingRefused("this is not a URL; write it like https://example.com/path") from None
        if parsed.scheme not in ("http", "https"):
            raise OutgoingRefused("the URL must start with https:// or http://")
        if not host or "%" in host or (port is not None and not 0 < port < 65536):
            raise OutgoingRefused("the URL has no valid host and port; write it like https://example.com/path")
        return parsed

    async def addresses(self, host: str, port: int) -> list[str]:
        """Return the addresses of ``host`` that may be reached, in the resolver's order.

        Raises:
            OutgoingRefused: it has addresses, and none may be reached.
            HostUnknown: it has none.
        """
        literal = _literal(host)
        try:
            found = [str(literal)] if literal is not None else list(await self._resolve(host, port))
        except (OSError, UnicodeError):
            raise HostUnknown(f"{host} cannot be resolved") from None
        reasons = {address: self.refusal(address) for address in found}
        permitted = [address for address, reason in reasons.items() if reason is None]
        if permitted:
            return permitted
        for reason in reasons.values():
            raise OutgoingRefused(reason or "")
        raise HostUnknown(f"{host} cannot be resolved")

    def network_backend(self) -> httpcore2.AsyncNetworkBackend:
        """Return what a connection pool connects with, so that each new connection goes through this guard."""
        return _PinnedBackend(self)

    def _is_allowed_host(self, host: str) -> bool:
        address = ip_address("127.0.0.1") if host == "localhost" else _literal(host)
        return address is not None and any(address in network for network in self._allow)


class _PinnedBackend(httpcore2.AsyncNetworkBackend):
    """Connects to a checked address; the name stays in ``Host`` and in TLS, which the pool sets itself."""

    def __init__(self, guard: OutgoingGuard) -> None:
        self._guard = guard
        self._connect = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the library's signature
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        addresses = (await self._guard.addresses(host, port))[:_TRIED_ADDRESSES]
        # One address that swallows packets must not use up the time of the others.
        share = None if timeout is None else timeout / len(addresses)
        failure: Exception | None = None
        for address in addresses:
            try:
                return await self._connect.connect_tcp(
                    address, port, timeout=share, local_address=local_address, socket_options=socket_options
                )
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
        raise failure or httpcore2.ConnectError("no address")


def _literal(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        pass
    try:
        # The old spellings that resolvers still take: 127.1, 0x7f000001, 2130706433.
        return IPv4Address(socket.inet_aton(host))
    except (OSError, UnicodeError):
        return None


async def _system_resolve(host: str, port: int) -> list[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]
