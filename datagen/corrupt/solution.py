"""A worked solution as steps and equations, each number with all the places where it stands.

`6 * 8 = <<6*8=48>>48 rolls` says one equation twice, in the running text and in the calculator annotation; an edit
must change both. The text is read with its annotations blanked out (by spaces, so that offsets stay), which leaves the
running text's own `6 * 8 = 48`; then each annotation is joined to the equation in whose place it stands.

All that is found is in reading order, so what stands somewhere is looked up by bisection: a reply that loops may be
long.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple

from datagen.corrupt.new_number import is_plain, value_of
from datagen.equations.running_text import Side, chains
from datagen.equations.tokens import CURRENCY, Token, tokenise


class Number(NamedTuple):
    """A number where it stands."""

    start: int
    end: int
    text: str
    value: Fraction


class Sign(NamedTuple):
    """An operator where it stands; `text` is how it is written there."""

    start: int
    end: int
    text: str
    operator: str  # + - * / ^


class Operand(NamedTuple):
    """A number of an equation, with its copy in the annotation or the running text."""

    value: Fraction
    copies: tuple[Number, ...]
    is_clear: bool  # False: it stands elsewhere too, in a way that an edit would not follow ("half of" for / 2)


class Operation(NamedTuple):
    """A binary operator of an equation, with its copies."""

    operator: str
    copies: tuple[Sign, ...]
    is_clear: bool


class Equation(NamedTuple):
    """An equation whose right side is one number."""

    start: int  # of all its copies
    end: int
    expression: tuple[int, int]  # its left side, as it is evaluated
    outer: tuple[int, int] | None  # the running text's own left side, beside that of an annotation
    operands: tuple[Operand, ...]
    operations: tuple[Operation, ...]
    result: Operand
    is_checked: bool  # False: running text beside annotations, which the equation check passes over


class Step(NamedTuple):
    """A sentence or line with at least one equation; white space after it is not of it."""

    start: int
    end: int


class Solution(NamedTuple):
    """What a text says, as far as it can be edited."""

    text: str
    kept_from: int  # nothing at or beyond this offset may change
    steps: tuple[Step, ...]
    equations: tuple[Equation, ...]  # in reading order
    mentions: tuple[Number, ...]  # numbers outside equations
    opaque: tuple[Number, ...]  # numbers in equations of another form, which an edit must leave alone
    words: tuple[Number, ...]  # numbers written as words

    def step_of(self, position: int) -> int:
        """Index of the step that an offset is in."""
        i = bisect_right(self.steps, position, key=lambda step: step.start) - 1
        return i if i >= 0 and position < self.steps[i].end else 0

    def line_start(self, position: int) -> int:
        """Where the line of an offset begins."""
        return self.text.rfind("\n", 0, position) + 1


_ANNOTATION = re.compile(r"<<([^<>]*)>>")
# Words may end a sentence before a capital; a title's full stop does not.
_SENTENCE_END = re.compile(
    r"(?<!\bMr)(?<!\bMs)(?<!\bDr)(?<!\bSt)(?<!\bMrs)(?<!\b[A-Z])[.!?]['\")]?\s+(?=[\"'(]?[A-Z0-9$])"
)
_LABEL = re.compile(r"(?:^|\n)[ \t*#]{0,6}(?:\(?[0-9]{1,2}[.):]\s|(?:Step|STEP|Day|Part)\s{1,2}[0-9]{1,2}\b)")
_UNITS = "two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen"
_WORDS = {word: i for i, word in enumerate((*_UNITS.split(), "eighteen", "nineteen", "twenty"), start=2)}
_WORDS |= {"thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90}
_WORD = re.compile(r"\b(?:" + "|".join(_WORDS) + r")\b", re.IGNORECASE)
# What a question states without a digit: "twice" is a 2, and a solution may use 7 because of "a week".
_IMPLIED: dict[str, tuple[int, ...]] = {
    "twice|double|half|both|pairs?|halves|couple": (2,),
    "thirds?|triple|thrice": (3,),
    "quarters?|quadruple|fourths?": (4, 25),
    "dozens?": (12,),
    "hundred": (100,),
    "thousand": (1000,),
    "weeks?|weekly|weekdays?|weekends?": (2, 4, 5, 7, 52),
    "months?|monthly": (4, 12, 30),
    "years?|yearly|annual": (12, 52, 365),
    "days?|daily": (24, 7),
    "hours?|minutes?|seconds?": (24, 60),
    "percent|cents?|dimes?|nickels?|discount|interest": (5, 10, 100),
    "feet|foot|inch|inches|yards?": (3, 12),
}
_IMPLIES = [(re.compile(rf"\b(?:{words})\b", re.IGNORECASE), values) for words, values in _IMPLIED.items()]


def read_solution(text: str, *, kept_from: int | None = None) -> Solution:
    """Find the steps, equations and other numbers of a text."""
    annotations = [match for match in _ANNOTATION.finditer(text) if "=" in match[1]]
    blank = _ANNOTATION.sub(lambda match: " " * len(match[0]), text) if annotations else text
    tokens = tokenise(blank)
    numbers = _numbers(tokens, blank)
    links = [pair for chain in chains(tokens) for pair in pairwise(chain)]
    running: list[Equation] = []
    opaque: set[Number] = set()
    for left, right in links:
        made = _running_equation(left, right, tokens, blank)
        if made is not None:
            running.append(made)
        else:
            opaque.update(between(numbers, left.start, right.units_end))
    equations, opaque_annotations, joined = _annotated(annotations, running, numbers, blank)
    opaque |= opaque_annotations
    others = [equation for i, equation in enumerate(running) if i not in joined]
    equations += [equation._replace(is_checked=not annotations) for equation in others]
    equations.sort(key=lambda equation: equation.start)
    used = {copy for equation in equations for copy in _copies(equation)}
    opaque -= used
    is_label = _covered_by(match.span() for match in _LABEL.finditer(blank))
    # Beside an annotation, what stands in the running text's expression is no mention of a number either.
    is_outer = _covered_by(equation.outer for equation in equations if equation.outer is not None)
    opaque |= {n for n in numbers if n not in used and is_outer(n.start)}
    mentions = tuple(n for n in numbers if n not in used and n not in opaque and not is_label(n.start))
    return Solution(
        text=text,
        kept_from=len(text) if kept_from is None else kept_from,
        steps=_steps(blank, equations),
        equations=tuple(equations),
        mentions=mentions,
        opaque=tuple(sorted(opaque)),
        words=tuple(number_words(blank)),
    )


def stated_values(question: str) -> frozenset[Fraction]:
    """The numbers that a question gives, in digits, in words, or by what it speaks of (a week, twice, per cent)."""
    values = {number.value for number in _numbers(tokenise(question), question)}
    values |= {number.value for number in number_words(question)}
    for pattern, implied in _IMPLIES:
        if pattern.search(question):
            values.update(map(Fraction, implied))
    if "%" in question:
        values.add(Fraction(100))
    return frozenset(values)


def number_words(text: str) -> list[Number]:
    """Numbers written as words."""
    return [Number(*match.span(), match[0], Fraction(_WORDS[match[0].lower()])) for match in _WORD.finditer(text)]


def between(numbers: Sequence[Number], start: int, end: int) -> Sequence[Number]:
    """Those of some numbers in reading order that begin in [start, end)."""
    first = bisect_left(numbers, start, key=_start)
    return numbers[first : bisect_left(numbers, end, first, key=_start)]


def _start(item: Number | Token | Equation) -> int:
    return item.start


def _covered_by(spans: Iterable[tuple[int, int]]) -> Callable[[int], bool]:
    """Whether one of some spans [start, end) holds a position."""
    starts: list[int] = []
    ends: list[int] = []
    for start, end in sorted(spans):
        if ends and start <= ends[-1]:
            ends[-1] = max(ends[-1], end)
        else:
            starts.append(start)
            ends.append(end)

    def is_covered(position: int) -> bool:
        i = bisect_right(starts, position) - 1
        return i >= 0 and position < ends[i]

    return is_covered


def _copies(equation: Equation) -> Iterable[Number]:
    for operand in (*equation.operands, equation.result):
        yield from operand.copies


def _numbers(tokens: Iterable[Token], text: str, *, offset: int = 0) -> list[Number]:
    """The numbers that can be edited: written plainly, at a place of their own."""
    return [
        Number(token.start + offset, token.end + offset, token.text, value_of(token.text))
        for token in tokens
        if token.kind == "num" and text[token.start : token.end] == token.text and is_plain(token.text)
    ]


def _operations(tokens: Sequence[Token], text: str, *, offset: int = 0) -> list[Sign]:
    """The binary operators."""
    return [
        Sign(token.start + offset, token.end + offset, text[token.start : token.end], token.text)
        for before, token in pairwise(tokens)
        if token.kind == "op" and before.kind in ("num", ")", "%", "unit")
    ]


def _running_equation(left: Side, right: Side, tokens: Sequence[Token], text: str) -> Equation | None:
    lhs, rhs = (
        tokens[bisect_left(tokens, side.start, key=_start) : bisect_left(tokens, side.end, key=_start)]
        for side in (left, right)
    )
    result = _only_number(rhs, text)
    operands = _numbers(lhs, text)
    if left.is_bare or result is None or len(operands) != sum(token.kind == "num" for token in lhs):
        return None
    return Equation(
        left.start,
        right.end,
        (left.start, left.end),
        None,
        tuple(Operand(n.value, (n,), True) for n in operands),
        tuple(Operation(sign.operator, (sign,), True) for sign in _operations(lhs, text)),
        Operand(result.value, (result,), True),
        True,
    )


def _only_number(tokens: Iterable[Token], text: str, *, offset: int = 0) -> Number | None:
    """The number of a side that is nothing else; its currency and unit aside."""
    tokens = list(tokens)
    numbers = _numbers(tokens, text, offset=offset)
    is_only = all(token.kind in ("num", "cur", "unit") for token in tokens)
    return numbers[0] if is_only and len(numbers) == sum(token.kind == "num" for token in tokens) == 1 else None


def _annotated(
    annotations: Sequence[re.Match[str]], running: Sequence[Equation], numbers: Sequence[Number], blank: str
) -> tuple[list[Equation], set[Number], set[int]]:
    """The annotated equations, the numbers of those of another form, and which of `running` were joined to one."""
    equations: list[Equation] = []
    opaque: set[Number] = set()
    joined: set[int] = set()
    segment_start = 0
    for match in annotations:
        offset = match.start(1)
        left, _, right = match[1].partition("=")
        lhs, rhs = tokenise(left), tokenise(right)
        right_offset = offset + len(left) + 1
        result = _only_number(rhs, right, offset=right_offset)
        operands = _numbers(lhs, left, offset=offset)
        is_simple = "=" not in right and result is not None and bool(operands)
        if not is_simple or len(operands) != sum(token.kind == "num" for token in lhs):
            opaque.update(operands)
            opaque.update(_numbers(rhs, right, offset=right_offset))
            echo = _echo(match.end(), numbers, blank)
            opaque.update(() if echo is None else (echo,))
            segment_start = match.end()
            continue
        assert result is not None
        segment_start = max(segment_start, blank.rfind("\n", 0, match.start()) + 1)
        plain = Equation(
            match.start(),
            match.end(),
            (offset, offset + len(left)),
            None,
            tuple(Operand(n.value, (n,), True) for n in operands),
            tuple(Operation(sign.operator, (sign,), True) for sign in _operations(lhs, left, offset=offset)),
            Operand(result.value, (result,), True),
            True,
        )
        # Results are in order, too: it can only be the equation whose result is next, or the one before.
        following = bisect_left(running, match.end(), key=lambda other: other.result.copies[0].start)
        near = range(max(following - 1, 0), min(following + 1, len(running)))
        i = next((i for i in near if i not in joined and _surrounds(running[i], match, blank)), None)
        if i is not None:
            joined.add(i)
            equations.append(_with_running_text(plain, running[i]))
        else:
            before = between(numbers, segment_start, match.start())
            equations.append(
                _without_running_text(
                    plain, before, _echo(match.end(), numbers, blank), blank[segment_start : match.start()]
                )
            )
        segment_start = max(match.end(), equations[-1].end)
    return equations, opaque, joined


def _surrounds(running: Equation, annotation: re.Match[str], blank: str) -> bool:
    """Whether an annotation stands where the running text's equation is: before its result, or right after it."""
    result = running.result.copies[0]
    if running.expression[1] <= annotation.start() and annotation.end() <= result.start:
        return True
    return result.end <= annotation.start() and not blank[result.end : annotation.start()].strip()


def _with_running_text(annotated: Equation, running: Equation) -> Equation:
    """The equation that both say; where they differ ("20% of 80" for .2 * 80), what can be told by its value."""
    values = [operand.value for operand in running.operands]
    signs = [operation.operator for operation in running.operations]
    is_same = values == [operand.value for operand in annotated.operands] and signs == [
        operation.operator for operation in annotated.operations
    ]
    operands: list[Operand] = []
    for i, operand in enumerate(annotated.operands):
        copies = (running.operands[i],) if is_same else [o for o in running.operands if o.value == operand.value]
        n_here = sum(o.value == operand.value for o in annotated.operands)
        is_clear = is_same or (len(copies) == 1 and n_here == 1)
        operands.append(
            Operand(operand.value, operand.copies + (copies[0].copies if is_clear else ()), is_clear=is_clear)
        )
    return annotated._replace(
        start=min(annotated.start, running.start),
        end=max(annotated.end, running.end),
        outer=running.expression,
        operands=tuple(operands),
        operations=tuple(
            operation._replace(copies=operation.copies + (running.operations[i].copies if is_same else ()))._replace(
                is_clear=is_same
            )
            for i, operation in enumerate(annotated.operations)
        ),
        result=Operand(
            annotated.result.value,
            annotated.result.copies + running.result.copies,
            annotated.result.value == running.result.value,
        ),
    )


def _without_running_text(annotated: Equation, before: Sequence[Number], echo: Number | None, prose: str) -> Equation:
    """An annotation without an expression in the running text: "he buys <<5+3=8>>8", "half of 48 is <<48/2=24>>24".

    Its operands may be spelt out before it; after an equals sign there is an expression that was not understood.
    """
    # In "half of 48 = " the 2 is a word, and a changed 2 would contradict it.
    is_stated_in_words = prose.rstrip(" \t" + CURRENCY).endswith("=")
    operands: list[Operand] = []
    for operand in annotated.operands:
        copies = [n for n in before if n.value == operand.value]
        n_here = sum(o.value == operand.value for o in annotated.operands)
        is_clear = len(copies) == n_here == 1 or (not copies and not is_stated_in_words)
        operands.append(operand._replace(copies=operand.copies + tuple(copies if is_clear else ()), is_clear=is_clear))
    result = annotated.result
    if echo is not None:
        result = Operand(result.value, (*result.copies, echo), is_clear=echo.value == result.value)
    start = min([annotated.start, *(copy.start for operand in operands for copy in operand.copies)])
    return annotated._replace(
        start=start,
        end=annotated.end if echo is None else echo.end,
        operands=tuple(operands),
        operations=tuple(operation._replace(is_clear=not is_stated_in_words) for operation in annotated.operations),
        result=result,
    )


def _echo(end: int, numbers: Sequence[Number], blank: str) -> Number | None:
    """The number right after an annotation; a currency sign may stand between."""
    i = bisect_left(numbers, end, key=_start)
    following = numbers[i] if i < len(numbers) else None
    if following is None or blank[end : following.start].strip(" \t\\" + CURRENCY):
        return None
    return following


def _steps(blank: str, equations: Sequence[Equation]) -> tuple[Step, ...]:
    """Sentences and lines that hold an equation."""
    steps: list[Step] = []
    cuts = {0, len(blank), *(match.end() for match in _SENTENCE_END.finditer(blank))}
    cuts |= {match.end() for match in re.finditer("\n", blank)}
    # A chain of equations may go over a line's end.
    is_inside = _covered_by((equation.start + 1, equation.end) for equation in equations)
    for start, end in pairwise(sorted(cut for cut in cuts if not is_inside(cut))):
        inside = equations[bisect_left(equations, start, key=_start) : bisect_left(equations, end, key=_start)]
        if inside:
            body = blank[start:end]
            # White space at the ends is not of the step; an annotation that was blanked out is.
            first, last = inside[0].start, max(equation.end for equation in inside)
            left, right = len(body) - len(body.lstrip()), len(body.rstrip())
            steps.append(Step(min(start + left, first), max(start + right, last)))
    return tuple(steps)
