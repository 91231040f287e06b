"""A Workflows URL of Microsoft Teams: the trigger of Power Automate, and what Teams takes as a card."""

import json
import re
from typing import Any

from tests.contract.fakes.receiver import Received, Reply, WebhookReceiver

PATH = "/workflows/0f1e2d/triggers/manual/paths/invoke?api-version=2016-06-01&sp=%2Ftriggers&sv=1.0&sig=s1gNaTuRe-x"
MAX_BYTES = 28 * 1024
_VERSIONS = ("1.0", "1.1", "1.2", "1.3", "1.4", "1.5")
_MARKDOWN = re.compile(r"(?<!\\)[*_\[\]`#]")


class TeamsFake(WebhookReceiver):
    """Answers 202 with nothing, or refuses what the workflow or Teams would refuse."""

    @property
    def workflow_url(self) -> str:
        return self.url + PATH

    @property
    def cards(self) -> list[Any]:
        """The cards that were posted, in order."""
        return [request.json["attachments"][0]["content"] for request in self.accepted]

    def check(self, request: Received) -> Reply | None:
        if "sig=s1gNaTuRe-x" not in request.path:
            return _error(401, "DirectApiAuthorizationRequired", f"no valid signature in {request.path}")
        if request.method != "POST" or request.path != PATH:
            return _error(404, "WorkflowNotFound", "The workflow could not be found.")
        if not request.headers.get("content-type", "").startswith("application/json"):
            return _error(415, "UnsupportedMediaType", "not JSON")
        if len(request.body) > MAX_BYTES:
            return _error(413, "RequestEntityTooLarge", "the message is too large")
        try:
            card_faults(request.json)
        except (AssertionError, KeyError, TypeError, ValueError) as fault:
            return _error(400, "TriggerInputSchemaMismatch", str(fault))
        return Reply(status=202, body=b"")


def card_faults(message: Any) -> None:
    """Raises AssertionError where the message is no card that Teams shows."""
    assert message["type"] == "message"
    (attachment,) = message["attachments"]
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    card = attachment["content"]
    assert card["type"] == "AdaptiveCard"
    assert card["version"] in _VERSIONS
    assert card["body"], "a card needs a body"
    assert "entities" not in card.get("msteams", {}), "entities mention people"
    for element in card["body"]:
        _element(element)
    for action in card.get("actions", []):
        _action(action)


def _element(element: Any) -> None:
    match element["type"]:
        case "RichTextBlock":
            assert element["inlines"]
            for run in element["inlines"]:
                assert run["type"] == "TextRun"
                assert isinstance(run["text"], str)
                assert run["text"]
                assert "selectAction" not in run
        case "TextBlock":
            assert isinstance(element["text"], str)
        case "FactSet":
            assert all(isinstance(fact["title"], str) and isinstance(fact["value"], str) for fact in element["facts"])
        case "ActionSet":
            for action in element["actions"]:
                _action(action)
        case other:
            raise AssertionError(f"there is no element {other}")


def _action(action: Any) -> None:
    assert action["type"] == "Action.OpenUrl"
    assert action["title"]
    assert re.match(r"https?://\S+$", action["url"])


def _error(status: int, code: str, message: str) -> Reply:
    return Reply(status=status, body=json.dumps({"error": {"code": code, "message": message}}).encode())
