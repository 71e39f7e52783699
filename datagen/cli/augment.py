"""`datagen augment`."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from datagen.cli.generation import finish, generate_options, k_option
from datagen.cli.job import Options, job_from
from datagen.cli.judging import show_plans
from datagen.cli.options import option, stack
from datagen.cli.show import emit, progress, silence_transformers, table

if TYPE_CHECKING:  # imported late at run time, to keep --help quick
    from datagen.readers.read import DatasetSpec
    from datagen.recipes.metamath import AugmentOptions
    from datagen.runs.replies import Job
    from datagen.runs.rewriting import Rewriting

DEFAULT_K = 4
NO_TEST_SET = "none"


def _per_problem(_: click.Context, __: click.Parameter, value: str) -> str | int:
    if value in ("all", "one"):
        return value
    if value.isdecimal() and int(value) > 0:
        return int(value)
    raise click.BadParameter(f"'{value}' is neither all, one, nor a number from 1")


augment_options = stack(
    option(
        "--method",
        "methods",
        multiple=True,
        type=click.Choice(["ansaug", "rephrase", "sv", "fobar"]),
        help="Repeatable. ansaug: more solutions of the same questions; rephrase: the question in other words; sv and "
        "fobar: ask for a number of the question, given its answer. [default: all; fobar for --questions-only without "
        "a model]",
    ),
    option(
        "--per-problem", default="all", callback=_per_problem, metavar="all|one|N", help="Questions of sv and fobar."
    ),
    option("--questions-only", is_flag=True, help="Write the questions and ask for no solution; fobar asks no model."),
    option(
        "--backward-test",
        is_flag=True,
        help="A backward test set: the fobar and, with a model, sv questions of the test split.",
    ),
    option("--rewrites", type=click.IntRange(min=1), default=1, help="Rewrites, and tries of a statement, a problem."),
    option(
        "--rewrite-by",
        type=click.Choice(["model", "rule"]),
        default="model",
        help="rule: rephrase synthetic problems by their other wordings, without a model that writes English.",
    ),
    option(
        "--min-right",
        type=click.IntRange(min=1),
        help="Right ones of the -k solutions that a rewrite needs. [default: half of them]",
    ),
    option("--style", type=click.Choice(["metamath", "gsm8k"]), default="metamath", help="How solutions end."),
    option("--most-similar", type=click.FloatRange(0, 100), default=95.0, help="Drop solutions this similar (%)."),
    option(
        "--most-similar-question",
        type=click.FloatRange(0, 100, min_open=True),
        default=95.0,
        help="Reject questions as similar as this to an existing one (%); 100: equal ones only.",
    ),
    option(
        "--against",
        multiple=True,
        metavar="NAME|PATH",
        help="Test set that no question may overlap, by 13 words or by 90 %; repeatable, 'none' for none. [default: "
        "GSM8K's test split for GSM8K]",
    ),
    option("--embedding-model", metavar="NAME|PATH", help="Encoder for the diversity gain of MetaMath's section 3.5."),
    option("--rephrase-prompt", default="augment-rephrase", metavar="NAME|FILE", help="Template."),
    option("--statement-prompt", default="augment-statement", metavar="NAME|FILE", help="Template of sv."),
    option("--backward-prompt", metavar="NAME|FILE", help="Template of backward solutions. [default: by style]"),
)


@click.command("augment")
@augment_options
@k_option(default=DEFAULT_K)
@generate_options
def command(**options: Any) -> None:  # Any: click's parsed values
    """Make further questions and solutions from problems (MetaMath): ansaug, rephrase, sv and fobar.

    \b
    Examples:
      datagen augment --method fobar --questions-only --dataset gsm8k --out runs/backward-questions
      datagen augment -k 4 --dataset gsm8k --model NAME --out runs/augmented
    """
    from datagen.runs.augment import plan_augment, run_augment

    questions_only = options["questions_only"] or options["backward_test"]
    job = _job(options, questions_only=questions_only)
    chosen = _options(options, job, questions_only=questions_only)
    rewriting = _rewriting(options, job)
    is_text = job.generator is not None and job.generator.api == "completions"
    by_style = "solve-backward" if options["style"] == "gsm8k" else "solve-backward-metamath"
    backward = options["backward_prompt"] or ("plain" if is_text else by_style)
    if options["dry_run"]:
        plans = plan_augment(job, chosen, rewriting=rewriting, backward_prompt=backward, questions_only=questions_only)
        show_plans(plans, as_json=options["as_json"])
        return
    if options["embedding_model"] is not None:
        silence_transformers()
    with progress(quiet=options["quiet"]) as report:
        manifest = run_augment(
            job,
            chosen,
            rewriting=rewriting,
            backward_prompt=backward,
            questions_only=questions_only,
            embedding_model=options["embedding_model"],
            format=options["format"],
            report=report,
        )
    counts = manifest["counts"]
    value = {name: n for name, n in counts.items() if not name.startswith("bad_")}
    value["bad_rows"] = {
        "problems": counts["bad_problems"]["by_reason"],
        "candidates": {} if counts["bad_candidates"] is None else counts["bad_candidates"]["by_reason"],
    }
    value |= {"methods": manifest["methods"], "against": manifest["against"]}
    value |= {"failed": manifest["failures"]["failed"], "seconds": manifest["seconds"], "out": str(job.out)}
    notes = []
    if rewriting.by == "rule" and "rephrase" in chosen.methods:
        notes.append("rephrased by rule: other wordings of the built-in problems, not a model's English")
    if not options["backward_test"]:
        against = ", ".join(manifest["against"])
        notes.append(
            f"kept apart from {against}" if against else "not kept apart from a test set (--against names one)"
        )
    for what, by_reason in value["bad_rows"].items():
        notes += [f"bad {what} skipped: {n:,} {reason}" for reason, n in by_reason.items()]
    emit(
        value,
        as_json=options["as_json"],
        show=lambda: show(value, notes=notes, questions_only=questions_only),
    )
    finish(manifest)


def show(value: dict[str, Any], *, notes: Sequence[str], questions_only: bool) -> None:  # Any: JSON
    """The table that a person reads: one column a method."""
    methods = value["methods"]
    rows = []
    for label, name in (("problems", "problems"), ("questions made", "questions"), ("accepted", "accepted")):
        rows.append((label, *(f"{of[name]:,}" for of in methods.values())))
    for name, label in LISTED.items():
        for reason in sorted({reason for of in methods.values() for reason in of[name]}):
            rows.append((f"{label}: {reason}", *(f"{of[name].get(reason, 0):,}" for of in methods.values())))
    if not questions_only:
        rows.append(("solutions", *(f"{of['solutions']:,}" for of in methods.values())))
    for label, name in (("characters a question", "mean_question_chars"), ("a solution", "mean_solution_chars")):
        if name == "mean_question_chars" or not questions_only:
            rows.append((label, *("-" if of[name] is None else f"{of[name]:.0f}" for of in methods.values())))
    gains = (of["diversity_gain"] for of in methods.values())
    rows.append(("diversity gain", *("-" if gain is None else f"{gain['mean']:.3f}" for gain in gains)))
    if any("embedding_gain" in of for of in methods.values()):
        gains = (of["embedding_gain"] for of in methods.values())
        rows.append(("diversity gain, embedded", *("-" if gain is None else f"{gain:.3f}" for gain in gains)))
    table(f"{value['problems']:,} problem{'s' * (value['problems'] != 1)}", ("", *methods), rows)
    click.echo(
        "\n" + "".join(f"{note}\n" for note in notes) + f"{value['rows']:,} rows written to {value['out']}/data"
    )


LISTED = {
    "problems_left_out": "problem left out",
    "rejected": "question rejected",
    "rejected_solutions": "solution rejected",
}


def _job(options: Options, *, questions_only: bool) -> "Job":
    default_prompt = "solve" if options["style"] == "gsm8k" else "solve-metamath"
    job = job_from(options, default_k=DEFAULT_K, default_prompt=default_prompt, needs_replies=not questions_only)
    if options["backward_test"] and job.dataset.split is None:
        job = replace(job, dataset=replace(job.dataset, split="test"))
    return job


def _options(options: Options, job: "Job", *, questions_only: bool) -> "AugmentOptions":
    from datagen.augment.question import METHODS
    from datagen.recipes.metamath import AugmentOptions

    methods = options["methods"]
    if options["backward_test"]:
        methods = methods or (("fobar",) if job.generator is None else ("sv", "fobar"))
        if set(methods) - {"sv", "fobar"}:
            raise click.UsageError("--backward-test goes with --method fobar, --method sv, or both.")
    elif not methods:
        can_write = job.generator is not None
        methods = METHODS if can_write else ("fobar",) if questions_only else ("ansaug", "fobar")
        if not can_write and options["rewrite_by"] == "rule":
            methods = ("ansaug", "rephrase", "fobar")
    needing = [name for name in ("rephrase", "sv") if name in methods]
    if options["rewrite_by"] == "rule" and "rephrase" in needing:
        needing.remove("rephrase")
    if needing and job.generator is None:
        by_rule = " or, for synthetic problems, --rewrite-by rule" * ("rephrase" in needing)
        raise click.UsageError(f"--method {needing[0]} needs a model that rewrites: --model NAME{by_rule}.")
    k = options["k"] or (None if job.generator is None else DEFAULT_K)
    if options["min_right"] is not None and k is not None and options["min_right"] > k:
        raise click.UsageError(f"--min-right {options['min_right']} is more than the {k} solutions that -k asks for.")
    return AugmentOptions(
        methods=tuple(method for method in METHODS if method in methods),
        per_problem=options["per_problem"],
        style=options["style"],
        k=k,
        min_right=options["min_right"],
        most_similar=options["most_similar"],
        most_similar_question=options["most_similar_question"],
    )


def _rewriting(options: Options, job: "Job") -> "Rewriting":
    from datagen.runs.rewriting import Rewriting

    return Rewriting(
        by=options["rewrite_by"],
        n=options["rewrites"],
        rephrase_prompt=options["rephrase_prompt"],
        statement_prompt=options["statement_prompt"],
        against=_against(options, job),
    )


def _against(options: Options, job: "Job") -> "tuple[DatasetSpec, ...]":
    from datagen.readers.test_sets import known_test_set, test_set

    names = options["against"]
    if NO_TEST_SET in names and len(names) > 1:
        raise click.UsageError("--against none goes with no other --against.")
    if names:
        return () if names == (NO_TEST_SET,) else tuple(map(test_set, names))
    known = None if options["backward_test"] else known_test_set(job.dataset)
    return () if known is None else (known,)
