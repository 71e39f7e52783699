"""`datagen mix`."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from datagen.cli.options import command_line, config_option, option, output_options, run_options, stack
from datagen.cli.show import emit, progress, table

if TYPE_CHECKING:  # imported late at run time, to keep --help quick
    from datagen.mix.variants import PromptShare
    from datagen.runs.mix_inputs import MixInput

T = TypeVar("T", int, float)

_rows = stack(
    option(
        "--column",
        "columns",
        multiple=True,
        metavar="[NAME:]OUR=THEIRS",
        help="Column of another name, of foreign rows: prompt, question, context, choices, completion, answer, "
        "problem_id, type, original_question.",
    ),
    option("--split", "splits", multiple=True, metavar="[NAME=]SPLIT", help="Split to read, where there are several."),
    option(
        "--problems",
        multiple=True,
        metavar="NAME|PATH",
        help="Problems that candidates answer, as --dataset takes them; needed if their own run does not tell.",
    ),
    option("--skip-bad", is_flag=True, help="Drop bad rows, counted and listed in the manifest, instead of stopping."),
)

_amounts = stack(
    option("--cap", "caps", multiple=True, metavar="[NAME=]N", help="Rows of a data set at most, or of each."),
    option(
        "--weight",
        "weights",
        multiple=True,
        metavar="NAME=W",
        help="Its share of the rows, against those of the others (1): as many rows as there can be without one twice.",
    ),
    option("--total", type=click.IntRange(min=1), metavar="N", help="Rows in all."),
    option("--repeat", is_flag=True, help="Rows may come more than once, where a --weight or --total needs more."),
)

_duplicates = stack(
    option(
        "--duplicates",
        type=click.Choice(["near", "exact", "keep"]),
        default="near",
        help="What to leave out: rows whose question and completion are nearly, or but for case and spaces, those of "
        "another row; or nothing. Other paths and other numbers are no duplicates.",
    ),
    option(
        "--question-ratio",
        type=click.FloatRange(0, 100, min_open=True),
        default=95.0,
        help="Similarity, 0 to 100, from which two questions are nearly the same.",
    ),
    option(
        "--completion-ratio",
        type=click.FloatRange(0, 100, min_open=True),
        default=90.0,
        help="The same of completions.",
    ),
)

_variants = stack(
    option(
        "--train-prompt",
        "prompts",
        multiple=True,
        metavar="[NAME:]TEMPLATE[=SHARE]",
        help="Template (NAME|FILE) of the prompts of a share of the rows (repeatable). [default: the prompts that "
        "rows have, else plain]",
    ),
    option("--lower-case", type=click.FloatRange(0, 1), default=0.0, help="Share of questions to put in lower case."),
    option(
        "--answer-line",
        type=click.Choice(["keep", "hashes", "phrase"]),
        default="keep",
        help="How all completions end. hashes: #### 35; phrase: The answer is: 35.",
    ),
)


@click.command("mix")
@click.argument("inputs", nargs=-1, required=True, metavar="[NAME=]INPUT...")
@_rows
@_amounts
@_duplicates
@_variants
@run_options
@config_option
@output_options
def command(**options: Any) -> None:  # Any: click's parsed values
    """Mix data sets into one training set: duplicates out, capped or weighted, shuffled.

    INPUT is a run (or its data) of rft, augment, examples, mix or sample; a problem set with solutions; or foreign
    rows: jsonl, json, csv, parquet, Arrow, a Hub id. Runs of groups are mixed with their like. The order of inputs
    does not change the result.

    \b
    Examples:
      datagen mix runs/rft runs/augment --out runs/mixed
      datagen mix rft=runs/rft meta=MetaMathQA.json --cap meta=20000 --weight rft=2 --out runs/mixed
      datagen mix runs/rft runs/augment --lower-case 0.3 --answer-line phrase \\
        --train-prompt plain=0.5 --train-prompt problem-solution=0.5 --out runs/mixed
    """
    from datagen.mix.combine import CombineOptions, DuplicateOptions
    from datagen.mix.mixture import Amounts
    from datagen.mix.variants import Variants
    from datagen.readers.read import DatasetSpec
    from datagen.runs.mix import MixJob, MixOptions, run_mix

    inputs = _inputs(options["inputs"], splits=options["splits"], columns=options["columns"])
    caps = _numbers("--cap", options["caps"], int, names=[of.name for of in inputs])
    weights = _numbers("--weight", options["weights"], float, names=())
    job = MixJob(
        inputs,
        options["out"],
        problems=tuple(map(DatasetSpec, options["problems"])),
        workers=options["workers"],
        overwrite=options["overwrite"],
        command=command_line(),
    )
    chosen = MixOptions(
        CombineOptions(
            DuplicateOptions(options["duplicates"], options["question_ratio"], options["completion_ratio"]),
            Amounts(caps, weights, options["total"], options["repeat"]),
            options["seed"],
        ),
        Variants(options["lower_case"], options["answer_line"], tuple(map(_prompt, options["prompts"]))),
        options["skip_bad"],
    )
    with progress(quiet=options["quiet"]) as report:
        manifest = run_mix(job, chosen, format=options["format"], report=report)
    out = str(job.out)
    emit(summary(manifest, out=out), as_json=options["as_json"], show=lambda: show(manifest, out=out))


def _inputs(given: tuple[str, ...], *, splits: tuple[str, ...], columns: tuple[str, ...]) -> "tuple[MixInput, ...]":
    """The inputs by their names; a path with '=' in it that is there is a path."""
    from datagen.runs.mix_inputs import MixInput, default_name

    paths: dict[str, str] = {}
    for text in given:
        name, equals, path = text.partition("=")
        if Path(text).exists() or not equals:
            name, path = default_name(text), text
        elif not name or not path:
            raise click.BadParameter(f"'{text}' is not NAME=INPUT.", param_hint="INPUT")
        if name in paths:
            raise click.BadParameter(
                f"two of them are called '{name}' ({paths[name]} and {path}). Name one: NAME={path}",
                param_hint="INPUT",
            )
        paths[name] = path
    of_input: dict[str, dict[str, str]] = {name: {} for name in paths}
    for pair in columns:
        ours, equals, theirs = pair.partition("=")
        name, colon, ours = ours.rpartition(":")
        if not (equals and ours and theirs):
            raise click.BadParameter(
                f"'{pair}' is not [NAME:]OUR=THEIRS, such as question=Problem", param_hint="--column"
            )
        for known in _named("--column", name if colon else "", paths):
            of_input[known][ours] = theirs
    split_of: dict[str, str] = {}
    for text in splits:
        name, _, split = text.rpartition("=")
        split_of |= dict.fromkeys(_named("--split", name, paths), split)
    return tuple(MixInput(name, path, split_of.get(name), of_input[name]) for name, path in paths.items())


def _named(hint: str, name: str, names: "dict[str, str]") -> list[str]:
    """The inputs that a name means: all of them if there is none."""
    if name and name not in names:
        raise click.BadParameter(f"no input is called '{name}'. There are {', '.join(names)}.", param_hint=hint)
    return [name] if name else list(names)


def _numbers(
    hint: str, given: tuple[str, ...], number: Callable[[str], T], *, names: "list[str] | tuple[()]"
) -> dict[str, T]:
    """NAME=NUMBER pairs; a number alone is for each of the names."""
    found: dict[str, T] = {}
    for text in given:
        name, _, value = text.rpartition("=")
        try:
            parsed = number(value)
        except ValueError as error:
            raise click.BadParameter(f"'{text}' ends in no number.", param_hint=hint) from error
        if not 0 < parsed < float("inf"):
            raise click.BadParameter(f"'{text}' must be over 0.", param_hint=hint)
        if not name and not names:
            raise click.BadParameter(f"'{text}' is not NAME=NUMBER.", param_hint=hint)
        if name:
            found[name] = parsed
        else:
            found = {**dict.fromkeys(names, parsed), **found}
    return found


def _prompt(text: str) -> "PromptShare":
    from datagen.mix.variants import PromptShare

    named, equals, share = text.rpartition("=")
    if not equals:
        named, share = share, ""
    origin, _, template = named.rpartition(":")
    try:
        part = float(share) if share else None
    except ValueError as error:
        raise click.BadParameter(f"'{text}' ends in no share of 1.", param_hint="--train-prompt") from error
    if not template or (part is not None and not 0 < part <= 1):
        raise click.BadParameter(f"'{text}' is not [NAME:]TEMPLATE[=SHARE].", param_hint="--train-prompt")
    return PromptShare(template, part, origin or None)


def summary(manifest: dict[str, Any], *, out: str) -> dict[str, Any]:  # Any: JSON
    """The numbers that a machine asks for."""
    counts = {name: value for name, value in manifest["counts"].items() if name != "bad_rows"}
    bad = {"rows": manifest["counts"]["bad_rows"]["by_reason"]}
    return {"record": manifest["record"], **counts, "bad_rows": bad, "seconds": manifest["seconds"], "out": out}


def show(manifest: dict[str, Any], *, out: str) -> None:  # Any: JSON
    """The numbers that a person asks for."""
    counts = manifest["counts"]
    header = ("", "in", "unusable", "duplicates", "near", "not drawn", "repeated", "out", "share")
    rows = []
    total = max(1, counts["rows"])
    for name, of in counts["sources"].items():
        numbers = (
            of["in"],
            sum(of["unusable"].values()),
            of["duplicates"],
            of["near_duplicates"],
            of["not_drawn"],
            of["repeated"],
            of["out"],
        )
        rows.append((name, *(f"{n:,}" for n in numbers), f"{100 * of['out'] / total:.1f} %"))
    table("", header, rows)
    click.echo()
    for name, of in counts["sources"].items():
        if of["unusable"]:
            click.echo(f"{name}, unusable: {', '.join(f'{n:,} {reason}' for reason, n in of['unusable'].items())}")
        if of["duplicates_of"]:
            click.echo(
                f"{name}, duplicates of: {', '.join(f'{n:,} of {other}' for other, n in of['duplicates_of'].items())}"
            )
    if counts["conflicting_answers"]["questions"]:
        click.echo(f"questions with several answers: {counts['conflicting_answers']['questions']:,}")
    if counts["variants"]:
        click.echo(", ".join(f"{n:,} {what}" for what, n in counts["variants"].items()))
    kinds = ", ".join(f"{n:,} {kind}" for kind, n in counts["kinds"].items())
    click.echo(f"{counts['rows']:,} rows written to {out}/data" + (f": {kinds}" if kinds else ""))
