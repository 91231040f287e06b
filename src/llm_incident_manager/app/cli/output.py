"""What a command prints: tables for people, JSON for scripts; rich is loaded only for tables."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from llm_incident_manager.app.cli.text import harmless, json_text

if TYPE_CHECKING:
    from rich.console import RenderableType

T = TypeVar("T")
WIDTH_OF_A_PIPE = 200
SEVERITY_STYLES = {"P0": "bold white on red", "P1": "bold red", "P2": "yellow", "P3": "cyan", "P4": "dim"}


class Output:
    """Prints results in one of two forms; everything in a table is made harmless for terminals."""

    def __init__(self, form: str) -> None:
        self.is_json = form == "json"

    def json(self, document: Any) -> None:
        """Print a document, in both forms."""
        click.echo(json_text(document))

    def say(self, text: str) -> None:
        """Print a sentence for people; nothing in JSON."""
        if not self.is_json:
            click.echo(harmless(text))

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str = "nothing") -> None:
        """Print rows under headings, or ``empty`` where there are none. Columns in capitals' severities get colours."""
        from rich import box
        from rich.table import Table
        from rich.text import Text

        table = Table(*columns, box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
        for row in rows:
            cells = [harmless(cell, one_line=True) for cell in row]
            table.add_row(*[Text(cell, style=SEVERITY_STYLES.get(cell, "")) for cell in cells])
        if table.row_count:
            self._print(table)
        else:
            self.say(empty)

    def facts(self, facts: Sequence[tuple[str, object]]) -> None:
        """Print names and values under each other; several lines of a value stay several lines."""
        from rich.table import Table
        from rich.text import Text

        grid = Table.grid(padding=(0, 2))
        for name, value in facts:
            shown = harmless(value)
            grid.add_row(Text(name, style="dim"), Text(shown, style=SEVERITY_STYLES.get(shown, "")))
        self._print(grid)

    def heading(self, text: str) -> None:
        """Print a heading for people."""
        from rich.text import Text

        click.echo()
        self._print(Text(harmless(text, one_line=True), style="bold"))

    def progress(self, items: Sequence[T], label: str) -> Iterator[T]:
        """Yield the items, with a progress bar on a terminal."""
        if self.is_json or not sys.stderr.isatty() or len(items) < 2:
            yield from items
            return
        with click.progressbar(items, label=label, file=sys.stderr) as bar:
            yield from bar

    def _print(self, shown: "RenderableType") -> None:
        from rich.console import Console

        terminal = sys.stdout.isatty()
        width = None if terminal else WIDTH_OF_A_PIPE
        console = Console(file=sys.stdout, markup=False, highlight=False, emoji=False, width=width)
        with console.capture() as written:
            console.print(shown)
        # Tables are padded to their width; what reads a pipe, or pastes into a chat, wants none of it.
        click.echo("\n".join(line.rstrip() for line in written.get().splitlines()).strip("\n"))
