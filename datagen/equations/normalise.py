r"""One spelling for each equation, so that reasoning paths can be compared by their equation lists (RFT, section 3.3).

`$9 x 2.0 = $18` and `9*2=18` are the same equation; so are `\frac{1}{2} \times 4 = 2` and `1/2*4=2`, and all that
differs by brackets which change nothing: `(2*3)=6` and `2*3=6`, `2+(3*4)=14` and `2+3*4=14`.
"""

import re

from datagen.equations.evaluate import MAX_CHARS, PRECEDENCE, NotArithmetic, Postfix, postfix
from datagen.equations.tokens import CURRENCY, DIGITS, MINUS, sides_of, tokenise

_CHARACTERS = str.maketrans(
    {
        **dict.fromkeys(MINUS, "-"),
        **dict.fromkeys("×·⋅∙∗", "*"),
        **dict.fromkeys("÷∕⁄", "/"),
        "＋": "+",
        **dict.fromkeys(CURRENCY, ""),
    }
)
_SPACE = re.compile(r"\s+")
_THOUSANDS = re.compile(r"(?<![0-9.,])[0-9]{1,3}(?:,[0-9]{3})+(?![0-9,])")
_CANONICAL = re.compile(r"(?:[1-9][0-9]*|0)(?:[+\-*/=](?:[1-9][0-9]*|0))+")
_NUMBER = 6  # binds more tightly than any operator


def normalise(equation: str) -> str:
    """Canonical text: no spaces, thousands separators, currency or units; + - * / ^ alone; 24.0 is 24, .5 is 0.5.

    Of brackets those that count; a mixed number is a sum.

    What is not arithmetic (an unknown, a word) keeps its text, without spaces. Idempotent.
    """
    # Nine of ten annotations are canonical already.
    if _CANONICAL.fullmatch(equation) and len(equation) <= MAX_CHARS:
        return equation
    rendered = _render(equation)
    if rendered is not None:
        return rendered
    text = equation.translate(_CHARACTERS)
    text = _SPACE.sub(lambda match: " " if _is_between_digits(match) else "", text)
    text = text.replace("\\times", "*").replace("\\cdot", "*").replace("\\div", "/")
    text = _THOUSANDS.sub(lambda match: match[0].replace(",", ""), text).replace("**", "^")
    rendered = _render(text)
    return text if rendered is None else rendered


def _is_between_digits(match: re.Match[str]) -> bool:
    text = match.string
    before, after = text[max(match.start() - 1, 0) : match.start()], text[match.end() : match.end() + 1]
    return before in DIGITS and after in DIGITS


def _render(equation: str) -> str | None:
    """Canonical text of an equation, or None if one of its sides is not arithmetic."""
    if len(equation) > MAX_CHARS:
        return None
    try:
        return "=".join(_rendered(postfix(side)) for side in sides_of(tokenise(equation)))
    except NotArithmetic:
        return None


def _rendered(items: Postfix) -> str:
    """An expression with the brackets that its value needs, and no others: 2*(3+4), but 2+3*4 for 2+(3*4)."""
    stack: list[tuple[str, int]] = []  # text, and how tightly its last operator binds
    for kind, text in items:
        if kind == "num":
            stack.append((_canonical_digits(text), _NUMBER))
            continue
        binds = PRECEDENCE[kind]
        right = stack.pop()
        if kind == "neg":
            stack.append((f"-{_in(right, binds)}", binds))
        elif kind == "%":
            stack.append((f"{_in(right, binds)}%", binds))
        elif kind == "^":
            stack.append((f"{_in(stack.pop(), binds + 1)}^{_in(right, PRECEDENCE['neg'])}", binds))
        else:
            # a + (b - c) is a + b - c, and a * (b / c) is a * b / c; after - and / brackets count.
            least = binds if kind in "+*" else binds + 1
            stack.append((f"{_in(stack.pop(), binds)}{kind}{_in(right, least)}", binds))
    ((text, _),) = stack
    return text


def _in(operand: tuple[str, int], least: int) -> str:
    """An operand, in brackets if it binds less tightly than it must."""
    text, binds = operand
    return text if binds >= least else f"({text})"


def _canonical_digits(text: str) -> str:
    digits = text.replace("{,}", "").replace("\\,", "").replace(",", "")
    whole, _, decimals = digits.partition(".")
    decimals = decimals.rstrip("0")
    whole = whole.lstrip("0") or "0"
    return f"{whole}.{decimals}" if decimals else whole


def commutative(normalised: str) -> str:
    """A key in which the order of the operands of + and * does not matter: 2*3=6 and 3*2=6 share it.

    Sums and products are flattened (a-b+c is a sum, a/b*c a product), sides stay in order. A text that is not
    arithmetic is its own key.
    """
    if len(normalised) > MAX_CHARS:
        return normalised
    try:
        return "=".join(_key(postfix(side)) for side in sides_of(tokenise(normalised)))
    except NotArithmetic:
        return normalised


_Parts = list[tuple[str, str]]  # (sign, operand)


def _key(items: Postfix) -> str:
    stack: list[tuple[str, _Parts]] = []  # ("+" for a sum, "*" for a product, its parts)
    for kind, text in items:
        if kind == "num":
            stack.append(("*", [("*", _canonical_digits(text))]))
            continue
        right = stack.pop()
        if kind == "neg":
            stack.append(("+", _inverted(_parts(right, "+"), "+-")))
        elif kind == "%":
            stack.append(("*", [("*", f"({_text(right)})%")]))
        elif kind == "^":
            stack.append(("*", [("*", f"({_text(stack.pop())})^({_text(right)})")]))
        elif kind in "+-":
            parts = _parts(right, "+")
            stack.append(("+", _parts(stack.pop(), "+") + (parts if kind == "+" else _inverted(parts, "+-"))))
        else:
            parts = _parts(right, "*")
            stack.append(("*", _parts(stack.pop(), "*") + (parts if kind == "*" else _inverted(parts, "*/"))))
    (node,) = stack
    return _text(node)


def _parts(node: tuple[str, _Parts], operator: str) -> _Parts:
    """The parts of a sum (or product); anything else is its only part."""
    kind, parts = node
    if kind == operator:
        return parts
    return [(operator, parts[0][1] if len(parts) == 1 and parts[0][0] == kind else f"({_text(node)})")]


def _inverted(parts: _Parts, signs: str) -> _Parts:
    return [(signs[1] if sign == signs[0] else signs[0], text) for sign, text in parts]


def _text(node: tuple[str, _Parts]) -> str:
    return "".join(sign + text for sign, text in sorted(node[1]))
