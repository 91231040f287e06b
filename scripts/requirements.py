"""Which requirements are proven, by which tests: ``python -m scripts.requirements [--missing]``.

A test proves a row of docs/requirements.txt by ``@pytest.mark.requirement("ING-03")`` on itself, its class, or its
module's ``pytestmark``.
"""

import ast
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent


def titles(root: Path = ROOT) -> dict[str, str]:
    """Return id → short title, in the order of docs/requirements.txt."""
    lines = (root / "docs/requirements.txt").read_text(encoding="utf-8").splitlines()
    rows = (line.partition(" ") for line in lines if line.strip() and not line.startswith("#"))
    return {identifier: title.strip() for identifier, _, title in rows}


def proofs(root: Path = ROOT) -> dict[str, list[str]]:
    """Return id → the tests that carry its marker, as ``path::test``."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in sorted(root.glob("tests/**/test_*.py")):
        for identifier, test in _marked(ast.parse(path.read_text(encoding="utf-8")).body, "", frozenset()):
            found[identifier].append(f"{path.relative_to(root)}::{test}")
    return dict(found)


def _marked(body: list[ast.stmt], prefix: str, around: frozenset[str]) -> Iterator[tuple[str, str]]:
    for node in body:
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "pytestmark" for t in node.targets):
            around |= _identifiers(node.value)
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            marks = around.union(*(_identifiers(each) for each in node.decorator_list))
            if isinstance(node, ast.ClassDef):
                yield from _marked(node.body, f"{prefix}{node.name}::", marks)
            elif node.name.startswith("test"):
                yield from ((each, prefix + node.name) for each in sorted(marks))


def _identifiers(expression: ast.expr) -> frozenset[str]:
    calls = (each for each in ast.walk(expression) if isinstance(each, ast.Call))
    marks = (each for each in calls if isinstance(each.func, ast.Attribute) and each.func.attr == "requirement")
    return frozenset(
        each.value
        for mark in marks
        for each in mark.args
        if isinstance(each, ast.Constant) and isinstance(each.value, str)
    )


def main(arguments: list[str]) -> int:
    """Print the table; exit code 1 if a test names a row that does not exist."""
    known, proven = titles(), proofs()
    for identifier, title in known.items():
        tests = proven.get(identifier, [])
        if "--missing" in arguments and tests:
            continue
        print(f"{identifier}  {len(tests):3d}  {title}")
        for test in tests:
            print(f"             {test}")
    unknown = sorted(set(proven) - set(known))
    for identifier in unknown:
        print(f"{identifier} is no row of docs/requirements.txt, named by {', '.join(proven[identifier])}")
    print(f"\n{len(set(proven) & set(known))} of {len(known)} requirements are proven by a test")
    return 1 if unknown else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
