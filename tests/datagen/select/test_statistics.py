from collections import Counter
from itertools import combinations

import pytest

from datagen.select.paths import Path
from datagen.select.statistics import (
    Filter,
    ProblemStatistics,
    Statistics,
    pass_at_k,
    problem_statistics,
    solve_rate_bin,
)
from datagen_schemas.candidate import Candidate, Verdict
from datagen_schemas.provenance import Provenance

PROVENANCE = Provenance(
    stage="sample",
    model="m",
    endpoint=None,
    prompt_id=None,
    prompt_sha256=None,
    sampling=None,
    seed=None,
    sample=None,
    reply_key=None,
    parents=(),
    package_version="0",
)


def candidate(
    *equations: str, verdict: Verdict = "correct", holds: bool = True, model: str = "m", method: str = "a_line/number"
) -> Candidate:
    return Candidate(
        problem_id="p",
        sample=0,
        response=" ".join(equations),
        answer="1",
        verdict=verdict,
        verdict_method=method,
        equations=equations,
        equations_hold=holds,
        model=model,
        provenance=PROVENANCE,
    )


def totals(*problems: ProblemStatistics) -> Statistics:
    statistics = Statistics()
    for problem in problems:
        statistics.add(problem)
    return statistics


def test_candidates_are_counted_by_verdict_and_false_equations_apart() -> None:
    found = problem_statistics(
        "p",
        [
            candidate("1+1=2"),
            candidate("1+1=2"),
            candidate("1+2=2", holds=False),
            candidate("9=9", verdict="wrong"),
            candidate(verdict="unknown"),
            candidate("2*1=2", model="n"),
        ],
        gold=Path("gold", ("2*1=2",)),
    )
    assert found == ProblemStatistics(
        problem_id="p",
        candidates=6,
        correct=4,
        wrong=1,
        unknown=1,
        false_equations=1,
        new_paths_at=(0, 5),
        has_gold=True,
        gold_path_at=5,
        by_model={"m": (5, 3), "n": (1, 1)},
        methods=Counter({"a_line/number": 6}),
        published=0,
        disagreements=0,
    )


def test_a_path_that_never_states_its_answer_is_kept_only_if_asked_for() -> None:
    unstated = candidate("1+1=2", method="last_number/number")
    assert Filter().reason(unstated) == "answer not stated"
    assert Filter(keep_unstated=True).reason(unstated) is None
    assert Filter().reason(candidate("1+1=2")) is None
    assert Filter().reason(candidate("1+1=3", holds=False)) == "false equation"
    assert Filter(keep_false_equations=True).reason(candidate("1+1=3", holds=False)) is None
    assert Filter(True, True).reason(candidate("1+1=2", verdict="wrong")) == "wrong"


def test_curve_counts_distinct_paths_among_the_first_k_and_the_gold_path_once() -> None:
    # First problem: new paths at 0 and 3, the gold path sampled at 3. Second: nothing right among four.
    first = problem_statistics(
        "a",
        [candidate("1+1=2"), candidate("1+1=2"), candidate(verdict="wrong"), candidate("2*1=2")],
        gold=Path("gold", ("2*1=2",)),
    )
    second = problem_statistics("b", [candidate(verdict="wrong")] * 4, gold=Path("gold", ("3-1=2",)))
    statistics = totals(first, second)
    assert statistics.curve() == [
        {"k": 1, "distinct": 1 / 2, "with_gold": 3 / 2},
        {"k": 3, "distinct": 1 / 2, "with_gold": 3 / 2},
        {"k": 4, "distinct": 2 / 2, "with_gold": 3 / 2},
    ]
    assert statistics.never_solved == ["b"]
    assert statistics.problems_solved == 1


@pytest.mark.parametrize(("n", "correct", "k"), [(4, 0, 2), (4, 1, 2), (5, 2, 3), (5, 3, 3), (6, 6, 1)])
def test_pass_at_k_is_the_share_of_subsets_with_a_correct_sample(n: int, correct: int, k: int) -> None:
    subsets = list(combinations(range(n), k))
    expected = sum(any(i < correct for i in subset) for subset in subsets) / len(subsets)
    assert pass_at_k(n, correct, k) == pytest.approx(expected)


def test_pass_at_more_samples_than_drawn_is_refused() -> None:
    with pytest.raises(ValueError, match="k = 5"):
        pass_at_k(4, 1, 5)


@pytest.mark.parametrize(
    ("correct", "expected"),
    [
        (0, "0"),
        (1, "1-20"),
        (20, "1-20"),
        (21, "21-40"),
        (60, "41-60"),
        (80, "61-80"),
        (81, "81-99"),
        (99, "81-99"),
        (100, "100"),
    ],
)
def test_solve_rates_fall_into_the_published_classes(correct: int, expected: str) -> None:
    assert solve_rate_bin(100, correct) == expected


def test_a_gold_path_that_is_not_known_is_not_counted() -> None:
    # Three problems with one distinct path each; the gold path of one is known and another one, of one it is the same.
    known = problem_statistics("a", [candidate("1+1=2")], gold=Path("gold", ("2*1=2",)))
    same = problem_statistics("b", [candidate("1+1=2")], gold=Path("gold", ("1+1=2",)))
    unknown = problem_statistics("c", [candidate("1+1=2")], gold=None)
    assert totals(known, same, unknown).curve() == [{"k": 1, "distinct": 3 / 3, "with_gold": 4 / 3}]
    assert totals(unknown).curve() == [{"k": 1, "distinct": 1, "with_gold": 1}]
    assert [totals(*of).as_json()["problems_with_gold"] for of in ((known, same, unknown), (unknown,))] == [2, 0]


def test_all_means_are_of_the_problems_with_candidates() -> None:
    asked = problem_statistics("a", [candidate("1+1=2"), candidate("2*1=2")], gold=Path("gold", ("4-2=2",)))
    lost = problem_statistics("b", [], gold=Path("gold", ("4-2=2",)))
    found = totals(asked, lost).as_json()
    assert (found["problems"], found["problems_without_candidates"], found["problems_with_gold"]) == (2, 1, 1)
    assert (found["correct_per_problem"], found["distinct_per_problem"]) == (2, 2)
    assert found["distinct_at_k"][-1] == {"k": 2, "distinct": 2, "with_gold": 3}
    assert found["pass_at_k"][-1] == {"k": 2, "pass": 1, "problems": 1}


def test_problems_without_candidates_are_neither_solved_nor_unsolved() -> None:
    statistics = totals(problem_statistics("p", [], gold=None))
    assert (statistics.problems, statistics.problems_solved, statistics.never_solved) == (1, 0, [])
    assert statistics.as_json()["distinct_at_k"] == []
