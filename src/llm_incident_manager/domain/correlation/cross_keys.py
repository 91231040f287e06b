"""③ Cross-source keys (CLS-08): rules that make one incident of one problem that several tools report."""

import hashlib
import re
import unicodedata
from collections.abc import Mapping, Sequence

import msgspec

from llm_incident_manager.domain.classification.conditions import Condition, parse_condition
from llm_incident_manager.domain.events.event import Event
from llm_incident_manager.domain.events.fold import Fold
from llm_incident_manager.domain.events.tree import member, shown
from llm_incident_manager.errors import FieldFault, Invalid

FIELDS = (
    "resource.type", "resource.id", "resource.name", "environment", "category", "title", "correlation_id",
)  # fmt: skip
"""What a key may be made of; also ``tags.X``."""
RESOLVES = ("all", "any")
MAX_KEY = 500
"""Characters of a template."""
_SHOWN = 200
_MEMBERS = ("name", "if", "key", "resolve", "enabled")
_PIECES = re.compile(r"\{([^{}]*)\}|([^{}]+)|(.)", re.DOTALL)
Piece = str | tuple[str, ...]
"""A literal text, or the fields of which the first that says something counts."""


class CrossKey(msgspec.Struct, frozen=True, kw_only=True):
    """One rule: events that meet the condition and have all that the key asks for fold by it."""

    name: str
    condition: Condition
    pieces: tuple[Piece, ...]
    resolve: str = "all"
    enabled: bool = True


def parse_cross_key(document: object, path: str = "keys[0]") -> CrossKey:
    """Return the rule in ``{name, if?, key, resolve?, enabled?}``.

    Raises:
        Invalid: ``invalid_rule`` naming every bad member.
    """
    if not isinstance(document, Mapping):
        wrong = FieldFault(path, f"is {shown(document)}; it must be an object with name, if and key")
        raise Invalid("the key is wrong", [wrong], code="invalid_rule")
    known = ", ".join(_MEMBERS)
    faults = [
        FieldFault(member(path, key), f"is not known; a key has {known}") for key in document if key not in _MEMBERS
    ]
    name = document.get("name")
    if not isinstance(name, str) or not name.strip() or len(name) > _SHOWN or not name.isprintable():
        faults.append(FieldFault(f"{path}.name", f"is {shown(name)}; it must be text of at most {_SHOWN} characters"))
    condition = parse_condition(document.get("if", {}), f"{path}.if", faults)
    pieces = _pieces(document.get("key"), f"{path}.key", faults)
    resolve, enabled = document.get("resolve", "all"), document.get("enabled", True)
    if resolve not in RESOLVES:
        faults.append(FieldFault(f"{path}.resolve", f"is {shown(resolve)}; it must be one of {', '.join(RESOLVES)}"))
    if not isinstance(enabled, bool):
        faults.append(FieldFault(f"{path}.enabled", f"is {shown(enabled)}; it must be true or false"))
    if faults:
        raise Invalid(f"the key is wrong: {faults[0].field} {faults[0].message}", faults, code="invalid_rule")
    return CrossKey(
        name=str(name).strip(), condition=condition, pieces=pieces, resolve=str(resolve), enabled=bool(enabled)
    )


def fold_of(event: Event, keys: Sequence[CrossKey], tenant: str) -> Fold | None:
    """Return what the first matching rule makes of ``event``; a rule whose key lacks a value is passed over."""
    for key in keys:
        if not key.enabled or event.is_change or not key.condition.test(event):
            continue
        parts = [each if isinstance(each, str) else _first(event, each) for each in key.pieces]
        if all(parts):
            return Fold(key.name, _readable("".join(parts)), _mark(tenant, key.name, parts), key.resolve)
    return None


def folding(event: Event, keys: Sequence[CrossKey], tenant: str) -> Event:
    """Return ``event`` with its fold; the very same one where no rule has it."""
    fold = fold_of(event, keys, tenant)
    return event if fold is None else msgspec.structs.replace(event, fold=fold)


def _pieces(value: object, path: str, faults: list[FieldFault]) -> tuple[Piece, ...]:
    if not isinstance(value, str) or not value.strip() or len(value) > MAX_KEY:
        example = '"{resource.type}/{tags.service|resource.id}/{environment}"'
        wrong = f"is {shown(value)}; it must be text of at most {MAX_KEY} characters such as {example}"
        faults.append(FieldFault(path, wrong))
        return ()
    found: list[Piece] = []
    for braced, literal, stray in _PIECES.findall(value):
        if stray:
            faults.append(FieldFault(path, f'has a stray "{stray}"; fields stand in braces, as in {{resource.id}}'))
            return ()
        if literal:
            found.append(literal)
            continue
        names = tuple(name.strip() for name in braced.split("|"))
        for name in names:
            if name not in FIELDS and not (name.startswith("tags.") and len(name) > len("tags.")):
                what = f"names {shown(name)}; it must be one of {', '.join(FIELDS)}, or begin with tags."
                faults.append(FieldFault(path, what))
        found.append(names)
    if not any(isinstance(each, tuple) for each in found):
        faults.append(FieldFault(path, "names no field: every event would be of one incident; name {resource.id}, say"))
    return tuple(found)


def _first(event: Event, names: tuple[str, ...]) -> str:
    return next(filter(None, (_value(event, name) for name in names)), "")


def _value(event: Event, name: str) -> str:
    """Return a value as keys compare it: without case, and with single spaces."""
    kind, _, rest = name.partition(".")
    if kind == "tags":
        found: object = event.tags.get(rest)
    elif kind == "resource":
        found = getattr(event.resource, rest)
    else:
        found = getattr(event, name)
    return " ".join(unicodedata.normalize("NFKC", str(found)).split()).casefold() if found is not None else ""


def _readable(key: str) -> str:
    text = "".join(character if character.isprintable() else "\ufffd" for character in key)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"


def _mark(tenant: str, rule: str, parts: Sequence[str]) -> str:
    """Return a fingerprint that no event has by itself; lengths keep ("ab", "c") apart from ("a", "bc")."""
    measured = "".join(f"{len(part)}:{part}" for part in ("fold", tenant, rule, *parts))
    return f"k1:{hashlib.blake2b(measured.encode('utf-8', 'surrogatepass'), digest_size=16).hexdigest()}"
