"""Runs migrations on the connection that storage/migrate.py hands over, inside its transaction."""

from alembic import context

from llm_incident_manager.storage.schema import SCHEMA

context.configure(connection=context.config.attributes["connection"], target_metadata=SCHEMA, transactional_ddl=False)
context.run_migrations()
