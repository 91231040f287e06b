"""``serve`` and ``migrate``: what runs here, on this machine's configuration, without asking a server."""

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import click

from llm_incident_manager.app.cli.failures import Failed, failures_told

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

    from llm_incident_manager.app.config import ServerConfig

MODES = ("standalone", "api", "worker", "sidecar", "aggregator")
WORKER_TYPES = ("classifier", "router", "notifier", "action", "scheduler", "all")


def serve_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--mode``, ``--worker-type`` and ``--config``; each goes before its variable of the environment."""
    config = click.option("--config", metavar="FILE", help="The config file (CONFIG_FILE).")
    worker = click.option("--worker-type", type=click.Choice(WORKER_TYPES), help="What a worker does (WORKER_TYPE).")
    mode = click.option("--mode", type=click.Choice(MODES), help="How the process runs (MODE; default standalone).")
    return mode(worker(config(command)))


def merged(context: click.Context, flags: Mapping[str, str | None]) -> dict[str, str | None]:
    """Return the flags of a subcommand over those given before it."""
    before: Mapping[str, str | None] = context.obj or {}
    return {name: value if value is not None else before.get(name) for name, value in flags.items()}


def configuration(flags: Mapping[str, str | None]) -> "ServerConfig":
    """Return how this process would run; raises Invalid naming every bad variable."""
    from llm_incident_manager.app.config import read_environment

    return read_environment(os.environ, flags)


def run_server(flags: Mapping[str, str | None]) -> None:
    """Serve until SIGTERM or Ctrl-C."""
    config = configuration(flags)
    for note in config.notes:
        click.echo(f"note: {note}", err=True)
    import asyncio

    from llm_incident_manager.app.serve import serve as run

    with asyncio.Runner(loop_factory=_fast_loop()) as runner:
        runner.run(run(config))


def _fast_loop() -> Callable[[], "AbstractEventLoop"] | None:
    """Return what makes uvloop's loop; ``None`` is the standard one, where uvloop does not exist."""
    try:
        from uvloop import new_event_loop
    except ImportError:
        return None
    return new_event_loop


@click.command(short_help="Run the server.")
@serve_options
@click.pass_context
def serve(context: click.Context, /, **flags: str | None) -> None:
    """Run the server; prints the dashboard's one-time sign-in link and where the first key lies."""
    with failures_told():
        run_server(merged(context, flags))


@click.command(short_help="Bring the database to this version's schema.")
@serve_options
@click.pass_context
def migrate(context: click.Context, /, **flags: str | None) -> None:
    """Bring the database to this version's schema; harmless when it is new enough."""
    with failures_told():
        config = configuration(merged(context, flags))
        from llm_incident_manager.storage.migrate import migrate as upgrade

        if config.database_url is None:
            try:
                config.db_path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            except OSError as error:
                raise Failed(f"DB_PATH: {config.db_path.parent} cannot be made: {error.strerror}") from None
            upgrade(f"sqlite:///{config.db_path.absolute()}")
            where = str(config.db_path)
        else:
            upgrade(config.database_url.reveal())
            where = "the database of DATABASE_URL"
        click.echo(f"{where} has this version's schema")
