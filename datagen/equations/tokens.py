r"""Tokens of arithmetic in running text: numbers, operators, brackets, units; one pass, linear on any input.

`$9 * 2`, `3 boxes x 12 pens`, `\frac{1}{2} \times 4`, `25% of 80`, `16 − 3`: what a sign or a word means depends on
what stands before it, so the pass knows whether it has just read an operand.
"""

import re
from typing import NamedTuple

# Kinds: num, op (+ - * / ^), ( ), frac, %, unit, var, =, nl (newline), cur (currency), break.
# "var" stands for all that cannot be evaluated: a variable, a function, a sign that is not known.


class Token(NamedTuple):
    """One token and where it stands in the text."""

    kind: str
    text: str
    start: int
    end: int


MINUS = "-−–—‐‑‒－﹣"  # minus sign, dashes, hyphens
CURRENCY = "$¢€£¥₹"
OPERATORS = {
    **dict.fromkeys(MINUS, "-"),
    **dict.fromkeys(("*", "×", "·", "⋅", "∙", "•", "∗", "\\times", "\\cdot", "\\ast", "x"), "*"),
    **dict.fromkeys(("/", "÷", "∕", "⁄", "\\div"), "/"),
    **dict.fromkeys(("+", "＋"), "+"),
    **dict.fromkeys(("^", "**"), "^"),
}
WORD_OPERATORS = {"plus": "+", "minus": "-", "times": "*", "multiplied": "*", "divided": "/"}
SUPERSCRIPTS = {"²": "2", "³": "3"}

# Units of measure by dimension. They may touch their number (5kg), and an equation with two of one dimension is a
# conversion that cannot be judged with its units ignored (3 * 20 cents = $0.60).
MEASURES = {
    word: dimension
    for dimension, words in {
        "money": "cent cents dollar dollars euro euros pound pounds usd penny pennies dime dimes nickel nickels"
        " quarter quarters rs rupee rupees paise $ ¢ € £ ¥ ₹",
        "time": "s sec secs second seconds min mins minute minutes h hr hrs hour hours day days week weeks month"
        " months year years decade decades century centuries am pm",
        "length": "mm cm m km ft in inch inches foot feet yard yards yd mi mile miles meter meters metre metres"
        " kilometer kilometers kilometre kilometres centimeter centimeters centimetre centimetres millimeters",
        "mass": "mg g kg gram grams kilogram kilograms kgs lb lbs oz ounce ounces pound pounds ton tons tonne tonnes",
        "volume": "ml l L liter liters litre litres gallon gallons gal quart quarts pint pints cup cups milliliters"
        " tablespoon tablespoons tbsp teaspoon teaspoons tsp",
        "count": "dozen dozens pair pairs score hundred thousand million billion trillion hundreds thousands millions"
        " billions",
        "rate": "mph kph kmph kmh",
        "angle": "° degree degrees",
    }.items()
    for word in words.split()
}
# A word that gives a size, which would be lost with the units.
SCALES = frozenset(
    ("dozen", "dozens", "hundred", "hundreds", "thousand", "thousands", "million", "millions", "billion", "trillion")
)
ENGLISH_LETTERS = frozenset("aAI")
FUNCTIONS = frozenset(
    ("sqrt", "log", "ln", "exp", "sin", "cos", "tan", "mod", "gcd", "lcm", "pi", "root", "factorial", "cubed")
)
FRACTION_WORDS = frozenset(
    ("half", "third", "thirds", "quarter", "quarters", "fourth", "fourths", "fifth", "fifths", "tenth", "tenths")
)
# Words that change the number after them: "twice 3 + 4", "5 more than 2 * 3".
MODIFIERS = frozenset(("twice", "double", "triple", "thrice", "half", "than", "squared"))
DIGITS = frozenset("0123456789")

_TOKEN = re.compile(
    r"""
      (?P<space>\ +)                          # the two commonest first: the order of the rest matters
    | (?P<plain>(?![xXRU²³])[^\W\d_][\w'’]*(?:-[^\W\d_][\w'’]*)*)
    | (?P<nl>\n|\\\\)
    | (?P<ws>[^\S\n]+|&|\\[,;:! ]|\\q?quad\b|\\left\b|\\right\b|\\displaystyle\b|\\boxed\b|\\[()\[\]])
    | (?P<num>[0-9]{1,3}(?:(?:,|\{,\}|\\,)[0-9]{3})+(?![0-9])(?:\.[0-9]+)?|[0-9]+(?:\.[0-9]+)?|\.[0-9]+)
    | (?P<times>(?<![^\W\d_])[xX](?=[^\S\n]{0,3}[0-9($.\\]))
    | (?P<op>\*\*|[-−–—‐‑‒－﹣+＋*×·⋅∙•∗/÷∕⁄^]|\\(?:times|cdot|ast|div)(?![A-Za-z]))
    | (?P<sup>[²³])
    | (?P<eq>==?(?![=>])|\\equiv\b)
    | (?P<open>[(\[{])
    | (?P<close>[)\]}])
    | (?P<fracdigits>\\[dt]?frac\s{0,3}[0-9]\s{0,3}[0-9])
    | (?P<frac>\\[dt]?frac\b)
    | (?P<pct>\\?%)
    | (?P<cur>\\?\$|[¢€£¥₹]|\b(?:Rs\.?|USD|US\$)(?=\s{0,2}[0-9]))
    | (?P<unit>\\(?:text|textrm|mathrm|mbox|textbf|operatorname)\s{0,3}\{[^{}\n]*\}|°|\^\\circ\b)
    | (?P<word>[^\W\d_][\w'’]*(?:-[^\W\d_][\w'’]*)*)
    | (?P<brk>[.,;:!?"“”'‘’`|#~@]|=+>?|[<>]=?|[≤≥≠≈→⇒]|\\(?:approx|implies|to|Rightarrow|rightarrow|ne|neq|leq|geq)\b)
    | (?P<other>\\[A-Za-z]+|.)
    """,
    re.VERBOSE | re.DOTALL,
)
_OPERAND = ("num", "open", "frac", "fracdigits", "cur")


_Raw = tuple[str, str, int, int]


def tokenise(text: str) -> list[Token]:
    """All tokens of a text, white space and typesetting left out."""
    raw: list[_Raw] = []
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup
        if kind == "plain":
            raw.append(("word", match[0], *match.span()))
        elif kind is not None and kind != "space" and kind != "ws":
            raw.append((kind, match[0], *match.span()))
    return _resolve(raw)


def sides_of(tokens: list[Token]) -> list[list[Token]]:
    """Tokens between the equals signs."""
    sides: list[list[Token]] = [[]]
    for token in tokens:
        if token.kind == "=":
            sides.append([])
        else:
            sides[-1].append(token)
    return sides


def _resolve(raw: list[_Raw]) -> list[Token]:
    """What each token means, given those before it and the one after it."""
    out: list[Token] = []
    after = False  # whether an operand has just ended
    i = 0
    while i < len(raw):
        kind, text, start, end = raw[i]
        following = raw[i + 1] if i + 1 < len(raw) else None
        i += 1
        if kind == "num":
            out.append(Token("num", text, start, end))
            after = True
        elif kind == "op":
            touches_word = following is not None and following[0] == "word" and following[2] == end
            if (
                after
                and following is not None
                and touches_word
                and OPERATORS[text] == "/"
                and _is_rate(out, following[1])
            ):
                out.append(Token("unit", following[1], start, following[3]))  # $5/hour, km/h
                i += 1
            else:
                out.append(Token("op", OPERATORS[text], start, end))
                after = False
        elif kind == "times":
            out.append(Token("op", "*", start, end) if after else Token("var", text, start, end))
            after = False
        elif kind == "sup":
            out += (Token("op", "^", start, end), Token("num", SUPERSCRIPTS[text], start, end))
        elif kind == "open":
            out.append(Token("(", "(", start, end))
            after = False
        elif kind == "close":
            out.append(Token(")", ")", start, end))
            after = True
        elif kind == "fracdigits":
            digits = [c for c in text if c.isdigit()]
            out += (Token("(", "(", start, end), Token("num", digits[0], start, end), Token("op", "/", start, end))
            out += (Token("num", digits[1], start, end), Token(")", ")", start, end))
            after = True
        elif kind == "pct":
            out.append(Token("%" if after else "var", "%", start, end))
        elif kind == "word":
            token, skipped = _word(text, start, end, out=out, after=after, following=following)
            out.append(token)
            i += skipped
            after = after and token.kind in ("unit", "%")
        elif kind == "unit":
            out.append(Token("unit" if after else "var", _inner(text), start, end))
        elif kind in ("cur", "nl", "frac"):
            out.append(Token(kind, text, start, end))
            after = after and kind == "cur"
        else:
            out.append(Token({"eq": "=", "brk": "break"}.get(kind, "var"), text, start, end))
            after = False
    return out


def _is_rate(out: list[Token], word: str) -> bool:
    # 60/x is a division by a variable; km/h is not.
    return word.isalpha() and (len(word) > 1 or out[-1].kind == "unit")


def _inner(text: str) -> str:
    return text[text.find("{") + 1 : -1].strip() if text.endswith("}") else "°"


def _word(
    text: str, start: int, end: int, *, out: list[Token], after: bool, following: _Raw | None
) -> tuple[Token, int]:
    """The token that a word is, and how many raw tokens after it belong to it."""
    lower = text.lower()
    if not after:
        return Token("var", text, start, end), 0
    is_operand_next = following is not None and following[0] in _OPERAND
    if text in ("x", "X") and is_operand_next:
        return Token("op", "*", start, end), 0
    if lower in WORD_OPERATORS:
        has_by = following is not None and following[1] == "by"
        if is_operand_next or has_by:
            return Token("op", WORD_OPERATORS[lower], start, end), int(has_by)
    if lower == "percent":
        return Token("%", "%", start, end), 0
    if lower == "of" and is_operand_next and _is_share(out):
        return Token("op", "*", start, end), 0
    touches = out[-1].end == start and out[-1].kind in ("num", ")")
    is_letter = len(text) == 1 and text not in ENGLISH_LETTERS
    if (
        lower in FUNCTIONS
        or "_" in text
        or (is_letter or touches)
        and not (lower in MEASURES and not _is_letter(text, touches))
    ):
        return Token("var", text, start, end), 0
    return Token("unit", text, start, end), 0


def _is_letter(text: str, touches: bool) -> bool:
    # "5 m" is five metres; in "5m + 3 = 18" m is an unknown.
    return len(text) == 1 and touches


def _is_share(out: list[Token]) -> bool:
    """25% of, 1/2 of, \\frac{1}{2} of; not "3 of 5"."""
    kinds = [token.kind for token in out[-3:]]
    return kinds[-1] in ("%", ")") or (kinds == ["num", "op", "num"] and out[-2].text == "/")
