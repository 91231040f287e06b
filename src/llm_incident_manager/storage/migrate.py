"""Bring a database to this version's schema."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text

from llm_incident_manager.storage.connections import database_url, in_memory, postgres_engine, sqlite_engine
from llm_incident_manager.storage.faults import DATABASE_FAULTS, translated
from llm_incident_manager.storage.schema import SCHEMA

# One node migrates, the others wait for it (the number only has to be the same everywhere).
_ADVISORY_LOCK = text("SELECT pg_advisory_xact_lock(727379968)")


def migrate(url: str) -> None:
    """Create or upgrade the schema; harmless when it is new enough. Raises Invalid or Unavailable."""
    parsed = database_url(url)
    is_sqlite = parsed.get_backend_name() == "sqlite"
    if in_memory(parsed):
        return  # open_store makes the schema of a database in memory, which nobody else can reach
    engine = sqlite_engine(parsed, writes=True) if is_sqlite else postgres_engine(parsed, size=1)
    try:
        with engine.begin() as connection:
            if not is_sqlite:
                connection.execute(_ADVISORY_LOCK)
            upgrade(connection)
    except DATABASE_FAULTS as fault:
        raise translated(fault) from fault
    finally:
        engine.dispose()


def upgrade(connection: Connection) -> None:
    """Run the migrations that the database lacks, inside the connection's transaction."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def create(connection: Connection) -> None:
    """Create the schema of an empty database at once, as the migrations would."""
    SCHEMA.create_all(connection)
