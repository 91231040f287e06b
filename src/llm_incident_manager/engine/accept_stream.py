"""① Events that come as a stream: whatever has arrived is accepted together (ING-03, ING-08)."""

from collections.abc import Sequence

from llm_incident_manager.domain.events.document import Batch, batch_of
from llm_incident_manager.engine.accept import BatchReceipt, Intake, Receipt
from llm_incident_manager.engine.caller import Caller
from llm_incident_manager.engine.receipts import batch_receipt
from llm_incident_manager.errors import IncidentManagerError, Invalid

Answer = Receipt | BatchReceipt | IncidentManagerError


async def accept_messages(intake: Intake, bodies: Sequence[bytes], caller: Caller) -> list[Answer]:
    """Accept messages, each an event or a batch, and answer each as if it had come alone; a refusal is a value.

    All that is good in all of them becomes durable by one append, which is what makes a stream fast. A repeat that is
    refused because too much waits refuses no other. Raises Forbidden; Unavailable where nothing can be stored: then all
    may be sent again, whatever of it was stored before.
    """
    read: list[Batch | Invalid | None] = []
    items: list[bytes] = []
    for body in bodies:
        try:
            batch = batch_of(body)
        except Invalid as refused:
            read.append(refused)
            continue
        read.append(batch)
        items += [body] if batch is None else batch.items
    receipts = iter(await intake.accept_each(items, caller, all_or_none=False))
    answers: list[Answer] = []
    from_batches: list[tuple[bytes, Receipt]] = []
    for each in read:
        if isinstance(each, Batch):
            results = [next(receipts) for _ in each.items]
            from_batches += zip(each.items, results, strict=True)
            answers.append(batch_receipt(each.batch_id, results))
        else:
            answers.append(next(receipts) if each is None else each)
    await intake.keep_rejected(from_batches, caller)
    return answers
