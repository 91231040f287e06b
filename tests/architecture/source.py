"""The source text that the architecture tests read."""

import ast
import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src/llm_incident_manager"


@cache
def modules(folder: Path = PACKAGE) -> tuple[Path, ...]:
    """Return the hand-written Python modules below ``folder``: neither migrations nor generated code."""
    found = sorted(folder.rglob("*.py"))
    return tuple(
        each for each in found if "versions" not in each.parts and not each.stem.endswith(("_pb2", "_pb2_grpc"))
    )


@cache
def tree(module: Path) -> ast.Module:
    """Return the syntax tree of one module."""
    return ast.parse(module.read_text(encoding="utf-8"), filename=str(module))


@cache
def repository_files() -> tuple[Path, ...]:
    """Return every text file that is committed or would be, without what we took over from others."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    paths = (ROOT / each for each in listed.stdout.split("\0") if each)
    return tuple(each for each in paths if each.is_file() and "vendor" not in each.parts and _is_text(each))


def room(module: Path) -> str:
    """Return the path below the package, for messages and for asking which room a module is in."""
    return module.relative_to(PACKAGE).as_posix()


def _is_text(path: Path) -> bool:
    with path.open("rb") as file:
        return b"\0" not in file.read(4096)
