"""Main stories are told on both kinds of database; ``LIM_TEST_STORIES_ON=postgres`` tells all of them on PostgreSQL."""

import os

import pytest
from sqlalchemy import create_engine, text

from llm_incident_manager.storage.schema import SCHEMA
from tests.contract.stores import migrated_postgres
from tests.stories.app import STORE_URL

__all__ = ["migrated_postgres", "store_url"]


@pytest.fixture(params=["sqlite", "postgres"])
def store_url(request: pytest.FixtureRequest) -> str:
    """The URL of an empty database that has its schema."""
    return "sqlite://" if request.param == "sqlite" else emptied(request.getfixturevalue("migrated_postgres"))


@pytest.fixture(autouse=True)
def every_story_on(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets stories that name no database have the one of the environment's choice."""
    if os.environ.get("LIM_TEST_STORIES_ON") == "postgres":
        monkeypatch.setenv(STORE_URL, emptied(request.getfixturevalue("migrated_postgres")))


def emptied(url: str) -> str:
    """Take every row out of the database at ``url``."""
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text(f"TRUNCATE {', '.join(SCHEMA.tables)}"))
    engine.dispose()
    return url
