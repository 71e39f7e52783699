"""The evaluator against hand calculation, Python's Fraction arithmetic, and hostile text."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.equations.evaluate import NotArithmetic, evaluate


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("48/2", 24),
        ("16 x 7", 112),
        ("16x7", 112),
        ("$9 * 2", 18),
        ("3 × 4", 12),
        ("12 ÷ 5", Fraction(12, 5)),
        (r"\frac{1}{2} \times 4", 2),
        (r"\frac12 \cdot 4", 2),
        (r"\frac{\frac{1}{2}}{3}", Fraction(1, 6)),
        (r"6 \div 4", Fraction(3, 2)),
        (r"\left(1{,}000 + 5\right) * \$2", 2010),
        ("80,000 + 50,000", 130_000),
        ("25% of 80", 20),
        ("1/2 of 80", 40),
        ("50% - 20%", Fraction(3, 10)),
        ("3 boxes * 12 pens", 36),
        ("60 km/h * 2 h", 120),
        ("$18/day * 5 days", 90),
        ("2(3 + 4)", 14),
        ("(1 + 1)(2 + 1)", 6),
        ("-2^2", -4),
        ("2^3^2", 512),
        ("2**-1", Fraction(1, 2)),
        ("2^-1*3", Fraction(3, 2)),
        ("2*-3", -6),
        ("10 - - 3", 13),
        ("−3 – 4", -7),
        ("8/2/2", 2),
        ("8-4-2", 2),
        ("5²", 25),
        ("1 1/2 + 2", Fraction(7, 2)),
        (r"3\frac{1}{2} * 2", 7),
        (".5+.25", Fraction(3, 4)),
        ("0.1+0.2", Fraction(3, 10)),
        ("3 times 4 plus 1", 13),
        ("60 divided by 4", 15),
        ("0^0", 1),
    ],
)
def test_a_value_is_the_one_calculated_by_hand(expression: str, value: int | Fraction) -> None:
    assert evaluate(expression) == value


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "()",
        "(",
        "1)",
        "1 +",
        "* 3",
        "1 2",
        "1/2 1/3",
        "2x",
        "x + 1",
        "2n + 3",
        "sqrt(4)",
        r"\sqrt{4}",
        "5!",
        "3 = 3",
        "1/0",
        "0^-1",
        "5 // 2",
        "2^0.5",
        r"\frac{1}",
        r"\frac{1} + 2",
        "1.2.3",
        "٣+٤",
        "__import__('os')",
    ],
)
def test_what_is_not_arithmetic_is_refused(expression: str) -> None:
    with pytest.raises(NotArithmetic):
        evaluate(expression)


@pytest.mark.parametrize(
    "expression",
    [
        "9**9**9",
        "9^9^9^9",
        "(" * 100_000 + "1" + ")" * 100_000,
        "(" * 60 + "1" + ")" * 60,
        "(" * 900,
        r"\frac{" * 300,
        "-" * 1_999,
        "1+" * 990 + "1",
        "9" * 1_900,
        "*".join(["9" * 390] * 5) + "^9",
        "2^999*" * 50 + "1",
        "1" * 1_000_000,
        "10^3000",
        "2^100000000000000000000",
    ],
)
def test_hostile_expressions_are_refused_at_once(expression: str) -> None:
    with pytest.raises(NotArithmetic):
        evaluate(expression)


def test_fifty_brackets_are_read() -> None:
    assert evaluate("(" * 50 + "7" + ")" * 50) == 7


@settings(deadline=None, max_examples=300)
@given(st.one_of(st.text(), st.text(alphabet="0123456789+-*/^().,%$ x=\\frac{}of\n²½−", max_size=60)))
def test_any_text_has_a_value_or_is_not_arithmetic(text: str) -> None:
    try:
        value = evaluate(text)
    except NotArithmetic:
        return
    assert isinstance(value, Fraction)


Tree = int | Fraction | tuple[str, "Tree", "Tree"]

LEAVES = st.one_of(
    st.integers(0, 2000),
    st.fractions(min_value=0, max_value=50, max_denominator=1).map(lambda f: f / 4),
)
TREES = st.recursive(
    LEAVES, lambda inner: st.tuples(st.sampled_from(["+", "-", "*", "/", "^"]), inner, inner), max_leaves=8
)
SPELLINGS = {
    "+": ["+", " + ", "+ "],
    "-": ["-", " - ", " − ", " – "],
    "*": ["*", " * ", " x ", " × ", "·", r" \times ", r" \cdot ", " boxes * "],
    "/": ["/", " / ", " ÷ ", r" \div ", "∕"],
    "^": ["^", " ** ", "**"],
}


def python_value(tree: Tree) -> Fraction | None:
    """Value by Python's own arithmetic; None where there is none, or it is not exact or too large."""
    if not isinstance(tree, tuple):
        return Fraction(tree)
    operator, left, right = tree[0], python_value(tree[1]), python_value(tree[2])
    if left is None or right is None:
        return None
    if operator == "/":
        return left / right if right else None
    if operator == "^":
        if right.denominator != 1 or abs(right) > 6 or (left == 0 and right < 0) or abs(left) > 10**6:
            return None
        return Fraction(left**right.numerator)
    return {"+": left + right, "-": left - right, "*": left * right}[operator]


def rendered(tree: Tree, draw: st.DataObject) -> str:
    """The tree as text: every inner node in brackets, operators and numbers in one of their spellings."""
    if not isinstance(tree, tuple):
        text = str(tree) if isinstance(tree, int) else f"{tree.numerator / tree.denominator}"
        if isinstance(tree, int):
            text = draw.draw(st.sampled_from([text, f"{tree:,}", f"${tree}", f"{tree}.0", f"({tree})", f"{{{tree}}}"]))
        return text
    left, right = rendered(tree[1], draw), rendered(tree[2], draw)
    if tree[0] == "/" and draw.draw(st.booleans()):
        return rf"\frac{{{left}}}{{{right}}}"
    return f"({left}{draw.draw(st.sampled_from(SPELLINGS[tree[0]]))}{right})"


@settings(deadline=None, max_examples=300)
@given(TREES, st.data())
def test_the_value_of_a_tree_is_the_one_of_pythons_fractions(tree: Tree, data: st.DataObject) -> None:
    expected = python_value(tree)
    text = rendered(tree, data)
    if expected is not None:
        assert evaluate(text) == expected
    elif "^" not in str(tree):
        with pytest.raises(NotArithmetic, match="zero"):
            evaluate(text)


@settings(deadline=None, max_examples=200)
@given(st.lists(st.tuples(st.sampled_from("+-*/"), st.integers(1, 99)), min_size=1, max_size=8), st.integers(0, 99))
def test_precedence_and_order_are_those_of_python(rest: list[tuple[str, int]], first: int) -> None:
    text = str(first) + "".join(f" {operator} {n}" for operator, n in rest)
    terms = [Fraction(first)]
    for operator, n in rest:  # products first, then the sum of what is left
        if operator in "*/":
            terms[-1] = terms[-1] * n if operator == "*" else terms[-1] / n
        else:
            terms.append(Fraction(n if operator == "+" else -n))
    assert evaluate(text) == sum(terms)
