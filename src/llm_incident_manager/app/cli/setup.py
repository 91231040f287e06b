"""What helps to set up: completion for shells, and how to measure."""

import click

from llm_incident_manager.app.cli.failures import Failed

PROGRAMS = ("lim", "llm-incident-manager")


@click.command(short_help="Print the completion script of a shell.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the completion script of a shell, for `lim` and `llm-incident-manager`.

    For bash and zsh add it to ~/.bashrc or ~/.zshrc, for fish write it to ~/.config/fish/completions/lim.fish.
    """
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    if kind is None:
        raise Failed(f"there is no completion for {shell}; choose bash, zsh or fish")
    root = context.find_root().command
    for program in PROGRAMS:
        # The template alone: rendering it through the class would start a bash only to learn its version.
        found = kind(root, {}, program, f"_{program.replace('-', '_').upper()}_COMPLETE")
        click.echo(found.source_template % found.source_vars())


@click.command(short_help="Say how to measure speed and size.")
def bench() -> None:
    """Say how to measure speed and size; the benchmarks live in a checkout, not in the package."""
    click.echo(
        "The benchmarks need a checkout and its development tools:\n"
        "  make bench            every row of the table, beside prometheus-alertmanager where it is installed\n"
        "  make bench ARGS=...   what it takes is shown by ARGS=--help\n"
        "Results and how they were measured: docs/benchmarks.md"
    )
