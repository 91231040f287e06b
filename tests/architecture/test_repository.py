"""What is committed is complete, true about itself, and ties nobody to one machine or registry."""

import re
import tomllib
from itertools import chain

import pytest

from scripts import check_docs
from scripts.requirements import proofs, titles
from tests.architecture.source import ROOT, repository_files

# Written in two halves, so that this file does not name what it forbids.
UNDONE = re.compile(r"\b(TO" + r"DO|FIX" + r"ME)\b")
ONE_PLACE = re.compile(
    "|".join(
        re.escape(first + second)
        for first, second in [
            ("/wo", "rk/"),
            ("/ro", "ot/"),
            ("pypi.org/", "simple"),
            ("files.python", "hosted"),
            ("deb.", "debian.org"),
            ("registry.", "npmjs"),
            ("--index", "-url"),
        ]
    )
)
PIN = re.compile(r"^([a-z0-9.-]+)==(\S+)", re.MULTILINE)


def lines_matching(pattern: re.Pattern[str]) -> list[str]:
    return [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}"
        for path in repository_files()
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1)
        if pattern.search(line)
    ]


def test_nothing_is_left_undone_in_a_comment() -> None:
    assert lines_matching(UNDONE) == []


def test_no_file_names_a_registry_host_or_a_path_of_one_machine() -> None:
    assert lines_matching(ONE_PLACE) == []


def test_lock_files_that_record_addresses_are_not_committed() -> None:
    assert {each.name for each in repository_files()} & {"uv.lock", "package-lock.json"} == set()


def test_every_path_and_link_named_in_the_documents_exists() -> None:
    assert check_docs.faults() == []


def test_every_proof_names_a_known_requirement() -> None:
    assert set(proofs()) - set(titles()) == set()


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
def test_every_locked_package_is_pinned_by_hash(name: str) -> None:
    entries = re.split(r"\n(?=\S)", (ROOT / name).read_text(encoding="utf-8").strip())
    assert [each.splitlines()[0] for each in entries if not PIN.match(each) or "--hash=sha256:" not in each] == []


def test_the_development_lock_extends_the_one_to_run() -> None:
    run, develop = (
        dict(PIN.findall((ROOT / name).read_text(encoding="utf-8")))
        for name in ("requirements.lock", "requirements-dev.lock")
    )
    assert {name: version for name, version in run.items() if develop.get(name) != version} == {}


def test_every_declared_dependency_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    extras = project["project"]["optional-dependencies"].values()
    groups = project["dependency-groups"].values()
    wanted = chain(project["project"]["dependencies"], *extras, *groups)
    declared = {re.split(r"[^A-Za-z0-9._-]", each, maxsplit=1)[0].lower() for each in wanted}
    locked = dict(PIN.findall((ROOT / "requirements-dev.lock").read_text(encoding="utf-8")))
    assert declared - set(locked) - {project["project"]["name"]} == set()
