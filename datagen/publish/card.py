"""The card of a published data set: what it is, how it was made, how far it can be trusted.

Every number is one of the runs' own, and whatever a model or another file said is fenced or escaped.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from datagen.publish.card_numbers import costs, judges, models, verification
from datagen.publish.citations import citations
from datagen.publish.history import History
from datagen.publish.licences import Source
from datagen.publish.markdown import code, fence, plain, table
from datagen.publish.overlap import Compared
from datagen.publish.parts import MAIN
from datagen.publish.public import public_text
from datagen.publish.survey import Survey
from datagen.report.never_asked import NeverAsked

SHOWN_CHARS = 1500  # of a value in an example
SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
SIZES_FROM_1M = ((10_000_000, "1M<n<10M"), (100_000_000, "10M<n<100M"))
# What the command of each stage makes, for people who do not know it.
MADE_BY = {
    "sample": "samples of a model with verified answers",
    "rft": "verified, distinct reasoning paths by rejection sampling (RFT)",
    "rank": "reasoning paths ranked by judges (as GSM8K-RANK)",
    "groups": "alignment groups or preference pairs of better and worse responses (AFT)",
    "augment": "augmented questions with verified solutions (MetaMath)",
    "corrupt": "reasoning paths with known errors",
    "examples": "a data set's own solutions as training examples",
    "mix": "a mixture of training data",
}
PASSED_ON = ("split", "decontaminate")  # these leave rows as they are


@dataclass(frozen=True)
class CardFacts:
    """All that a card says."""

    repo: str
    surveys: Sequence[Survey]
    history: History
    sources: Sequence[Source]
    license: str
    given_license: str | None = None
    compared: Sequence[Compared] = ()
    made_from: Sequence[str] = ()  # sources that are test splits
    without_test_set: Sequence[str] = ()
    language: Sequence[str] = ()
    about: str | None = None  # the publisher's own words, as Markdown
    failed: int = 0
    never_asked: Sequence[NeverAsked] = ()
    notes: Sequence[str] = field(default=())

    @property
    def title(self) -> str:
        """The repository's name."""
        return self.repo.rpartition("/")[2]

    @property
    def rows(self) -> int:
        """Of the main data set, all splits together."""
        return sum(of.rows for of in self.surveys if of.part.config == self.surveys[0].part.config)

    @property
    def overlapping(self) -> int:
        """Rows that overlap a test set."""
        return sum(of.overlapping for of in self.compared)


def size_category(rows: int) -> str:
    """As the Hub writes it."""
    return next((name for below, name in (*SIZES, *SIZES_FROM_1M) if rows < below), "100M<n<1B")


def header(facts: CardFacts) -> dict[str, Any]:  # Any: YAML
    """The YAML block by which the Hub and `datasets` know the data set."""
    configs: dict[str, list[dict[str, str]]] = {}
    for of in facts.surveys:
        files = {"split": of.part.split, "path": f"{of.part.config}/{of.part.split}-*.parquet"}
        configs.setdefault(of.part.config, []).append(files)
    main = facts.surveys[0].part.config
    stages = [run.stage for run in facts.history.runs if run.stage in MADE_BY]
    about = [source.known.about for source in facts.sources if source.known is not None and source.known.about]
    tags = ["datagen", "reasoning", "synthetic", *about, *stages]
    if facts.made_from or facts.overlapping:
        tags.append("test-set-contamination")
    return {
        "pretty_name": facts.title,
        **({"language": list(facts.language)} if facts.language else {}),
        "license": facts.license,
        "task_categories": ["text-generation"],
        "size_categories": [size_category(facts.rows)],
        "tags": list(dict.fromkeys(tags)),
        "configs": [
            {"config_name": name, **({"default": True} if name == main else {}), "data_files": files}
            for name, files in configs.items()
        ],
    }


def card(facts: CardFacts) -> str:
    """The whole README.md.

    Raises:
        ValueError: the header is none that the Hub takes, which would be our mistake.
    """
    from huggingface_hub import DatasetCard, DatasetCardData  # 0.3 s to import

    top = DatasetCardData(**header(facts)).to_yaml()
    sections = [
        _opening(facts),
        _section("About", facts.about),
        _section("What is in it", _contents(facts)),
        _section("Overlap with test sets", _contamination(facts)),
        _section("How it was made", _commands(facts)),
        _section("Sources and licence", _sources(facts)),
        _section("Models and prompts", models(facts.history.runs, facts.surveys)),
        _section("Verification", verification(facts.history.runs)),
        _section("Judges", judges(facts.history.runs)),
        _section("Costs", costs(facts.history.runs)),
        _section("Limits", _limits(facts)),
        _section("Examples", _examples(facts)),
        _section("Citations", _citations(facts)),
    ]
    text = f"---\n{top.strip()}\n---\n\n" + "\n\n".join(section for section in sections if section) + "\n"
    read: dict[str, Any] = DatasetCard(text).data.to_dict()  # type: ignore[no-untyped-call]  # theirs; Any: YAML
    if read != header(facts):
        raise ValueError("the card's header does not read as it was written")
    return text


def _section(title: str, text: str | None) -> str:
    return f"## {title}\n\n{text.strip()}" if text and text.strip() else ""


def _opening(facts: CardFacts) -> str:
    stages = [run.stage for run in facts.history.runs if run.stage not in PASSED_ON]
    what = MADE_BY.get(stages[-1] if stages else "", "training data")
    titles = list(dict.fromkeys(plain(source.title) for source in facts.sources if not source.is_replies))
    of = f", from problems of {', '.join(titles)}" if titles else ""
    lines = [f"# {plain(facts.title)}", f"{facts.rows:,} rows of {what}{of}. Made with `datagen`."]
    if facts.made_from:
        names = ", ".join(code(name) for name in facts.made_from)
        lines.insert(
            1,
            "> [!WARNING]\n"
            f"> **This data set was made from a test split** ({names}). Do not train a model on it that is evaluated "
            "on that test set: the result would mean nothing.",
        )
    elif facts.overlapping:
        lines.insert(
            1,
            "> [!WARNING]\n"
            f"> **{facts.overlapping:,} rows overlap a test set** (see below). A model that is trained on them must "
            "not be evaluated on it.",
        )
    main = facts.surveys[0].part
    snippet = f'from datasets import load_dataset\n\ndata = load_dataset("{facts.repo}", split="{main.split}")'
    others = sorted({of.part.config for of in facts.surveys} - {main.config})
    if others:
        snippet += "".join(f'\n{name.replace("-", "_")} = load_dataset("{facts.repo}", "{name}")' for name in others)
    lines.append(fence(snippet, language="python"))
    return "\n\n".join(lines)


def _contents(facts: CardFacts) -> str:
    rows = [(code(of.part.config), code(of.part.split), f"{of.rows:,}", _kinds(of)) for of in facts.surveys]
    columns = [
        f"- {code(of.part.config)}: {', '.join(code(name) for name in of.columns)}"
        for i, of in enumerate(facts.surveys)
        if of.part.config not in {before.part.config for before in facts.surveys[:i]}
    ]
    return table(("configuration", "split", "rows", "of which"), rows) + "\n\nColumns:\n\n" + "\n".join(columns)


def _kinds(of: Survey) -> str:
    return ", ".join(f"{n:,} {plain(kind)}" for kind, n in of.kinds.most_common(12))


def _contamination(facts: CardFacts) -> str:
    lines = []
    for name in facts.made_from:
        lines.append(f"- Its problems are those of a test split: {code(name)}.")
    for of in facts.compared:
        how = ", ".join(f"{n:,} {plain(name)}" for name, n in of.by_how.items() if n)
        against = ", ".join(code(name) for name in of.against)
        found = (
            f"{of.overlapping:,} of {of.rows:,} rows overlap"
            if of.overlapping
            else f"none of {of.rows:,} rows overlaps"
        )
        removed = f"; {of.removed:,} rows that did, or belong to such a problem, were removed" if of.removed else ""
        detail = f" ({how})" if how and of.overlapping else ""
        lines.append(f"- {code(of.part)} against {against}: {found}{detail}{removed}.")
    for name in facts.without_test_set:
        lines.append(f"- No test set that goes with {code(name)} is known, so its rows were compared with none.")
    if facts.compared:
        lines.append(
            "\nCompared were the questions: equal texts, 13 words in a row in common, and nearly equal texts. "
            "A test question in other words, or with other numbers, is not found this way."
        )
    return "\n".join(lines) or "Its rows were compared with no test set."


def _commands(facts: CardFacts) -> str:
    runs = facts.history.runs
    commands = list(dict.fromkeys(public_text(str(run.manifest.get("command", ""))).strip() for run in runs))
    lines = [
        "In this order; folders of absolute paths are left out:",
        fence("\n".join(filter(None, commands)), language="sh"),
    ]
    versions = runs[-1].manifest.get("versions", {}) if runs else {}
    if versions:
        lines.append(", ".join(f"{plain(str(name))} {plain(str(of))}" for name, of in versions.items()) + ".")
    lines += [f"- {plain(public_text(text))}" for text in facts.history.doubtful]
    lines.append(
        "`datagen.json` has the configuration of every run, the SHA-256 of its inputs, and what was dropped and why."
    )
    return "\n\n".join(lines)


def _sources(facts: CardFacts) -> str:
    rows = [
        (
            plain(source.title),
            "replies" if source.is_replies else plain(source.split or ""),
            code(source.license) if source.license else "named by the publisher",
            _stated((source.known.stated if source.known is not None else None) or ""),
        )
        for source in facts.sources
    ]
    lines = [table(("source", "of it", "licence", "stated in"), rows)] if rows else []
    notes = [
        f"{plain(of.title)}: {plain(of.known.note)}." for of in facts.sources if of.known is not None and of.known.note
    ]
    given = " It was named by the publisher." if facts.given_license else " It follows from those of the sources."
    lines.append(f"This data set is published under {code(facts.license)}.{given} " + " ".join(notes))
    return "\n\n".join(lines)


def _stated(where: str) -> str:
    return f"<{where}>" if where.startswith("https://") else plain(where)


def _limits(facts: CardFacts) -> str:
    lines = list(facts.notes)
    lines.append(
        "Answers and equations were checked exactly. A right answer may still be reached by wrong words, and what is "
        "no equation was not checked."
    )
    if any(writer.model for of in facts.surveys for writer in of.writers):
        lines.append(
            "The texts of models are as they wrote them. The terms of those models may restrict what can be done with "
            "the texts."
        )
    if facts.failed:
        lines.append(f"{facts.failed:,} replies are missing: they could not be had when the data set was made.")
    lines += [f"A limit of cost or tokens stopped a run early: {plain(str(of))}." for of in facts.never_asked]
    return "\n".join(f"- {line}" for line in lines)


def _examples(facts: CardFacts) -> str:
    parts = []
    for of in facts.surveys:
        if of.part.config != facts.surveys[0].part.config and of.part.config not in (MAIN, "candidates"):
            continue
        for kind, row in of.examples.items():
            what = f"{of.part.name}: {kind}" if of.kind_column is not None else of.part.name
            parts.append(f"{code(what)}\n\n{fence(_example(row))}")
    return "\n\n".join(parts)


def _example(row: dict[str, Any]) -> str:  # Any: a row's values
    lines = []
    for name, value in row.items():
        if name == "provenance" or value is None:
            continue
        text = value if isinstance(value, str) else orjson.dumps(value, default=str).decode()
        if len(text) > SHOWN_CHARS:
            text = f"{text[:SHOWN_CHARS]} [... {len(text) - SHOWN_CHARS:,} more characters]"
        lines.append(f"{name}: " + text.replace("\r", "\n").replace("\n", "\n    "))
    return "\n".join(lines)


def _citations(facts: CardFacts) -> str:
    stages = [run.stage for run in facts.history.runs]
    methods = [
        str(name)
        for run in facts.history.runs
        if run.stage == "augment"
        for name in run.manifest.get("config", {}).get("options", {}).get("methods", ())
    ]
    cited = [source.known.cite for source in facts.sources if source.known is not None and source.known.cite]
    found = citations(sources=cited, stages=stages, methods=methods)
    return fence("\n\n".join(found), language="bibtex") if found else ""
