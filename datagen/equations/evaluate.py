r"""Exact value of an arithmetic expression: + - * / ^ with integer exponents, brackets, %, \frac, units ignored.

A parser of its own (shunting-yard), never eval(): model text is hostile. Nesting, length, exponents and the size of
every intermediate result are bounded, so `9**9**9` and 100,000 brackets are answered at once.
"""

from fractions import Fraction

from datagen.equations.tokens import Token, tokenise

MAX_CHARS = 2_000
MAX_TOKENS = 500
MAX_DIGITS = 400
MAX_NESTING = 50
MAX_EXPONENT = 1_000
MAX_BITS = 8_192


class NotArithmetic(ValueError):
    """The text is not an arithmetic expression, or it is beyond the bounds."""


Postfix = list[tuple[str, str]]  # ("num", digits) or (operator, "")

PRECEDENCE = {"+": 1, "-": 1, "*": 2, "/": 2, "neg": 3, "^": 4, "%": 5}


def evaluate(expression: str) -> Fraction:
    """Exact value; NotArithmetic if the text is not one arithmetic expression."""
    if len(expression) > MAX_CHARS:
        raise NotArithmetic(f"expression of {len(expression)} characters; at most {MAX_CHARS} are read")
    return evaluate_postfix(postfix(tokenise(expression)))


def postfix(tokens: list[Token]) -> Postfix:
    """Tokens in reverse Polish order (shunting-yard); NotArithmetic where they are not an expression."""
    if len(tokens) > MAX_TOKENS:
        raise NotArithmetic(f"{len(tokens)} tokens; at most {MAX_TOKENS} are read")
    out: Postfix = []
    stack: list[str] = []  # operators and brackets; "(frac" and "(den" are the two brackets of \frac
    nesting = 0
    after = False
    i = 0
    while i < len(tokens):
        kind, text, _, _ = tokens[i]
        following = tokens[i + 1].kind if i + 1 < len(tokens) else ""
        if kind in ("unit", "cur", "nl"):
            i += 1
            continue
        if kind in ("num", "(", "frac") and after:
            if kind == "num" or (kind == "frac" and tokens[i - 1].kind == "num"):
                i = _mixed(tokens, i, out)
                continue
            _push(stack, out, "*")  # 2(3 + 4)
            after = False
        if kind == "num":
            out.append(("num", text))
            after = True
        elif kind == "op" and not after:
            if text not in "+-":
                raise NotArithmetic(f"operator {text!r} has no left operand")
            if text == "-":
                stack.append("neg")
        elif kind == "op":
            _push(stack, out, text)
            after = False
        elif kind == "%" and after:
            out.append(("%", ""))
        elif kind == "(" or kind == "frac":
            nesting += 1
            if nesting > MAX_NESTING:
                raise NotArithmetic(f"more than {MAX_NESTING} nested brackets")
            if kind == "frac" and following != "(":
                raise NotArithmetic("\\frac needs two groups in braces")
            stack.append("(" if kind == "(" else "(frac")
            i += kind == "frac"
        elif kind == ")" and after:
            bracket = _close(stack, out)
            nesting -= 1
            if bracket == "(frac":
                if following != "(":
                    raise NotArithmetic("\\frac needs two groups in braces")
                stack.append("(den")
                nesting += 1
                after = False
                i += 1
            elif bracket == "(den":
                out.append(("/", ""))
        else:
            raise NotArithmetic(f"{text!r} is not arithmetic")
        i += 1
    if not after:
        raise NotArithmetic("an operand is missing at the end")
    while stack:
        operator = stack.pop()
        if operator[0] == "(":
            raise NotArithmetic("a bracket is not closed")
        out.append((operator, ""))
    return out


def _push(stack: list[str], out: Postfix, operator: str) -> None:
    """Put a binary operator on the stack, after those that bind at least as tightly (^ is right-associative)."""
    precedence = PRECEDENCE[operator] + (operator == "^")
    while stack and stack[-1][0] != "(" and PRECEDENCE[stack[-1]] >= precedence:
        out.append((stack.pop(), ""))
    stack.append(operator)


def _close(stack: list[str], out: Postfix) -> str:
    while stack:
        operator = stack.pop()
        if operator[0] == "(":
            return operator
        out.append((operator, ""))
    raise NotArithmetic("a bracket is not opened")


def _mixed(tokens: list[Token], i: int, out: Postfix) -> int:
    r"""A mixed number, `1 1/2` or `1\frac{1}{2}`, whose whole part is the last output; the index after it."""
    end = mixed_end(tokens, i)
    if end is None:
        raise NotArithmetic(f"{tokens[i].text!r} follows an operand without an operator")
    digits = [token.text for token in tokens[i:end] if token.kind == "num"]
    out += (("num", digits[0]), ("num", digits[1]), ("/", ""), ("+", ""))
    return end


def mixed_end(tokens: list[Token], i: int) -> int | None:
    r"""Index after the fraction at i that makes the number before it a mixed number; None if it does not."""
    if i == 0 or tokens[i - 1].kind != "num" or not tokens[i - 1].text.isdecimal():
        return None
    if i > 1 and tokens[i - 2].kind in ("op", "num") and tokens[i - 2].text not in "+-*":
        return None  # 1/2 1/3
    kinds = [token.kind for token in tokens[i : i + 7]]
    if kinds[:3] == ["num", "op", "num"] and tokens[i + 1].text == "/":
        numerator, denominator, end = tokens[i].text, tokens[i + 2].text, i + 3
        # 2 3/4 is mixed; "Step 2 6/3" and 2 3 / 4 with spaces are not.
        if tokens[i].end != tokens[i + 1].start or tokens[i + 1].end != tokens[i + 2].start:
            return None
    elif kinds == ["frac", "(", "num", ")", "(", "num", ")"]:
        numerator, denominator, end = tokens[i + 2].text, tokens[i + 5].text, i + 7
    else:
        return None
    is_proper = (
        numerator.isdecimal()
        and denominator.isdecimal()
        and max(len(numerator), len(denominator)) <= MAX_DIGITS
        and int(numerator) < int(denominator)
    )
    return end if is_proper else None


def number(text: str) -> int | Fraction:
    """Exact value of the digits of one num token."""
    if len(text) > MAX_DIGITS:
        raise NotArithmetic(f"a number of {len(text)} digits; at most {MAX_DIGITS} are read")
    if text.isdecimal():
        return int(text)
    digits = text.replace("{,}", "").replace("\\,", "").replace(",", "")
    whole, _, decimals = digits.partition(".")
    return Fraction(int(whole + decimals), 10 ** len(decimals)) if decimals else int(whole)


def evaluate_postfix(items: Postfix) -> Fraction:
    """Exact value of an expression in reverse Polish order."""
    # int while it lasts: it is several times faster than Fraction and as exact.
    stack: list[int | Fraction] = []
    for kind, text in items:
        if kind == "num":
            stack.append(number(text))
            continue
        right = stack.pop()
        if kind == "neg":
            value: int | Fraction = -right
        elif kind == "%":
            value = Fraction(right) / 100
        else:
            value = _apply(kind, stack.pop(), right)
        if max(value.numerator.bit_length(), value.denominator.bit_length()) > MAX_BITS:
            raise NotArithmetic(f"a result of more than {MAX_BITS} bits")
        stack.append(value)
    (value,) = stack
    return Fraction(value)


def _apply(operator: str, left: int | Fraction, right: int | Fraction) -> int | Fraction:
    if operator == "+":
        return left + right
    if operator == "-":
        return left - right
    if operator == "*":
        return left * right
    if operator == "/":
        if right == 0:
            raise NotArithmetic("division by zero")
        return Fraction(left) / Fraction(right)
    return _power(Fraction(left), Fraction(right))


def _power(base: Fraction, exponent: Fraction) -> Fraction:
    if exponent.denominator != 1:
        raise NotArithmetic("an exponent that is not an integer has no exact value")
    n = exponent.numerator
    bits = max(base.numerator.bit_length(), base.denominator.bit_length())
    if abs(n) > MAX_EXPONENT or bits * abs(n) > MAX_BITS:
        raise NotArithmetic(f"exponent {n} is beyond the bound")
    if n < 0 and base == 0:
        raise NotArithmetic("division by zero")
    return Fraction(base**n)
