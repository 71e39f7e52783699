"""Replies made elsewhere: rows with a response and the problem it answers, as a stream of any length."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeGuard

from pydantic import ValidationError

from datagen.readers.dropped import BadRow, Dropped, bad_row_policy
from datagen.readers.fields import Values, shown
from datagen.readers.locate import locate
from datagen.readers.rows import read_rows
from datagen_schemas.candidate import Candidate
from datagen_schemas.corruption import Corruption
from datagen_schemas.errors import DataError
from datagen_schemas.problem import Problem

_NEEDED = frozenset({"problem_id", "sample", "response", "model", "verdict", "corruption"})
_NOT_NEEDED = frozenset(Candidate.model_fields) - _NEEDED
_VERDICTS = {"correct": True, "wrong": False}


class ForeignReply(NamedTuple):
    """A reply that was not sampled by this run."""

    problem_id: str
    sample: int | None
    """Where the file says; else whoever merges replies numbers them."""
    response: str
    model: str | None
    is_correct: bool | None
    """The file's own verdict, if it has one; never ours."""
    source: str
    """The file's name."""
    corruption: dict[str, Any] | None = None  # Any: JSON
    """What `datagen corrupt` did to it."""


class ProblemIndex:
    """Problems by id and by question, white space aside."""

    def __init__(self, problems: Iterable[Problem], *, aliases: Mapping[str, str] | None = None) -> None:
        """Hold the problems; two of one id are an error, two of one question are told apart by id only.

        Args:
            problems: what may be answered.
            aliases: other ids by which replies may name a problem, each with the problem's own one.
        """
        self._aliases = aliases or {}
        self._by_id: dict[str, Problem] = {}
        self._by_question: dict[str, str | None] = {}
        self._by_normalised: dict[str, str | None] = {}
        for problem in problems:
            if problem.id in self._by_id:
                raise DataError(f"problem {problem.id}: this id comes twice. Give each problem an id of its own.")
            self._by_id[problem.id] = problem
            for ids, question in (
                (self._by_question, problem.question),
                (self._by_normalised, _normalised(problem.question)),
            ):
                ids[question] = None if question in ids else problem.id

    def __len__(self) -> int:
        """Number of problems."""
        return len(self._by_id)

    def __iter__(self) -> Iterator[Problem]:
        """The problems, in order."""
        return iter(self._by_id.values())

    def __contains__(self, problem_id: object) -> bool:
        """Whether there is a problem of this id."""
        return problem_id in self._by_id

    def __getitem__(self, problem_id: str) -> Problem:
        """The problem of an id."""
        return self._by_id[problem_id]

    def id_named(self, name: str) -> str | None:
        """Id of the problem that a reply names, by its id or an alias; None if there is none."""
        problem_id = name if name in self._by_id else self._aliases.get(name)
        return problem_id if problem_id in self._by_id else None

    def id_of_question(self, question: str) -> str:
        """Id of the one problem with this question.

        Raises:
            BadRow: none has it, or several.
        """
        # The text as it is comes first: that needs no work, and it tells apart what differs in white space alone.
        found = self._by_question.get(question) or self._by_normalised.get(_normalised(question), "")
        if found is None:
            raise BadRow("ambiguous problem", f"several problems have the question {shown(question)}, give problem_id")
        if not found:
            raise BadRow("unknown problem", f"no problem has the question {shown(question)}")
        return found


def _normalised(question: str) -> str:
    return " ".join(question.split())


def read_candidates(
    path: Path, index: ProblemIndex, *, skip_bad: bool = False, on_drop: Callable[[Dropped], None] | None = None
) -> Iterator[ForeignReply]:
    """Replies of a file, saved dataset or run directory, in its order; only one batch of them is in memory.

    Rows have `response`, one text or a list of texts, and `problem_id` or `question`; `sample`, `model` and
    `is_correct` if they like. Or they are rows of GSM8K's `example_model_solutions.jsonl`: one reply per model.

    Args:
        path: jsonl, json, csv, tsv, Parquet, Arrow, a folder that `save_to_disk` or one of our commands wrote.
        index: the problems that may be answered.
        skip_bad: drop bad rows, each reported, instead of failing at the first.
        on_drop: told of every row that is left out; without it they are logged.

    Raises:
        DataError: the file cannot be read, or a row is bad and `skip_bad` is off.
    """
    if not path.exists():
        raise DataError(f"--candidates {path}: no such file or folder. Check the path.")
    return _replies(path, index, bad_row_policy(skip_bad=skip_bad, on_drop=on_drop))


def _replies(path: Path, index: ProblemIndex, report: Callable[[Dropped], None]) -> Iterator[ForeignReply]:
    own = path / "candidates"  # of a run of rft or rank, whose data/ are examples or groups
    folder = own if (path / "manifest.json").exists() and own.is_dir() else path
    files = locate(folder, None, default_split=None).files
    for row in read_rows(files, ignore=_NOT_NEEDED):
        if isinstance(row, Dropped):
            report(row)
            continue
        try:
            replies = replies_of(row.values, index, source=path.name)
        except BadRow as bad:
            report(Dropped(row.where, bad.reason, bad.detail))
            continue
        yield from replies


def replies_of(row: Values, index: ProblemIndex, *, source: str) -> list[ForeignReply]:
    """The replies of one row.

    Raises:
        BadRow: it is none, or its problem is not in the index.
    """
    response = row.get("response")
    if response is None:
        solutions = {name: value for name, value in row.items() if _is_solution(value)}
        if not solutions:
            found = "it is null" if "response" in row else f"only {', '.join(row) or 'nothing'}"
            raise BadRow("missing column", f"no 'response', {found}")
        problem_id = _problem_id(row, index)
        return [_solution(problem_id, name, value, source) for name, value in solutions.items()]
    problem_id = _problem_id(row, index)
    sample, model, is_correct = _sample(row), row.get("model") or None, _own_verdict(row)
    if not isinstance(model, str | None):
        raise BadRow("bad value", f"'model' is {shown(model)}")
    if isinstance(response, str):
        return [ForeignReply(problem_id, sample, response, model, is_correct, source, _corruption(row))]
    if not isinstance(response, list) or not all(isinstance(text, str) for text in response):
        raise BadRow("not text", f"'response' is {shown(response)}")
    if not response:
        raise BadRow("empty text", "'response' is an empty list")
    if len(response) > 1 and (sample is not None or is_correct is not None):
        raise BadRow("bad value", f"one 'sample' or verdict for {len(response)} responses, give each its own row")
    return [ForeignReply(problem_id, sample, text, model, is_correct, source) for text in response]


def _is_solution(value: object) -> TypeGuard[Values]:
    """Whether a column holds a reply in the form of GSM8K's example solutions."""
    return isinstance(value, Mapping) and "solution" in value and "is_correct" in value


def _solution(problem_id: str, model: str, value: Values, source: str) -> ForeignReply:
    response, is_correct = value["solution"], value["is_correct"]
    if not isinstance(response, str) or not isinstance(is_correct, bool):
        raise BadRow("bad value", f"{model!r} is {shown(value)}")
    return ForeignReply(problem_id, None, response, model, is_correct, source)


def _problem_id(row: Values, index: ProblemIndex) -> str:
    problem_id = row.get("problem_id") or None
    if not isinstance(problem_id, str | None):
        raise BadRow("bad value", f"'problem_id' is {shown(problem_id)}")
    if problem_id is not None and (known := index.id_named(problem_id)) is not None:
        return known
    question = row.get("question")
    if isinstance(question, str):
        return index.id_of_question(question)
    if problem_id is not None:
        raise BadRow("unknown problem", f"no problem has the id {shown(problem_id)}")
    raise BadRow("missing column", f"no 'problem_id' and no 'question', only {', '.join(row)}")


def _sample(row: Values) -> int | None:
    sample = row.get("sample")
    if isinstance(sample, str) and sample.isdecimal():  # CSV has nothing but texts
        return int(sample)
    if sample in (None, ""):
        return None
    if type(sample) is int and sample >= 0:
        return sample
    raise BadRow("bad value", f"'sample' is {shown(sample)}, not 0, 1, 2, ...")


def _corruption(row: Values) -> dict[str, Any] | None:  # Any: JSON
    found = row.get("corruption")
    if found in (None, ""):
        return None
    try:
        return Corruption.model_validate(found).model_dump(mode="json")
    except ValidationError as error:
        raise BadRow("bad value", f"'corruption' is {shown(found)}") from error


def _own_verdict(row: Values) -> bool | None:
    is_correct = row.get("is_correct")
    if isinstance(is_correct, str) and is_correct.lower() in ("true", "false"):  # CSV again
        return is_correct.lower() == "true"
    if isinstance(is_correct, bool):
        return is_correct
    if is_correct not in (None, ""):
        raise BadRow("bad value", f"'is_correct' is {shown(is_correct)}")
    return _VERDICTS.get(str(row.get("verdict")))
