"""``demo``: a day at an LLM company, told within a minute."""

import click

from llm_incident_manager.app.cli.failures import failures_told

PAUSE_SECONDS = 1.5


@click.command(short_help="Tell a day at an LLM company, within a minute.")
@click.option("--fast", is_flag=True, help="Without pauses to read.")
@click.option("--exit", "ends", is_flag=True, help="End after the story instead of staying up for a look around.")
def demo(fast: bool, ends: bool) -> None:
    """Tell a day at an LLM company on a server of its own: four incidents, real pages, moved time.

    Everything happens on free ports and in a temporary folder that is removed at the end.
    """
    with failures_told():
        import asyncio
        import logging

        import structlog

        from llm_incident_manager.app.demo.story import tell

        # The story is what one reads here; the server's log lines would stand between its sentences.
        before = structlog.get_config()
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
        try:
            asyncio.run(tell(click.echo, pause_seconds=0.0 if fast else PAUSE_SECONDS, stay=not ends))
        finally:
            structlog.configure(**before)
