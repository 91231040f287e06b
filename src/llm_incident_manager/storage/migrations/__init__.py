"""Migrations: expand first, contract in a later release, so that an old version can run beside a new one."""
