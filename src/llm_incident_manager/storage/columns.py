"""The one set of tables, and the kinds of columns that they are made of."""

from sqlalchemy import BigInteger, Boolean, Column, Integer, LargeBinary, MetaData, Text
from sqlalchemy.types import TypeEngine

SCHEMA = MetaData()

# Byte order on both databases, so that cursors and Python sort as the database does.
TEXT: TypeEngine[str] = Text().with_variant(Text(collation="C"), "postgresql")
SERIAL: TypeEngine[int] = BigInteger().with_variant(Integer(), "sqlite")


def name_column(name: str, *, key: bool = False, null: bool = False) -> Column[str]:
    """Return a text in byte order."""
    return Column(name, TEXT, primary_key=key, nullable=null)


def instant_column(name: str, *, null: bool = False) -> Column[int]:
    """Return an instant: microseconds since 1970, UTC."""
    return Column(name, BigInteger, nullable=null)


def number_column(name: str, *, key: bool = False, null: bool = False) -> Column[int]:
    """Return a whole number."""
    return Column(name, Integer, primary_key=key, nullable=null, autoincrement=False)


def flag_column(name: str) -> Column[bool]:
    """Return a yes or no."""
    return Column(name, Boolean, nullable=False)


def bytes_column(name: str, *, key: bool = False, null: bool = False) -> Column[bytes]:
    """Return bytes as encoded once."""
    return Column(name, LargeBinary, primary_key=key, nullable=null)
