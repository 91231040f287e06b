"""Who asks: the key in a request's headers, the tenant it names, and where the request came from (SEC-01, SEC-02)."""

from collections.abc import Callable
from typing import Protocol
from urllib.parse import parse_qsl

import msgspec
from starlette.types import Scope

from llm_incident_manager.api.bodies import Headers, header
from llm_incident_manager.domain.incidents.changes import RequestFacts
from llm_incident_manager.engine.caller import Caller
from llm_incident_manager.errors import Unauthenticated

LONGEST_KEY = 512
"""Characters; nothing longer was ever made here."""
_NO_FACTS = RequestFacts()
_REMEDY = "send it as 'Authorization: Bearer <key>' or 'X-API-Key: <key>'"


class IdentifyPort(Protocol):
    """From a key to whoever asks."""

    def authenticate(self, key: str | None, tenant: str | None = None, *, request: RequestFacts = _NO_FACTS) -> Caller:
        """Return the caller; ``tenant`` is a platform key's ``X-Tenant``.

        Raises Unauthenticated (no such key), NotFound (no such tenant, or not a platform key), Unavailable.
        """
        ...


class Doorkeeper(Protocol):
    """What an API must have to know who asks."""

    @property
    def identify(self) -> IdentifyPort: ...

    @property
    def key_headers(self) -> Callable[[], frozenset[str]]:
        """Return the lower-case names of the headers that sources' settings name."""
        ...


def presented_key(headers: Headers, also: Callable[[], frozenset[str]] = frozenset) -> str | None:
    """Return the key that a request presents, or ``None``; ``also`` says which headers sources' settings name."""
    authorization = header(headers, b"authorization")
    if authorization is not None:
        scheme, _, key = authorization.partition(" ")
        if scheme.lower() == "bearer" and key.strip():
            return key.strip()
    own = header(headers, b"x-api-key")
    if own:
        return own
    for name in also():
        found = header(headers, name.lower().encode("latin-1", "ignore"))
        if found:
            return found
    return None


class Credentials(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody presented: they are asked for it again while a connection lasts, since keys can be revoked."""

    key: str
    tenant: str | None
    facts: RequestFacts

    def caller(self, identify: IdentifyPort) -> Caller:
        """Return whoever asks; raises Unauthenticated, Unavailable or NotFound (``X-Tenant``)."""
        return identify.authenticate(self.key, self.tenant, request=self.facts)


def credentials(port: Doorkeeper, scope: Scope, *, own_headers: bool = False, in_query: bool = False) -> Credentials:
    """Return the key that a request presents, and the tenant it names; raises Unauthenticated where there is none.

    ``own_headers`` accepts the key in a header that a source's settings name too, ``in_query`` as ``?key=``.
    """
    headers: Headers = scope["headers"]
    key = presented_key(headers, port.key_headers if own_headers else frozenset)
    remedy = f"{_REMEDY}, or as ?key=<key>" if in_query else _REMEDY
    if key is None and in_query:
        key = dict(parse_qsl(scope["query_string"].decode("latin-1"))).get("key")
    if key is None:
        raise Unauthenticated(f"an API key is needed: {remedy}")
    if len(key) > LONGEST_KEY or not key.isascii():
        raise Unauthenticated(f"this is no API key: {remedy}")
    return Credentials(key=key, tenant=header(headers, b"x-tenant") or None, facts=request_facts(scope))


def identified(port: Doorkeeper, scope: Scope, *, own_headers: bool = False) -> Caller:
    """Return whoever asks, with the facts of this request for the audit trail (AUD-02).

    ``own_headers`` accepts the key in a header that a source's settings name too. Raises Unauthenticated, Forbidden or
    NotFound (``X-Tenant``).
    """
    return credentials(port, scope, own_headers=own_headers).caller(port.identify)


def request_facts(scope: Scope) -> RequestFacts:
    """Return where a request came from."""
    client = scope.get("client")
    agent = header(scope["headers"], b"user-agent")
    session = header(scope["headers"], b"x-session-id")
    return RequestFacts(
        client_ip=client[0] if client else None,
        user_agent=agent[:300] if agent else None,
        session_id=session[:100] if session else None,
    )


def from_loopback(scope: Scope) -> bool:
    """Whether a request came from this machine itself, not through a proxy on it."""
    client = scope.get("client")
    proxied = any(name in (b"x-forwarded-for", b"forwarded", b"x-real-ip") for name, _ in scope["headers"])
    return client is not None and not proxied and (client[0].startswith("127.") or client[0] == "::1")
