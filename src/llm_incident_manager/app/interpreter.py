"""The interpreter set for a server of one busy loop and a few threads beside it; measured in docs/benchmarks.md."""

import gc
import sys

SWITCH_SECONDS = 0.0005
"""A thread that asks for the interpreter gets it within this time. With Python's 5 ms each group commit, which goes
through the journal's thread and back, would wait longer for the interpreter than for the disk."""
YOUNG_OBJECTS = 50_000
"""Waiting events live for a second, then go by themselves; looking through them for cycles every 700 finds nothing."""


def settle() -> None:
    """Set the interpreter for serving; to be called once, when everything that stays has been made."""
    sys.setswitchinterval(SWITCH_SECONDS)
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, 20, 100)
