"""The tables of a card: who wrote the texts, what the verifier and the judges say, and what it cost."""

from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from datagen.publish.history import Run
from datagen.publish.markdown import code, plain, table
from datagen.publish.survey import Survey, Writer
from datagen.report.costs import Cost, costs_of
from datagen.report.never_asked import NeverAsked, never_asked

Json = Mapping[str, Any]  # Any: JSON
_SHORT = 12  # characters of a hash


def models(runs: Sequence[Run], surveys: Sequence[Survey]) -> str:
    """Who wrote the rows, with the prompts' hashes; then the judges'."""
    found: Counter[tuple[str, str, Writer]] = Counter()
    for read in surveys:
        for writer, n in read.writers.items():
            found[read.part.config, writer.model or "", writer] += n
    rows = [
        (
            code(config),
            code(model) if model else "none (the source's own text, or made by rule)",
            _prompt(writer.prompt_id, writer.prompt_sha256),
            plain(writer.sampling or ""),
            f"{n:,}",
        )
        for (config, model, writer), n in sorted(found.items(), key=lambda item: str(item[0]))
    ]
    parts = [table(("configuration", "model", "prompt, SHA-256", "sampling", "texts"), rows)] if rows else []
    judged = [
        (
            code(str(judge.get("judge"))),
            _prompt(None, judge.get("prompt")),
            plain(str(judge.get("sampling") or "")),
            plain(str(judge.get("votes") or "")),
        )
        for run in runs
        for judge in _config(run).get("judges") or ()
        if isinstance(judge, Mapping)
    ]
    if judged:
        parts.append(table(("judge", "prompt, SHA-256", "sampling", "votes a candidate"), list(dict.fromkeys(judged))))
    asked = [
        (
            code(str(of.get("model"))),
            _prompt(None, of.get("prompt")),
            plain(str(of.get("sampling") or "")),
            str(of.get("k", "")),
        )
        for run in runs
        if isinstance(of := _config(run).get("generator"), Mapping)
    ]
    if asked:
        parts.append(
            table(("model that was asked", "prompt, SHA-256", "sampling", "samples"), list(dict.fromkeys(asked)))
        )
    return "\n\n".join(parts)


def _prompt(name: str | None, sha256: object) -> str:
    if not name and not sha256:
        return ""
    return " ".join(code(text) for text in (name, str(sha256)[:_SHORT] if sha256 else None) if text)


def verification(runs: Sequence[Run]) -> str:
    """Verdicts, and what was dropped and why, run by run."""
    parts = []
    for run in runs:
        statistics, counts = run.manifest.get("statistics"), run.manifest.get("counts")
        rows: list[tuple[str, str]] = []
        if isinstance(statistics, Mapping):
            names = ("candidates", "correct", "wrong", "unknown", "false_equations", "distinct", "problems_solved")
            rows += [
                (plain(name.replace("_", " ")), _number(statistics[name])) for name in names if name in statistics
            ]
        if isinstance(counts, Mapping):
            for kind in (
                "dropped",
                "rejected",
                "rejected_solutions",
                "problems_left_out",
                "left_out",
                "dropped_responses",
            ):
                rows += [
                    (plain(f"{kind.replace('_', ' ')}: {reason}"), _number(n))
                    for reason, n in _mapping(counts.get(kind)).items()
                ]
            if "rows" in counts:
                rows.append(("rows", _number(counts["rows"])))
        if rows:
            parts.append(f"{code(run.name)} ({plain(run.stage)})\n\n{table(('', 'n'), rows)}")
    return "\n\n".join(parts)


def judges(runs: Sequence[Run]) -> str:
    """How far the judges' order can be trusted, from pairs whose order is known."""
    parts = []
    for run in runs:
        found = run.manifest.get("reliability")
        if not isinstance(found, Mapping):
            continue
        rows = [_pairs("correct, wrong", found.get("pair_accuracy"))]
        rows += [_pairs(f"original, {name}", of) for name, of in _mapping(found.get("corrupted_pairs")).items()]
        rows += [_pairs(f"reference, {name}", of) for name, of in _mapping(found.get("probe_corrupted_pairs")).items()]
        text = f"{code(run.name)}: pairs of known order, the better one first\n\n"
        text += table(("pairs", "n", "right", "tied", "accuracy"), [row for row in rows if row])
        interval = _mapping(found.get("pair_accuracy")).get("interval")
        if isinstance(interval, Sequence) and len(interval) == 2:
            low, high = (100 * float(of) for of in interval)
            text += f"\n\nAccuracy of correct and wrong ones, 95 % interval: {low:.1f} to {high:.1f} %."
        agreement = [
            f"{code(str(name))}: {_number(of['krippendorff_alpha'])}"
            for name, of in _mapping(found.get("votes")).items()
            if isinstance(of, Mapping) and of.get("krippendorff_alpha") is not None
        ]
        if agreement:
            text += "\n\nKrippendorff's alpha of each judge's votes: " + ", ".join(agreement) + "."
        if found.get("missing"):
            text += f"\n\nCandidates without enough valid votes: {_number(found['missing'])}."
        parts.append(text)
    return "\n\n".join(parts)


def _pairs(name: str, found: object) -> tuple[str, ...]:
    of = _mapping(found)
    if not of.get("n"):
        return ()
    return (
        plain(name),
        _number(of["n"]),
        _number(of.get("right")),
        _number(of.get("tied")),
        f"{100 * float(of['accuracy']):.1f} %",
    )


def costs(runs: Sequence[Run]) -> str:
    """Calls, tokens and money of each run that asked models, model by model, by its own ledger."""
    booked = [cost for run in runs for cost in costs_of(run.name, run.manifest)]
    if not booked:
        return ""
    rows = [
        (
            code(of.run),
            plain(of.stage),
            code(of.model) if of.model else "",
            plain(of.use),
            *(_number(n) for n in (of.calls, of.prompt_tokens, of.completion_tokens)),
            "unknown" if of.cost_usd is None else f"{of.cost_usd:.4f}",
        )
        for of in booked
    ]
    header = ("run", "stage", "model", "used as", "calls", "tokens read", "tokens written", "USD")
    return f"{table(header, rows)}\n\n{_sum(booked)} Replies that were stored before are not counted."


def _sum(booked: Sequence[Cost]) -> str:
    total = sum((of.cost_usd or Decimal(0) for of in booked), Decimal(0))
    if all(of.cost_usd is not None for of in booked):
        return f"{total:.4f} USD in all."
    if total:
        return f"At least {total:.4f} USD in all: the rest is not known."
    return "What it cost in all is not known."


def failed_replies(runs: Sequence[Run]) -> int:
    """Replies that the runs asked for and did not get."""
    return sum(int(_mapping(run.manifest.get("failures")).get("failed") or 0) for run in runs)


def never_asked_of(runs: Sequence[Run]) -> list[NeverAsked]:
    """What limits of cost or tokens kept the runs from asking for, run by run."""
    return [of for run in runs if (of := never_asked(run.manifest)) is not None]


def _config(run: Run) -> Json:
    return _mapping(run.manifest.get("config"))


def _mapping(value: object) -> Json:
    return value if isinstance(value, Mapping) else {}


def _number(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.3f}"
    return f"{value:,}" if isinstance(value, int) else plain(str(value if value is not None else ""))
