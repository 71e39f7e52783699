"""The questions of rows that name their problem and do not repeat it, as candidates do."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from datagen.question_text import question_text
from datagen.readers.locate import NO_SPLIT
from datagen.readers.read import DatasetSpec, read_problems
from datagen.store.lineage import sources_of
from datagen_schemas.errors import DatagenError


def questions_by_id(data: Path, *, problems: DatasetSpec | None = None) -> Mapping[str, str]:
    """Questions by problem id: of the named problem set, or of those that a run says it was made from.

    Args:
        data: a run, or a data set in it.
        problems: where the problems are; None follows the manifests of the run and of those before it.

    Raises:
        DataError: the named problem set cannot be read.
    """
    if problems is not None:
        return _questions(problems)
    found: dict[str, str] = {}
    for source in sources_of(data):
        if source.role not in ("dataset", "input"):
            continue
        name = source.name if source.path is None else str(source.path)
        split = None if source.split == NO_SPLIT else source.split
        try:
            found |= _questions(DatasetSpec(name, split=split))
        except DatagenError:  # it is gone, or no problem set: its rows are counted as rows without a question
            continue
    return found


def _questions(spec: DatasetSpec) -> dict[str, str]:
    # With the options, as a prompt shows them; a test set is compared in both forms.
    problems = read_problems(replace(spec, skip_bad=True), on_drop=lambda _: None)
    return {problem.id: question_text(problem) for problem in problems}
