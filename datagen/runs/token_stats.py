"""The `stats --tokens` job: how unevenly data sets use a tokenizer's vocabulary."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any, Literal

from datagen.progress import Report, Step, silent
from datagen.question_text import question_text
from datagen.readers.read import DatasetSpec, read_problems
from datagen.runs.examples import training_examples
from datagen.store.arrow_dataset import read_batches, shards
from datagen.tokens.density_plot import density_svg
from datagen.tokens.imbalance import Density, density, imbalance
from datagen_schemas.errors import DataError, MissingExtraError, StoreError

Part = Literal["all", "answer"]

# (what is read, what is learnt) of the data sets that we write; the first pair whose columns are there.
COLUMNS = (("prompt", "completion"), ("query", "response"), (None, "response"))
TEXTS_PER_CALL = 1000
N_LISTED = 10


def token_statistics(
    datasets: Sequence[str],
    *,
    tokenizer: str,
    part: Part = "all",
    out: Path | None = None,
    report: Report = silent,
) -> dict[str, Any]:  # Any: JSON
    """Counts over token ids of each data set, special tokens left out, and their drawing.

    Args:
        datasets: run directories, folders of a data set, or problem sets as --dataset takes them.
        tokenizer: folder, `tokenizer.json`, or Hub id.
        part: 'answer' counts only what a model learns to write: completions, responses, solutions.
        out: SVG file to write.
        report: told how far it is.

    Raises:
        DataError: a data set or the tokenizer cannot be read, or there is no text.
        StoreError: `out` cannot be written.
    """
    loaded = load_tokenizer(tokenizer)
    special = special_ids(loaded)
    found: list[dict[str, Any]] = []  # Any: JSON
    densities: dict[str, Density] = {}
    for name in datasets:
        counts = Counter[int]()
        n_texts = 0
        source = _texts(name, part=part)
        while texts := list(islice(source, TEXTS_PER_CALL)):
            for ids in loaded(texts, add_special_tokens=False, verbose=False)["input_ids"]:
                counts.update(ids)
            n_texts += len(texts)
            report(Step(f"tokens of {Path(name).name}", n_texts, None))
        for token in special:
            del counts[token]  # a Counter's: no error where it is not there
        if not counts:
            raise DataError(f"{name}: no text to count tokens of. Name a data set with text.")
        label = _label(name, taken=densities)
        densities[label] = density(counts, n_ids=len(loaded))
        listed = [
            {"id": token, "token": loaded.convert_ids_to_tokens(token), "share": count / counts.total()}
            for token, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:N_LISTED]
        ]
        numbers = imbalance(counts, n_vocabulary=len(loaded) - len(special))
        found.append({"name": label, "data": name, "texts": n_texts, **numbers._asdict(), "most_frequent": listed})
    if out is not None:
        _write(out, density_svg(densities, title="Density of tokens by their id"))
    drawing = None if out is None else str(out)
    return {"tokenizer": tokenizer, "special_tokens": len(special), "text": part, "datasets": found, "out": drawing}


def load_tokenizer(name: str) -> Any:  # Any: of an optional extra
    """A tokenizer from a folder, a `tokenizer.json`, or the Hub.

    Raises:
        MissingExtraError: transformers is not installed.
        DataError: there is none, or it cannot be loaded.
    """
    try:
        from transformers import AutoTokenizer, PreTrainedTokenizerFast
    except ImportError as error:
        raise MissingExtraError("train", needed_for="datagen stats --tokens") from error
    try:
        if Path(name).is_file():
            return PreTrainedTokenizerFast(tokenizer_file=name)
        return AutoTokenizer.from_pretrained(name)
    except Exception as error:  # the Rust reader of tokenizer.json raises nothing narrower
        reason = (str(error).strip() or type(error).__name__).split("\n")[0].rstrip(".")
        raise DataError(f"tokenizer {name}: {reason}. Name a folder, a tokenizer.json or a Hub id.") from error


def special_ids(tokenizer: Any) -> frozenset[int]:  # Any: of an optional extra
    """Ids of the tokens that stand for no text, whether they have a role or are only marked so."""
    marked = (token_id for token_id, token in tokenizer.added_tokens_decoder.items() if token.special)
    return frozenset((*tokenizer.all_special_ids, *marked))


def _texts(name: str, *, part: Part) -> Iterator[str]:
    """Prompt and answer apart, as training tokenises them."""
    folder = next((f for f in (Path(name) / "data", Path(name)) if list(f.glob("data-*"))), None)
    pairs = _problem_texts(name) if folder is None else _column_texts(folder)
    for asked, answer in pairs:
        if asked and part == "all":
            yield asked
        if answer:
            yield answer


def _problem_texts(name: str) -> Iterator[tuple[str, str]]:
    """Of a problem set, or of anybody's rows of a prompt and a completion."""
    problems = read_problems(DatasetSpec(name))
    try:
        first = next(problems, None)
    except DataError as no_problem:
        try:
            examples = training_examples(name, method="vft")
        except DataError:
            raise no_problem from None
        yield from ((example.prompt, example.completion) for example in examples)
        return
    for problem in chain([] if first is None else [first], problems):
        yield question_text(problem), problem.rationale if problem.rationale is not None else problem.answer


def _column_texts(folder: Path) -> Iterator[tuple[str | None, str | None]]:
    shards(folder)
    for batch in read_batches(folder):
        names = batch.schema.names
        pair = next((of for of in COLUMNS if all(name is None or name in names for name in of)), None)
        if pair is None:
            raise DataError(f"{folder}: no column 'completion' or 'response', only {', '.join(names)}.")
        asked, answer = pair
        answers = batch.column(str(answer)).to_pylist()
        prompts: Iterable[str | None] = batch.column(asked).to_pylist() if asked else [None] * len(answers)
        yield from zip(prompts, answers, strict=True)


def _label(name: str, *, taken: Iterable[str]) -> str:
    """The last part of a path that says something, or all of it where two are the same."""
    parts = [part for part in Path(name).parts if part not in ("data", ".", "/")]
    short = parts[-1] if parts else name
    return name if short in taken else short


def _write(out: Path, text: str) -> None:
    partial = out.with_name(out.name + ".partial")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(text, encoding="utf-8")
        partial.replace(out)
    except OSError as error:
        raise StoreError(f"{out}: {error.strerror}. Choose another --out.") from error
