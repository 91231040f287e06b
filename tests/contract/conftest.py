"""Fixtures of the contract suites."""

from tests.contract.stores import clock, kind, migrated_file, migrated_postgres, opener, store, url

__all__ = ["clock", "kind", "migrated_file", "migrated_postgres", "opener", "store", "url"]
