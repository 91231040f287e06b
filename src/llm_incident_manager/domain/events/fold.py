"""What a cross-source key makes of an event: events of one key are one incident, whatever source they came from."""

import msgspec


class Fold(msgspec.Struct, frozen=True):
    """The rule that matched, the key as people read it, and the fingerprint that stands for it.

    ``resolve`` is ``all`` (the incident ends when every report of it is over) or ``any`` (when one is).
    """

    rule: str
    key: str
    fingerprint: str
    resolve: str = "all"
