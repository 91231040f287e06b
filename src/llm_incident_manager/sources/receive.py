"""① From a sender's request to what became of it: translated, accepted durably, acted on; whatever door it came by."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec
import structlog

from llm_incident_manager.domain.events.document import MAX_BATCH, written
from llm_incident_manager.domain.events.event import SourceSettings
from llm_incident_manager.engine.caller import Caller
from llm_incident_manager.engine.receipts import BatchReceipt, Receipt, batch_receipt
from llm_incident_manager.engine.rows import LetterRequest
from llm_incident_manager.engine.source_acts import Act, ActReceipt
from llm_incident_manager.errors import FieldFault, Forbidden, Invalid, NotFound, RateLimited
from llm_incident_manager.sources.spec import Outcome, Sent, SourceRequest, SourceSpec

log = structlog.get_logger("sources")
_SHORTEST_KEY = 8
_SECRET = re.compile(r"auth|cookie|secret|signature|token|passw|api.?key", re.IGNORECASE)
_MOST_KEPT = 32_768
"""Bytes of a request's headers and query in a dead letter."""
FALLBACK = "generic"
"""The plugin of a source that is set up under a name of its own and says of no plugin."""


class SourceIntake(Protocol):
    """What receiving needs of the intake."""

    async def accept_items(
        self, items: Sequence[bytes], caller: Caller, *, batch_id: str | None = None
    ) -> BatchReceipt: ...

    async def accept_each(self, items: Sequence[bytes], caller: Caller) -> list[Receipt]: ...

    def count_refused(self, caller: Caller, source: str) -> None: ...

    async def keep_refused(
        self, body: bytes, caller: Caller, source: str, refused: Invalid, request: LetterRequest | None = None
    ) -> None: ...

    def require_open(self, caller: Caller, source: str) -> None: ...


class Acts(Protocol):
    """What acts on incidents."""

    async def do(self, caller: Caller, acts: Sequence[Act]) -> list[ActReceipt]: ...


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """Which plugin reads a request, under which name its events go, and what is set for that name."""

    spec: SourceSpec
    source: str
    settings: SourceSettings | None


def choose(
    specs: Mapping[str, SourceSpec], settings: Mapping[str, SourceSettings], name: str, caller: Caller
) -> Chosen:
    """Return what ``name`` (a plugin's, or that of a source in the settings) means for this caller.

    A key that is bound to a source sends for that one, by whichever plugin.

    Raises:
        NotFound: there is neither.
        Forbidden: the key is bound to another source than the one named.
    """
    spec, configured = specs.get(name), settings.get(name)
    if spec is None and configured is None:
        known = ", ".join(sorted(specs))
        raise NotFound(f"there is no source {name[:100]!r}; known are {known}, and the sources in your settings")
    if spec is None:
        if caller.source is not None and caller.source != name:
            raise Forbidden(f"this key sends for source {caller.source} only, not for {name}")
        plugin = (configured.plugin if configured is not None else None) or FALLBACK
        spec = specs.get(plugin)
        if spec is None:
            known = ", ".join(sorted(specs))
            raise NotFound(f"source {name} is set to plugin {plugin!r}, which is not there; known are {known}")
        source = name
    else:
        source = caller.source or name
    return Chosen(spec=spec, source=source, settings=settings.get(source))


class Receive:
    """Receives for every door: HTTP, and consumers of queues, which acknowledge only after :meth:`take` returned."""

    def __init__(self, intake: SourceIntake, acts: Acts) -> None:
        self._intake = intake
        self._acts = acts

    def require_open(self, caller: Caller, source: str) -> None:
        """Raise Forbidden where the caller may not send for ``source`` now."""
        self._intake.require_open(caller, source)

    async def take(
        self, chosen: Chosen, request: SourceRequest, caller: Caller, *, key: str = ""
    ) -> tuple[Sent, list[Outcome]]:
        """Return what was sent and what became of each step; its events are durable then, and its acts done.

        ``key`` is taken out of whatever is kept. All of it may be sent again at any time: events have identities, acts
        are idempotent.

        Raises:
            Invalid: nothing can be made of it; the body is kept as a dead letter.
            RateLimited, Unavailable: some of it is not stored yet; send all of it again.
            Forbidden: not this sender.
        """
        sent = await self._translated(chosen, request, caller, key)
        items = [_without(item_of(step), key) for step in sent.steps if not isinstance(step, Act)]
        if sent.is_batch:
            batch = await self._intake.accept_items(items, caller, batch_id=sent.batch_id)
        else:
            batch = batch_receipt(sent.batch_id, await self._intake.accept_each(items, caller))
        refusals = [receipt.refusal for receipt in batch.results if receipt.refusal is not None]
        if not sent.is_batch:
            wrong = next((refusal for refusal in refusals if isinstance(refusal, Invalid)), None)
            if wrong is not None:
                # As it came: once its source is repaired, it can be translated again.
                await self._keep(chosen, request, caller, key, wrong)
            for refusal in refusals:
                if isinstance(refusal, RateLimited | Forbidden) or len(refusals) == len(batch.results):
                    raise refusal
        return sent, await self._done(sent, batch, caller)

    async def bring(self, sent: Sent, caller: Caller) -> list[Outcome]:
        """Return what became of each step of a document that was asked for; one that is wrong is a dead letter.

        Raises Unavailable where some of it is not stored.
        """
        items = [item_of(step) for step in sent.steps if not isinstance(step, Act)]
        return await self._done(sent, await self._intake.accept_items(items, caller), caller)

    async def _done(self, sent: Sent, batch: BatchReceipt, caller: Caller) -> list[Outcome]:
        """Do the acts; return the outcome of every step in order."""
        acts = [step for step in sent.steps if isinstance(step, Act)]
        receipts, done = iter(batch.results), iter(await self._acts.do(caller, acts) if acts else ())
        return [next(done) if isinstance(step, Act) else next(receipts) for step in sent.steps]

    async def _translated(self, chosen: Chosen, request: SourceRequest, caller: Caller, key: str) -> Sent:
        try:
            return translated(chosen, request)
        except Invalid as refused:
            self._intake.count_refused(caller, request.source)
            await self._keep(chosen, request, caller, key, refused)
            raise

    async def _keep(self, chosen: Chosen, request: SourceRequest, caller: Caller, key: str, refused: Invalid) -> None:
        kept = kept_request(chosen, request, key)
        await self._intake.keep_refused(_without(request.body, key), caller, request.source, refused, kept)


def translated(chosen: Chosen, request: SourceRequest) -> Sent:
    """Return what the plugin makes of a request; raises Invalid, whatever the plugin stumbles over."""
    try:
        sent = chosen.spec.read(request, chosen.settings)
    except Invalid:
        raise
    except Exception as fault:
        # A plugin is a named border: what it stumbles over is kept, answered, and shown to whoever runs this.
        log.exception("source_failed", plugin=chosen.spec.name, source=request.source)
        raise Invalid(
            f"the {chosen.spec.title} source could not read it",
            [FieldFault("body", "is not what this source sends; it is kept as a dead letter")],
            code="untranslatable",
        ) from fault
    if len(sent.steps) > MAX_BATCH:
        what = f"holds {len(sent.steps)} events; send at most {MAX_BATCH} in one request"
        raise Invalid(f"it {what}", [FieldFault("body", what)], code="batch_too_large")
    return sent


def kept_request(chosen: Chosen, request: SourceRequest, key: str) -> LetterRequest:
    """Return what a dead letter keeps of a request beside its body: whatever smells of a secret is left out."""

    def kept(fields: Mapping[str, str]) -> dict[str, str]:
        told = {name: value for name, value in fields.items() if _SECRET.search(name) is None}
        return {name: value for name, value in told.items() if not key or key not in value}

    found = LetterRequest(
        plugin=chosen.spec.name,
        method=request.method,
        path=request.path,
        params=kept(request.params),
        query=kept(request.query),
        headers=kept(request.headers),
        sender=request.sender,
    )
    too_long = len(msgspec.json.encode(found)) > _MOST_KEPT
    return LetterRequest(plugin=found.plugin, method=found.method, path=found.path) if too_long else found


def item_of(step: bytes | Mapping[str, object]) -> bytes:
    """Return an event as JSON text."""
    return step if isinstance(step, bytes) else written(dict(step))


def _without(body: bytes, key: str) -> bytes:
    secret = msgspec.json.encode(key)[1:-1]
    return body.replace(secret, b"[key]") if len(secret) >= _SHORTEST_KEY and secret in body else body
