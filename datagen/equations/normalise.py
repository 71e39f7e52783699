r"""One spelling for each equation, so that reasoning paths can be compared by their equation lists (RFT, section 3.3).

`$9 x 2.0 = $18` and `9*2=18` are the same equation; so are `\frac{1}{2} \times 4 = 2` and `1/2*4=2`.
"""

import re

from datagen.equations.evaluate import MAX_CHARS, NotArithmetic, Postfix, mixed_end, postfix
from datagen.equations.tokens import CURRENCY, DIGITS, MINUS, Token, sides_of, tokenise

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
_BRACKETED_NUMBER = re.compile(r"\(([0-9.]+)\)")


def normalise(equation: str) -> str:
    """Canonical text: no spaces, thousands separators, currency or units; + - * / ^ alone; 24.0 is 24, .5 is 0.5.

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
    sides = sides_of(tokenise(equation))
    try:
        for side in sides:
            postfix(side)
    except NotArithmetic:
        return None
    return "=".join(_render_side(side) for side in sides)


def _render_side(side: list[Token]) -> str:
    tokens = [token for token in side if token.kind not in ("unit", "cur", "nl")]
    parts: list[str] = []
    closers: list[str] = []  # what each open bracket is closed with
    after = False
    i = 0
    while i < len(tokens):
        kind, text, _, _ = tokens[i]
        if kind in ("num", "(", "frac") and after:
            end = mixed_end(tokens, i)
            if end is not None:
                numerator, denominator = (_canonical_digits(t.text) for t in tokens[i:end] if t.kind == "num")
                parts[-1] = f"({parts[-1]}+{numerator}/{denominator})"
                i = end
                continue
            parts.append("*")
        if kind == "num":
            parts.append(_canonical_digits(text))
        elif kind == "frac":
            # Brackets: 3/\frac{1}{2} is not 3/1/2.
            parts.append("((")
            closers.append(")/(")
            i += 1
        elif kind == "(":
            parts.append("(")
            closers.append(")")
        elif kind == ")":
            closer = closers.pop()
            parts.append(closer)
            if closer == ")/(":
                closers.append("))")
                i += 1
        elif not (kind == "op" and text == "+" and not after):
            parts.append(text)
        after = kind in ("num", ")", "%") and not (kind == ")" and parts[-1] == ")/(")
        i += 1
    text = "".join(parts)
    while _BRACKETED_NUMBER.search(text):  # at most as often as brackets nest
        text = _BRACKETED_NUMBER.sub(r"\1", text)
    return text


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
