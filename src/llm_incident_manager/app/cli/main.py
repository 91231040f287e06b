"""The entry point: ``llm-incident-manager``, short ``lim``. Without a subcommand it serves (DEP-01)."""

from typing import Any

import click

from llm_incident_manager import __version__
from llm_incident_manager.app.cli.audit import audit
from llm_incident_manager.app.cli.config import config
from llm_incident_manager.app.cli.correlation import correlation
from llm_incident_manager.app.cli.dead_letters import dead_letters
from llm_incident_manager.app.cli.demo import demo
from llm_incident_manager.app.cli.encryption import encryption
from llm_incident_manager.app.cli.failures import failures_told
from llm_incident_manager.app.cli.imports import imports
from llm_incident_manager.app.cli.incidents import incidents
from llm_incident_manager.app.cli.keys import keys
from llm_incident_manager.app.cli.oncall import oncall
from llm_incident_manager.app.cli.routes import routes
from llm_incident_manager.app.cli.schedules import schedules
from llm_incident_manager.app.cli.sending import add_send
from llm_incident_manager.app.cli.serving import migrate, run_server, serve, serve_options
from llm_incident_manager.app.cli.setup import bench, completion
from llm_incident_manager.app.cli.sources import sources
from llm_incident_manager.app.cli.users import users


@click.group(
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="LIM_URL and LIM_API_KEY point the commands at a server; on the server's machine neither is needed.",
)
@serve_options
@click.version_option(__version__, prog_name="llm-incident-manager")
@click.pass_context
def main(context: click.Context, /, **flags: str | None) -> None:
    """Incident management for people who run LLM applications; without a command it serves."""
    context.obj = flags
    if context.invoked_subcommand is None:
        with failures_told():
            run_server(flags)


def _commands() -> tuple[click.Command, ...]:
    people: tuple[Any, ...] = (incidents, users, oncall, schedules, routes)
    server: tuple[Any, ...] = (sources, correlation, dead_letters, audit, keys, encryption, config, imports)
    return (serve, demo, migrate, bench, completion, *people, *server)


for _command in _commands():
    main.add_command(_command)
add_send(main)
