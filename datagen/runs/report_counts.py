"""What a report says of a run's texts: one pass over its data sets, for lengths, tokens and what rows are made of."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import pyarrow as pa

from datagen.progress import Report, Step
from datagen.report.augmentation import augmentation_figures
from datagen.report.candidates import candidate_figures
from datagen.report.composition import composition_figures, contamination_figure, count_columns
from datagen.report.costs import Cost, costs_of
from datagen.report.distributions import Occurrences, length_figure
from datagen.report.dropped import dropped_figures
from datagen.report.evaluation import evaluation_figures
from datagen.report.figure import Figure
from datagen.report.judging import deviation_figure, judging_figures
from datagen.report.page import RunSection
from datagen.report.texts import TextCounts, texts_of
from datagen.runs.report_inputs import EVALUATIONS, Run
from datagen.runs.stats import candidate_statistics
from datagen.runs.token_stats import load_tokenizer, special_ids
from datagen.store.arrow_dataset import read_batches
from datagen.tokens.imbalance import density, imbalance
from datagen_schemas.errors import DataError

Json = dict[str, Any]  # Any: JSON
N_LISTED = 10  # most frequent tokens
TEXTS_PER_CALL = 1000


class Tokeniser:
    """A tokenizer, with its special tokens left out of what occurs."""

    def __init__(self, name: str) -> None:
        """Load it from a folder, a `tokenizer.json` or the Hub."""
        self._loaded = load_tokenizer(name)
        self.special = special_ids(self._loaded)
        self.n_ids = len(self._loaded)

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each text, without special tokens around it."""
        found: list[list[int]] = self._loaded(list(texts), add_special_tokens=False, verbose=False)["input_ids"]
        return found

    def token(self, token_id: int) -> str:
        """What an id stands for."""
        return str(self._loaded.convert_ids_to_tokens(token_id))


def run_section(run: Run, tokeniser: Tokeniser | None, report: Report) -> tuple[RunSection, list[Occurrences]]:
    """A run's figures, and how often its tokens or words occur."""
    manifest = run.manifest
    statistics = manifest.get("statistics") or _statistics(run)
    figures: list[Figure | None] = [*candidate_figures(statistics)] if statistics else []
    if isinstance(reliability := manifest.get("reliability"), dict):
        figures += judging_figures(reliability)
    if isinstance(result := manifest.get("result"), dict):
        figures += evaluation_figures(result)
    if isinstance(methods := manifest.get("methods"), dict):
        figures += augmentation_figures(methods)
    counted = TextCounts()
    lengths, composed, deviations, n_rows = _stream(run, counted, tokeniser, report)
    figures.append(deviation_figure(deviations))
    figures += composition_figures(composed)
    figures += dropped_figures(manifest)
    if (run.path / "contamination.json").is_file():
        figures.append(_contamination(run.path / "contamination.json"))
    unit = "characters" if tokeniser is None else "tokens"
    figures += [length_figure(counts, unit=unit, title=title) for title, counts in lengths.items()]
    occurring = _occurrences(run.name, counted, tokeniser)
    section = RunSection(run.name, manifest, [of for of in figures if of is not None], n_rows)
    return section, [] if occurring is None else [occurring]


def _statistics(run: Run) -> Json | None:
    """Of candidates that stand alone, without a manifest that has counted them."""
    if not run.manifest and [part.record for part in run.parts] == ["candidate"]:
        return candidate_statistics(run.path).as_json()
    return None


def _contamination(file: Path) -> Figure | None:
    try:
        found = orjson.loads(file.read_bytes())
    except (OSError, orjson.JSONDecodeError) as error:
        raise DataError(f"{file}: {error}. Write it again with: datagen decontaminate") from error
    return contamination_figure(found) if isinstance(found, dict) else None


class _Streamed(NamedTuple):
    lengths: dict[str, dict[str, Counter[int]]]  # title -> kind -> lengths
    composed: dict[str, Counter[str]]
    deviations: Counter[int]
    rows: int


def _stream(run: Run, counted: TextCounts, tokeniser: Tokeniser | None, report: Report) -> _Streamed:
    """One pass over a run's data sets: lengths, words or tokens, and what rows are made of."""
    composed: dict[str, Counter[str]] = {}
    deviations = Counter[int]()
    lengths: dict[str, dict[str, Counter[int]]] = {}
    tokenise = None if tokeniser is None else tokeniser.ids
    n_rows = n_texts = 0
    for part in dict.fromkeys((*run.main, *run.parts)):
        is_main = part in run.main
        counts = counted if is_main else TextCounts()
        for batch in read_batches(part.folder):
            n_rows += batch.num_rows if is_main else 0
            if is_main:
                count_columns(batch, part.record, composed)
            if part.record == "ranked-group":
                deviations += _deviations(batch)
            texts = list(texts_of(batch, part.record))
            for i in range(0, len(texts), TEXTS_PER_CALL):
                counts.add(texts[i : i + TEXTS_PER_CALL], tokenise=tokenise, of_tokens=is_main)
            n_texts += len(texts)
            report(Step(f"count {run.name}", n_texts, None))
        if not is_main and counts.lengths:
            lengths.setdefault(f"Length of {part.record}s", {}).update(counts.answer_lengths())
    report(Step(f"count {run.name}", n_texts, n_texts))
    named = {"candidate": "candidates", "ranked-group": "candidates", "example": "examples"}
    title = f"Length of {named.get(run.main[0].record, 'texts') if run.main else 'texts'}"
    return _Streamed({title: counted.answer_lengths(), **lengths}, composed, deviations, n_rows)


def _deviations(batch: pa.RecordBatch) -> Counter[int]:
    """Standard deviations in tenths; equal texts of a problem were judged once."""
    found = Counter[int]()
    for row in batch.select(["candidates"]).to_pylist():
        for candidate in {of["response"]: of for of in row["candidates"]}.values():
            if len(candidate["votes"]) > 1:
                found[int(candidate["deviation"] * 10 + 1e-9)] += 1
    return found


def _occurrences(name: str, counted: TextCounts, tokeniser: Tokeniser | None) -> Occurrences | None:
    counts = counted.tokens
    if tokeniser is not None:
        for token_id in tokeniser.special:
            del counts[token_id]  # a Counter's: no error where it is not there
    if not counts:
        return None
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    total = counts.total()
    most = [
        (str(token) if tokeniser is None else tokeniser.token(token), n / total) for token, n in ordered[:N_LISTED]
    ]
    if tokeniser is None:
        line = [(rank, ordered[rank - 1][1] / total) for rank in _ranks(len(ordered))]
        return Occurrences(name, imbalance(counts, n_vocabulary=len(counts)), line, most)
    found = density(counts, n_ids=tokeniser.n_ids)
    numbers = imbalance(counts, n_vocabulary=tokeniser.n_ids - len(tokeniser.special))
    return Occurrences(name, numbers, list(zip(found.ids, found.density, strict=True)), most)


def _ranks(n: int) -> list[int]:
    """1, 2, 3, ... and ever further apart, as a logarithmic axis shows them."""
    return sorted({*range(1, min(n, 20) + 1), *(int(1.05**i) for i in range(400) if 20 < 1.05**i <= n), n})


def costs(run: Run) -> Iterator[Cost]:
    """What the run's models cost; of an evaluation those of its parts, which are runs of their own."""
    if run.stage in EVALUATIONS:
        for part in run.parts:
            inner = orjson.loads((part.folder.parent / "manifest.json").read_bytes())
            yield from costs_of(f"{run.name}/{part.origin}", inner)
    else:
        yield from costs_of(run.name, run.manifest)
