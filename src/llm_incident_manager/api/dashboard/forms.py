"""Reads what a form sent, within bounds."""

from urllib.parse import parse_qsl

from starlette.requests import Request

from llm_incident_manager.errors import Invalid, TooLarge

MOST_BYTES = 64 * 1024
MOST_FIELDS = 300


class Form:
    """The fields of a posted form; control characters other than line breaks and tabs are gone."""

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        self._pairs = [(name, _clean(value)) for name, value in pairs]

    def one(self, name: str) -> str:
        """Return the first value, trimmed, or an empty text."""
        return next((value.strip() for key, value in self._pairs if key == name), "")

    def every(self, name: str) -> list[str]:
        """Return all values of a repeated field, without empty ones and repeats, in order."""
        return list(dict.fromkeys(value for key, value in self._pairs if key == name and value))

    def typed(self) -> list[tuple[str, str]]:
        """Return what the person wrote, so that an error page can give it back."""
        return [(key, value) for key, value in self._pairs if key in TYPED and value.strip()]


TYPED = {
    "text": "Comment",
    "root_cause": "Root cause",
    "resolution_notes": "What was done",
    "note": "Note",
    "user_id": "Person",
    "team_id": "Team",
    "target": "Whom",
    "minutes": "For how long",
    "incident_id": "The other incident",
    "kind": "How they belong together",
    "into": "Into which incident",
}
"""The fields that people write or choose, with the words the pages use for them."""


async def read_form(request: Request) -> Form:
    """Return the posted form. Raises ``TooLarge`` above 64 KiB and ``Invalid`` for another content type."""
    kind = request.headers.get("content-type", "").split(";", 1)[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise Invalid("This page takes forms as application/x-www-form-urlencoded.", code="content_type")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BYTES:
            raise TooLarge(f"The form holds more than {MOST_BYTES // 1024} KiB.", limit_bytes=MOST_BYTES)
    try:
        pairs = parse_qsl(
            body.decode("utf-8", "replace"), keep_blank_values=True, errors="replace", max_num_fields=MOST_FIELDS
        )
    except ValueError as error:
        raise Invalid(f"The form holds more than {MOST_FIELDS} fields.") from error
    return Form(pairs)


def _clean(value: str) -> str:
    text = value.replace("\r\n", "\n")
    return "".join(character for character in text if character in "\n\t" or ord(character) >= 32)
