"""What a set of candidates is worth: Tables 1 and 2 of RFT (Yuan et al. 2023, arXiv:2308.01825), and pass@k."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import comb
from typing import Any, NamedTuple

from datagen.select.paths import KEYS, Dedup, Path
from datagen_schemas.candidate import Candidate

CURVE_KS = (1, 3, 6, 12, 25, 50, 100)  # the rows of Table 2
# Classes of 'how often was a problem solved', as the published code counts them; in percent of its samples.
SOLVE_RATE_BINS = ("0", "1-20", "21-40", "41-60", "61-80", "81-99", "100")


class ProblemStatistics(NamedTuple):
    """What one problem's candidates add to the totals."""

    problem_id: str
    candidates: int
    correct: int
    wrong: int
    unknown: int
    false_equations: int  # correct, but with an equation that does not hold
    new_paths_at: tuple[int, ...]  # positions of the candidates that showed a new distinct path
    has_gold: bool  # whether its gold path is known
    gold_path_at: int | None  # position of the first candidate with the gold path's equations
    by_model: dict[str, tuple[int, int]]  # model -> (candidates, correct)
    methods: Counter[str]  # how the verdicts were reached
    published: int  # candidates that came with the publisher's own verdict
    disagreements: int  # of those, candidates that we judge otherwise


@dataclass(frozen=True)
class Filter:
    """Which correct candidates RFT may train on."""

    keep_false_equations: bool = False
    keep_unstated: bool = False  # right only by its last number: a path that teaches not to state the answer

    def reason(self, candidate: Candidate) -> str | None:
        """Why RFT must not train on it; None if it may."""
        if candidate.verdict != "correct":
            return candidate.verdict
        if not (candidate.equations_hold or self.keep_false_equations):
            return "false equation"
        if candidate.verdict_method.startswith("last_number") and not self.keep_unstated:
            return "answer not stated"
        return None


STRICT = Filter()


def problem_statistics(
    problem_id: str,
    candidates: Sequence[Candidate],
    *,
    gold: Path | None,
    dedup: Dedup = "equations",
    keep: Filter = STRICT,
    published: Sequence[bool | None] = (),
) -> ProblemStatistics:
    """Count one problem's candidates, in their order; `published` has the publisher's own verdicts, where known."""
    key_of = KEYS.get(dedup, KEYS["equations"])
    gold_key = key_of(gold) if gold is not None else None
    seen: set[object] = set()
    new_paths_at: list[int] = []
    gold_path_at = None
    by_model: dict[str, tuple[int, int]] = {}
    for i, candidate in enumerate(candidates):
        is_correct = candidate.verdict == "correct"
        n, c = by_model.get(candidate.model or "?", (0, 0))
        by_model[candidate.model or "?"] = (n + 1, c + is_correct)
        if keep.reason(candidate) is None:
            key = key_of(Path(candidate.response, candidate.equations))
            if key == gold_key and gold_path_at is None:
                gold_path_at = i
            if key not in seen:
                seen.add(key)
                new_paths_at.append(i)
    verdicts = Counter(candidate.verdict for candidate in candidates)
    return ProblemStatistics(
        problem_id=problem_id,
        candidates=len(candidates),
        correct=verdicts["correct"],
        wrong=verdicts["wrong"],
        unknown=verdicts["unknown"],
        false_equations=sum(c.verdict == "correct" and not c.equations_hold for c in candidates),
        new_paths_at=tuple(new_paths_at),
        has_gold=gold is not None,
        gold_path_at=gold_path_at,
        by_model=by_model,
        methods=Counter(candidate.verdict_method for candidate in candidates),
        published=sum(verdict is not None for verdict in published),
        disagreements=sum(
            verdict is not None and verdict != (candidate.verdict == "correct")
            for verdict, candidate in zip(published, candidates, strict=False)
        ),
    )


def pass_at_k(n: int, correct: int, k: int) -> float:
    """Unbiased estimate of the chance that one of k samples is correct (Chen et al. 2021, arXiv:2107.03374, Eq. 1).

    Args:
        n: samples drawn, at least k.
        correct: how many of them are correct.
        k: how many may be tried.
    """
    if not 1 <= k <= n:
        raise ValueError(f"k = {k} is not between 1 and n = {n}")
    return 1 - comb(n - correct, k) / comb(n, k)


def solve_rate_bin(n: int, correct: int) -> str:
    """The class of SOLVE_RATE_BINS that `correct` of `n` belongs to."""
    if correct == 0:
        return "0"
    if correct == n:
        return "100"
    return SOLVE_RATE_BINS[min(5, 1 + (100 * correct - 1) // (20 * n))]


@dataclass
class Statistics:
    """Totals over problems; memory does not grow with the number of candidates."""

    problems: int = 0
    candidates: int = 0
    correct: int = 0
    wrong: int = 0
    unknown: int = 0
    false_equations: int = 0
    distinct: int = 0
    published: int = 0
    disagreements: int = 0
    never_solved: list[str] = field(default_factory=list)
    without_candidates: int = 0
    with_gold: int = 0  # problems with candidates and a gold path that is known
    by_model: dict[str, tuple[int, int]] = field(default_factory=dict)
    methods: Counter[str] = field(default_factory=Counter)
    _largest_k: int = 0
    _new_paths_at: Counter[int] = field(default_factory=Counter)
    _gold_paths_at: Counter[int] = field(default_factory=Counter)
    _counts: Counter[tuple[int, int]] = field(default_factory=Counter)  # (candidates, correct) -> problems

    def add(self, problem: ProblemStatistics) -> None:
        """Add one problem."""
        self.problems += 1
        self.candidates += problem.candidates
        self.correct += problem.correct
        self.wrong += problem.wrong
        self.unknown += problem.unknown
        self.false_equations += problem.false_equations
        self.distinct += len(problem.new_paths_at)
        self.published += problem.published
        self.disagreements += problem.disagreements
        self.without_candidates += problem.candidates == 0
        self.with_gold += problem.has_gold and problem.candidates > 0
        if problem.candidates and not problem.correct:
            self.never_solved.append(problem.problem_id)
        for model, (n, correct) in problem.by_model.items():
            total_n, total_correct = self.by_model.get(model, (0, 0))
            self.by_model[model] = (total_n + n, total_correct + correct)
        self.methods.update(problem.methods)
        self._largest_k = max(self._largest_k, problem.candidates)
        self._new_paths_at.update(problem.new_paths_at)
        if problem.gold_path_at is not None:
            self._gold_paths_at[problem.gold_path_at] += 1
        self._counts[problem.candidates, problem.correct] += 1

    @property
    def problems_answered(self) -> int:
        """Problems with candidates: those of which all means and shares are."""
        return self.problems - self.without_candidates

    @property
    def problems_solved(self) -> int:
        """Problems with at least one correct candidate."""
        return self.problems_answered - len(self.never_solved)

    def curve(self) -> list[dict[str, float]]:
        """Distinct paths per problem with candidates, among the first k of them, for each k of Table 2 and for all.

        `distinct` counts the sampled paths alone; `with_gold` counts the gold path too (once), where it is known.
        """
        points, n = [], self.problems_answered
        for k in self._ks():
            sampled = sum(count for at, count in self._new_paths_at.items() if at < k)
            same_as_gold = sum(count for at, count in self._gold_paths_at.items() if at < k)
            with_gold = self.with_gold + sampled - same_as_gold
            points.append({"k": k, "distinct": sampled / n, "with_gold": with_gold / n})
        return points

    def pass_at(self) -> list[dict[str, float]]:
        """pass@k over the problems that have at least k candidates; says how many those are."""
        points: list[dict[str, float]] = []
        for k in self._ks():
            counts = [(n, correct, times) for (n, correct), times in self._counts.items() if n >= k]
            problems = sum(times for _, _, times in counts)
            value = sum(times * pass_at_k(n, correct, k) for n, correct, times in sorted(counts)) / problems
            points.append({"k": k, "pass": value, "problems": problems})
        return points

    def solve_rates(self) -> dict[str, int]:
        """Problems per class of solve rate."""
        histogram: dict[str, int] = dict.fromkeys(SOLVE_RATE_BINS, 0)
        for (n, correct), times in self._counts.items():
            if n:
                histogram[solve_rate_bin(n, correct)] += times
        return histogram

    def as_json(self) -> dict[str, Any]:  # Any: JSON
        """Everything, for the manifest."""
        per_problem = max(1, self.problems_answered)
        return {
            "problems": self.problems,
            "candidates": self.candidates,
            "correct": self.correct,
            "wrong": self.wrong,
            "unknown": self.unknown,
            "false_equations": self.false_equations,
            "distinct": self.distinct,
            "problems_solved": self.problems_solved,
            "problems_without_candidates": self.without_candidates,
            "problems_with_gold": self.with_gold,
            "correct_per_problem": self.correct / per_problem,
            "distinct_per_problem": self.distinct / per_problem,
            "distinct_at_k": self.curve(),
            "pass_at_k": self.pass_at(),
            "solve_rates_percent": self.solve_rates(),
            "never_solved": self.never_solved,
            "by_model": {
                model: {"candidates": n, "correct": correct} for model, (n, correct) in sorted(self.by_model.items())
            },
            "verdict_methods": dict(sorted(self.methods.items())),
            "published_verdicts": self.published,
            "disagreements_with_publisher": self.disagreements,
        }

    def _ks(self) -> list[int]:
        return sorted({k for k in CURVE_KS if k <= self._largest_k} | ({self._largest_k} - {0}))
