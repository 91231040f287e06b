"""Secrets inside configuration documents: never shown, and kept where the mask comes back."""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

MASK = "…"
"""Stands for a secret in every answer; put back, it keeps the secret that it stands for."""

_SECRET_FIELDS = frozenset(
    {"secret", "api_key", "api_key_sha256", "password", "token", "routing_key", "signing_secret", "calendar"}
)
_SECRET_ADDRESSES = frozenset({"slack", "teams", "pagerduty", "opsgenie", "apprise"})
"""Channels whose address is itself what authorises: whoever knows it can post there."""
_CREDENTIALS = re.compile(r"(?<=://).*@")
"""Who and with which password, in the address of a queue."""


def masked(document: dict[str, Any]) -> dict[str, Any]:
    """Return the document without its secrets: ``…`` in their place, of a secret URL the host is left."""
    return {name: _contacts(value) if name == "contacts" else _masked(name, value) for name, value in document.items()}


def restored(document: dict[str, Any], before: dict[str, Any]) -> dict[str, Any]:
    """Return ``document`` with every mask replaced by what it stood for in ``before``."""
    found = _restored(document, masked(before), before)
    return found if isinstance(found, dict) else document


def masks_left(document: dict[str, Any]) -> list[str]:
    """Return the paths at which a secret is wanted and a mask stands."""
    return [
        path
        for path in _masks(document, "")
        if path.startswith("contacts.") or re.sub(r"\[\d+\]$", "", path).rpartition(".")[2] in (*_SECRET_FIELDS, "url")
    ]


def _contacts(value: Any) -> Any:
    if not isinstance(value, dict):
        return _masked("contacts", value)
    return {
        name: _each(address, _hidden_address, keyed=name == "opsgenie")
        if name in _SECRET_ADDRESSES
        else _masked("", address)
        for name, address in value.items()
    }


def _masked(name: str, value: Any) -> Any:
    if name in _SECRET_FIELDS and isinstance(value, str | int) and not isinstance(value, bool) and value != "":
        return MASK
    if name == "url" and isinstance(value, str):
        return _CREDENTIALS.sub(f"{MASK}@", value)
    if isinstance(value, dict):
        return {inner: _masked(inner, member) for inner, member in value.items()}
    if isinstance(value, list):
        return [_masked(name, member) for member in value]
    return value


def _each(value: Any, hide: Any, *, keyed: bool) -> Any:
    """Return the addresses hidden; where a key stands beside an address that is ``keyed``, that is no secret."""
    if isinstance(value, list):
        return [_each(member, hide, keyed=keyed) for member in value]
    if isinstance(value, dict):
        shown = keyed and bool(value.get("secret"))
        return {
            name: _each(member, hide, keyed=keyed)
            if name in ("url", "address") and not shown
            else _masked(name, member)
            for name, member in value.items()
        }
    return hide(value)


def _hidden_address(value: Any) -> Any:
    if not isinstance(value, str) or not value:
        return value
    try:
        parts = urlsplit(value)
        return f"{parts.scheme}://{parts.hostname}/{MASK}" if parts.scheme and parts.hostname else MASK
    except ValueError:
        return MASK


def _restored(new: Any, shown: Any, before: Any) -> Any:
    if new == shown:
        return before
    if isinstance(new, dict) and isinstance(before, dict):
        return {name: _restored(member, shown.get(name), before.get(name)) for name, member in new.items()}
    if isinstance(new, list) and isinstance(before, list):
        # A member that was moved keeps its own secret; one that was edited is known by its place.
        return [
            before[shown.index(member)]
            if member in shown
            else _restored(member, shown[at], before[at])
            if at < len(before)
            else member
            for at, member in enumerate(new)
        ]
    return new


def _masks(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, dict):
        for name, member in value.items():
            yield from _masks(member, f"{path}.{name}" if path else str(name))
    elif isinstance(value, list):
        for at, member in enumerate(value):
            yield from _masks(member, f"{path}[{at}]")
    elif isinstance(value, str) and (value == MASK or value.endswith(f"/{MASK}") or f"//{MASK}@" in value):
        yield path
