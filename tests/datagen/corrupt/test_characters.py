"""Characters that become '.', AFT paper, appendix E."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.corrupt.characters import corrupt_characters
from datagen.corrupt.edit import Draft, Unusable
from datagen.seeding import rng_for

# The structure of the high-quality text of Table 9: two halves of one equation each, and the mark [ANS].
TABLE_9 = (
    "48 x 2 = << 48 * 2 = 96 >> 96 clips in April. 48 / 2 = << 48/2 = 24 >> 24 clips in May. "
    "In total 96 + 24 = << 96 + 24 = 120 >> 120 clips. [ANS] 120."
)
texts = st.text(alphabet=st.sampled_from("ab 1.=\n"), max_size=80)
alphas = st.floats(min_value=0.01, max_value=1)


def corrupted(text: str, alpha: float, *, seed: int = 0, keep_answer: bool = False) -> Draft | Unusable:
    return corrupt_characters(text, alpha=alpha, rng=rng_for(seed, "p", "0"), keep_answer=keep_answer)


@settings(deadline=None, max_examples=200)
@given(text=texts, alpha=alphas, seed=st.integers(0, 5))
def test_exactly_the_share_asked_for_becomes_a_full_stop_and_nothing_else_changes(
    text: str, alpha: float, seed: int
) -> None:
    n = sum(c != "." for c in text)
    made = corrupted(text, alpha, seed=seed)
    if round(alpha * n) == 0:
        assert isinstance(made, Unusable)
        return
    assert isinstance(made, Draft)
    changed = [i for i in range(len(text)) if text[i] != made.text[i]]
    assert len(made.text) == len(text)
    assert {made.text[i] for i in changed} == {"."}
    assert len(changed) == round(alpha * n)
    assert list(made.positions) == changed
    assert made.realised_alpha == len(changed) / n


@settings(deadline=None, max_examples=100)
@given(text=texts, one=alphas, other=alphas)
def test_positions_of_a_smaller_alpha_are_among_those_of_a_larger_one(text: str, one: float, other: float) -> None:
    small, large = (corrupted(text, alpha) for alpha in sorted((one, other)))
    if isinstance(small, Draft):
        assert isinstance(large, Draft)
        assert set(small.positions) <= set(large.positions)


@settings(deadline=None, max_examples=50)
@given(text=texts)
def test_alpha_1_leaves_nothing(text: str) -> None:
    made = corrupted(text, 1.0)
    assert isinstance(made, Unusable) if set(text) <= {"."} else made.text == "." * len(text)  # type: ignore[union-attr]  # an Unusable has no text and fails


def test_table_9_at_alpha_0_1() -> None:
    made = corrupted(TABLE_9, 0.1)
    assert isinstance(made, Draft)
    # 148 characters, 4 of them full stops: a tenth of the other 144 is 14.4.
    assert (len(TABLE_9), TABLE_9.count(".")) == (148, 4)
    assert made.text.count(".") == 4 + 14
    assert made.realised_alpha == 14 / 144
    assert (made.alpha, made.kind, made.before, made.after) == (0.1, "characters", "", "")


def test_white_space_counts_as_a_character() -> None:
    made = corrupted("    ", 0.5)
    assert isinstance(made, Draft)
    assert sorted(made.text) == [" ", " ", ".", "."]


def test_ties_round_as_python_rounds() -> None:
    # 0.5 * 5 = 2.5 -> 2, and 0.5 * 1 = 0.5 -> 0: nothing to do.
    two = corrupted("abcde", 0.5)
    assert isinstance(two, Draft)
    assert two.text.count(".") == 2
    assert isinstance(corrupted("a", 0.5), Unusable)


def test_another_seed_draws_other_positions() -> None:
    first, again, other = (corrupted(TABLE_9, 0.3, seed=seed) for seed in (0, 0, 1))
    assert first == again != other


def test_all_positions_are_drawn_equally_often() -> None:
    # 2,000 draws of 2 of 4 positions: 1,000 each, standard deviation sqrt(2000 / 4) = 22.
    counts = [0, 0, 0, 0]
    for seed in range(2000):
        made = corrupt_characters("abcd", alpha=0.5, rng=random.Random(seed))
        assert isinstance(made, Draft)
        for i in made.positions:
            counts[i] += 1
    assert all(abs(count - 1000) < 120 for count in counts), counts


def test_the_final_line_is_kept_if_asked_for() -> None:
    text = "one two\nthree\n#### 24\n"
    made = corrupted(text, 1.0, keep_answer=True)
    assert isinstance(made, Draft)
    assert made.text == "." * 13 + "\n#### 24\n"
    assert made.realised_alpha == 1.0
    assert isinstance(corrupted("a single line is the final line", 0.5, keep_answer=True), Unusable)


@pytest.mark.parametrize("alpha", [0.0, -0.1, 1.1, float("nan")])
def test_alpha_outside_0_to_1_is_the_callers_mistake(alpha: float) -> None:
    with pytest.raises(ValueError, match="alpha"):
        corrupted("text", alpha)
