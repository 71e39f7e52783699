"""Figures show the numbers of manifests, and nothing where there are none."""

from collections import Counter
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.rank.reliability import Reliability
from datagen.report.augmentation import augmentation_figures
from datagen.report.candidates import candidate_figures
from datagen.report.composition import composition_figures, contamination_figure
from datagen.report.costs import Cost, cost_figure, costs_of, usd
from datagen.report.distributions import Occurrences, length_figure, quantile, token_figure
from datagen.report.dropped import dropped_figures, reasons_of
from datagen.report.evaluation import evaluation_figures
from datagen.report.figure import Figure
from datagen.report.judging import deviation_figure, judging_figures
from datagen.select.paths import Path
from datagen.select.statistics import Statistics, problem_statistics
from datagen.tokens.imbalance import imbalance
from datagen_schemas.candidate import Candidate
from datagen_schemas.provenance import Provenance

MADE = Provenance.of_stage("test", package_version="0")


def candidate(problem: str, sample: int, *, right: bool) -> Candidate:
    return Candidate(
        problem_id=problem,
        sample=sample,
        response=f"{sample}",
        answer="1",
        verdict="correct" if right else "wrong",
        verdict_method="hashes/number",
        equations=(f"{sample}+0={sample}",),
        equations_hold=True,
        model="m" if sample else "n",
        provenance=MADE,
    )


def titles(figures: list[Figure]) -> list[str]:
    return [figure.title for figure in figures]


def test_candidates_of_two_problems_have_the_numbers_of_a_hand_calculation() -> None:
    statistics = Statistics()
    statistics.add(problem_statistics("a", [candidate("a", i, right=i != 1) for i in range(3)], gold=None))
    statistics.add(problem_statistics("b", [candidate("b", i, right=False) for i in range(3)], gold=None))
    found = {figure.title: figure for figure in candidate_figures(statistics.as_json())}
    assert list(found) == ["Verdicts", "Distinct paths against k", "pass@k", "Solve rates", "Correct, by model"]
    # a: right, wrong, right, two distinct paths; b: all wrong.
    assert found["Distinct paths against k"].rows == [("1", "0.500"), ("3", "1.000")]
    assert found["pass@k"].rows == [("1", "33.3 %", "2"), ("3", "50.0 %", "2")]
    assert dict((row[0], row[1]) for row in found["Solve rates"].rows)["61-80"] == "1"
    assert "2 · 33.3 %" in found["Verdicts"].body
    # A third problem with a gold path, and a fourth one that nobody answered, which is in no mean.
    gold = Path("gold", ("4-3=1",))
    statistics.add(problem_statistics("c", [candidate("c", i, right=False) for i in range(3)], gold=gold))
    statistics.add(problem_statistics("d", [], gold=gold))
    found = {figure.title: figure for figure in candidate_figures(statistics.as_json())}
    assert found["Distinct paths against k"].rows == [("1", "0.333", "0.667"), ("3", "0.667", "1.000")]
    assert found["Solve rates"].note == "1 of 3 problems are solved at least once."
    assert "9 candidates for 4 problems. 1 of these have none" in found["Verdicts"].note


def test_nothing_is_drawn_of_nothing() -> None:
    assert candidate_figures(Statistics().as_json()) == []
    assert judging_figures(Reliability().as_json()) == []
    assert deviation_figure({}) is None
    assert dropped_figures({}) == []
    assert dropped_figures({"counts": {"dropped": {}, "bad_problems": {"by_reason": {}}}}) == []
    assert augmentation_figures({"AnsAug": {"questions": 0}}) == []
    assert evaluation_figures({"models": []}) == []
    assert composition_figures({"Rows by source": Counter({"gold": 3})}) == []
    assert length_figure({}, unit="characters", title="t") is None
    assert token_figure([], tokenizer=None) is None
    assert cost_figure([]) is None


def test_reasons_of_every_stage_are_found() -> None:
    manifest: dict[str, Any] = {
        "counts": {
            "rows": 3,
            "dropped": {"wrong": 2, "same path as another": 1},
            "removed_duplicates": {"exact": 4},
            "not_made": {"carry": {"no carry": 5}, "chars": {}},
            "bad_candidates": {"by_reason": {"no response": 6}, "rows": []},
            "made": {"chars": 7},
            "folders": {"data": 8},
        },
        "failures": {"by_kind": {"timeout": 9}},
    }
    assert {title: counts for title, counts in reasons_of(manifest)} == {
        "Dropped": {"wrong": 2, "same path as another": 1},
        "Removed duplicates": {"exact": 4},
        "Negatives not made": {"carry: no carry": 5},
        "Rows that could not be read": {"bad candidates: no response": 6},
        "Replies that failed": {"timeout": 9},
    }
    assert "Negatives, by method" in titles(dropped_figures(manifest))


def test_samples_that_a_limit_left_unasked_are_counted_with_the_limit() -> None:
    reached = "max-tokens-total reached"
    whole = {"failures": {"stopped": None, "skipped": 0}}
    stopped = {"failures": {"by_kind": {"timeout": 9}, "stopped": reached, "skipped": 208}}
    stages = {"sample": {"skipped": 0}, "judge a": {"skipped": 3}}  # of judge b nobody knows what it would have asked
    assert list(reasons_of(whole)) == []
    assert dict(reasons_of(stopped))["Samples never asked for"] == {reached: 208}
    assert dict(reasons_of({"failures": {"stopped": reached, "stages": stages}})) == {
        "Samples never asked for": {f"{reached} (at least)": 3}
    }


LEDGER = {"calls": 2, "prompt_tokens": 30, "completion_tokens": 10, "cost_usd": "0.0125", "prices_as_of": "2026"}
ASKED = {
    "stage": "rank",
    "generator": {"model": "m", "endpoint": "e"},
    "judges": [{"judge": "j", "endpoint": "e"}, {"judge": "m", "endpoint": "e"}, {"judge": "steps"}],
}


def test_costs_add_up_and_an_unknown_price_is_never_nothing() -> None:
    (first,) = costs_of("one", {"config": ASKED, "failures": {"ledger": LEDGER}, "seconds": 2.5})
    assert first == Cost("one", "rank", "m, j", "", None, 2, 30, 10, Decimal("0.0125"), 2.5, "2026")
    (alone,) = costs_of("one", {"config": {"generator": ASKED["generator"]}, "failures": {"ledger": LEDGER}})
    assert (alone.model, alone.use, alone.endpoint) == ("m", "generator", "e")
    second = first._replace(run="two", cost_usd=Decimal("0.5"))
    figure = cost_figure([first, second])
    assert figure is not None
    assert "80 tokens in 4 calls, $0.5125 in all." in figure.note
    unknown = cost_figure([first, second._replace(cost_usd=None)])
    assert unknown is not None
    assert "$" not in unknown.note
    assert [row[7] for row in unknown.rows] == ["$0.0125", "price unknown"]
    assert [usd(Decimal(0)), usd(Decimal("1234.5")), usd(None)] == ["$0", "$1,234.5", "price unknown"]
    assert list(costs_of("one", {"config": {"stage": "corrupt"}})) == []
    nothing = {"calls": 0, "prompt_tokens": 0, "completion_tokens": 0}
    assert list(costs_of("one", {"failures": {"ledger": nothing}})) == []


def test_each_model_of_a_run_has_its_own_cost_and_what_it_was_asked_for() -> None:
    accounts = [
        {"model": "j", "endpoint": "e", "calls": 1, "prompt_tokens": 5, "completion_tokens": 4, "cost_usd": None},
        {"model": "m", "endpoint": "e", "calls": 1, "prompt_tokens": 25, "completion_tokens": 6, "cost_usd": "0.2"},
        {"model": "m", "endpoint": "other", "calls": 0, "prompt_tokens": 0, "completion_tokens": 0, "cost_usd": "0"},
    ]
    manifest = {"config": ASKED, "failures": {"ledger": LEDGER | {"by_model": accounts}}}
    found = [(of.model, of.use, of.calls, of.tokens, of.cost_usd) for of in costs_of("one", manifest)]
    assert found == [("j", "judge", 1, 9, None), ("m", "generator, judge", 1, 31, Decimal("0.2"))]


@settings(deadline=None)
@given(st.lists(st.integers(0, 50), min_size=1), st.sampled_from([0.5, 0.95, 0.99, 1.0]))
def test_a_quantile_is_that_of_the_sorted_values(values: list[int], share: float) -> None:
    ordered = sorted(values)
    slow = next(v for v in ordered if sum(w <= v for w in ordered) >= share * len(ordered) - 1e-9)
    assert quantile(Counter(values), share) == slow


@settings(deadline=None, max_examples=60)
@given(st.dictionaries(st.sampled_from("ab"), st.lists(st.integers(0, 5000), min_size=1), min_size=1))
def test_every_text_is_in_one_bar_of_the_lengths(values: dict[str, list[int]]) -> None:
    figure = length_figure({kind: Counter(of) for kind, of in values.items()}, unit="characters", title="t")
    assert figure is not None
    kinds = list(figure.header[1:])
    bars = [row for row in figure.rows if row[0].startswith("from ")]
    for i, kind in enumerate(kinds, start=1):
        counts = [int(row[i].replace(",", "")) for row in bars]
        assert sum(counts) == len(values[kind])
    starts = [int(row[0].removeprefix("from ").removesuffix(" or more").replace(",", "")) for row in bars]
    for i, kind in enumerate(kinds, start=1):
        ends = [*starts[1:], float("inf")]
        for row, start, end in zip(bars, starts, ends, strict=True):
            assert int(row[i].replace(",", "")) == sum(start <= value < end for value in values[kind])


def test_words_are_not_called_tokens() -> None:
    counts = {"the": 3, "a": 1}
    of = Occurrences("run", imbalance(dict(enumerate(counts.values())), n_vocabulary=2), [(1, 0.75), (2, 0.25)], [])
    words, tokens = token_figure([of], tokenizer=None), token_figure([of], tokenizer="t")
    assert words is not None
    assert tokens is not None
    assert (words.title, words.rows[0]) == ("Word distribution", ("words", "4"))
    assert (tokens.title, tokens.rows[0]) == ("Token distribution", ("tokens", "4"))
    assert "No tokenizer was named" in words.note
    assert "Gini" not in [row[0] for row in words.rows]  # over a vocabulary, which words do not have


def test_deviations_are_binned_by_halves() -> None:
    figure = deviation_figure(Counter({0: 3, 4: 1, 5: 2, 14: 1, 90: 1}))
    assert figure is not None
    assert dict((row[0], row[1]) for row in figure.rows) == {
        **{"0": "4", "0.5": "2", "1": "1", "1.5": "0", "2": "0", "2.5": "0", "3": "0", "3.5": "0"},
        "≥ 4": "1",
    }
    assert "on 37.5 % all votes are the same" in figure.note


@pytest.mark.parametrize(("removed", "end"), [(True, ", and were removed."), (False, ".")])
def test_contamination_says_against_what(removed: bool, end: str) -> None:
    figure = contamination_figure(
        {
            "against": [{"name": "gsm8k", "split": "test", "n_problems": 1319, "sha256": "x"}],
            "rows": 10,
            "overlapping": 3,
            "by_how": {"exact": 2, "13-gram": 1, "fuzzy": 0},
            "removed": removed,
        }
    )
    assert figure is not None
    assert figure.note == f"3 of 10 rows overlap gsm8k (test){end}"
    assert "fuzzy" not in figure.body


def test_an_evaluation_of_two_models_shows_both_and_their_difference() -> None:
    def model(name: str, accuracy: float) -> dict[str, Any]:  # Any: JSON
        steps = {str(i): {"accuracy": accuracy, "n": 5, "interval": [0.1, 0.9]} for i in (2, 10)}
        at_k = [{"k": k, "pass": accuracy, "interval": [0.1, 0.9], "problems": 10} for k in (1, 2)]
        of = {"model": name, "accuracy": accuracy, "n": 10, "interval": [0.2, 0.8], "by_steps": steps}
        return {**of, "pass_at_k": at_k, "assessment_accuracy": None, "perplexity": None}

    result = {
        **model("one", 0.4),
        "second": model("two", 0.6),
        "comparison": {"accuracy": {"n": 10, "difference": 0.2, "p": 0.03}, "assessed_on_the_same_texts": False},
    }
    found = {figure.title: figure for figure in evaluation_figures(result)}
    assert list(found) == ["Accuracy", "Accuracy by number of steps", "pass@k", "Compared"]
    assert found["Accuracy"].rows == [
        ("one", "40.0 %", "10", "20.0 % to 80.0 %"),
        ("two", "60.0 %", "10", "20.0 % to 80.0 %"),
    ]
    assert [row[0] for row in found["Accuracy by number of steps"].rows] == ["2", "10"]
    assert "+0.2000" in found["Compared"].body
