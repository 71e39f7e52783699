"""Which candidates are drawn."""

from collections import Counter
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.rank.agreement import whole
from datagen.review.draw import Draw, Item, draw_items, items_of
from datagen_schemas.problem import Problem
from datagen_schemas.provenance import Provenance
from datagen_schemas.rating import RankedCandidate, RankedGroup

SOURCE = Provenance.of_stage("rank", package_version="0")
PROBLEM = Problem(id="p", question="q", answer="4", rationale=None, choices=None, source="s", split="train")


def item(sample: int, score: float, text: str | None = None) -> Item:
    candidate = RankedCandidate(
        sample=sample,
        response=text or f"text {sample}",
        score=score,
        votes=(score,),
        deviation=0.0,
        rank=1,
        judges=(),
        verdict="unknown",
        source="sampled",
        corruption=None,
        provenance=SOURCE,
    )
    return Item(PROBLEM, candidate)


MOSTLY_TENS = [item(i, 10) for i in range(200)] + [item(200 + i, score) for i, score in enumerate((1, 1, 4.5, 7.4))]


def test_a_spread_draw_takes_scores_in_turns() -> None:
    drawn = draw_items(MOSTLY_TENS, n=7, seed=1)
    # One each of 1, 5 (4.5), 7 and 10, then the other 1 and a 10, then a 10.
    assert Counter(whole(one.candidate.score) for one in drawn) == {1: 2, 5: 1, 7: 1, 10: 3}


def test_a_random_draw_takes_every_candidate_equally_often() -> None:
    items = [item(i, 10 if i < 8 else 1) for i in range(10)]
    times = Counter(one.key for seed in range(600) for one in draw_items(items, n=2, seed=seed, draw="random"))
    assert len(times) == 10
    # Binomial(600, 0.2): 120 +- 10; five standard deviations.
    assert all(70 <= n <= 170 for n in times.values())


scores = st.lists(st.integers(1, 10), min_size=1, max_size=40)


@settings(deadline=None, max_examples=40)
@given(scores, st.sampled_from(["spread", "random"]), st.integers(1, 10), st.integers(1, 10), st.randoms())
def test_more_candidates_keep_those_drawn_before_whatever_their_order_in_the_dataset(
    given_scores: list[int], draw: Draw, n: int, more: int, random: Random
) -> None:
    items = [item(i, score) for i, score in enumerate(given_scores)]
    few = draw_items(items, n=n, seed=5, draw=draw)
    assert len(few) == min(n, len(items))
    assert len({one.key for one in few}) == len(few)
    shuffled = random.sample(items, len(items))
    assert draw_items(shuffled, n=n, seed=5, draw=draw) == few
    assert {one.key for one in few} <= {one.key for one in draw_items(items, n=n + more, seed=5, draw=draw)}


def test_another_seed_draws_others_in_another_order() -> None:
    items = [item(i, 5) for i in range(30)]
    a, b = (draw_items(items, n=30, seed=seed) for seed in (0, 1))
    assert a != b
    assert {one.key for one in draw_items(items, n=5, seed=0)} != {one.key for one in draw_items(items, n=5, seed=1)}


def test_the_order_says_nothing_of_the_score() -> None:
    items = [item(i, 1 + i % 10) for i in range(300)]
    drawn = [one.candidate.score for one in draw_items(items, n=300, seed=0)]
    above = sum(a > b for i, a in enumerate(drawn) for b in drawn[i + 1 :])
    below = sum(a < b for i, a in enumerate(drawn) for b in drawn[i + 1 :])
    assert abs(above - below) / (above + below) < 0.12  # Kendall's tau of 300 shuffled items: 0 +- 0.04


def test_equal_texts_of_a_problem_are_rated_once() -> None:
    candidates = [item(0, 9, "a").candidate, item(1, 9, "a").candidate, item(2, 3, "b").candidate]
    group = RankedGroup(problem=PROBLEM, candidates=tuple(candidates), missing=())
    assert sorted(one.candidate.sample for one in items_of(group)) == [0, 2]
