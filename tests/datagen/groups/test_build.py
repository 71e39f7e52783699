"""Whole groups: what holds whatever was given."""

import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.groups.build import Gathered, Grouped, GroupOptions, grouped
from datagen.store.spill import Spilled
from datagen_prompts.template import load_prompt
from datagen_schemas.alignment import AlignmentGroup

Maker = Callable[..., Any]  # Any: the records of conftest.py

# Of equal scores and letters on purpose: repeated texts and ties are what can go wrong.
RESPONSES = st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from(["12", "13", "?"]), st.booleans()), max_size=8)
LIMITS = st.one_of(st.none(), st.integers(1, 3))


def text(letter: str, answer: str) -> str:
    return f"{letter}\n#### {answer}" if answer != "?" else letter


def corrupted_by(corruption: Maker, is_corrupted: bool) -> dict[str, Any] | None:
    found: dict[str, Any] = corruption("chars", alpha=0.5).model_dump(mode="json")  # Any: JSON
    return found if is_corrupted else None


def accounted(found: Grouped, gathered: Gathered) -> bool:
    """Every candidate is in the group or counted; the gold path that we add is no candidate."""
    n = len(gathered.replies)
    if gathered.ranked is not None:
        n += len(gathered.ranked.candidates) + len(gathered.ranked.missing)
    return sum(member.is_given for member in found.members) + sum(found.dropped.values()) == n


def is_sound(group: AlignmentGroup) -> bool:
    keys = [" ".join(response.split()) for response in group.responses]
    return (
        len(set(keys)) == len(keys) == len(group.scores) == len(group.sources)
        and group.scores[0] > group.scores[-1]
        and list(group.scores) == sorted(group.scores, reverse=True)
    )


@settings(deadline=None, max_examples=400)
@given(
    replies=RESPONSES,
    limits=st.tuples(LIMITS, LIMITS),
    gold=st.sampled_from([None, True, False]),
    seed=st.integers(0, 9),
)
def test_a_binary_group_has_both_sides_no_repeats_and_no_more_than_asked_for(
    problem: Maker,
    corruption: Maker,
    provenance: Any,
    replies: list[tuple[str, str, bool]],
    limits: tuple[int | None, int | None],
    gold: bool | None,
    seed: int,
) -> None:
    options = GroupOptions(max_positives=limits[0], max_negatives=limits[1], gold=gold, seed=seed)
    given = [Spilled(text(a, b), None, a, "f", None, None, corrupted_by(corruption, c)) for a, b, c in replies]
    gathered = Gathered(problem(), None, given)
    prompt = load_prompt("plain", fields=("question",))
    found = grouped(gathered, provenance=provenance, options=options, prompt=prompt)
    assert accounted(found, gathered)
    # The slow way: a text is right if it ends in 12, or is the gold path; a right one is no negative.
    right = {text(a, b) for a, b, c in replies if b == "12" and not c}
    wrong = {text(a, b) for a, b, c in replies if b != "12" or c} - right
    right |= {problem().rationale} if gold is not False else set()
    assert (found.group is not None) == bool(right and wrong)
    if found.group is not None:
        assert is_sound(found.group)
        scores = dict(zip(found.group.responses, found.group.scores, strict=True))
        assert {response for response in scores if scores[response] == 1} <= right
        assert {response for response in scores if scores[response] == 0} <= wrong
        counts = Counter(scores.values())
        assert counts[1] == min(len(right), limits[0] or len(right))
        assert counts[0] == min(len(wrong), limits[1] or len(wrong))
        assert found.group.reference == problem().rationale
        assert found.group.prompt == "p?\n"
    random.Random(seed).shuffle(given)
    again = grouped(gathered._replace(replies=given), provenance=provenance, options=options, prompt=prompt)
    assert (again.group, again.reason, again.dropped) == (found.group, found.reason, found.dropped)


@settings(deadline=None, max_examples=400)
@given(
    rated=st.lists(
        st.tuples(st.sampled_from("abcdef"), st.integers(1, 4), st.sampled_from(["correct", "wrong", "corrupted"])),
        max_size=6,
        unique_by=lambda item: item[0],
    ),
    replies=RESPONSES,
    gold=st.sampled_from([None, True, False]),
    limit=st.one_of(st.none(), st.integers(2, 4)),
    min_gap=st.sampled_from([0.0, 2.5]),
    negative_score=st.sampled_from([1.0, "alpha"]),
)
def test_a_ranked_group_has_a_strict_order_and_no_added_negative_above_a_correct_one(
    problem: Maker,
    ranked: Maker,
    corruption: Maker,
    provenance: Any,
    rated: list[tuple[str, int, str]],
    replies: list[tuple[str, str, bool]],
    gold: bool | None,
    limit: int | None,
    min_gap: float,
    negative_score: Any,
) -> None:
    options = GroupOptions("ranked", gold=gold, max_responses=limit, min_gap=min_gap, negative_score=negative_score)
    group = ranked(
        [(letter, rank, 2.0 * (5 - rank), what) for letter, rank, what in sorted(rated, key=lambda r: r[1])]
    )
    given = [Spilled(text(a, b), None, a, "f", None, None, corrupted_by(corruption, c)) for a, b, c in replies]
    gathered = Gathered(problem(), group, given)
    prompt = load_prompt("plain", fields=("question",))
    found = grouped(gathered, provenance=provenance, options=options, prompt=prompt)
    assert accounted(found, gathered)
    if found.group is None:
        assert found.reason in ("all tied", "a single response", "no candidates", "no usable candidates")
        return
    assert is_sound(found.group)
    assert limit is None or len(found.group.responses) <= limit
    if min_gap == 0:
        by_text = {letter: 2.0 * (5 - rank) for letter, rank, _ in rated}
        for response, score in zip(found.group.responses, found.group.scores, strict=True):
            if response in by_text:
                assert score == by_text[response]
    lowest_correct = min((m.score for m in found.members if m.verdict == "correct"), default=99.0)
    added = [member.score for member in found.members if member.kind == "corrupted" and not member.judged]
    assert all(score <= lowest_correct for score in added)
    random.Random(1).shuffle(given)
    again = grouped(gathered._replace(replies=given), provenance=provenance, options=options, prompt=prompt)
    assert (again.group, again.dropped) == (found.group, found.dropped)


@pytest.mark.parametrize(
    ("texts", "gold", "reason"),
    [
        ([], True, "no candidates"),
        (["a\n#### 12"], True, "only positives"),
        (["a\n#### 13"], False, "only negatives"),
        (["a = 12"], False, "no usable candidates"),
    ],
)
def test_a_problem_without_both_sides_says_which_is_lacking(
    problem: Maker, provenance: Any, texts: list[str], gold: bool, reason: str
) -> None:
    replies = [Spilled(one, None, None, None, None, None) for one in texts]
    prompt = load_prompt("plain", fields=("question",))
    options = GroupOptions(gold=gold)
    found = grouped(Gathered(problem(), None, replies), provenance=provenance, options=options, prompt=prompt)
    assert (found.group, found.reason) == (None, reason)


@pytest.mark.parametrize(
    ("scores", "reason"),
    [([5.0, 5.0], "all tied"), ([5.0], "a single response"), ([], "no candidates"), (None, "not ranked")],
)
def test_a_problem_without_a_strict_order_says_why(
    problem: Maker, ranked: Maker, provenance: Any, scores: list[float] | None, reason: str
) -> None:
    group = ranked([(f"r{i}", 1, s, "wrong") for i, s in enumerate(scores)]) if scores is not None else None
    prompt = load_prompt("plain", fields=("question",))
    options = GroupOptions("ranked")
    found = grouped(Gathered(problem(), group, []), provenance=provenance, options=options, prompt=prompt)
    assert (found.group, found.reason) == (None, reason)


@pytest.mark.parametrize(
    "options",
    [
        {"max_responses": 3},
        {"min_gap": 0.5},
        {"negative_score": "alpha"},
        {"feedback": "ranked", "negative_score": 11.0},
        {"max_pairs": 3},
        {"max_positives": 0},
        {"feedback": "ranked", "max_responses": 1},
    ],
)
def test_options_without_a_meaning_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="--|limit of 0"):
        GroupOptions(**options)


def test_limits_hold_for_ranked_feedback_by_verdict(problem: Maker, ranked: Maker, provenance: Any) -> None:
    rows = [("a", 1, 9.0, "correct"), ("b", 2, 8.0, "correct"), ("c", 3, 5.0, "wrong"), ("d", 4, 4.0, "wrong")]
    prompt = load_prompt("plain", fields=("question",))
    options = GroupOptions("ranked", max_positives=1, max_negatives=1)
    found = grouped(Gathered(problem(), ranked(rows), []), provenance=provenance, options=options, prompt=prompt)
    assert sorted(member.verdict for member in found.members) == ["correct", "wrong"]
    assert found.dropped["beyond the limit"] == 2


def test_a_judge_that_scores_what_the_limits_leave_alike_leaves_no_group(
    problem: Maker, ranked: Maker, provenance: Any
) -> None:
    rows = [("a", 1, 9.0, "correct"), ("b", 2, 5.0, "correct"), ("c", 2, 5.0, "wrong")]
    prompt = load_prompt("plain", fields=("question",))
    reasons = set()
    for seed in range(20):
        options = GroupOptions("ranked", max_positives=1, seed=seed)
        found = grouped(Gathered(problem(), ranked(rows), []), provenance=provenance, options=options, prompt=prompt)
        reasons.add(found.reason)
    assert reasons == {None, "all tied within the limits"}
