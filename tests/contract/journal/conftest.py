"""A fresh journal on a watched disk."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from llm_incident_manager.journal.journal import Journal
from tests.contract.journal.kit import WatchedDisk


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "journal"


@pytest.fixture
def disk() -> WatchedDisk:
    return WatchedDisk()


@pytest.fixture
def journal(folder: Path, disk: WatchedDisk) -> Iterator[Journal]:
    opened = Journal.open(folder, disk=disk)
    yield opened
    opened.abandon()
