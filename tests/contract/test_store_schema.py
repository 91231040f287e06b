"""Migrations make exactly the schema that the statements are written for."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, create_engine, text

from llm_incident_manager.storage.schema import SCHEMA
from llm_incident_manager.storage.store import migrate

GLOBAL = {"tenants", "leases", "checkpoints"}


@pytest.fixture(params=["sqlite", "postgres"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'new.db'}"
    found: str = request.getfixturevalue("postgres_url")
    return found


@pytest.fixture
def migrated(empty_url: str) -> Iterator[Engine]:
    migrate(empty_url)
    engine = create_engine(empty_url)
    yield engine
    engine.dispose()


@pytest.mark.requirement("DEP-07")
def test_migrations_make_the_schema(migrated: Engine) -> None:
    with migrated.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, SCHEMA) == []


@pytest.mark.requirement("DEP-07")
def test_every_table_and_index_is_written_as_the_schema_writes_it(migrated: Engine, tmp_path: Path) -> None:
    if migrated.dialect.name != "sqlite":
        pytest.skip("PostgreSQL keeps no text; indexes and columns are compared above")
    direct = create_engine(f"sqlite:///{tmp_path / 'direct.db'}")
    SCHEMA.create_all(direct)
    assert written(migrated) == written(direct)
    direct.dispose()


def written(engine: Engine) -> dict[str, str]:
    query = text("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'alembic%'")
    with engine.connect() as connection:
        return {row.name: "".join(row.sql.split()) for row in connection.execute(query)}


@pytest.mark.requirement("DEP-07")
def test_migrating_again_changes_nothing(migrated: Engine, empty_url: str) -> None:
    with migrated.begin() as connection:
        connection.execute(text("INSERT INTO tenants (id, name, created_at) VALUES ('a', 'A', 0)"))
    migrate(empty_url)
    with migrated.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM tenants")).scalar_one() == 1


@pytest.mark.requirement("DEP-07")
async def test_nodes_that_start_together_migrate_once(empty_url: str) -> None:
    await asyncio.gather(*(asyncio.to_thread(migrate, empty_url) for _ in range(3)))


@pytest.mark.requirement("SEC-01")
def test_every_table_carries_the_tenant_and_keys_begin_with_it() -> None:
    for name, table in SCHEMA.tables.items():
        if name in GLOBAL:
            continue
        assert "tenant" in table.c, name
        if name not in ("outbox", "sign_in_links"):  # a queue over all tenants; a token that names its tenant
            assert next(iter(table.primary_key.columns)).name == "tenant", name
        for index in table.indexes:
            if index.unique:
                assert next(iter(index.columns)).name == "tenant", index.name
