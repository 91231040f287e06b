"""Slack's incoming webhook as its public documentation describes it: what it takes, its limits, its error words."""

from typing import Any

from tests.contract.fakes.receiver import Received, Reply, WebhookReceiver

PATH = "/services/T00000000/B00000000/AbCdEfGhIjKlMnOpQrStUvWx"
ERRORS = {
    400: "invalid_payload",
    403: "action_prohibited",
    404: "channel_not_found",
    410: "channel_is_archived",
    429: "rate_limited",
    500: "rollup_error",
}
_LIMITS = {"header": 150, "field": 2000, "section": 3000, "context": 3000, "button": 75}


class SlackFake(WebhookReceiver):
    """Answers ``ok``, or refuses what Slack would refuse. ``webhook_url`` is the secret address."""

    @property
    def webhook_url(self) -> str:
        return self.url + PATH

    @property
    def messages(self) -> list[Any]:
        """The accepted-looking bodies in order."""
        return [request.json for request in self.requests]

    def refuse(self, status: int, *, retry_after: str | None = None, times: int | None = 1) -> None:
        """Answer with Slack's word for that status."""
        headers = {} if retry_after is None else {"Retry-After": retry_after}
        self.answer(status, headers, ERRORS[status], times)

    def check(self, request: Received) -> Reply | None:
        if request.method != "POST" or request.path != PATH:
            return Reply(status=404, body=b"no_service")
        if not request.headers.get("content-type", "").startswith("application/json"):
            return Reply(status=400, body=b"invalid_payload")
        try:
            message = request.json
        except ValueError:
            return Reply(status=400, body=b"invalid_payload")
        if not isinstance(message, dict) or not (message.get("text") or message.get("blocks")):
            return Reply(status=400, body=b"no_text")
        if not isinstance(message.get("text", ""), str) or len(message.get("text", "")) > 40_000:
            return Reply(status=400, body=b"invalid_payload")
        blocks = message.get("blocks", [])
        ids = [block["block_id"] for block in blocks if "block_id" in block]
        if len(blocks) > 50 or len(set(ids)) != len(ids) or not all(map(is_block, blocks)):
            return Reply(status=400, body=b"invalid_blocks")
        return None


def _is_text(text: Any, limit: int, kinds: tuple[str, ...]) -> bool:
    return (
        isinstance(text, dict)
        and text.get("type") in kinds
        and isinstance(text.get("text"), str)
        and 0 < len(text["text"]) <= limit
        and "\x00" not in text["text"]
    )


def is_block(block: Any) -> bool:
    """Whether Slack takes this block."""
    both = ("mrkdwn", "plain_text")
    match block:
        case {"block_id": str(name)} if len(name) > 255:
            return False
        case {"type": "header", "text": text}:
            return _is_text(text, _LIMITS["header"], ("plain_text",))
        case {"type": "section", "fields": [*fields]}:
            return 0 < len(fields) <= 10 and all(_is_text(each, _LIMITS["field"], both) for each in fields)
        case {"type": "section", "text": text}:
            return _is_text(text, _LIMITS["section"], both)
        case {"type": "section", "fields": [*fields]}:
            return 0 < len(fields) <= 10 and all(_is_text(each, 2000, both) for each in fields)
        case {"type": "context", "elements": [*elements]}:
            return 0 < len(elements) <= 10 and all(_is_text(each, _LIMITS["context"], both) for each in elements)
        case {"type": "actions", "elements": [*elements]}:
            return 0 < len(elements) <= 25 and all(
                each.get("type") == "button"
                and _is_text(each.get("text"), _LIMITS["button"], ("plain_text",))
                and len(each.get("url", "")) <= 3000
                for each in elements
            )
        case {"type": "divider"}:
            return True
        case _:
            return False
