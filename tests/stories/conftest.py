"""Each main story is told on both kinds of database."""

import pytest
from sqlalchemy import create_engine, text

from llm_incident_manager.storage.schema import SCHEMA
from tests.contract.stores import migrated_postgres

__all__ = ["migrated_postgres", "store_url"]


@pytest.fixture(params=["sqlite", "postgres"])
def store_url(request: pytest.FixtureRequest) -> str:
    """The URL of an empty database that has its schema."""
    if request.param == "sqlite":
        return "sqlite://"
    url: str = request.getfixturevalue("migrated_postgres")
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text(f"TRUNCATE {', '.join(SCHEMA.tables)}"))
    engine.dispose()
    return url
