"""What commands that ask a model have in common: their options, --dry-run, and how they end."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click

from datagen.cli.options import (
    candidate_options,
    config_option,
    dataset_options,
    limit_options,
    model_options,
    option,
    output_options,
    run_options,
    stack,
)
from datagen.cli.show import emit

if TYPE_CHECKING:  # imported late at run time, to keep --help quick
    from datagen.runs.replies import Job

F = TypeVar("F", bound=Callable[..., Any])  # Any: whatever click passes

generate_options = stack(
    dataset_options,
    candidate_options,
    model_options,
    limit_options,
    run_options,
    option("--dry-run", is_flag=True, help="Count calls, tokens and money; call nothing."),
    config_option,
    output_options,
)


def k_option(*, default: int) -> Callable[[F], F]:
    """Samples per problem; for files of candidates, all of them unless -k is given."""
    return click.option(
        "-k",
        "k",
        type=click.IntRange(min=1),
        default=None,
        envvar="DATAGEN_K",
        help=f"Samples per problem. [default: {default} from a model, all from --candidates]",
    )


def plan_and_exit(job: "Job", *, as_json: bool) -> NoReturn:
    """Say what the job would ask for and what that costs at most."""
    from datagen.runs.replies import plan

    planned = plan(job)
    values: dict[str, Any]  # Any: JSON
    values = {"calls": 0, "to_ask": 0} if planned is None else planned._asdict()
    cost = values.get("cost_usd_max")
    values["cost_usd_max"] = None if cost is None else str(cost)

    def show() -> None:
        for name, value in values.items():
            click.echo(f"{name.replace('_', ' ')}: {'unknown' if value is None else value}")

    emit(values, as_json=as_json, show=show)
    raise click.exceptions.Exit(0)


def finish(manifest: dict[str, Any]) -> None:  # Any: JSON
    """Exit with 3 if replies are missing, and say how many and why."""
    from datagen.requests.budget import REACHED

    failures = manifest["failures"]
    if failures["stopped"]:
        remedy = "run the same command again to go on" if failures["stopped"] in REACHED else _smaller_calls()
        click.secho(f"datagen: {failures['stopped']}; {remedy}.", fg="yellow", err=True)
    if failures["failed"]:
        kinds = ", ".join(f"{n:,} {kind}" for kind, n in failures["by_kind"].items())
        click.secho(
            f"datagen: {failures['failed']:,} samples failed ({kinds}); the manifest lists them. "
            "Run the same command again to ask only for those.",
            fg="yellow",
            err=True,
        )
    if failures["failed"] or failures["stopped"]:
        raise click.exceptions.Exit(3)


def _smaller_calls() -> str:
    """What to do where a limit is less than one call may use, with this command's options."""
    known = {name for parameter in click.get_current_context().command.params for name in parameter.opts}
    smaller = [name for name in ("--samples-per-call", "--max-tokens", "--judge-max-tokens") if name in known]
    return "raise the limit" + "".join(f", or lower {name}" for name in smaller)
