"""The API of one story per test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.api.app import Api, opened


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with opened(tmp_path) as api:
        yield api
