"""Where the members of an event stand that its source wants encrypted, as people write it (SEC-04)."""

import re

import msgspec

TEXTS = (("title",), ("description",), ("resource", "name"))
NEEDED_TAGS = frozenset({"environment", "env"})
"""Tags that say where it runs: routes and fingerprints stand on them."""
_WHOLE = (("payload",), ("tags",), ("labels",), ("resource", "metadata"))
_INDEX = re.compile(r"\[(\d{1,6}|\*)\]")


class SealedPath(msgspec.Struct, frozen=True):
    """Where values stand: names, indexes, and ``*`` for each member."""

    steps: tuple[str, ...]


class Sealed(msgspec.Struct, frozen=True, kw_only=True):
    """What stands beside an event whose members were encrypted: the ciphertext by place.

    ``fingerprint`` is there where the event's own would have been made of something encrypted; then it is keyed.
    """

    values: dict[str, str]
    fingerprint: str | None = None


def read_sealed_path(text: str) -> SealedPath:
    """Return ``payload.messages[*].content`` or ``$.payload.*`` as a path.

    Raises ValueError for what is no path, and for members that everything else stands on.
    """
    word = _INDEX.sub(r".\1", text.strip()).removeprefix("$").removeprefix(".")
    steps = tuple(word.split("."))
    if any(not step.strip() or len(step) > 200 for step in steps) or len(steps) > 20:
        raise ValueError("is no path such as payload.user.email, payload.messages[*].content or payload.*")
    if steps in TEXTS:
        return SealedPath(steps)
    if steps in _WHOLE:
        return SealedPath((*steps, "*"))
    if steps[0] == "tags" and len(steps) == 2 and steps[1] not in NEEDED_TAGS:
        return SealedPath(steps)
    if (steps[0] == "payload" and len(steps) > 1) or (steps[:2] == ("resource", "metadata") and len(steps) > 2):
        return SealedPath(steps)
    raise ValueError(
        "cannot be encrypted; what can is payload.…, tags.… (not the environment), labels, title, description, "
        "resource.name and resource.metadata.…"
    )
