"""Is the judge any good? What its ratings say of pairs whose order is known, and how well its votes agree.

Assessment accuracy is Equation 3 of "Making LLMs better reasoners with alignment" (AFT), applied to a judge.
"""

import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from statistics import stdev
from typing import Any

from datagen.rank.agreement import RATINGS, RESAMPLES, interval_alpha, whole
from datagen_schemas.corruption import Corruption
from datagen_schemas.rating import MissingCandidate, RankedCandidate, RankedGroup, Rating

PREFILLED = "steps (prefilled)"  # the judge's name where the step judge answered in place of a model
REFERENCE_IS_GOOD = 9
EMPTY_IS_BAD = 2
_SAME = 1e-9  # means of ratings that differ by less are equal: only the order of adding tells them apart
_REASONS = 50  # distinct parse errors that are kept; the rest are counted together

Json = dict[str, Any]  # Any: nested JSON


@dataclass
class Pairs:
    """Pairs of which one is known to be better, and how often it got the higher score."""

    n: int = 0
    right: int = 0
    tied: int = 0

    def add(self, better: float, worse: float) -> None:
        """Count one pair by its two scores."""
        self.n += 1
        if abs(better - worse) < _SAME:
            self.tied += 1
        elif better > worse:
            self.right += 1

    def as_json(self) -> Json:
        """Counts and accuracy: a tie is not right, as the strict inequality of Equation 3 has it."""
        return {
            "n": self.n,
            "right": self.right,
            "tied": self.tied,
            "wrong": self.n - self.right - self.tied,
            "accuracy": _share(self.right, self.n),
            "accuracy_ties_half": _share(self.right + self.tied / 2, self.n),
        }


@dataclass
class KnownPairs:
    """Verified-correct against verified-wrong candidates, problem by problem."""

    problems: Counter[tuple[int, int, int]] = field(default_factory=Counter)
    """(n, right, tied) of a problem -> how many problems have it: all that the interval needs, and small."""

    def add(self, correct: Iterable[float], wrong: Iterable[float]) -> None:
        """Count every pair of one problem's correct and wrong candidates by their scores."""
        pairs, worse = Pairs(), list(wrong)
        for better in correct:
            for score in worse:
                pairs.add(better, score)
        if pairs.n:
            self.problems[(pairs.n, pairs.right, pairs.tied)] += 1

    def as_json(self) -> Json:
        """Assessment accuracy (Equation 3), with a bootstrap interval over problems.

        The paper has nine pairs for every question, so that its mean over pairs is also one over questions. Here
        problems differ in how many pairs they have: `accuracy` is the mean over pairs, `accuracy_by_problem` that
        over problems. Pairs of one problem are not independent, so the interval resamples problems.
        """
        total = Pairs(*(sum(key[i] * times for key, times in self.problems.items()) for i in range(3)))
        n_problems = self.problems.total()
        by_problem = math.fsum(right / n * times for (n, right, _), times in self.problems.items())
        return total.as_json() | {
            "problems": n_problems,
            "accuracy_by_problem": _share(by_problem, n_problems),
            "interval": self._interval(n_problems),
        }

    def _interval(self, n_problems: int) -> list[float] | None:
        """95 % percentile interval of `accuracy`; None with fewer than two problems."""
        if n_problems < 2:
            return None
        import numpy as np

        kinds = sorted(self.problems.items())
        n = np.array([key[0] for key, _ in kinds])
        right = np.array([key[1] for key, _ in kinds])
        shares = np.array([times for _, times in kinds]) / n_problems
        drawn = np.random.default_rng(0).multinomial(n_problems, shares, size=RESAMPLES)
        low, high = np.quantile((drawn @ right) / (drawn @ n), [0.025, 0.975])
        return [float(low), float(high)]


@dataclass
class CorruptedPairs:
    """Originals against their corrupted copies, by method and by the share of characters that was asked for."""

    kinds: dict[str, Pairs] = field(default_factory=dict)

    def add(self, corruption: Corruption, original: float, copy: float) -> None:
        """Count one original and one of its copies by their scores."""
        self.kinds.setdefault(_kind(corruption), Pairs()).add(original, copy)

    def as_json(self) -> Json:
        """Pairs by kind: {"carry": ..., "chars 0.1": ..., "chars 0.2": ...}."""
        return {kind: self.kinds[kind].as_json() for kind in sorted(self.kinds)}


@dataclass
class Comparisons:
    """The pairs as one scorer orders them: the score of the row, or one judge of a panel."""

    known: KnownPairs = field(default_factory=KnownPairs)
    corrupted: CorruptedPairs = field(default_factory=CorruptedPairs)
    probe_corrupted: CorruptedPairs = field(default_factory=CorruptedPairs)


@dataclass
class Histogram:
    """Scores of one kind of candidate."""

    bins: Counter[int] = field(default_factory=Counter)
    total: float = 0.0

    def add(self, score: float) -> None:
        """Count a score."""
        self.bins[whole(score)] += 1
        self.total += score

    def as_json(self) -> Json:
        """Counts by whole rating (halves up), and the mean of the scores themselves."""
        n = self.bins.total()
        return {"n": n, "mean": _share(self.total, n), "bins": {str(r): self.bins[r] for r in RATINGS}}


@dataclass
class JudgeCounts:
    """What one judge was asked and what it answered."""

    asked: int = 0
    valid: int = 0
    asks: int = 0
    asked_again: int = 0
    failed_asks: int = 0
    without_evidence: int = 0
    parse_errors: Counter[str] = field(default_factory=Counter)
    units: Counter[tuple[float, ...]] = field(default_factory=Counter)
    """Votes of a candidate, sorted -> how many candidates have them."""

    def add_rating(self, rating: Rating) -> None:
        """Count one vote, valid or not."""
        self.asked += 1
        self.asks += rating.asks
        self.asked_again += max(rating.asks - 1, 0)  # a vote whose calls all failed has no ask that was answered
        self.failed_asks += rating.asks - (rating.rating is not None)
        if rating.parse_error is None:
            self.valid += 1
            self.without_evidence += not (rating.evidence or "").strip()
        else:
            known = rating.parse_error in self.parse_errors or len(self.parse_errors) < _REASONS
            self.parse_errors[rating.parse_error if known else "other"] += 1

    def as_json(self) -> Json:
        """Counts; `parse_error_rate` is of votes, after all asks, and `failed_ask_rate` of single asks."""
        several = {votes: times for votes, times in self.units.items() if len(votes) > 1}
        deviations = math.fsum(stdev(votes) * times for votes, times in several.items())
        return {
            "asked": self.asked,
            "valid": self.valid,
            "missing": self.asked - self.valid,
            "parse_errors": dict(sorted(self.parse_errors.items())),
            "parse_error_rate": _share(self.asked - self.valid, self.asked),
            "asks": self.asks,
            "asked_again": self.asked_again,
            "failed_ask_rate": _share(self.failed_asks, self.asks),
            "without_evidence": self.without_evidence,
            "candidates": self.units.total(),
            "mean_deviation": _share(deviations, sum(several.values())),
            "krippendorff_alpha": interval_alpha(self.units),
        }


@dataclass
class Probe:
    """Scores of a text whose rating is known beforehand: the reference itself, or an empty reply."""

    n: int = 0
    as_expected: int = 0
    total: float = 0.0
    missing: int = 0

    def add(self, score: float, *, as_expected: bool) -> None:
        """Count a score."""
        self.n += 1
        self.total += score
        self.as_expected += as_expected

    def as_json(self) -> Json:
        """`share` is that of the scores which are as they should be."""
        return {
            "n": self.n,
            "missing": self.missing,
            "mean": _share(self.total, self.n),
            "share": _share(self.as_expected, self.n),
        }


@dataclass
class Reliability:
    """Sums over ranked groups, ratings and probes; memory does not grow with their number."""

    groups: int = 0
    candidates: int = 0
    missing: int = 0
    prefilled: int = 0
    corrupted_without_original: int = 0
    panel: Comparisons = field(default_factory=Comparisons)
    by_judge: dict[str, Comparisons] = field(default_factory=dict)
    judges: dict[str, JudgeCounts] = field(default_factory=dict)
    between: Counter[tuple[float, ...]] = field(default_factory=Counter)
    """Means of a candidate's judges, sorted -> how many candidates have them."""
    histograms: dict[str, Histogram] = field(
        default_factory=lambda: {kind: Histogram() for kind in ("correct", "wrong", "corrupted", "unknown")}
    )
    probe_groups: int = 0
    reference: Probe = field(default_factory=Probe)
    empty: Probe = field(default_factory=Probe)

    def add(self, group: RankedGroup) -> None:
        """Count one problem's ranked candidates."""
        self.groups += 1
        self.candidates += len(group.candidates)
        self.missing += len(group.missing)
        for candidate in group.candidates:
            self.prefilled += any(judge.judge == PREFILLED for judge in candidate.judges)
            self.histograms["corrupted" if candidate.corruption else candidate.verdict].add(candidate.score)
        self._add_known(group)
        self._add_corrupted(group)
        self._add_votes(group)

    def add_rating(self, rating: Rating) -> None:
        """Count one vote as the judge gave it, valid or a parse error."""
        self.judges.setdefault(rating.judge, JudgeCounts()).add_rating(rating)

    def add_probe(self, group: RankedGroup) -> None:
        """Count one problem's probes: sources reference, empty and corrupted (copies of the reference)."""
        self.probe_groups += 1
        for lost in group.missing:
            if (probe := self._probe(lost)) is not None:
                probe.missing += 1
        for candidate in group.candidates:
            if candidate.source == "reference":
                self.reference.add(candidate.score, as_expected=candidate.score > REFERENCE_IS_GOOD - _SAME)
            elif candidate.source == "empty":
                self.empty.add(candidate.score, as_expected=candidate.score < EMPTY_IS_BAD + _SAME)
        original = next((c for c in group.candidates if c.source == "reference"), None)
        if original is not None:
            for copy in group.candidates:
                if copy.corruption is not None:
                    for scorer, better, worse in self._scorers(original, copy):
                        scorer.probe_corrupted.add(copy.corruption, better, worse)

    def as_json(self) -> Json:
        """Everything, for the manifest and `--json`; a rate or mean of nothing is None."""
        judges = sorted(self.by_judge)
        return {
            "groups": self.groups,
            "candidates": self.candidates,
            "missing": self.missing,
            "prefilled": self.prefilled,
            "pair_accuracy": self.panel.known.as_json()
            | {"by_judge": {judge: self.by_judge[judge].known.as_json() for judge in judges}},
            "corrupted_pairs": self.panel.corrupted.as_json(),
            "corrupted_pairs_by_judge": {judge: self.by_judge[judge].corrupted.as_json() for judge in judges},
            "corrupted_without_original": self.corrupted_without_original,
            "scores": {kind: histogram.as_json() for kind, histogram in self.histograms.items()},
            "votes": {judge: self.judges[judge].as_json() for judge in sorted(self.judges)},
            "agreement_between_judges": {
                "krippendorff_alpha": interval_alpha(self.between),
                "candidates": self.between.total(),
            },
            "probes": {
                "groups": self.probe_groups,
                "reference": self.reference.as_json() | {"at_least": REFERENCE_IS_GOOD},
                "empty": self.empty.as_json() | {"at_most": EMPTY_IS_BAD},
            },
            "probe_corrupted_pairs": self.panel.probe_corrupted.as_json(),
            "probe_corrupted_pairs_by_judge": {
                judge: self.by_judge[judge].probe_corrupted.as_json() for judge in judges
            },
        }

    def _add_known(self, group: RankedGroup) -> None:
        own = [candidate for candidate in group.candidates if candidate.corruption is None]
        correct = [candidate for candidate in own if candidate.verdict == "correct"]
        wrong = [candidate for candidate in own if candidate.verdict == "wrong"]
        self.panel.known.add((c.score for c in correct), (c.score for c in wrong))
        for judge in {judge.judge: None for candidate in own for judge in candidate.judges}:
            self._comparisons(judge).known.add(_means(correct, judge), _means(wrong, judge))

    def _add_corrupted(self, group: RankedGroup) -> None:
        originals: dict[str, RankedCandidate] = {}
        for candidate in sorted(group.candidates, key=lambda c: c.sample):
            originals.setdefault(hashlib.sha256(candidate.response.encode()).hexdigest(), candidate)
        for copy in group.candidates:
            if copy.corruption is None:
                continue
            original = originals.get(copy.corruption.parent)
            if original is None:
                self.corrupted_without_original += 1
                continue
            for scorer, better, worse in self._scorers(original, copy):
                scorer.corrupted.add(copy.corruption, better, worse)

    def _add_votes(self, group: RankedGroup) -> None:
        # Equal texts are judged once and share the votes: they are one unit, or agreement would be counted twice.
        for candidate in {c.response: c for c in group.candidates}.values():
            for judge in candidate.judges:
                self.judges.setdefault(judge.judge, JudgeCounts()).units[tuple(sorted(judge.votes))] += 1
            if len(candidate.judges) > 1:
                self.between[tuple(sorted(round(judge.mean, 9) for judge in candidate.judges))] += 1

    def _scorers(self, original: RankedCandidate, copy: RankedCandidate) -> Iterator[tuple[Comparisons, float, float]]:
        """Who orders this pair, with the two scores: the row's score, and each judge that rated both."""
        yield self.panel, original.score, copy.score
        means = {judge.judge: judge.mean for judge in original.judges}
        for judge in copy.judges:
            if judge.judge in means:
                yield self._comparisons(judge.judge), means[judge.judge], judge.mean

    def _comparisons(self, judge: str) -> Comparisons:
        return self.by_judge.setdefault(judge, Comparisons())

    def _probe(self, lost: MissingCandidate) -> Probe | None:
        return {"reference": self.reference, "empty": self.empty}.get(lost.source)


def _means(candidates: Iterable[RankedCandidate], name: str) -> list[float]:
    """The means of one judge; candidates that it did not rate are left out."""
    return [judge.mean for candidate in candidates for judge in candidate.judges if judge.judge == name]


def _kind(corruption: Corruption) -> str:
    return corruption.method if corruption.alpha is None else f"{corruption.method} {corruption.alpha:g}"


def _share(part: float, whole_: float) -> float | None:
    return part / whole_ if whole_ else None
