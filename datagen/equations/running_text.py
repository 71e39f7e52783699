"""Where the equations stand in running text: `So she makes $9 * 2 = $18 a day` has the sides 9 * 2 and $18.

A side is cut out of its sentence by what can stand next to what: a number after a number begins a new expression,
words after an operand are its units, and a word where an operand is due means an unknown, so that nothing is claimed.
"""

from collections.abc import Iterator
from typing import Literal, NamedTuple

from datagen.equations.evaluate import mixed_end
from datagen.equations.tokens import FRACTION_WORDS, MODIFIERS, Token, sides_of

MAX_UNIT_WORDS = 5  # between an operand and the operator after it: "3 boxes of blue pens * 2"


_Follows = Literal["line end", "punctuation", "part of number", "="]


class Side(NamedTuple):
    """One side of an equation: text[start:end], and what decides whether it is meant as one."""

    start: int
    end: int
    units_end: int  # where the words after its last operand end
    is_bare: bool  # a number without an operator
    has_unit: bool


def chains(tokens: list[Token]) -> Iterator[list[Side]]:
    """Sides joined by equals signs; each chain has at least two."""
    for segment, follows in _segments(tokens):
        sides = sides_of(segment)
        chain: list[Side] = []
        for i, side in enumerate(sides):
            is_last = i == len(sides) - 1
            head, tail = _head_and_tail(side, follows=follows if i == 0 else "=", is_last=is_last)
            if chain and head is not None:
                chain.append(head)
            if not chain or head is not tail:  # "= 12 and 5 * 2 =": one chain ends, another begins
                if len(chain) > 1:
                    yield chain
                chain = [] if tail is None else [tail]
        if len(chain) > 1:
            yield chain


def _segments(tokens: list[Token]) -> Iterator[tuple[list[Token], _Follows]]:
    """What stands between punctuation or line ends, if it has an equals sign; and what it follows."""
    segment: list[Token] = []
    has_equals = False
    follows: _Follows = "line end"
    for i, token in enumerate(tokens):
        if token.kind == "nl" and i + 1 < len(tokens) and tokens[i + 1].kind in ("=", "nl"):
            continue  # a chain that goes on in the next line
        if token.kind in ("break", "nl"):
            if has_equals:
                yield segment, follows
            segment, has_equals = [], False
            follows = "line end" if token.kind == "nl" else "part of number" if _cuts(tokens, i) else "punctuation"
        else:
            segment.append(token)
            has_equals = has_equals or token.kind == "="
    if has_equals:
        yield segment, follows


def _cuts(tokens: list[Token], i: int) -> bool:
    """Whether punctuation stands inside a number: 6:00, 80,0000."""
    touching = (
        0 < i < len(tokens) - 1 and tokens[i - 1].end == tokens[i].start and tokens[i].end == tokens[i + 1].start
    )
    return touching and tokens[i - 1].kind == "num"


def _head_and_tail(tokens: list[Token], *, follows: _Follows, is_last: bool) -> tuple[Side | None, Side | None]:
    """The expression that a side begins with, and the one it ends with; the same object if it is one expression."""
    run = _Run(follows, spoils=follows == "part of number")
    is_first = follows != "="
    head: Side | None = None
    is_whole = True
    for i in range(len(tokens)):
        if not run.feed(tokens, i):
            # Operands side by side: a number with a space in it (80 000), or a product (1/2 (68) + 10). Not to be cut.
            is_split = tokens[i].kind in ("num", "frac", "(") and tokens[i - 1].kind in ("num", ")", "%")
            if is_whole and not is_first and not (is_split and tokens[i].kind == "num"):
                head = run.side()
            is_whole = False
            run = _Run("words", spoils=run.is_dangling or is_split)
            run.feed(tokens, i)
    if not is_whole:
        return head, run.tail()
    if is_first:
        return None, run.tail()
    side = run.side(may_dangle=is_last)
    return side, side


class _Run:
    """Tokens that may be one expression, as far as they have been read."""

    def __init__(self, follows: str, *, spoils: bool = False) -> None:
        self.follows = follows
        self.n_spoils = int(spoils)  # what cannot be evaluated, in it or right before it
        self.n_operators = 0
        self.n_words = 0
        self.start: int | None = None
        self.end = 0
        self.units_end = 0
        self.after = False  # an operand has just ended
        self.has_unit = False
        self.is_dangling = False  # it ends in a dash: "= 13 - then he eats 4"
        self.is_markup = False  # its last operator may be markup: **3 * 4 = 12**
        self.open_brackets: list[tuple[int, int, int]] = []  # where the text goes on, operators and spoils before it

    def feed(self, tokens: list[Token], i: int) -> bool:
        """Take the token; False if the expression has ended before it."""
        kind, _, start, _ = tokens[i]
        before = tokens[i - 1] if i else None
        if kind in ("num", "frac", "("):
            return self._operand(tokens, i, before)
        if kind == ")":
            return self._close(tokens[i])
        if kind == "op":
            self._operator(tokens, i, before)
        elif kind == "%":
            self._take(tokens[i], after=True)
            self.has_unit = True
        elif kind == "cur":
            self.has_unit = True
            if self.start is None and i + 1 < len(tokens) and tokens[i + 1].kind == "num":
                self.start = start
        elif kind == "unit":
            self.n_words += 1
            self.has_unit = True
            self.units_end = tokens[i].end
            return self.n_words <= MAX_UNIT_WORDS or self.start is None
        else:
            return self._unknown(tokens, i, before)
        return True

    def _take(self, token: Token, *, after: bool) -> None:
        if self.start is None:
            self.start = token.start
        if after:
            self.end = self.units_end = token.end
        self.after = after
        self.n_words = 0

    def _operand(self, tokens: list[Token], i: int, before: Token | None) -> bool:
        token = tokens[i]
        touches = before is not None and before.end == token.start
        if self.after:
            is_product = token.kind != "num" and touches and before is not None and before.kind in ("num", ")")
            if not is_product and mixed_end(tokens, i) is None:
                return False
        elif not self.end and before is not None and before.kind in ("var", "unit"):
            # f(3) and \sqrt{16} are not 3 and 16; twice 3 is not 3.
            self.n_spoils += touches or _modifies(tokens, i)
        self.n_operators += self.after or token.kind == "frac"
        self._take(token, after=token.kind == "num")
        if token.kind == "(":
            self.open_brackets.append((token.end, self.n_operators, self.n_spoils))
        return True

    def _close(self, token: Token) -> bool:
        if not self.open_brackets:
            return self.start is None
        self.open_brackets.pop()
        self.n_spoils += not self.after
        self._take(token, after=True)
        return True

    def _operator(self, tokens: list[Token], i: int, before: Token | None) -> None:
        token = tokens[i]
        if self.after:
            self.n_operators += 1
            self.n_spoils += token.text == "^" and before is not None and before.kind == "unit"  # 25 or A^2
            self._take(token, after=False)
            self.is_markup = token.text in "*^" and token.start == self.end
            return
        is_sign = token.text in "+-"
        if self.start is not None:
            self.n_spoils += not is_sign
        elif token.text == "^" or (self.follows == "line end" and i == 0 and not self._is_sign_of_next(tokens, i)):
            pass  # **bold**, or a bullet
        elif is_sign and (self.follows == "=" and i == 0 or self._is_sign_of_next(tokens, i)):
            self.n_spoils += before is not None and before.end == token.start and before.kind != "cur"
            self._take(token, after=False)
        else:
            self.n_spoils += 1  # Profit - 12 * 4: it needs the word

    @staticmethod
    def _is_sign_of_next(tokens: list[Token], i: int) -> bool:
        return tokens[i].text in "+-" and i + 1 < len(tokens) and tokens[i + 1].start == tokens[i].end

    def _unknown(self, tokens: list[Token], i: int, before: Token | None) -> bool:
        text = tokens[i].text
        if self.start is None:
            return True  # words before an expression
        is_quantity = text[0].isalnum() or text[0] in "\\_√∛∑∏∫∞"
        if not is_quantity or (before is not None and before.kind == "("):
            return False
        is_dash = before is not None and before.kind == "op" and before.text == "-" and before.end < tokens[i].start
        if is_dash and len(text) > 1:
            self.is_dangling = True
            return False
        self.n_spoils += 1
        return True

    def side(self, *, may_dangle: bool = False) -> Side | None:
        """The side; with may_dangle, markup at its end is not of it: **3 * 4 = 12**."""
        is_complete = self.after or self.is_dangling or (may_dangle and self.is_markup)
        if self.start is None or not self.end or self.n_spoils or self.open_brackets or not is_complete:
            return None
        return Side(self.start, self.end, self.units_end, self.n_operators == 0, self.has_unit)

    def tail(self) -> Side | None:
        """The side before an equals sign: what follows the last bracket that is still open, as in (3 * 4 = 12)."""
        if self.open_brackets:
            self.start, n_operators, n_spoils = self.open_brackets[-1]
            self.n_operators -= n_operators
            self.n_spoils -= n_spoils
            self.open_brackets = []
            if self.end <= self.start:
                return None
        return self.side()


def _modifies(tokens: list[Token], i: int) -> bool:
    """Whether the words before an operand change it: twice 3, 5 more than 2 * 3, half of 20."""
    words = [token.text.lower() for token in tokens[max(i - 2, 0) : i] if token.kind in ("var", "unit")]
    return words[-1] in MODIFIERS or (len(words) == 2 and words[1] == "of" and words[0] in FRACTION_WORDS)
