"""What each room may do, as far as the import contracts in pyproject.toml cannot say it."""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from llm_incident_manager.domain.vocabulary import Status
from tests.architecture.source import PACKAGE, modules, room, tree

NOT_PURE = {
    *("asyncio", "logging", "multiprocessing", "os", "pathlib", "random", "secrets", "shutil", "signal", "socket"),
    *("sqlite3", "subprocess", "sys", "tempfile", "threading", "time", "urllib", "uuid"),
}
DOMAIN_MAY_USE = {"errors", "ids", "resilience", "domain"}
SQL = re.compile(r"\s*(SELECT\s|INSERT\s+INTO|UPDATE\s+\w+\s+SET|DELETE\s+FROM|(CREATE|ALTER|DROP)\s+(TABLE|INDEX))")
# The state table and what decides by it; the words themselves; the guards of specification §4.3.
KNOWS_THE_STATES = ("domain/incidents/", "domain/vocabulary.py", "domain/escalation/")
READS_THE_CLOCK = {("datetime", "now"), ("datetime", "utcnow"), ("datetime", "today"), ("date", "today")}


def imports(module: Path) -> Iterator[str]:
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def calls(module: Path) -> Iterator[tuple[str, str]]:
    """Yield ``(object, method)`` of every method call, ``("", function)`` of every plain one."""
    for node in ast.walk(tree(module)):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id=owner), attr=name)):
                yield owner, name
            case ast.Call(func=ast.Name(id=name)):
                yield "", name


def test_the_domain_imports_only_itself_the_standard_library_and_msgspec() -> None:
    foreign = set()
    for module in modules(PACKAGE / "domain"):
        for name in imports(module):
            top, _, rest = name.partition(".")
            inside = top == "llm_incident_manager" and rest.split(".")[0] in DOMAIN_MAY_USE
            pure = top in sys.stdlib_module_names and top not in NOT_PURE
            if not (inside or pure or top == "msgspec"):
                foreign.add(f"{room(module)} imports {name}")
    assert foreign == set()


def test_the_domain_neither_waits_nor_reads_the_clock_nor_files() -> None:
    impure = set()
    for module in modules(PACKAGE / "domain"):
        waits = any(isinstance(node, ast.AsyncFunctionDef | ast.Await) for node in ast.walk(tree(module)))
        impure |= {room(module)} if waits else set()
        impure |= {f"{room(module)}: {call}" for call in calls(module) if call in READS_THE_CLOCK | {("", "open")}}
    assert impure == set()


def test_the_engine_takes_the_time_from_its_clock() -> None:
    found = {f"{room(each)}: {call}" for each in modules(PACKAGE / "engine") for call in calls(each)}
    assert {each for each in found if any(str(call) in each for call in READS_THE_CLOCK)} == set()


def test_only_the_loops_of_the_app_sleep() -> None:
    sleepers = {room(each) for each in modules() if {("asyncio", "sleep"), ("time", "sleep")} & set(calls(each))}
    assert {each for each in sleepers if not each.startswith(("app/", "client/"))} == set()


def test_sql_stands_only_in_storage() -> None:
    found = {
        f"{room(module)}: {node.value[:60]}"
        for module in modules()
        if not room(module).startswith("storage/")
        for node in ast.walk(tree(module))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and SQL.match(node.value)
    }
    assert found == set()


def test_only_the_rules_compare_a_status() -> None:
    found = {
        f"{room(module)}:{node.lineno}"
        for module in modules()
        if not room(module).startswith(KNOWS_THE_STATES)
        for node in ast.walk(tree(module))
        if (isinstance(node, ast.Compare) and compares_status(node))
        or (isinstance(node, ast.MatchValue) and is_status_member(node.value))
    }
    assert found == set()


def compares_status(node: ast.Compare) -> bool:
    sides = [node.left, *node.comparators]
    if any(is_status_member(inner) for side in sides for inner in [side, *getattr(side, "elts", [])]):
        return True
    named = any(ast.unparse(side).rpartition(".")[2].endswith("status") for side in sides)
    return named and any(isinstance(side, ast.Constant) and side.value in set(Status) for side in sides)


def is_status_member(node: ast.expr) -> bool:
    return isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "Status"


def test_a_transaction_is_a_plain_function() -> None:
    """What is handed to the store takes ``tx``; being synchronous it cannot contain a network call."""
    waiting = {
        f"{room(module)}: {node.name}"
        for module in modules()
        for node in ast.walk(tree(module))
        if isinstance(node, ast.AsyncFunctionDef) and any(each.arg == "tx" for each in node.args.args)
    }
    assert waiting == set()
