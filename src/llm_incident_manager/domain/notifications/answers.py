"""What people and providers say back to a page, and what comes of it (NTF-05, interfaces "Take")."""

import re
from enum import StrEnum

import msgspec


class PageAction(StrEnum):
    """What a page lets its reader do. ``RESOLVE`` includes ``TAKE``: after it, neither does anything more."""

    TAKE = "take"
    RESOLVE = "resolve"


class Pressed(msgspec.Struct, frozen=True, kw_only=True):
    """A link, button or key of one page. ``token`` is the page's own (``engine/page_tokens.py``).

    ``address`` is who pressed, as a contact on that channel, where the channel knows it; else whoever was paged acts.
    ``channel`` is the channel that the page must have gone by; empty for links. The page's row says what is spent, so
    that a request that is sent again does nothing.
    """

    token: str
    action: PageAction
    channel: str = ""
    address: str = ""
    person: str = ""
    """The id of the user who acts, of those that :class:`Offer` names; for pages that went to several people."""


class Replied(msgspec.Struct, frozen=True, kw_only=True):
    """A text that came from ``address``; ``once`` is the provider's id of it."""

    channel: str
    address: str
    text: str
    once: str


class Reported(msgspec.Struct, frozen=True, kw_only=True):
    """What the provider says became of a page that it had accepted; ``receipt`` is its id of that try."""

    token: str
    channel: str
    receipt: str
    arrived: bool
    reason: str = ""


Heard = Pressed | Replied | Reported


class Result(StrEnum):
    """What came of it."""

    DONE = "done"
    ALREADY = "already"
    EXPIRED = "expired"
    UNKNOWN = "unknown"
    REFUSED = "refused"
    UNCLEAR = "unclear"
    NOTED = "noted"


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """The answer: ``text`` is for the person, in whole sentences, without markup; empty where nobody is to be told."""

    result: Result
    text: str = ""
    incident_id: str = ""
    heading: str = ""


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """What a page's link shows before anything is pressed.

    ``state`` says who has it and who else was paged; ``people`` are (id, name) of those who may be meant, where the
    page went to a team; ``actions`` is empty where nothing can be done, and ``why_not`` then says why.
    """

    incident_id: str
    heading: str
    severity: str
    facts: tuple[tuple[str, str], ...]
    state: str
    actions: tuple[PageAction, ...] = ()
    people: tuple[tuple[str, str], ...] = ()
    reader: str = ""
    why_not: str = ""


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """What a text asks for: the action, and the code of the incident where it names one."""

    action: PageAction
    code: str = ""


_WORDS = {
    PageAction.TAKE: "take|ack|acknowledge|t|a|1",
    PageAction.RESOLVE: "resolve|resolved|done|r|2",
}
_ASKS = [
    (action, re.compile(rf"\W*(?:{words})(?:[\s#:.-]*(?P<code>[0-9]{{3,12}}))?\W*", re.IGNORECASE))
    for action, words in _WORDS.items()
]
LONGEST_ASK = 60
_INCIDENT_ID = re.compile(r"INC-\d{6}(\d\d)-(\d{5,})")


def reply_code(incident_id: str) -> str:
    """Return the digits that name an incident in a text message: the day of the month, then the day's number.

    Empty for what is no incident's id.
    """
    found = _INCIDENT_ID.fullmatch(incident_id)
    return "" if found is None else f"{found[1]}{int(found[2])}"


def read_ask(text: str) -> Ask | None:
    """Return what a text asks for (``T2842``, ``take 2842``, ``1``), or ``None`` where it is something else."""
    if len(text) > LONGEST_ASK:
        return None
    for action, pattern in _ASKS:
        found = pattern.fullmatch(text)
        if found is not None:
            return Ask(action=action, code=found["code"] or "")
    return None


def is_spent(answered: str | None, action: PageAction) -> bool:
    """Whether a page that was answered so already lets ``action`` do nothing more."""
    return answered == PageAction.RESOLVE or answered == action
