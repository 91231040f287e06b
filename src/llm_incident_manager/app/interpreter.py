"""The interpreter set for a server of one busy loop and a few threads beside it; measured in docs/benchmarks.md.

The interval at which threads take the interpreter from each other stays Python's 5 ms: a shorter one makes the loop
and the journal's thread wake each other for every few events (docs/decisions/0032-threads-and-the-interpreter.md).
"""

import gc

YOUNG_OBJECTS = 50_000
"""Waiting events live for a second, then go by themselves; looking through them for cycles every 700 finds nothing."""


def settle() -> None:
    """Set the interpreter for serving; to be called once, when everything that stays has been made."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, 20, 100)
