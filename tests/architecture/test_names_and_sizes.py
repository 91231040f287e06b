"""Modules stay small and are named for what they say."""

import ast
import re
from pathlib import Path

import pytest

from tests.architecture.source import PACKAGE, ROOT, modules, room, tree

LONGEST_MODULE_LINES = 400
SAYS_NOTHING = {
    *("util", "utils", "helper", "helpers", "common", "misc", "base", "manager"),
    *("handler", "handlers", "processor", "service", "services", "data", "info"),
}
WORDS_OF_A_CLASS = re.compile(r"[A-Z]+(?=[A-Z][a-z]|$|\d)|[A-Z]?[a-z]+|\d+")

OPENING_OF_USE_CASES = {
    "accept": "①",
    "triage": "②",
    "route": "④",
    "timers": "⑤",
    "notify": "⑥",
    "deliver": "⑥",
    "respond": "⑦",
    "playbooks": "⑦",
    "query": "⑧",
    "report": "⑧",
}


def hand_written() -> list[Path]:
    return [*modules(), *modules(ROOT / "tests"), *modules(ROOT / "scripts"), *modules(ROOT / "benchmarks")]


def test_no_module_is_longer_than_a_sitting() -> None:
    lengths = {each.relative_to(ROOT): len(each.read_text(encoding="utf-8").splitlines()) for each in hand_written()}
    assert {path: lines for path, lines in lengths.items() if lines > LONGEST_MODULE_LINES} == {}


def test_no_file_or_folder_has_a_name_that_says_nothing() -> None:
    inside = {part for each in modules() for part in each.relative_to(PACKAGE).with_suffix("").parts}
    assert {name for name in inside if name.split("_")[-1] in SAYS_NOTHING} == set()


def test_no_class_ends_in_a_word_that_says_nothing() -> None:
    classes = {
        f"{each.relative_to(ROOT)}: {node.name}"
        for each in hand_written()
        for node in ast.walk(tree(each))
        if isinstance(node, ast.ClassDef) and (WORDS_OF_A_CLASS.findall(node.name) or [""])[-1].lower() in SAYS_NOTHING
    }
    assert classes == set()


def overloads(node: ast.stmt) -> bool:
    """Whether it only adds a signature to the function that follows, which is the one to explain itself."""
    marks = getattr(node, "decorator_list", [])
    return any(isinstance(mark, ast.Name) and mark.id == "overload" for mark in marks)


def test_every_public_module_class_and_function_says_what_it_is_for() -> None:
    silent = []
    for module in modules():
        body = tree(module)
        if module.name != "__init__.py" and ast.get_docstring(body) is None:
            silent.append(room(module))
        for node in body.body:
            named = isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
            if named and not node.name.startswith("_") and not overloads(node) and ast.get_docstring(node) is None:
                silent.append(f"{room(module)}: {node.name}")
    assert silent == []


@pytest.mark.parametrize(("use_case", "opening"), OPENING_OF_USE_CASES.items())
def test_a_use_case_opens_with_its_step_of_the_walk(use_case: str, opening: str) -> None:
    module = PACKAGE / f"engine/{use_case}.py"
    if not module.exists():
        module = PACKAGE / f"engine/{use_case}/__init__.py"
    if module.exists():
        assert (ast.get_docstring(tree(module)) or "").startswith(opening)
