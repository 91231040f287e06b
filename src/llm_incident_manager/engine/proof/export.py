"""The audit trail as lines of JSON that prove themselves without the server: written once, checked anywhere.

Lines: one ``header``; ``checkpoint``s, newest first; ``link``s, chain by chain, the tenant's own last; one ``end``.
"""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec

from llm_incident_manager.domain.audit.chain import TENANT_CHAIN, ChainLink
from llm_incident_manager.engine.proof.removals import Removals
from llm_incident_manager.engine.proof.statement import Checkpoint, Section, Statement, digest_of, signature_fault
from llm_incident_manager.engine.proof.walk import ChainWalk, ProofFault

FORMAT = 1
CHECKPOINTS = "checkpoints"
"""Stands for the chain of checkpoints in a fault."""
_WHOLE = "the export"


class _Link(msgspec.Struct, frozen=True, kw_only=True):
    version: int
    body: bytes
    previous: bytes
    digest: bytes


class _Broken(Exception):
    """The first fault was found."""

    def __init__(self, fault: ProofFault) -> None:
        super().__init__(fault.reason)
        self.fault = fault


def header_line(tenant: str, at: datetime) -> str:
    """Return the first line."""
    return _line(type="header", format=FORMAT, tenant=tenant, at=at.isoformat())


def checkpoint_line(checkpoint: Checkpoint, signature: bytes, tenant: str) -> str:
    """Return a checkpoint with the tenant's own section, if it has one; also what the server logs."""
    own = checkpoint.section_of(tenant)
    return _line(
        type="checkpoint",
        statement=checkpoint.statement,
        signature=signature.hex(),
        section=own[0] if own is not None else None,
    )


def link_line(chain: str, link: ChainLink) -> str:
    """Return one link; the body's bytes survive as they are, whatever they are."""
    return _line(
        type="link",
        chain=chain,
        version=link.version,
        previous=link.previous.hex(),
        digest=link.digest.hex(),
        body=link.body.decode("utf-8", "surrogateescape"),
    )


def end_line(links: int) -> str:
    """Return the last line: an export that was cut off has none."""
    return _line(type="end", links=links)


def verify_export(lines: Iterable[str], *, trusted: Sequence[str] = (), against: Iterable[str] = ()) -> dict[str, Any]:
    """Return ``{valid, checked, first_fault}`` of an export, from the lines alone.

    ``trusted`` are the public keys (hexadecimal) that may have signed; none means any. ``against`` are lines kept from
    before: an older export, or logged checkpoints. What they saw must still be there, or its removal recorded.
    """
    reading = _Reading(tuple(trusted))
    fault: ProofFault | None = None
    try:
        for line in against:
            if line.strip():
                reading.remember(_parsed(line))
        for line in lines:
            if line.strip():
                reading.take(_parsed(line))
        reading.end()
    except _Broken as broken:
        fault = broken.fault
    except (KeyError, TypeError, ValueError) as unreadable:  # msgspec's errors are ValueErrors
        fault = ProofFault(chain=_WHOLE, version=0, reason=f"it has a line that cannot be read: {unreadable}")
    return outcome(reading.checked, fault)


def outcome(checked: int, fault: ProofFault | None) -> dict[str, Any]:
    """Return a verification's answer: ``checked`` counts links, ``first_fault`` is ``{chain, version, reason}``."""
    return {
        "valid": fault is None,
        "checked": checked,
        "first_fault": msgspec.to_builtins(fault) if fault is not None else None,
    }


class _Reading:
    """What is known after the lines so far."""

    def __init__(self, trusted: tuple[str, ...]) -> None:
        self.checked = 0
        self._trusted = trusted
        self._tenant: str | None = None
        self._wanted: dict[tuple[str, int], tuple[str, datetime | None]] = {}
        self._kept_at: datetime | None = None
        self._newer: Statement | None = None
        self._walk: ChainWalk | None = None
        self._done: set[str] = set()
        self._removals: Removals | None = None
        self._ended = False

    def remember(self, line: dict[str, Any]) -> None:
        """Take a line kept from before: every link and head in it must be found again."""
        if line["type"] == "header":
            self._kept_at = datetime.fromisoformat(line["at"])
        elif line["type"] == "link":
            # A link proves those before it, so the last one of a chain is enough.
            self._wanted.pop((line["chain"], line["version"] - 1), None)
            self._wanted[line["chain"], line["version"]] = (line["digest"], self._kept_at)
        elif line["type"] == "checkpoint":
            self._want_heads(line, msgspec.json.decode(line["statement"], type=Statement))

    def take(self, line: dict[str, Any]) -> None:
        """Take the next line of the export."""
        if self._ended:
            raise _broken(_WHOLE, 0, "there are lines behind its end")
        match line["type"]:
            case "header":
                self._tenant = line["tenant"]
            case _ if self._tenant is None:
                raise _broken(_WHOLE, 0, "it does not begin with its header")
            case "checkpoint":
                self._take_checkpoint(line)
            case "link":
                self._take_link(line, self._tenant)
            case "end":
                self._take_end(line)
            case other:
                raise _broken(_WHOLE, 0, f"it has a line of unknown type {other!r}")

    def end(self) -> None:
        """Take the end of the file: nothing that was seen before may be missing."""
        if not self._ended:
            raise _broken(_WHOLE, 0, "it is cut off: its last line is missing")
        removals = self._removals or Removals(self._tenant or "")
        reason = removals.fault()
        if reason is not None:
            raise _broken(TENANT_CHAIN, removals.cut, reason)
        for (chain, version), (_, seen_at) in sorted(self._wanted.items()):
            if not removals.excuse(chain, version, seen_at):
                raise _broken(chain, version, "it was seen before, and is missing")

    def _take_checkpoint(self, line: dict[str, Any]) -> None:
        statement = msgspec.json.decode(line["statement"], type=Statement)
        fault = signature_fault(line["statement"], statement.key, bytes.fromhex(line["signature"]), self._trusted)
        fault = fault or follows_fault(self._newer, line["statement"], statement)
        if fault is None and line["section"] is not None and digest_of(line["section"]) not in statement.sections:
            fault = "its section is not the one that was signed"
        if fault is not None:
            raise _broken(CHECKPOINTS, statement.number, fault)
        self._newer = statement
        self._want_heads(line, statement)

    def _want_heads(self, line: dict[str, Any], statement: Statement) -> None:
        if line["section"] is not None:
            section = msgspec.json.decode(line["section"], type=Section)
            for head in section.heads:
                self._wanted[head.chain, head.version] = (head.digest, statement.at)

    def _take_link(self, line: dict[str, Any], tenant: str) -> None:
        chain = line["chain"]
        link = _Link(
            version=line["version"],
            body=line["body"].encode("utf-8", "surrogateescape"),
            previous=bytes.fromhex(line["previous"]),
            digest=bytes.fromhex(line["digest"]),
        )
        if self._walk is None or self._walk.chain != chain:
            if chain in self._done:
                raise _broken(chain, link.version, "its chain stands in two places")
            self._done.add(chain)
            self._walk = self._begin(tenant, chain, link)
        fault = self._walk.take([link])
        if fault is None and chain != TENANT_CHAIN:
            fault = self._walk.replay([link])
        if fault is not None:
            raise _Broken(fault)
        if chain == TENANT_CHAIN and self._removals is not None:
            self._removals.learn(link)
        digest, _ = self._wanted.pop((chain, link.version), (line["digest"], None))
        if digest != line["digest"]:
            raise _broken(chain, link.version, "it is another link than the one seen before")
        self.checked += 1

    def _begin(self, tenant: str, chain: str, link: ChainLink) -> ChainWalk:
        if chain != TENANT_CHAIN:
            return ChainWalk(tenant, chain)
        self._removals = Removals(tenant)
        previous = self._removals.begin(link)
        return ChainWalk(tenant, chain, previous=previous, version=self._removals.cut)

    def _take_end(self, line: dict[str, Any]) -> None:
        self._ended = True
        if line["links"] != self.checked:
            raise _broken(_WHOLE, 0, f"it has {self.checked} links and should have {line['links']}")


def follows_fault(newer: Statement | None, text: str, statement: Statement) -> str | None:
    """Return why a statement is not the one right before ``newer``."""
    if newer is None:
        return None
    if statement.number != newer.number - 1:
        return f"number {newer.number - 1} is missing"
    return None if Checkpoint(statement=text).digest == newer.previous else "the next one follows another statement"


def _broken(chain: str, version: int, reason: str) -> _Broken:
    return _Broken(ProofFault(chain=chain, version=version, reason=reason))


def _parsed(line: str) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except ValueError:
        found = None
    if not isinstance(found, dict) or not isinstance(found.get("type"), str):
        raise _broken(_WHOLE, 0, "it has a line that is no JSON of ours")
    return found


def _line(**members: Any) -> str:
    return json.dumps(members, separators=(",", ":"))
