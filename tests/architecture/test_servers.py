"""The servers that tests lean on start where nothing is prepared."""

import socket
from pathlib import Path

import psycopg
import pytest

from tests import servers


def database_of(url: str) -> str:
    with psycopg.connect(servers._libpq(url)) as connection:
        row = connection.execute("SELECT current_database(), count(*) FROM pg_tables WHERE schemaname = 'public'")
        name, tables = row.fetchone() or ("", -1)
    assert tables == 0
    return str(name)


def test_every_test_gets_an_empty_database_of_its_own(postgres: servers.PostgresServer) -> None:
    with postgres.fresh_database() as one, postgres.fresh_database() as two:
        assert database_of(one) != database_of(two)
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        database_of(one)


@pytest.mark.parametrize("find", [servers._programs_on_disk, servers._programs_in_wheel])
def test_a_server_of_our_own_starts_and_stops(find: object) -> None:
    assert callable(find)
    programs = find()
    if programs is None:
        pytest.skip("no PostgreSQL programs in this place")
    assert isinstance(programs, Path)
    with servers.own_postgres(programs) as server, server.fresh_database() as url:
        assert database_of(url).startswith("lim_test_")
    with pytest.raises(psycopg.OperationalError):
        database_of(server.url)


def test_a_free_port_can_be_bound() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", servers.free_port()))
