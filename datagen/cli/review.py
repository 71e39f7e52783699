"""`datagen review`."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from datagen.cli.options import option
from datagen.cli.show import emit, table

if TYPE_CHECKING:  # imported late at run time, to keep --help quick
    from datagen.rank.agreement import Estimate
    from datagen.runs.review import Review

INTERRUPTED = 130


@click.command("review")
@click.argument("dataset", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--n", type=click.IntRange(min=1), default=20, show_default=True, help="Candidates to rate.")
@option("--seed", type=int, default=0)
@option(
    "--draw",
    type=click.Choice(["spread", "random"]),
    default="spread",
    help="Candidates of every score alike, or as they come.",
)
# Not by DATAGEN_OUT: that is the directory of a run, and this is a file.
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File of the ratings, one JSON line each. [default: DATASET/review.jsonl]",
)
@option("--port", type=click.IntRange(1, 65535), help="Port of the page on 127.0.0.1. [default: a free one]")
@option("--resamples", type=click.IntRange(min=1), default=2000, help="Bootstrap resamples of the intervals.")
@click.option("--no-browser", is_flag=True, help="Print the address only.")
@click.option("--report", is_flag=True, help="Only print what the saved ratings say; opens no page.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for machines.")
def command(
    dataset: Path,
    n: int,
    seed: int,
    draw: Literal["spread", "random"],
    out: Path | None,
    port: int | None,
    resamples: int,
    no_browser: bool,
    report: bool,
    as_json: bool,
) -> None:
    """Rate some ranked candidates yourself, in a local page, and see how far the judge agrees.

    The page shows what the judge said only after your rating. Every rating is saved at once; the same command goes on
    where it was left. Nothing leaves this machine.

    \b
    Example: datagen review runs/rank --n 20
    """
    from datagen.runs.review import review

    def opened(url: str) -> None:
        click.echo(f"Rate the candidates at {url} (Ctrl-C to stop)", err=True)
        if not no_browser:
            _open_browser(url)

    found = review(
        dataset,
        n=n,
        seed=seed,
        draw=draw,
        out=out,
        port=port,
        resamples=resamples,
        opened=None if report else opened,
    )
    emit(found.as_json(), as_json=as_json, show=lambda: show(found))
    if found.interrupted:
        click.get_current_context().exit(INTERRUPTED)


def _open_browser(url: str) -> None:
    """In a window of its own. Without a display, a text browser would take over this terminal: none is opened."""
    import threading
    import webbrowser

    if sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return
    threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()


def show(found: "Review") -> None:
    """The numbers that a person asks for."""
    names = {
        "weighted kappa (quadratic)": "weighted_kappa",
        "Spearman rho": "spearman",
        "Kendall tau-b": "kendall_tau_b",
    }
    rows = [(title, *_cells(getattr(found.agreement, name))) for title, name in names.items()]
    table(f"judge against person, {found.n} candidates", ("", "value", "95 % interval"), rows)
    if found.mean_human is not None and found.mean_judge is not None:
        click.echo(f"\nmean rating: person {found.mean_human:.2f}, judge {found.mean_judge:.2f}")
    if found.revised:
        click.echo(f"{found.revised} changed after the judge's score had been seen")
    if found.not_in_dataset:
        click.echo(f"{found.not_in_dataset} of the saved ratings are of texts that are not in the dataset")
    click.echo(f"{found.drawn_and_rated} of {found.drawn} rated; saved in {found.ratings}")


def _cells(estimate: "Estimate") -> tuple[str, str]:
    if estimate.value is None:
        return "undefined", ""
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:.3f}", ""
    return f"{estimate.value:.3f}", f"{estimate.low:.3f} to {estimate.high:.3f}"
