"""The examples that a training run reads: from a run of `rft`, or straight from a problem set."""

from pathlib import Path

from datagen.mix.training import is_mixture, mixture_examples
from datagen.question_text import load_question_prompt
from datagen.readers.read import DatasetSpec
from datagen.recipes.rft import gold_example
from datagen.runs.replies import load_problems
from datagen.store.arrow_dataset import read_records, shards
from datagen_schemas.errors import DataError
from datagen_schemas.example import Example
from datagen_schemas.problem import Problem


def training_examples(data: str, *, method: str, train_prompt: str = "plain") -> list[Example]:
    """VFT reads the gold paths, RFT the gold and the selected ones (D'); of a mixture each reads all.

    Args:
        data: an RFT run, a mixture or a folder of examples; for VFT also a problem set, as --dataset takes it.
        method: 'vft' or 'rft'.
        train_prompt: template of the prompts, where `data` is a problem set.

    Raises:
        DataError: nothing to train on.
    """
    folder = next((f for f in (Path(data) / "data", Path(data)) if list(f.glob("data-*"))), None)
    if folder is not None and shards(folder):
        if is_mixture(folder):
            return list(mixture_examples(folder))
        examples = list(read_records(folder, Example))
        if method == "vft":
            examples = [example for example in examples if example.source == "gold"]
    elif method == "rft":
        raise DataError(f"{data}: no run of datagen rft. Make one with: datagen rft --dataset ... --out {data}")
    else:
        examples = gold_examples(load_problems(DatasetSpec(data)).problems, train_prompt=train_prompt)
    if not examples:
        raise DataError(f"{data}: no gold path to train on. Name a dataset with solutions.")
    return examples


def gold_examples(problems: list[Problem], *, train_prompt: str = "plain") -> list[Example]:
    """The datasets' own solutions as training examples; problems without one are left out."""
    prompt = load_question_prompt(train_prompt)
    made = (gold_example(problem, prompt=prompt, stage="gold") for problem in problems)
    return [example for example in made if example is not None]
