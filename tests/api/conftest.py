"""The APIs of one story per test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.api.app import Api, opened
from tests.api.grpc_app import Grpc, answering


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with opened(tmp_path) as api:
        yield api


@pytest.fixture
async def rpc(api: Api) -> AsyncIterator[Grpc]:
    async with answering(api) as running:
        yield running
