"""The address of a broker: looked at before it is connected to, and what of it may be shown (SEC-05)."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit, urlunsplit

from llm_incident_manager.errors import Unavailable
from llm_incident_manager.sources.queues.spec import Place

_MOST_TRIED = 3


@dataclass(frozen=True, kw_only=True)
class Broker:
    """One address taken apart; ``secure`` is TLS."""

    host: str
    port: int
    secure: bool
    user: str = ""
    password: str = ""


def broker_in(url: str, ports: Mapping[str, int]) -> Broker:
    """Return what the address says; ``ports`` holds the usual port of each scheme, of which the last one has TLS."""
    parts = urlsplit(url)
    return Broker(
        host=parts.hostname or "",
        port=parts.port or ports[parts.scheme],
        secure=parts.scheme == list(ports)[-1],
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
    )


async def reachable(url: str, broker: Broker, place: Place) -> list[str]:
    """Return the address with the host replaced by each IP address that may be reached, to be tried in this order.

    With TLS the name stays, since the certificate is that of the name: a second look-up that gives another answer
    meets nobody who has it. Raises Forbidden where none may be reached, Unavailable where there is none.
    """
    found = list(await place.addresses(broker.host, broker.port))[:_MOST_TRIED]
    if broker.secure:
        return [url]
    parts = urlsplit(url)
    credentials = parts.netloc.rpartition("@")[0]
    prefix = f"{credentials}@" if credentials else ""
    written = [f"[{address}]" if ":" in address else address for address in found]
    return [urlunsplit(parts._replace(netloc=f"{prefix}{address}:{broker.port}")) for address in written]


def away(title: str, broker: Broker, failure: BaseException) -> Unavailable:
    """Return what is told of a broker that does not do what it should; nothing of a password is in it."""
    said = " ".join(str(failure).split())[:200]
    for secret in (broker.password, broker.user):
        said = said.replace(secret, "…") if len(secret) > 2 else said
    return Unavailable(
        f"{title} at {broker.host}:{broker.port}: {type(failure).__name__}{': ' + said if said else ''}",
        code="queue_away",
    )
