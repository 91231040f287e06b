"""A dead letter that a vendor sent goes to its source once more: translated anew, accepted, acted on (REL-04)."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from llm_incident_manager.domain.events.document import peek
from llm_incident_manager.domain.events.event import SourceSettings
from llm_incident_manager.engine.caller import Caller
from llm_incident_manager.engine.receipts import Receipt
from llm_incident_manager.engine.rows import DeadLetter, LetterRequest
from llm_incident_manager.engine.source_acts import Act
from llm_incident_manager.errors import FieldFault, Invalid
from llm_incident_manager.sources.receive import Acts, Chosen, choose, item_of, translated
from llm_incident_manager.sources.spec import SourceRequest, SourceSpec


class EachIntake(Protocol):
    """What translating again needs of the intake."""

    async def accept_each(self, items: Sequence[bytes], caller: Caller) -> list[Receipt]: ...


class Again:
    """Replays vendors' dead letters. ``settings`` returns a tenant's sources: a mapping that was repaired counts."""

    def __init__(
        self,
        specs: Mapping[str, SourceSpec],
        settings: Callable[[str], Mapping[str, SourceSettings]],
        intake: EachIntake,
        acts: Acts,
    ) -> None:
        self._specs = specs
        self._settings = settings
        self._intake = intake
        self._acts = acts

    async def __call__(self, letter: DeadLetter, caller: Caller) -> Receipt | None:
        """Return what came of the letter; None where its body is an event, which the intake reads itself.

        Its time is that of the letter, so that repeating it, or its sender sending it again, counts nothing twice.
        What was good of a batch is accepted whatever the rest is.

        Raises:
            Invalid: its source still cannot read it, is not there any more, or one of its events still is wrong.
            RateLimited, Unavailable: some of it is not stored; replay it again.
        """
        chosen = self._chosen(letter, caller)
        if chosen is None:
            return None
        how = letter.request or LetterRequest(plugin=chosen.spec.name)
        request = SourceRequest(
            source=letter.source,
            body=letter.body,
            received_at=letter.at,
            method=how.method,
            path=how.path,
            params=how.params,
            query=how.query,
            headers=how.headers,
            sender=how.sender,
        )
        sent = translated(chosen, request)
        receipts = await self._intake.accept_each(
            [item_of(step) for step in sent.steps if not isinstance(step, Act)], caller
        )
        refusals = [receipt.refusal for receipt in receipts if receipt.refusal is not None]
        if refusals:
            raise refusals[0]
        acts = [step for step in sent.steps if isinstance(step, Act)]
        if acts:
            await self._acts.do(caller, acts)
        return _summed(chosen, receipts, len(acts))

    def _chosen(self, letter: DeadLetter, caller: Caller) -> Chosen | None:
        settings = self._settings(letter.tenant)
        if letter.request is not None:
            spec = self._specs.get(letter.request.plugin)
            if spec is None:
                what = f"came by the source {letter.request.plugin}, which is not installed any more"
                raise Invalid(f"it {what}", [FieldFault("source", what)], code="untranslatable")
            return Chosen(spec=spec, source=letter.source, settings=settings.get(letter.source))
        if letter.source not in self._specs or peek(letter.body).event_id is not None:
            return None
        # Written before letters kept how they came: the name of their source is all there is.
        return choose(self._specs, settings, letter.source, caller)


def _summed(chosen: Chosen, receipts: Sequence[Receipt], acts: int) -> Receipt:
    first = receipts[0] if receipts else Receipt(status="accepted", event_id=None)
    new = any(receipt.status == "accepted" for receipt in receipts) or not receipts
    what = f"{len(receipts)} event{'s' * (len(receipts) != 1)}" + (f" and {acts} acts" if acts else "")
    return Receipt(
        status="accepted" if new else "duplicate",
        event_id=first.event_id,
        incident_id=next((receipt.incident_id for receipt in receipts if receipt.incident_id), None),
        message=f"{chosen.spec.title} made {what} of it",
    )
