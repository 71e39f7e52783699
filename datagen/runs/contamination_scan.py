"""Compares every row of a data set with test sets: each distinct question once, with memory for digests alone."""

import hashlib
from array import array
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple

from datagen.mix.contamination import Against, Found, HeldOutSet, Methods, overlaps
from datagen.mix.questions import (
    MAX_TEXTS,
    Frame,
    built_in_frames,
    common_frame,
    problem_id_of,
    questions_of,
    text_at,
)
from datagen.progress import Report, Step, silent
from datagen.readers.dropped import Dropped
from datagen.readers.row import Row
from datagen.readers.rows import read_rows
from datagen_schemas.errors import DataError

MAX_LISTED = 10_000  # rows in the report; all are counted
_ROWS_TO_KNOW_A_TEMPLATE = 2 * MAX_TEXTS
_NO_PROBLEM = -1
# What a question is never in, and what takes long to read.
_NOT_NEEDED = frozenset(("provenance", "response", "responses", "completion", "rationale", "reference", "chosen"))
_NOT_NEEDED |= frozenset(("rejected", "equations", "votes", "candidates", "missing", "scores", "sources", "evidence"))


class Match(NamedTuple):
    """A row and the test question that it overlaps."""

    row: int  # from 0
    problem_id: str | None
    text: str  # that was compared: the row's question
    found: Found

    def as_json(self) -> dict[str, Any]:  # Any: JSON
        """One entry of the report."""
        return {"row": self.row, "problem_id": self.problem_id, "text": self.text, **self.found._asdict()}


class Scan:
    """Which rows overlap, and which belong to a problem of which a row does."""

    def __init__(self, methods: Methods) -> None:
        """Nothing seen yet."""
        self.rows = 0
        self.without_question = 0
        self.columns: tuple[str, ...] = ()
        self._methods = methods
        self._problems: dict[str, int] = {}
        self._texts: dict[bytes, int] = {}
        # Row after row: its index, its problem, and where its texts end in the list of all rows' texts.
        self._row, self._problem, self._end = array("q"), array("q"), array("q")
        self._text = array("q")
        self._found: dict[int, tuple[str, Found]] = {}

    @property
    def distinct(self) -> int:
        """Different texts that were compared."""
        return len(self._texts)

    def add(self, row: int, problem_id: str | None, texts: Sequence[str]) -> Iterator[tuple[int, str]]:
        """Remember a row; the texts that are new, each with its number."""
        self.rows += 1
        self.without_question += not texts
        problem = _NO_PROBLEM if problem_id is None else self._problems.setdefault(problem_id, len(self._problems))
        self._row.append(row)
        self._problem.append(problem)
        for text in texts:
            key = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
            is_new = key not in self._texts
            number = self._texts.setdefault(key, len(self._texts))
            self._text.append(number)
            if is_new:
                yield number, text
        self._end.append(len(self._text))

    def overlaps(self, number: int, text: str, found: Found) -> None:
        """Remember what a text overlaps."""
        self._found[number] = (text, found)

    def matches(self) -> Iterator[Match]:
        """The rows that overlap, in order; of a row's texts the one that the first method finds."""
        rank = {how: i for i, how in enumerate(self._methods.names)}
        names = list(self._problems)
        start = 0
        for i, end in enumerate(self._end):
            found = [self._found[number] for number in self._text[start:end] if number in self._found]
            start = end
            if found:
                text, best = min(found, key=lambda of: (rank[of[1].how], -of[1].score))
                problem = self._problem[i]
                yield Match(self._row[i], None if problem == _NO_PROBLEM else names[problem], text, best)

    def same_problem(self) -> set[int]:
        """The other rows of the problems of which a row overlaps."""
        overlapping = {match.row for match in self.matches()}
        problems = {problem for row, problem in zip(self._row, self._problem, strict=True) if row in overlapping}
        return {
            row
            for row, problem in zip(self._row, self._problem, strict=True)
            if problem != _NO_PROBLEM and problem in problems and row not in overlapping
        }


def scan_rows(
    files: Sequence[Path],
    tests: Sequence[HeldOutSet],
    *,
    methods: Methods,
    columns: Sequence[str] = (),
    frames: Sequence[Frame] = (),
    lookup: Callable[[], Mapping[str, str]] | None = None,
    workers: int = 1,
    on_bad: Callable[[Dropped], None],
    report: Report = silent,
) -> Scan:
    """Compare every row.

    Args:
        files: of one data set.
        tests: what must not be in it.
        methods: how to compare.
        columns: to compare, such as 'completion' or 'problem.question'; none means the question.
        frames: of the templates that prompts were made with, besides those that are known.
        lookup: asked for questions by problem id, if the first rows name problems and have no question themselves.
        workers: processes; the result does not depend on them.
        on_bad: told of every bad row; raises if there must not be one.
        report: told how far it is.

    Raises:
        DataError: no row has a question, or a named column.
    """
    scan = Scan(methods)
    questions: Mapping[str, str] = {}

    def rows() -> Iterator[tuple[Row, tuple[str, ...]]]:
        ignored = _NOT_NEEDED - {column.split(".")[0] for column in columns}
        for row in read_rows(files, ignore=ignored):
            if isinstance(row, Dropped):
                on_bad(row)
                continue
            scan.columns = scan.columns or tuple(row.values)
            yield row, _texts(row, columns)

    read = rows()
    head = list(islice(read, _ROWS_TO_KNOW_A_TEMPLATE))
    if lookup is not None and not columns and not any(texts for _, texts in head):
        questions = lookup()
    shared = [common_frame(text for _, texts in head for text in texts[:1])]
    # A test set may be prompts, too.
    shared += [common_frame(problem.question for problem in test.problems) for test in tests]
    known = (*frames, *(frame for frame in shared if frame is not None), *built_in_frames())
    against = Against(tuple(tests), methods, tuple(dict.fromkeys(known)))
    waiting: deque[tuple[int, str]] = deque()

    def new_texts() -> Iterator[str]:
        for row, texts in chain(head, read):
            problem_id = problem_id_of(row.values)
            if questions and not texts and (question := questions.get(problem_id or "")):
                texts = (question,)
            for number, text in scan.add(row.row_index, problem_id, texts):
                waiting.append((number, text))
                yield text
            if scan.rows % 1000 == 0:
                report(Step("compare questions", scan.rows, None))

    for found in overlaps(new_texts(), against, workers=workers):
        number, text = waiting.popleft()
        if found is not None:
            scan.overlaps(number, text, found)
    report(Step("compare questions", scan.rows, scan.rows))
    if not scan.distinct:
        what = f"none of the columns {', '.join(columns)}" if columns else "no question"
        raise DataError(
            f"{files[0]}: {what} in its rows (columns {', '.join(scan.columns) or 'none'}). Name the column to "
            "compare with --text, or the data set that has the problems with --problems."
        )
    return scan


def contamination_report(
    scan: Scan, tests: Sequence[HeldOutSet], *, methods: Methods, data: str, settings: dict[str, Any]
) -> dict[str, Any]:  # Any: JSON
    """What contamination.json holds; `removed` and what goes with it is the caller's."""
    by_how, by_test, touched, problems = Counter[str](), Counter[str](), set[tuple[str, str]](), set[str]()
    listed: list[dict[str, Any]] = []  # Any: JSON
    for match in scan.matches():
        by_how[match.found.how] += 1
        by_test[match.found.test_set] += 1
        touched.add((match.found.test_set, match.found.test_problem_id))
        if match.problem_id is not None:
            problems.add(match.problem_id)
        if len(listed) < MAX_LISTED:
            listed.append(match.as_json())
    return {
        "data": data,
        "against": [test.as_json() for test in tests],
        "rows": scan.rows,
        "overlapping": by_how.total(),
        "by_how": {how: by_how[how] for how in methods.names},
        "by_test_set": {test.name: by_test[test.name] for test in tests},
        "test_problems": len(touched),
        "problems": len(problems),
        "variants": len(scan.same_problem()),
        "without_question": scan.without_question,
        "removed": False,
        "n_removed": 0,
        "settings": settings,
        "matches": listed,
    }


def removed_rows(scan: Scan, *, rows_only: bool) -> frozenset[int]:
    """What goes: the rows that overlap, and all others of their problems unless only rows are wanted."""
    found: Iterable[int] = (match.row for match in scan.matches())
    return frozenset(found) | (frozenset() if rows_only else scan.same_problem())


def _texts(row: Row, columns: Sequence[str]) -> tuple[str, ...]:
    if not columns:
        return questions_of(row.values)
    found = (text_at(row.values, column) for column in columns)
    return tuple(dict.fromkeys(text for text in found if text))
