"""One spelling for each equation."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.equations.evaluate import NotArithmetic, evaluate
from datagen.equations.normalise import commutative, normalise

ARITHMETIC = st.text(alphabet="0123456789+-*/^().,%$ x=×÷−{}ab\n\\", max_size=40)


@pytest.mark.parametrize(
    ("equation", "normalised"),
    [
        ("48/2=24", "48/2=24"),
        ("16 x 7 = 112", "16*7=112"),
        ("$9 * 2.0 = $18.00", "9*2=18"),
        ("3 × 4 = 12", "3*4=12"),
        ("12 ÷ 4 = 3", "12/4=3"),
        ("80,000 + 50,000 = 130,000", "80000+50000=130000"),
        ("24.0-.5=23.50", "24-0.5=23.5"),
        ("5 – 3 = 2", "5-3=2"),
        ("007*1=7", "7*1=7"),
        ("2**3=8", "2^3=8"),
        (r"\frac{1}{2} \times 4 = 2", "1/2*4=2"),
        (r"3/\frac{1}{2} = 6", "3/(1/2)=6"),
        (r"9 \cdot 2 = \boxed{18}", "9*2=18"),
        ("3 boxes * 12 pens = 36 pens", "3*12=36"),
        ("25% of 80 = 20", "25%*80=20"),
        ("2(3+4)=14", "2*(3+4)=14"),
        ("1 1/2 + 1 = 2 1/2", "1+1/2+1=2+1/2"),
        ("2 * 1 1/2 = 3", "2*(1+1/2)=3"),
        ("(2*3)=6", "2*3=6"),
        ("((2))*(3)=(6)", "2*3=6"),
        ("2+(3*4)=14", "2+3*4=14"),
        ("(2+3)*4=20", "(2+3)*4=20"),
        ("(2*3)*4=24", "2*3*4=24"),
        ("2*(3*4)=24", "2*3*4=24"),
        ("2*(6/4)=3", "2*6/4=3"),
        ("12/(3*2)=2", "12/(3*2)=2"),
        ("9-(4-2)=7", "9-(4-2)=7"),
        ("9+(4-2)=11", "9+4-2=11"),
        ("2^(3^2)=512", "2^3^2=512"),
        ("(2^3)^2=64", "(2^3)^2=64"),
        ("(-2)^2=4", "(-2)^2=4"),
        ("-(2^2)=-4", "-2^2=-4"),
        ("2^(-1)=0.5", "2^-1=0.5"),
        ("2^(1+1)=4", "2^(1+1)=4"),
        ("(20+30)%*10=5", "(20+30)%*10=5"),
        ("(25%)*80=20", "25%*80=20"),
        ("5-(-3)=8", "5--3=8"),
        ("2*x = 10", "2*x=10"),
        ("1 2 = 3", "1 2=3"),
        ("", ""),
    ],
)
def test_an_equation_has_this_spelling(equation: str, normalised: str) -> None:
    assert normalise(equation) == normalised


@settings(deadline=None, max_examples=500)
@given(st.one_of(st.text(max_size=60), ARITHMETIC))
def test_normalising_twice_changes_nothing(text: str) -> None:
    assert normalise(normalise(text)) == normalise(text)


@settings(deadline=None, max_examples=300)
@given(ARITHMETIC)
def test_normalising_keeps_the_value(text: str) -> None:
    try:
        value = evaluate(text)
    except NotArithmetic:
        return
    assert evaluate(normalise(text)) == value


EXPRESSIONS = st.recursive(
    st.integers(0, 20).map(str),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from("+-*/^"), inner).map("".join),
        inner.map(lambda text: f"({text})"),
        inner.map(lambda text: f"-{text}"),
        inner.map(lambda text: f"({text})%"),
    ),
    max_leaves=8,
)


@settings(deadline=None, max_examples=300)
@given(EXPRESSIONS)
def test_every_bracket_that_is_left_changes_something(text: str) -> None:
    normalised = normalise(text)
    assert normalise(f"({text})") == normalised
    try:
        value = evaluate(text)
    except NotArithmetic:
        return
    assert evaluate(normalised) == value
    assert normalise(normalised) == normalised
    for start, end in brackets(normalised):
        without = normalised[:start] + normalised[start + 1 : end] + normalised[end + 1 :]
        assert normalise(without) != normalised


def brackets(text: str) -> list[tuple[int, int]]:
    """Where each pair of brackets begins and ends."""
    pairs, opened = [], []
    for i, c in enumerate(text):
        if c == "(":
            opened.append(i)
        elif c == ")":
            pairs.append((opened.pop(), i))
    return pairs


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("2*3=6", "3*2=6"),
        ("1+2+3=6", "3+1+2=6"),
        ("(1+2)*4=12", "4*(2+1)=12"),
        ("5-2+1=4", "5+1-2=4"),
        ("6/2*4=12", "4*6/2=12"),
        ("2*(3*4)=24", "(4*3)*2=24"),
        ("1+2*3=7", "3*2+1=7"),
        ("(1+2)^2=9", "(2+1)^2=9"),
    ],
)
def test_the_order_of_operands_of_sums_and_products_does_not_matter(one: str, other: str) -> None:
    assert commutative(one) == commutative(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("6-2=4", "2-6=4"),
        ("6/2=3", "2/6=3"),
        ("2^3=8", "3^2=8"),
        ("1+2*3=7", "(1+2)*3=7"),
        ("2*3=6", "6=2*3"),
        ("2*3=6", "2+3=6"),
        ("8/(4/2)=4", "8/4/2=4"),
        ("8-(4-2)=6", "8-4-2=6"),
        ("-(2*3)=6", "-2+3=6"),
    ],
)
def test_what_is_not_commutative_keeps_its_order(one: str, other: str) -> None:
    assert commutative(one) != commutative(other)


@pytest.mark.parametrize("text", ["2*x=10", "", "(", "a=b", "1/*2=3"])
def test_what_does_not_parse_is_its_own_key(text: str) -> None:
    assert commutative(text) == text


@settings(deadline=None, max_examples=200)
@given(st.lists(st.integers(0, 50), min_size=2, max_size=6), st.sampled_from("+*"), st.randoms(use_true_random=False))
def test_a_shuffled_sum_or_product_has_the_same_key(numbers: list[int], operator: str, rng: Random) -> None:
    shuffled = list(numbers)
    rng.shuffle(shuffled)
    assert commutative(operator.join(map(str, numbers))) == commutative(operator.join(map(str, shuffled)))


@settings(deadline=None, max_examples=300)
@given(st.one_of(st.text(max_size=60), ARITHMETIC))
def test_any_text_has_a_commutative_key(text: str) -> None:
    assert commutative(normalise(text)) == commutative(normalise(normalise(text)))
