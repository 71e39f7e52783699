"""What a command shows: progress on stderr, results on stdout."""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import click

from datagen.cli.printable import printable, printable_json
from datagen.progress import Report, Step, silent

UPDATES_PER_S = 8


@contextmanager
def progress(*, quiet: bool) -> Iterator[Report]:
    """One bar a stage on stderr: rate, time left, tokens and money. On a pipe, a line a stage."""
    if quiet:
        yield silent
    elif not sys.stderr.isatty():
        yield _lines()
    else:
        with _bars() as report:
            yield report


def _lines() -> Report:
    """For logs: a line when a stage begins to move and when it is done."""
    last: dict[str, int] = {}

    def report(step: Step) -> None:
        if step.done == step.total and last.get(step.stage) != step.done:
            detail = f" · {step.detail}" if step.detail else ""
            click.echo(f"{step.stage}: {step.done:,} done{detail}", err=True)
            last[step.stage] = step.done

    return report


@contextmanager
def _bars() -> Iterator[Report]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
    from rich.progress import TimeRemainingColumn as Remaining

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
        Remaining(),
        TextColumn("{task.fields[detail]}"),
    )
    with Progress(*columns, console=Console(stderr=True), refresh_per_second=UPDATES_PER_S) as bars:
        tasks: dict[str, Any] = {}  # Any: rich's task ids
        began: dict[str, float] = {}
        shown: dict[str, float] = {}

        def report(step: Step) -> None:
            now = time.monotonic()
            if step.stage not in tasks:
                tasks[step.stage] = bars.add_task(step.stage, total=step.total, rate="", detail="")
                began[step.stage] = now
            elif step.done != step.total and now - shown[step.stage] < 1 / UPDATES_PER_S:
                return
            shown[step.stage] = now
            elapsed = now - began[step.stage]
            rate = f"{step.done / elapsed:,.0f}/s" if elapsed > 0.5 else ""
            bars.update(tasks[step.stage], completed=step.done, total=step.total, rate=rate, detail=step.detail)

        yield report


def silence_transformers() -> None:
    """Keep the library's own progress bars off the terminal: ours say more."""
    try:
        from transformers.utils import logging
    except ModuleNotFoundError:
        return  # who needs it will say so, with the remedy
    logging.disable_progress_bar()


def table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A small table on stdout; numbers to the right. Names out of files are text, neither markup nor escape codes."""
    from rich.box import SIMPLE
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    made = Table(title=Text(printable(title)), title_justify="left", box=SIMPLE, show_edge=False, pad_edge=False)
    for i, name in enumerate(header):
        made.add_column(Text(printable(name)), justify="left" if i == 0 else "right", no_wrap=True)
    for row in rows:
        made.add_row(*(Text(printable(cell)) for cell in row))
    console = Console(width=None if sys.stdout.isatty() else 200)  # a file or pipe has no edge to wrap at
    console.print(made, markup=False)


def emit(value: dict[str, Any], *, as_json: bool, show: Callable[[], None]) -> None:  # Any: JSON
    """The result: one JSON object for machines, or what `show` prints for people."""
    if not as_json:
        show()
        return
    click.echo(printable_json(value))
