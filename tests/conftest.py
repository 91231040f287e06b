"""What every test may ask for: real servers, and the reasons of what was skipped."""

from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.servers import PostgresServer, postgres_server

# A machine that is busy with something else must not fail an example.
settings.register_profile("no-deadline", deadline=None)
settings.load_profile("no-deadline")


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A running PostgreSQL, one per test process."""
    with postgres_server() as found:
        if isinstance(found, str):
            pytest.skip(found)
        yield found


@pytest.fixture
def postgres_url(postgres: PostgresServer) -> Iterator[str]:
    """The SQLAlchemy URL of an empty database that lasts as long as the test."""
    with postgres.fresh_database() as url:
        yield url


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say once per reason what was not proven here."""
    reasons = Counter(
        report.longrepr[2].removeprefix("Skipped: ")
        for report in terminalreporter.stats.get("skipped", [])
        if isinstance(report.longrepr, tuple)
    )
    if reasons:
        terminalreporter.section("not proven on this machine")
        for reason, times in reasons.most_common():
            terminalreporter.write_line(f"{times:5d} × {reason}")
