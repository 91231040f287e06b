"""One store per kind of database, empty at the start of each test, with a clock that the test owns."""

import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from sqlalchemy import create_engine, text

from llm_incident_manager.clock import ManualClock
from llm_incident_manager.storage.schema import SCHEMA
from llm_incident_manager.storage.store import SqlStore, migrate, open_store
from tests.build import NOON
from tests.servers import PostgresServer

KINDS = ("sqlite-file", "sqlite-memory", "postgres")


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("migrated") / "store.db"
    migrate(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def migrated_postgres(postgres: PostgresServer) -> Iterator[str]:
    with postgres.fresh_database() as url:
        migrate(url)
        yield url


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    kind: str = request.param
    return kind


@pytest.fixture
def url(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if kind == "sqlite-memory":
        return "sqlite://"
    if kind == "sqlite-file":
        path = tmp_path / "store.db"
        shutil.copy(request.getfixturevalue("migrated_file"), path)
        return f"sqlite:///{path}"
    found: str = request.getfixturevalue("migrated_postgres")
    engine = create_engine(found)
    with engine.begin() as connection:
        connection.execute(text(f"TRUNCATE {', '.join(SCHEMA.tables)}"))
    engine.dispose()
    return found


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOON)


Opener = Callable[[], SqlStore]


@pytest_asyncio.fixture
async def opener(url: str, clock: ManualClock) -> AsyncIterator[Opener]:
    """Opens one more store on the same database; all are closed after the test."""
    opened = []

    def another() -> SqlStore:
        opened.append(open_store(url, clock=clock))
        return opened[-1]

    yield another
    for each in opened:
        await each.close()


@pytest.fixture
def store(opener: Opener) -> SqlStore:
    return opener()
