"""The environment and the flags: sensible when nothing is set, clear when something is wrong."""

from pathlib import Path

import pytest

from llm_incident_manager.app.config import DatabaseType, Mode, read_environment
from llm_incident_manager.errors import Invalid


def faults_of(**environment: str) -> list[str]:
    with pytest.raises(Invalid) as refused:
        read_environment(environment)
    return [fault.message for fault in refused.value.faults]


def test_nothing_set_is_standalone_on_loopback() -> None:
    config = read_environment({})
    assert (config.mode, config.host, config.http_port) == (Mode.STANDALONE, "127.0.0.1", 3000)
    assert (config.data_dir, config.db_path) == (Path("data"), Path("data/incidents.db"))
    assert (config.grpc_port, config.ws_port, config.bus_url.reveal()) == (9090, 8080, "memory:")


def test_the_port_of_streams_may_be_none_and_gives_way_unless_it_was_chosen() -> None:
    assert (read_environment({}).ws_port, read_environment({}).ws_port_chosen) == (8080, False)
    chosen = read_environment({"WS_PORT": "0"})
    assert (chosen.ws_port, chosen.ws_port_chosen) == (0, True)
    none = read_environment({"WS_PORT": " "})
    assert (none.ws_port, none.ws_port_chosen) == (None, False)


@pytest.mark.requirement("DEP-01")
def test_the_specifications_compose_file_works_as_written() -> None:
    config = read_environment(
        {"MODE": "standalone", "DB_TYPE": "sqlite", "DB_PATH": "/data/incidents.db", "REDIS_ENABLED": "false"}
    )
    assert config.data_dir == Path("/data")
    assert config.admin_key_file == Path("/data/admin.key")
    assert config.notes == ()


def test_a_flag_goes_before_its_variable_and_empty_is_not_set() -> None:
    config = read_environment(
        {"HTTP_PORT": "1", "HOST": "", "CONFIG_FILE": "a.yaml"}, {"http_port": "0", "config": "b.yaml", "mode": None}
    )
    assert (config.http_port, config.host, config.config_file) == (0, "127.0.0.1", Path("b.yaml"))


def test_postgresql_is_chosen_by_its_url() -> None:
    config = read_environment({"DATABASE_URL": "postgresql+psycopg://u:secret@h/d", "DATA_DIR": "/var/x"})
    assert config.database is DatabaseType.POSTGRESQL
    assert config.data_dir == Path("/var/x")


def test_secrets_are_not_shown() -> None:
    config = read_environment(
        {"DATABASE_URL": "postgresql://u:hunter2@h/d", "BOOTSTRAP_API_KEY": "hunter2hunter2hunter2"}
    )
    assert "hunter2" not in repr(config)
    assert "hunter2" not in str(faults_of(DATABASE_URL="mysql://u:hunter2@h/d", BUS_URL="redis://:hunter2@h"))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("MODE", "worker", "MODE=worker: is not available in this version; use standalone"),
        ("MODE", "cluster", "MODE=cluster: is not one of standalone, api, worker, sidecar, aggregator"),
        ("HTTP_PORT", "70000", "HTTP_PORT=70000: is not a whole number from 0 to 65535"),
        ("HTTP_PORT", "٣٠", "HTTP_PORT=٣٠: is not a whole number from 0 to 65535"),
        ("DB_TYPE", "mysql", "DB_TYPE=mysql: is not one of sqlite, postgresql"),
        ("DB_TYPE", "postgresql",
         "DB_TYPE=postgresql: needs DATABASE_URL, such as postgresql://user:password@host:5432/incidents"),
        ("DATABASE_URL", "mysql://x", "DATABASE_URL: must start with postgresql:// or sqlite:///"),
        ("BUS_URL", "nats://x", "BUS_URL: nats: is not available in this version; use memory:"),
        ("REDIS_ENABLED", "maybe", "REDIS_ENABLED=maybe: is neither true nor false"),
        ("LOG_LEVEL", "loud", "LOG_LEVEL=loud: is not one of debug, info, warning, error, critical"),
        ("PUBLIC_URL", "example.com", "PUBLIC_URL=example.com: is not a URL such as https://incidents.example.com"),
        ("TLS_CERT_FILE", "/none", "TLS_CERT_FILE=/none: is not a file; name one that exists"),
        ("BUFFER_BYTES", "1", "BUFFER_BYTES=1: is not a whole number from 1048576 to 1125899906842624"),
        ("BOOTSTRAP_API_KEY", "a b", "BOOTSTRAP_API_KEY: has spaces or signs that no header carries; "
         "use letters and digits"),
    ],
)  # fmt: skip
def test_a_bad_value_is_named_with_its_remedy(name: str, value: str, message: str) -> None:
    assert message in faults_of(**{name: value})


def test_all_faults_are_told_at_once() -> None:
    assert len(faults_of(MODE="x", HTTP_PORT="y", TLS_KEY_FILE="/none")) == 4


def test_what_has_no_effect_is_said() -> None:
    (note,) = read_environment({"REDIS_ENABLED": "true"}).notes
    assert note.startswith("REDIS_ENABLED=true has no effect without REDIS_URL")


@pytest.mark.requirement("ING-06")
def test_redis_is_used_where_its_address_is_known() -> None:
    url = "redis://:hunter2@127.0.0.1:6379/0"
    assert read_environment({"REDIS_URL": url}).redis_enabled
    assert not read_environment({"REDIS_URL": url, "REDIS_ENABLED": "false"}).redis_enabled
    assert "hunter2" not in repr(read_environment({"REDIS_URL": url}))
    assert "hunter2" not in str(faults_of(REDIS_URL="http://:hunter2@h"))
