"""What an evaluation's folder says of itself: how it was made, what it holds, and its step metrics as tables.

Also from the result to those tables, for whoever shows it: the shapes are those of the CV-loss paper.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from datagen.steps.table import (
    ACCURACY,
    Table,
    correlation_table,
    dataset_table,
    error_table,
    markdown,
    metric_table,
)

Json = dict[str, Any]  # Any: JSON


class Titled(NamedTuple):
    """A table and what stands above it."""

    title: str
    table: Table
    note: str = ""


def evaluation_card(*, command: str, folders: Mapping[str, str], facts: Mapping[str, int | str], result: Json) -> str:
    """A card in Markdown.

    Args:
        command: the command line that made the evaluation.
        folders: datasets of candidates, as `load_from_disk` opens them -> what they hold.
        facts: name -> number or text.
        result: as the manifest has it.
    """
    rows = "\n".join(f"| {name} | {f'{of:,}' if isinstance(of, int) else of} |" for name, of in facts.items())
    listed = "\n".join(f"- `{name}`: {text}" for name, text in folders.items())
    tables = "\n\n".join(f"{of.title}:\n\n{markdown(of.table)}\n\n{of.note}".rstrip() for of in step_tables(result))
    return f"""---
pretty_name: Evaluation
tags:
- datagen
- reasoning
---
# Evaluation

Made by `datagen` with

    {command}

| | |
|---|---|
{rows}

{f"{tables}{chr(10) * 2}" if tables else ""}{listed}

Open them with `datasets.load_from_disk("{next(iter(folders))}")`. `problems.jsonl` has what every model did on every
problem, `manifest.json` the numbers, the configuration, the versions and the fingerprints of the inputs.
"""


def step_tables(result: Json) -> list[Titled]:
    """Tables 9, 3 and, where there is something to rank or to correlate, 2 and 8; 12 for replies without steps."""
    means: dict[str, dict[str, float | None]] = {}
    p: dict[str, dict[str, float | None]] = {}
    n = 0
    for of, compared in _models(result):
        if of.get("steps") is None:
            continue
        n = max(n, of["steps"]["n"])
        means[of["model"]] = {"exact_match": of["accuracy"], **of["steps"]}
        if compared is not None:
            p[of["model"]] = {name: test["p"] for name, test in compared["steps"].items()}
    if not means:
        return _answers_alone(result.get("models", []))
    first = next(iter(means))
    note = f"* p < 0.05 against {first}: McNemar's test for EM, paired t-tests for the rest" if len(means) > 1 else ""
    tables = [
        Titled(f"answers, and steps of {n:,} problems, %", metric_table(means, p=p)),
        Titled("errors in the steps, % (lower is better)", error_table(means, p=p), note),
    ]
    if len(means) > 1:
        ranked = dataset_table(_by_dataset(result, means))
        tables.append(Titled("means, %; MR: their mean rank, 1 is best", ranked))
    if result.get("correlations"):
        tables.append(Titled("Pearson's r over all replies", correlation_table(_numbers(result["correlations"]))))
    return tables


def _answers_alone(models: list[Json]) -> list[Titled]:
    """Table 12: several models' exact match where no solution has steps, as in multiple choice."""
    if len(models) < 2:
        return []
    means = {of["model"]: {"exact_match": of["accuracy"]} for of in models}
    tests = {of["model"]: of["comparison"]["steps"]["exact_match"] for of in models if "comparison" in of}
    p = {model: {"exact_match": test["p"]} for model, test in tests.items()}
    rows = metric_table(means, p=p, columns={"EM": "exact_match"})
    kinds = " or ".join(sorted({str(test["test"]) for test in tests.values()}))
    return [Titled("answers, %", rows, f"* p < 0.05 against {models[0]['model']}: {kinds}")]


def _models(result: Json) -> Iterator[tuple[Json, Json | None]]:
    """Each model's numbers, and how it compares to the first."""
    if "models" in result:
        yield from ((of, of.get("comparison")) for of in result["models"])
        return
    yield result, None
    if "second" in result:
        yield result["second"], result["comparison"]


def _by_dataset(result: Json, means: Mapping[str, Mapping[str, float | None]]) -> dict[str, dict[str, float | None]]:
    """A column a metric, for each data set apart if there are several."""
    ranked = ("EM", "IoU", "C-IoU")
    several = {of["model"]: of.get("steps_by_source") or {} for of, _ in _models(result) if of["model"] in means}
    sources = [
        name for name in next(iter(several.values())) if all("iou" in of.get(name, {}) for of in several.values())
    ]
    if len(sources) < 2:
        return {model: {name: of[ACCURACY[name]] for name in ranked} for model, of in means.items()}
    return {
        model: {f"{source} {name}": of[source][ACCURACY[name]] for source in sources for name in ranked}
        for model, of in several.items()
    }


def _numbers(found: Mapping[str, Mapping[str, float | None]]) -> dict[str, dict[str, float]]:
    """JSON has null for NaN."""
    nan = float("nan")
    return {row: {name: nan if r is None else r for name, r in of.items()} for row, of in found.items()}
