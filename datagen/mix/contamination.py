"""Which rows of a data set overlap test sets: every distinct text compared once, over processes."""

import hashlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property, lru_cache, partial
from typing import Any, NamedTuple

from datagen.mix.decontaminate import FUZZY, NGRAM, HeldOut, Overlap, runs_of, words_of
from datagen.mix.questions import Frame, own_words, unframed
from datagen.parallel import ordered_map
from datagen_schemas.problem import Problem

TEXTS_PER_TASK = 1000
FORM_SHARE = 0.05  # of a test set's questions; a run of words that more of them have is how they are put


@dataclass(frozen=True)
class Methods:
    """What counts as an overlap. None and False switch a method off."""

    exact: bool = True
    ngram: int | None = NGRAM  # words in a row
    fuzzy: float | None = FUZZY  # ratio, 0 to 100

    def __post_init__(self) -> None:
        """Refuse to look for nothing."""
        if not (self.exact or self.ngram or self.fuzzy):
            raise ValueError("no method: switch on exact, ngram or fuzzy")

    @property
    def names(self) -> tuple[str, ...]:
        """What `Overlap.how` can be, in the order in which they are tried."""
        named = {"exact": self.exact, f"{self.ngram}-gram": self.ngram, "fuzzy": self.fuzzy}
        return tuple(name for name, is_on in named.items() if is_on)


class HeldOutSet(NamedTuple):
    """The questions that must stay out of a data set."""

    name: str
    split: str | None
    sha256: str
    problems: tuple[Problem, ...]
    unread: int = 0
    """Rows without a question that could be read; nothing was compared with them."""

    def as_json(self) -> dict[str, Any]:  # Any: JSON
        """Which one it was."""
        found = {"name": self.name, "split": self.split, "n_problems": len(self.problems), "sha256": self.sha256}
        return found | ({"unread": self.unread} if self.unread else {})


class Found(NamedTuple):
    """The test question that a text overlaps."""

    how: str
    score: float  # 100 for equal texts, the ratio of similar ones, else the share of its words in common runs, in %
    test_set: str
    test_problem_id: str
    test_text: str


@dataclass(frozen=True)
class Against:
    """Test sets with what a worker needs to compare texts with them."""

    tests: tuple[HeldOutSet, ...]
    methods: Methods = Methods()
    frames: tuple[Frame, ...] = ()
    """Of templates: their words are taken away before words in a row are looked for."""

    @cached_property
    def key(self) -> str:
        """Tells this comparison from others."""
        digest = hashlib.sha256(repr((asdict(self.methods), self.frames)).encode("utf-8", "surrogatepass"))
        for problem in self._problems:
            digest.update(
                f"{problem.id}\x1f{problem.question}\x1f{problem.choices}\x1e".encode("utf-8", "surrogatepass")
            )
        return digest.hexdigest()

    @property
    def _problems(self) -> Iterator[Problem]:
        return (problem for test in self.tests for problem in test.problems)

    def held_out(self) -> HeldOut:
        """The index; a problem's id in it is its place among the problems of all test sets."""
        questions = (
            problem.model_copy(update={"id": str(i), "question": self.question_in(problem.question)})
            for i, problem in enumerate(self._problems)
        )
        methods = self.methods
        return HeldOut(
            questions,
            n=methods.ngram or None,
            fuzzy=methods.fuzzy or None,
            exact=methods.exact,
            form_share=FORM_SHARE,
            options=True,
        )

    def question_in(self, text: str) -> str:
        """What a text says of its problem."""
        return own_words(unframed(text, self.frames))

    def found(self, text: str, overlap: Overlap) -> Found:
        """An overlap with the index, told in terms of its test set."""
        place = int(overlap.problem_id)
        for test in self.tests:
            if place < len(test.problems):
                problem = test.problems[place]
                score = overlap.score
                if overlap.how not in ("exact", "fuzzy"):
                    assert self.methods.ngram is not None
                    score = covered(self.question_in(problem.question), self.question_in(text), n=self.methods.ngram)
                return Found(overlap.how, round(score, 1), test.name, problem.id, problem.question)
            place -= len(test.problems)
        raise AssertionError(f"no problem {overlap.problem_id}")


def overlaps(texts: Iterable[str], against: Against, *, workers: int = 1) -> Iterator[Found | None]:
    """For each text the test question that it overlaps, in order; the result does not depend on the workers."""
    assert against.key  # made here, it goes along to the workers
    compare = partial(_compare, against=against)
    for found in ordered_map(compare, _tasks(texts), workers=workers):
        yield from found


def _tasks(texts: Iterable[str]) -> Iterator[list[str]]:
    task: list[str] = []
    for text in texts:
        task.append(text)
        if len(task) == TEXTS_PER_TASK:
            yield task
            task = []
    if task:
        yield task


def _compare(texts: Sequence[str], *, against: Against) -> list[Found | None]:
    held_out = _index(_ByKey(against))
    found: list[Found | None] = []
    for text in texts:
        overlap = held_out.overlap(against.question_in(text), whole=text)
        found.append(None if overlap is None else against.found(text, overlap))
    return found


class _ByKey:
    """A comparison that is equal to a copy of itself: a worker gets one with each task, and indexes the first."""

    def __init__(self, against: Against) -> None:
        self.against = against

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _ByKey) and self.against.key == other.against.key

    def __hash__(self) -> int:
        return hash(self.against.key)


@lru_cache(maxsize=1)
def _index(of: _ByKey) -> HeldOut:
    return of.against.held_out()


def covered(text: str, other: str, *, n: int) -> float:
    """Share of a text's words that lie in a run of n words that the other has too, in %."""
    words = words_of(text)
    return 100 * len(places_in_runs(words, runs_of(other, n=n), n=n)) / len(words) if words else 0.0


def places_in_runs(words: Sequence[str], runs: Collection[str], *, n: int) -> set[int]:
    """Places of the words that lie in one of the runs of n words."""
    runs, places = frozenset(runs), set[int]()
    for i in range(len(words) - n + 1):
        if " ".join(words[i : i + n]) in runs:
            places.update(range(i, i + n))
    return places
