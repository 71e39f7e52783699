"""FOBAR: masks that can be undone, and what is asked with them."""

import json
import os
import random
import re
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.augment.fobar import Masked, chosen, fobar_question, is_stated_elsewhere, masks, unmasked

TRAIN = Path(
    os.environ.get("DATAGEN_TEST_DATA", Path(__file__).parents[4] / "shared" / "data"), "gsm8k", "train.jsonl"
)
_COUNTED = (
    "a an one once|two twice double|three thrice triple|four quadruple|five|six|seven|eight|nine|ten|eleven|twelve"
    "|thirteen|fourteen|fifteen|sixteen|seventeen|eighteen|nineteen|twenty"
)
WORDS = {word: value for value, words in enumerate(_COUNTED.split("|"), start=1) for word in words.split()} | {
    "thirty": 30,
    "forty": 40,
    "fourty": 40,
    "fifty": 50,
    "sixty": 60,
    "seventy": 70,
    "eighty": 80,
    "ninety": 90,
}
_PARTS = (
    "half halves|third thirds|fourth fourths quarter quarters|fifth fifths|sixth sixths|seventh sevenths"
    "|eighth eighths|ninth ninths|tenth tenths"
)
PARTS = {part: n for n, parts in enumerate(_PARTS.split("|"), start=2) for part in parts.split()}
# What a mask may have replaced beside its number: a unit that touched it, or a word that reads on from a share.
TRAILING = re.compile(
    r"(?<=[0-9])\s?(?!st|nd|rd|th)[A-Za-z]+$|(?<=\w)\s+(?:as|the|an?|this|that|these|those|h(?:is|er)|their|its|my|your|our|what"
    r"|[A-Z]\w*['’]s?)$"
)


def read_independently(text: str) -> Fraction:
    """A slow reading of a replaced text: words by a table, digits by Fraction, half and thirds by their names."""
    text = re.sub(r"(?<=[0-9])(?:st|nd|rd|th)s?\b", "", TRAILING.sub("", text)).lower()
    if "dozen" in text:
        return Fraction(6 if "half" in text else 12)
    whole, joined, part = text.rpartition(" and ")
    if joined and (part.split("-")[-1].split()[-1] in PARTS or "/" in part):
        return read_independently(whole) + read_independently(part)
    tokens = [token for token in re.split(r"[\s-]+", text.lstrip("-")) if token != "and"]
    sign = -1 if text[0] == "-" else 1
    if tokens[-1] in PARTS:
        return sum((Fraction(WORDS[token]) for token in tokens[:-1]), Fraction(0)) / PARTS[tokens[-1]] or Fraction(
            1, PARTS[tokens[-1]]
        )
    if all(re.fullmatch(r"[0-9]{3}", token) for token in tokens[1:]) and tokens[0].isdigit():
        return sign * Fraction("".join(tokens))
    total = Fraction(0)
    for token in tokens:
        if token in ("hundred", "thousand", "million"):
            total *= {"hundred": 100, "thousand": 1000, "million": 1000000}[token]
        else:
            total += WORDS[token] if token in WORDS else Fraction(token.replace(",", ""))
    return sign * total


def only(question: str) -> Masked:
    (mask,) = masks(question)
    return mask


@pytest.mark.parametrize(
    ("question", "expected", "original", "value"),
    [
        ("It costs $80,000.", "It costs $x.", "80,000", "80000"),
        ("It is 25% off.", "It is x% off.", "25", "25"),
        ("He has three dogs.", "He has x dogs.", "three", "3"),
        ("She ate half of it.", "She ate x of it.", "half", "0.5"),
        ("She ate half the cake.", "She ate x of the cake.", "half the", "0.5"),
        ("She has half as many.", "She has x times as many.", "half as", "0.5"),
        ("She has 1/3 as many.", "She has x times as many.", "1/3 as", "1/3"),
        ("She is half Tom's age.", "She is x of Tom's age.", "half Tom's", "0.5"),
        ("She has twice as many.", "She has x times as many.", "twice", "2"),
        ("Twice a day he runs.", "x times a day he runs.", "Twice", "2"),
        ("She has double the number.", "She has x times the number.", "double", "2"),
        ("He bought a dozen eggs.", "He bought x eggs.", "a dozen", "12"),
        ("A 1.5kg bag.", "A x kg bag.", "1.5kg", "1.5"),
        ("He paid $40k.", "He paid $x k.", "40k", "40"),
        ("A 5-mile run.", "A x-mile run.", "5", "5"),
        ("Add 1 1/2 cups.", "Add x cups.", "1 1/2", "1.5"),
        ("Fill 2/3rds of it.", "Fill x of it.", "2/3rds", "2/3"),
        ("It was -14 degrees.", "It was x degrees.", "-14", "-14"),
        ("If $3x = y$?", "If $zx = y$?", "3", "3"),
        (r"What is $\frac{1}{2}$ of it?", "What is $x$ of it?", r"\frac{1}{2}", "0.5"),
    ],
)
def test_the_unknown_takes_the_place_of_the_number_alone(
    question: str, expected: str, original: str, value: str
) -> None:
    mask = only(question)
    assert (mask.question, mask.original, mask.value) == (expected, original, value)
    assert unmasked(mask) == question


def test_each_quantity_is_masked_in_turn() -> None:
    assert [mask.question for mask in masks("Ann has 3 cats, twice as many dogs and $5.")] == [
        "Ann has x cats, twice as many dogs and $5.",
        "Ann has 3 cats, x times as many dogs and $5.",
        "Ann has 3 cats, twice as many dogs and $x.",
    ]


@pytest.mark.parametrize(
    ("question", "unknown"),
    [
        ("Tom has 5 boxes.", "x"),
        ("Thomas worked x hours and Toby 5 hours.", "y"),
        ("An iPhone X costs $600.", "y"),
        ("A room of 8 x 8 feet.", "y"),
        ("If $x+y=5$?", "z"),
        ("If $2xy=z$?", "n"),
        ("If 2xy + 5 = 7z, what then?", "n"),
        ("He paid $5 for six boxes and $6.", "x"),
        ("Fix 3 boxes; don't, it's Max's.", "x"),
    ],
)
def test_the_unknown_is_a_letter_that_the_question_does_not_use(question: str, unknown: str) -> None:
    assert {mask.unknown for mask in masks(question)} == {unknown}


def test_a_question_that_uses_every_letter_has_no_mask() -> None:
    assert masks("Letters: " + " ".join("abcdefghijklmnopqrstuvwxyz") + ", 5 of them.") == ()


def test_the_backward_question_keeps_the_masked_one_and_asks_for_the_unknown() -> None:
    mask = only("Ann has 3 cats. How many legs do they have?")
    asked = fobar_question(mask, answer="12")
    assert asked == (
        "Ann has x cats. How many legs do they have? Suppose that the answer to this question is 12. "
        "Which number does x stand for?"
    )


def test_the_backward_question_asks_for_the_letter_that_was_put_in() -> None:
    assert "does y stand for" in fobar_question(masks("He worked x hours and 5 hours.")[0], answer="7")


@pytest.mark.parametrize(
    ("question", "stated"),
    [
        ("Ann has 3 cats and 4 dogs.", [False, False]),
        ("Ann has 3 cats and three dogs.", [True, True]),
        ("Half of 8 cats, 50% of 0.5 dogs.", [True, False, False, True]),
        ("A dozen eggs and 12 boxes of 6.", [True, True, False]),
        ("He has 2 cats on day 2.", [False]),
        ("Half of the 8 cats are black, and the other half are white.", [True, False]),
        ("She ran 2 miles, then doubles it.", [True]),
        ("The 12 guests want 3 dozen eggs.", [True, False]),
        ("No one has 1 cat and 5 dogs.", [False, False]),
        ("She has 1/2 as many as 0.50 of 6.", [True, True, False]),
    ],
)
def test_a_value_that_stands_twice_is_stated_elsewhere(question: str, stated: list[bool]) -> None:
    assert [is_stated_elsewhere(mask) for mask in masks(question)] == stated


def test_an_answer_equal_to_the_masked_value_gives_it_away() -> None:
    mask = only("Ann has 3 cats. How many?")
    assert is_stated_elsewhere(mask, answer="3")
    assert not is_stated_elsewhere(mask, answer="4")


def test_chosen_masks_keep_reading_order_and_a_larger_number_keeps_the_smaller_draw() -> None:
    every = masks("There are 1, 2, 3, 4, 5, 6, 7, 8 and 9 apples.")
    draws = [chosen(every, per_problem=n, seed=7, problem_id="p") for n in range(1, 12)]
    assert [len(draw) for draw in draws] == [1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9]
    assert all(set(a) <= set(b) for a, b in zip(draws, draws[1:], strict=False))
    assert all([mask.start for mask in draw] == sorted(mask.start for mask in draw) for draw in draws)
    assert chosen(every, per_problem="one", seed=7, problem_id="p") == draws[0]
    assert chosen(every, per_problem="all", seed=7, problem_id="p") == every


def test_one_mask_at_random_depends_on_seed_and_problem_and_reaches_all() -> None:
    every = masks("There are 1, 2, 3 and 4 apples.")
    by_problem = {chosen(every, per_problem="one", seed=0, problem_id=str(i)) for i in range(60)}
    by_seed = {chosen(every, per_problem="one", seed=i, problem_id="p") for i in range(60)}
    assert by_problem == by_seed == {(mask,) for mask in every}


@pytest.mark.parametrize("n", [0, -1])
def test_fewer_than_one_mask_per_problem_is_refused(n: int) -> None:
    with pytest.raises(ValueError, match="per_problem"):
        chosen((), per_problem=n, seed=0, problem_id="p")


PIECES = (
    *(
        "half",
        "the",
        "as",
        "a",
        "of",
        "twice",
        "1/2",
        "3",
        "5kg",
        "2/3rds",
        "two-thirds",
        "one",
        "and",
        "dozen",
        "$",
        "%",
    ),
    *("x", "Tom's", "his", "-", "7", ".", ",", "1,000", "double", "hour", r"\frac{1}{2}"),
)


@settings(deadline=None, max_examples=200)
@given(st.lists(st.sampled_from(PIECES), max_size=12), st.sampled_from(["", " "]))
def test_unmasking_gives_back_the_text_exactly_and_each_mask_differs(words: list[str], glue: str) -> None:
    question = glue.join(words)
    every = masks(question)
    assert all(unmasked(mask) == question for mask in every)
    assert all(mask.question[mask.start] == mask.unknown for mask in every)
    assert len({mask.start for mask in every}) == len(every)


@pytest.fixture(scope="module")
def train() -> list[tuple[str, tuple[Masked, ...]]]:
    """GSM8K's training questions, each with its masks."""
    if not TRAIN.exists():
        pytest.skip(f"{TRAIN} is absent; set DATAGEN_TEST_DATA")
    with TRAIN.open(encoding="utf-8") as lines:
        questions = [json.loads(line)["question"] for line in lines]
    return [(question, masks(question)) for question in questions]


def test_every_gsm8k_mask_can_be_undone_and_has_the_value_that_stood_there(
    train: list[tuple[str, tuple[Masked, ...]]],
) -> None:
    assert len(train) == 7473
    n_masks = 0
    for question, found in train:
        for mask in found:
            n_masks += 1
            assert unmasked(mask) == question
            assert question[mask.start :].startswith(mask.original)
            assert read_independently(mask.original) == Fraction(mask.value), mask
    assert n_masks > 28_000


def test_99_percent_of_the_gsm8k_problems_with_a_number_have_a_mask(
    train: list[tuple[str, tuple[Masked, ...]]],
) -> None:
    number = re.compile(
        rf"[0-9]|\b(?:{'|'.join({*WORDS, *PARTS} - {'a', 'an', 'once'})}|hundred|dozen)\b", re.IGNORECASE
    )
    with_number = [found for question, found in train if number.search(question)]
    assert len(with_number) > 7000
    assert sum(map(bool, with_number)) >= 0.99 * len(with_number)


def test_gsm8k_digits_are_masked_unless_a_rule_says_why_not(
    train: list[tuple[str, tuple[Masked, ...]]],
) -> None:
    # Digits count things in at least 95 of 100 places; a rule that ate more would be too greedy.
    sample = random.Random(0).sample(train, 1000)
    n_digits = sum(len(re.findall(r"[0-9][0-9,./]*", question)) for question, _ in sample)
    n_masked = sum(mask.original[0] in "0123456789.-" for _, found in sample for mask in found)
    assert n_masked >= 0.95 * n_digits
