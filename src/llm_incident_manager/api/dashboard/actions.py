"""Which buttons an incident has: exactly its ``allowed_actions``, the likeliest first."""

from typing import Any

import msgspec

from llm_incident_manager.api.dashboard.asking import is_escalated
from llm_incident_manager.api.dashboard.words import status_of
from llm_incident_manager.domain.vocabulary import Action

OTHERS = ("take", "comment", "assign", "page", "snooze", "link", "merge")
"""What people may do beside the actions of specification §4.2."""


class Errand(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of the menu beside the buttons; each opens a form."""

    action: str
    label: str
    icon: str


_ERRANDS = (
    Errand(action="page", label="Page somebody…", icon="bell"),
    Errand(action="snooze", label="Snooze…", icon="clock"),
    Errand(action="link", label="Link…", icon="link"),
    Errand(action="merge", label="Merge into another…", icon="arrow-right"),
)


class Button(msgspec.Struct, frozen=True, kw_only=True):
    """One action: ``action`` is the API's name, ``path`` the last step of the address it posts to."""

    action: str
    path: str
    label: str
    icon: str
    key: str
    has_form: bool = False
    hint: str = ""


_BUTTONS = {
    Action.ACKNOWLEDGE: Button(action="acknowledge", path="take", label="Take", icon="hand", key="a"),
    Action.RESOLVE: Button(action="resolve", path="resolve", label="Resolve…", icon="check", key="r", has_form=True),
    Action.START_WORK: Button(action="start_work", path="start_work", label="Start work", icon="play", key="s"),
    Action.CLOSE: Button(action="close", path="close", label="Close", icon="check", key="w"),
    Action.ESCALATE: Button(action="escalate", path="escalate", label="Escalate…", icon="up", key="e", has_form=True),
    Action.DE_ESCALATE: Button(action="de-escalate", path="de-escalate", label="De-escalate", icon="down", key="d"),
    Action.REOPEN: Button(action="reopen", path="reopen", label="Reopen", icon="retry", key="o"),
}

DONE = {
    "take": "You have it. The ladder has stopped.",
    "acknowledge": "Acknowledged.",
    "start_work": "Work has started.",
    "escalate": "Escalated. The next level is being told.",
    "de-escalate": "De-escalated. Work goes on.",
    "resolve": "Resolved.",
    "reopen": "Reopened. Work goes on.",
    "close": "Closed.",
    "comment": "Comment added.",
    "assign": "Assigned.",
    "page": "They are being paged.",
    "snooze": "Snoozed: the ladder waits.",
    "wake": "Awake again: the ladder goes on.",
    "link": "Linked, both ways.",
    "merge": "Merged and resolved. Its events stay with it.",
}
"""What the page says after an action."""


def buttons_of(incident: dict[str, Any]) -> list[Button]:
    """Return one button per allowed action, the likeliest first.

    Where a page still asks for somebody, the button says Take: it acknowledges a NEW incident and starts work on an
    ESCALATED one, which cannot be acknowledged (specification §4.2).
    """
    allowed = set(incident.get("allowed_actions") or ())
    found = [button for action, button in _BUTTONS.items() if action.value in allowed]
    if is_escalated(incident):
        taking = Button(action="start_work", path="take", label="Take", icon="hand", key="a")
        found = [taking if button.action == "start_work" else button for button in found]
    return found


def errands_of(incident: dict[str, Any]) -> list[Errand]:
    """Return what else can be done: everything while it is open, only links once it is over."""
    return [each for each in _ERRANDS if status_of(incident).is_open or each.action == "link"]


def is_action(name: str) -> bool:
    """Whether a form may be posted under this name."""
    return name in OTHERS or name in {action.value for action in Action}
