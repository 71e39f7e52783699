"""Comparison with test sets: what is found, by which method, and that templates and processes change nothing."""

import random

import pytest
from rapidfuzz import fuzz

from datagen.augment.duplicates import normalised
from datagen.mix.contamination import Against, Found, HeldOutSet, Methods, covered, overlaps
from datagen.mix.decontaminate import HeldOut, words_of
from datagen.mix.questions import Frame
from datagen_schemas.problem import Problem

WORDS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
WORDS += ["thirteen", "fourteen", "fifteen", "sixteen"]


def problem(question: str, *, i: int = 0, choices: tuple[str, ...] | None = None) -> Problem:
    return Problem(
        id=f"t-{i}", question=question, answer="1", rationale=None, choices=choices, source="made", split="test"
    )


def held_out(*questions: str, name: str = "test") -> HeldOutSet:
    return HeldOutSet(name, "test", "0", tuple(problem(question, i=i) for i, question in enumerate(questions)))


def found(
    text: str, *tests: HeldOutSet, methods: Methods | None = None, frames: tuple[Frame, ...] = ()
) -> Found | None:
    (one,) = overlaps([text], Against(tests, methods or Methods(), frames))
    return one


def test_each_method_finds_its_own_and_the_strictest_is_named() -> None:
    question = " ".join(WORDS)
    tests = held_out("something else", question)
    assert found(f" {question.upper()}. ", tests) == Found("exact", 100.0, "test", "t-1", question)
    # 13 of the 16 words of the test question are in the run
    run = "zero " + " ".join(WORDS[:13]) + " and so on for a good while longer"
    assert found(run, tests) == Found("13-gram", 81.2, "test", "t-1", question)
    swapped = question.replace("eight", "eigth")
    how = found(swapped, tests)
    assert how is not None
    assert (how.how, how.score) == ("fuzzy", round(fuzz.ratio(swapped, question), 1))
    assert found(" ".join(WORDS[:12]) + " and so on for a good while longer", tests) is None


@pytest.mark.parametrize(
    ("methods", "exact", "run", "similar"),
    [
        (Methods(exact=True, ngram=None, fuzzy=None), "exact", None, None),
        (Methods(exact=False, ngram=13, fuzzy=None), "13-gram", "13-gram", None),
        (Methods(exact=False, ngram=None, fuzzy=90), "fuzzy", None, "fuzzy"),
        (Methods(exact=False, ngram=5, fuzzy=None), "5-gram", "5-gram", "5-gram"),
    ],
)
def test_methods_can_be_switched_off(
    methods: Methods, exact: str | None, run: str | None, similar: str | None
) -> None:
    question = " ".join(WORDS)
    texts = [question, " ".join(["zero"] * 9 + WORDS[:13]), question.replace("eight", "eigth")]
    hows = [one and one.how for one in overlaps(texts, Against((held_out(question),), methods))]
    assert hows == [exact, run, similar]


def test_no_method_is_refused() -> None:
    with pytest.raises(ValueError, match="no method"):
        Methods(exact=False, ngram=None, fuzzy=None)


def test_a_problem_is_named_with_the_test_set_that_it_is_in() -> None:
    tests = (held_out("a question", "another one", name="first"), held_out("the third question", name="second"))
    for text, name, place in (("another one", "first", "t-1"), ("The third question?", "second", "t-0")):
        one = found(text, *tests)
        assert one is not None
        assert (one.test_set, one.test_problem_id) == (name, place)


def test_options_belong_to_a_question() -> None:
    tests = HeldOutSet("t", None, "0", (problem("Which is red?", choices=("the rose", "the leaf")),))
    shown = found("Which is red?\n(A) the rose\n(B) the leaf", tests)
    assert shown is not None
    assert (shown.how, shown.test_text) == ("exact", "Which is red?")
    assert found("Which is red?", tests) == Found("exact", 100.0, "t", "t-0", "Which is red?")


def test_the_words_of_a_template_are_no_overlap_and_hide_none() -> None:
    frame = Frame(" ".join(WORDS) + "\n", "\nThink before you answer this question of ours.")
    inside = "Mia has 5 pens and buys 7. How many has she?"
    templated = held_out(*(f"{frame.prefix}{text}{frame.suffix}" for text in (inside, "How old is Bo?")))
    other = f"{frame.prefix}Where do 9 hens lay?{frame.suffix}"
    one = found(other, templated)
    assert one is not None
    assert one.how == "13-gram"  # as long as nobody knows the template
    assert found(other, templated, frames=(frame,)) is None
    for text in (inside, f"{frame.prefix}{inside}{frame.suffix}"):
        for tests in (templated, held_out(inside)):
            hidden = found(text, tests, frames=(frame,))
            assert hidden is not None
            assert hidden.how == "exact"


def test_a_run_that_many_test_questions_share_is_their_form() -> None:
    form = "Give the final answer on a line of its own behind four hash signs"  # 14 words
    text = f"Tell a tale. {form}"

    def some(n: int, of: int) -> HeldOutSet:
        return held_out(*(f"{name * 9} {form if i < n else ''}" for i, name in enumerate("abcdefghijklmnopqrst"[:of])))

    assert found(text, some(11, 20)) is None
    for n in (1, 10):
        one = found(text, some(n, 20))
        assert one is not None
        assert one.how == "13-gram"


def test_only_the_share_counts_in_a_large_test_set() -> None:
    """Fifty variants of one question are no form among 2,000."""
    story = " ".join(WORDS)
    rng = random.Random(0)
    others = [" ".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=30)) for _ in range(1950)]
    one = found(f"{story} and more", held_out(*others, *(f"{story} {i}" for i in range(50))))
    assert one is not None
    assert one.how == "13-gram"


def test_backward_questions_are_compared_without_their_last_sentence() -> None:
    question = "Mia has 5 pens. How many has she?"
    asks = " Suppose that the answer to this question is 5. Which number does x stand for?"
    assert found(question + asks, held_out(question)) == Found("exact", 100.0, "test", "t-0", question)
    tests = held_out(*(f"Bo has {i} and x hats. How many?{asks}" for i in "789"))
    assert found(f"In June it rained on x of the days, and in May on twice as many.{asks}", tests) is None


def test_workers_change_nothing() -> None:
    rng = random.Random(1)
    texts = [" ".join(rng.choices(WORDS, k=rng.randrange(1, 30))) for _ in range(2500)]
    against = Against((held_out(*texts[::50]), held_out(*texts[7::61], name="b")), Methods(ngram=4))
    alone = list(overlaps(texts, against))
    assert sum(one is not None for one in alone) > 100
    assert list(overlaps(texts, against, workers=2)) == alone


def test_it_finds_what_comparing_with_all_finds() -> None:
    rng = random.Random(2)
    words = ["ab", "cd", "ef", "gh", "1,000", "1000", "3.5"]
    questions = [" ".join(rng.choices(words, k=rng.randrange(3, 14))) for _ in range(30)]
    texts = [" ".join(rng.choices(words, k=rng.randrange(3, 14))) for _ in range(300)] + questions

    def runs(text: str) -> set[tuple[str, ...]]:
        listed = words_of(text)
        return {tuple(listed[i : i + 6]) for i in range(len(listed) - 5)}

    def slowly(text: str) -> tuple[str, str] | None:
        for i, question in enumerate(questions):
            if normalised(question) == normalised(text):
                return "exact", f"t-{i}"
        for i, question in enumerate(questions):
            if runs(question) & runs(text):
                return "6-gram", f"t-{i}"
        scores = [fuzz.ratio(normalised(text), normalised(question)) for question in questions]
        return ("fuzzy", f"t-{scores.index(max(scores))}") if max(scores) >= 80 else None

    against = Against((held_out(*questions),), Methods(ngram=6, fuzzy=80))
    got = [one and (one.how, one.test_problem_id) for one in overlaps(texts, against)]
    assert got == [slowly(text) for text in texts]
    assert {one[0] for one in got if one} == {"exact", "6-gram", "fuzzy"}


@pytest.mark.parametrize(("other", "share"), [("a b c d x", 80.0), ("x y", 0.0), ("c d e q a b c", 100.0)])
def test_the_share_of_words_in_common_runs(other: str, share: float) -> None:
    assert covered("a b c d e", other, n=3) == pytest.approx(share)
    assert covered("", other, n=3) == 0


def test_without_a_method_the_index_is_what_it_was() -> None:
    assert HeldOut([problem("a b c")], n=None, fuzzy=None).overlap("a b c") is None
