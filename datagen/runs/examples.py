"""The examples that a training run reads: of a run of `rft`, of a problem set, or rows that anybody made."""

from itertools import chain
from pathlib import Path

from datagen.mix.foreign_rows import from_foreign
from datagen.mix.own_rows import Origin
from datagen.mix.training import as_example, is_mixture, mixture_examples
from datagen.question_text import load_question_prompt
from datagen.readers.dropped import BadRow, Dropped
from datagen.readers.hub import hub_dataset
from datagen.readers.read import DatasetSpec
from datagen.readers.row import Row
from datagen.recipes.rft import gold_example
from datagen.runs.mix_inputs import MixInput, default_name, open_input
from datagen.runs.replies import load_problems
from datagen.store.arrow_dataset import read_records, shards
from datagen_schemas.alignment import AlignmentGroup
from datagen_schemas.augmented import Augmented
from datagen_schemas.errors import DataError
from datagen_schemas.example import Example
from datagen_schemas.mixed import MixedGroup
from datagen_schemas.problem import Problem


def training_examples(data: str, *, method: str, train_prompt: str = "plain") -> list[Example]:
    """VFT reads the gold paths, RFT the gold and the selected ones (D'); of all else each reads every row.

    Args:
        data: an RFT run, a mixture, a folder of examples, or rows of a prompt and a completion, as `datagen mix` finds
            them; for VFT also a problem set, as --dataset takes it.
        method: 'vft' or 'rft'.
        train_prompt: template of the prompts, where `data` is a problem set, or has questions and no prompts.

    Raises:
        DataError: nothing to train on.
    """
    path = Path(data)
    folder = next((f for f in (path / "data", path) if list(f.glob("data-*"))), None)
    if method == "rft" and not path.exists():
        raise _no_run(data)
    if folder is not None and shards(folder) and is_mixture(folder):
        return list(mixture_examples(folder))
    if not path.exists() and hub_dataset(data) is None:  # a name, known or not
        return _of_problem_set(data, train_prompt)
    opened = open_input(MixInput(default_name(data), data), skip_bad=False, on_drop=lambda _: None)
    if folder is not None and opened.record is Example:
        examples = list(read_records(folder, Example))
        if method == "vft":
            examples = [example for example in examples if example.source == "gold"]
        return _some(examples, data)
    first = next((row for row in opened.rows), None)
    if opened.problems is not None or opened.record is Problem or _is_problem(first):
        if method == "rft":
            raise _no_run(data)
        return _of_problem_set(data, train_prompt)
    if opened.record not in (None, Augmented, Example):
        how = "datagen train aft" if opened.record in (AlignmentGroup, MixedGroup) else "datagen rft --candidates"
        raise DataError(f"{data}: rows of {opened.record.__name__} are no examples. Use them with: {how} {data} ...")
    origin = Origin(default_name(data), prompt=load_question_prompt(train_prompt))
    return _some([_example(row, origin) for row in chain([] if first is None else [first], opened.rows)], data)


def _no_run(data: str) -> DataError:
    return DataError(f"{data}: no run of datagen rft. Make one with: datagen rft --dataset ... --out {data}")


def _some(examples: list[Example], data: str) -> list[Example]:
    if not examples:
        raise DataError(f"{data}: no gold path to train on. Name a dataset with solutions.")
    return examples


def _of_problem_set(data: str, train_prompt: str) -> list[Example]:
    return _some(gold_examples(load_problems(DatasetSpec(data)).problems, train_prompt=train_prompt), data)


def _is_problem(row: Row | Dropped | None) -> bool:
    """Whether a row has a solution beside its answer; where it has none, the answer is what there is to learn."""
    return isinstance(row, Row) and {"question", "answer", "rationale"} <= row.values.keys()


def _example(row: Row | Dropped, origin: Origin) -> Example:
    """A row of anybody's as an example; the path is the data set's own."""
    bad = row if isinstance(row, Dropped) else None
    if isinstance(row, Row):
        try:
            return as_example(from_foreign(row, origin=origin, columns={})).model_copy(update={"source": "gold"})
        except BadRow as error:
            bad = Dropped(row.where, error.reason, error.detail)
    assert bad is not None
    raise DataError(
        f"{bad.where}: {bad.reason}: {bad.detail}. Fix the row, or leave such rows out with: datagen mix --skip-bad"
    )


def gold_examples(problems: list[Problem], *, train_prompt: str = "plain") -> list[Example]:
    """The datasets' own solutions as training examples; problems without one are left out.

    Their equations are not listed: finding them takes most of the time, and no training reads them.
    """
    prompt = load_question_prompt(train_prompt)
    made = (gold_example(problem, prompt=prompt, stage="gold", with_equations=False) for problem in problems)
    return [example for example in made if example is not None]
