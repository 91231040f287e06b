"""Commands that need no server: checking a config file, migrating, completion, and how the program starts."""

import json
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from llm_incident_manager.app.cli.main import main
from tests.cli.conftest import Lim, lim_of

EXAMPLE = Path(__file__).parents[2] / "examples/incident-manager.yaml"
HEAVY = ("httpx2", "rich", "sqlalchemy", "uvicorn", "fastapi", "pydantic", "alembic", "asyncio")


@pytest.fixture
def alone() -> Lim:
    """The program where there is no server."""
    return lim_of("http://127.0.0.1:1", None)


@pytest.mark.requirement("DEP-07")
def test_a_good_file_is_counted(alone: Lim) -> None:
    result = alone("config", "check", str(EXAMPLE))
    assert result.exit_code == 0, result.output
    assert "can be used" in result.stdout
    assert "2 users" in result.stdout


@pytest.mark.requirement("DEP-07")
def test_every_fault_of_a_file_is_told_with_its_line(alone: Lim, tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("users:\n  - {id: ana, nmae: Ana}\nroutes:\n  - {name: r, assign: {team: ghosts}}\n")
    result = alone("config", "check", str(file))
    assert result.exit_code == 1
    assert "c.yaml:2" in result.stderr
    assert "c.yaml:4" in result.stderr
    told = alone("config", "check", str(file), "--output", "json")
    assert [fault["line"] for fault in json.loads(told.stderr)["faults"]] == [2, 4]


def test_the_file_to_check_may_come_from_the_flag_or_the_environment(alone: Lim) -> None:
    assert alone("--config", str(EXAMPLE), "config", "check").exit_code == 0
    assert alone("config", "check", CONFIG_FILE=str(EXAMPLE)).exit_code == 0
    assert alone("config", "check").exit_code == 2
    assert alone("config", "check", "no-such.yaml").exit_code == 1


def test_a_database_is_migrated_twice(alone: Lim, tmp_path: Path) -> None:
    for _ in range(2):
        result = alone("migrate", DATA_DIR=str(tmp_path / "data"))
        assert result.exit_code == 0, result.output
    assert (tmp_path / "data/incidents.db").exists()


@pytest.mark.requirement("UI-02")
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_completion_for_both_names(alone: Lim, shell: str) -> None:
    result = alone("completion", shell)
    assert result.exit_code == 0
    assert "_LIM_COMPLETE" in result.stdout
    assert "_LLM_INCIDENT_MANAGER_COMPLETE" in result.stdout


def test_completion_knows_the_commands() -> None:
    words = {"COMP_WORDS": "lim incidents esc", "COMP_CWORD": "2", "_LIM_COMPLETE": "bash_complete"}
    result = CliRunner().invoke(main, [], env=words, prog_name="lim", complete_var="_LIM_COMPLETE")
    assert "escalate" in result.stdout


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"HTTP_PORT": "eighty"}, ["HTTP_PORT", "eighty"]),
        ({"MODE": "aggregator"}, ["MODE", "not available"]),
        ({"BUS_URL": "carrier-pigeon:"}, ["BUS_URL", "memory"]),
    ],
)
def test_a_server_that_cannot_start_says_why(
    alone: Lim, variables: dict[str, str], words: list[str], tmp_path: Path
) -> None:
    for arguments in ((), ("serve",)):
        result = alone(*arguments, DATA_DIR=str(tmp_path), **variables)
        assert result.exit_code == 1
        assert all(word in result.stderr for word in words), result.stderr


@pytest.mark.parametrize("arguments", [("--mode", "sideways"), ("serve", "--worker-type", "all-of-them")])
def test_unknown_modes_are_wrong_usage(alone: Lim, arguments: tuple[str, ...]) -> None:
    assert alone(*arguments).exit_code == 2


def test_bench_says_how_to_measure(alone: Lim) -> None:
    assert "make bench" in alone("bench").stdout


@pytest.mark.requirement("UI-02")
def test_help_of_every_command_is_there(alone: Lim) -> None:
    def walk(names: tuple[str, ...]) -> None:
        result = alone(*names, "--help")
        assert result.exit_code == 0
        assert result.stdout.startswith("Usage:")
        command: click.Command = main
        for name in names:
            assert isinstance(command, click.Group)
            command = command.commands[name]
        if isinstance(command, click.Group):
            for name in command.commands:
                walk((*names, name))

    walk(())


def test_starting_loads_nothing_heavy() -> None:
    code = (
        "import sys; import llm_incident_manager.app.cli.main; "
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"
