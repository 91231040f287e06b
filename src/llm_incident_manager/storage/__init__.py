"""The only SQL: SQLAlchemy Core, one file per stored thing, the same statements for SQLite and PostgreSQL."""
