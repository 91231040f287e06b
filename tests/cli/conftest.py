"""The command line as tests call it, against prepared answers or a real server."""

from collections.abc import Callable, Iterator

import pytest
from click.testing import CliRunner, Result

from llm_incident_manager.app.cli.main import main
from tests.cli.fake_rest import FakeRest, fake_rest
from tests.cli.running import Running, running_server

Lim = Callable[..., Result]
NOTHING_SET: dict[str, str | None] = dict.fromkeys(
    [
        *("LIM_URL", "LIM_API_KEY", "LIM_TENANT", "LIM_DEBUG"),
        *("BOOTSTRAP_API_KEY", "DATA_DIR", "DB_PATH", "CONFIG_FILE", "MODE", "DATABASE_URL"),
    ]
)


@pytest.fixture
def fake() -> Iterator[FakeRest]:
    with fake_rest() as found:
        yield found


def lim_of(url: str, key: str | None) -> Lim:
    """Return what runs the program against a server; keywords are variables of the environment."""

    def run(*arguments: str, stdin: str | bytes | None = None, **environment: str | None) -> Result:
        variables = {**NOTHING_SET, "LIM_URL": url, "LIM_API_KEY": key, **environment}
        return CliRunner().invoke(main, arguments, input=stdin, env=variables)

    return run


@pytest.fixture
def lim(fake: FakeRest) -> Lim:
    """The program against prepared answers."""
    return lim_of(fake.url, "key-of-a-test")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A real server, one per module of tests."""
    with running_server(tmp_path_factory.mktemp("server")) as found:
        yield found


@pytest.fixture
def real(running: Running) -> Lim:
    """The program against the real server."""
    return lim_of(running.url, running.key)
