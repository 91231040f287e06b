"""The key at a sender's door: wherever that sender can put it (SEC-02)."""

import base64
import binascii
from collections.abc import Callable, Iterable, Mapping

import msgspec

from llm_incident_manager.api.identity import LONGEST_KEY
from llm_incident_manager.errors import Unauthenticated

AUTHORIZATION = "authorization"
API_KEY = "x-api-key"
QUERY = SEGMENT = "key"
_REMEDY = "send it as 'Authorization: Bearer <key>', 'X-API-Key: <key>' or '?key=<key>'"


class Presented(msgspec.Struct, frozen=True, kw_only=True):
    """A key, and the header it stood in, which nobody else needs to see."""

    key: str
    header: str | None = None


def outside_the_body(
    headers: Mapping[str, str], query: Mapping[str, str], params: Mapping[str, str], also: Iterable[str]
) -> Presented | None:
    """Return the key in the path, in ``Authorization`` of any scheme, a header (``also`` names more) or ``?key=``."""
    if params.get(SEGMENT):
        return Presented(key=params[SEGMENT])
    found = _credential(headers.get(AUTHORIZATION, ""))
    if found:
        return Presented(key=found, header=AUTHORIZATION)
    for name in (API_KEY, *also):
        if headers.get(name):
            return Presented(key=headers[name], header=name)
    return Presented(key=query[QUERY]) if query.get(QUERY) else None


def inside_the_body(body: bytes, members: Iterable[str]) -> Presented | None:
    """Return the key in one of the members at the top of a JSON object."""
    try:
        document = _OBJECT.decode(body)
        for name in members:
            value = msgspec.json.decode(document[name]) if name in document else None
            if isinstance(value, str) and value.strip():
                return Presented(key=value.strip())
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return None


def required(presented: Presented | None, where: Callable[[], str] = lambda: "") -> Presented:
    """Return the key; raises Unauthenticated where there is none, or none that could be one."""
    remedy = f"{_REMEDY}{where()}"
    if presented is None:
        raise Unauthenticated(f"an API key is needed: {remedy}")
    if len(presented.key) > LONGEST_KEY or not presented.key.isascii():
        raise Unauthenticated(f"this is no API key: {remedy}")
    return presented


def _credential(authorization: str) -> str:
    """Return what an ``Authorization`` header holds: a Basic password, or whatever stands behind another scheme."""
    scheme, _, rest = authorization.partition(" ")
    rest = rest.strip()
    if scheme.lower() != "basic":
        return rest.removeprefix("token=").strip('"')
    try:
        user, _, password = base64.b64decode(rest, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return ""
    return password or user


_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
