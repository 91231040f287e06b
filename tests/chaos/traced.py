"""System calls of a traced process, in the order in which they began and ended."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

CALLS = "pwrite64,write,writev,sendto,sendmsg,fdatasync,fsync,unlink,unlinkat"
_LINE = re.compile(r"^(\d+) +(.*)$")
_RESUMED = re.compile(r"^<\.\.\. (\w+) resumed>(.*)$")
_CALL = re.compile(r"^(\w+)\((.*)$")
_UNFINISHED = " <unfinished ...>"


def strace_words(output: Path) -> list[str]:
    """Return what is put before a command so that its calls are written to ``output``; its process id is its own."""
    # -D: strace runs beside it, not above it; -y: names of files beside descriptors; -s: whole records.
    return ["strace", "-D", "-f", "-y", "-s", "200000", "-o", str(output), "-e", f"trace={CALLS}"]


@dataclass(frozen=True)
class Call:
    """One call: ``began`` and ``ended`` are places in the trace, ``ended`` is past everything if it never did."""

    name: str
    text: str
    began: int
    ended: int

    @property
    def on(self) -> str:
        """The file or socket of its first argument."""
        found = re.match(r"\d+<([^>]*)>", self.text)
        return found[1] if found else ""

    @property
    def to_socket(self) -> bool:
        """Whether it writes to a connection."""
        return self.name in ("write", "writev", "sendto", "sendmsg") and self.on.startswith(("socket:", "TCP"))

    @property
    def is_sync(self) -> bool:
        """Whether it makes a file durable."""
        return self.name in ("fdatasync", "fsync")

    @property
    def is_unlink(self) -> bool:
        """Whether it removes a name."""
        return self.name in ("unlink", "unlinkat")


def calls(trace: Path) -> list[Call]:
    """Return every call in the trace, in order of their beginning."""
    return sorted(_calls(trace.read_text(errors="replace").splitlines()), key=lambda call: call.began)


def _calls(lines: list[str]) -> Iterator[Call]:
    under_way: dict[str, tuple[str, str, int]] = {}
    for place, line in enumerate(lines):
        found = _LINE.match(line)
        if found is None:
            continue
        thread, rest = found[1], found[2]
        if (resumed := _RESUMED.match(rest)) is not None:
            name, text, began = under_way.pop(thread, (resumed[1], "", place))
            yield Call(name, text + resumed[2], began, place)
        elif (call := _CALL.match(rest)) is not None:
            if rest.endswith(_UNFINISHED):
                under_way[thread] = (call[1], call[2].removesuffix(_UNFINISHED), place)
            else:
                yield Call(call[1], call[2], place, place)
    for name, text, began in under_way.values():
        yield Call(name, text, began, len(lines))
