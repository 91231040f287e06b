"""Who calls: the key in the metadata, or the client certificate; the tenant named, and where from (SEC-02, SEC-04)."""

from collections.abc import Iterable, Mapping
from urllib.parse import unquote

import grpc.aio

from llm_incident_manager.api.grpc.port import GrpcPort
from llm_incident_manager.api.identity import LONGEST_KEY
from llm_incident_manager.api.proxies import HEADER, origin
from llm_incident_manager.domain.incidents.changes import RequestFacts
from llm_incident_manager.engine.caller import Caller
from llm_incident_manager.errors import Unauthenticated

_REMEDY = "send it as metadata `authorization: Bearer <key>` or `x-api-key: <key>`"
Context = grpc.aio.ServicerContext[bytes, bytes]


def identified(port: GrpcPort, context: Context) -> Caller:
    """Return whoever calls: whose key it is, else whose client certificate.

    Raises Unauthenticated, or NotFound (``x-tenant``).
    """
    sent = metadata_of(context)
    key = presented_key(sent)
    tenant = sent.get("x-tenant") or None
    facts = request_facts(port, context, sent)
    if key is None:
        names = certificate_names(context)
        caller = port.identify.certified(names, tenant, request=facts) if names else None
        if caller is not None:
            return caller
        known = f"; the client certificate ({', '.join(names)[:200]}) is no source's" if names else ""
        raise Unauthenticated(f"an API key is needed: {_REMEDY}{known}")
    if len(key) > LONGEST_KEY or not key.isascii():
        raise Unauthenticated(f"this is no API key: {_REMEDY}")
    return port.identify.authenticate(key, tenant, request=facts)


def metadata_of(context: Context) -> Mapping[str, str]:
    """Return the text values of the metadata; of a name that is there twice the first."""
    found: dict[str, str] = {}
    for name, value in context.invocation_metadata() or ():
        if isinstance(value, str):
            found.setdefault(name, value)
    return found


def presented_key(sent: Mapping[str, str]) -> str | None:
    """Return the key that a call presents, or ``None``."""
    scheme, _, key = sent.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and key.strip():
        return key.strip()
    return sent.get("x-api-key") or None


def certificate_names(context: Context) -> list[str]:
    """Return the names that the client's verified certificate carries: alternative names, then the CN."""
    told = context.auth_context()
    names: list[str] = []
    for property_name in ("x509_subject_alternative_name", "x509_common_name"):
        names += _texts(told.get(property_name, ()))
    return list(dict.fromkeys(names))


def request_facts(port: GrpcPort, context: Context, sent: Mapping[str, str]) -> RequestFacts:
    """Return where a call came from, for the audit trail (AUD-02); trusted proxies are looked behind."""
    forwarded = [
        value for name, value in context.invocation_metadata() or () if name == HEADER and isinstance(value, str)
    ]
    agent, session = sent.get("user-agent"), sent.get("x-session-id")
    return RequestFacts(
        client_ip=origin(client_ip(context.peer()), forwarded, port.trusted_proxies()),
        user_agent=agent[:300] if agent else None,
        session_id=session[:100] if session else None,
    )


def client_ip(peer: str) -> str | None:
    """Return the address in what gRPC calls a peer: ``ipv4:192.0.2.7:4000``, ``ipv6:%5B2001:db8::1%5D:4000``."""
    kind, _, place = peer.partition(":")
    if kind not in ("ipv4", "ipv6"):
        return None
    return unquote(place).rpartition(":")[0].strip("[]") or None


def _texts(values: Iterable[bytes]) -> list[str]:
    return [text for value in values if (text := value.decode(errors="replace").strip())]
