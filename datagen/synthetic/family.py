"""A family of word problems: wordings, number ranges and several solution plans, filled in with words and numbers.

A template is text with slots: `{A}` is a word or a number, `[t=a*b]` is a calculation that is shown the way GSM8K
annotates it, `<<3*4=12>>12`, and whose result can be used under its name further on.
"""

import functools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from random import Random
from typing import NamedTuple

from datagen.synthetic.words import draw_words

MAX_NUMBER = 90
"""No number in a question, a solution or an answer is larger, so that each can be one token of a tiny model."""

_MIN_NUMBER = 2  # Without 0 and 1, a noun after a number is always in the plural and no step is idle.
_SLOT = re.compile(r"\{(\w+)\}|\[(\w+)=([^\]]+)\]")
_TERM = re.compile(r"([-+*/]?)(\w+)")

Terms = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Family:
    """One kind of problem.

    Attributes:
        name: identifies the family for good.
        steps: how many calculations a problem takes, 1-4; some plans show more or fewer equations.
        numbers: what to draw, in order: `a=2..9` is uniform, `t=a*b` is computed. Every number `a` also gives its
            tens and ones, `a10` and `a1` (47 gives 40 and 7).
        questions: wordings; one is drawn per instance.
        plans: solutions, one sentence a step; the last calculation of each is the answer. Their equations differ.
    """

    name: str
    steps: int
    numbers: str
    questions: tuple[str, ...]
    plans: tuple[tuple[str, ...], ...]


class Instance(NamedTuple):
    """A family with its words and numbers filled in.

    `equations` are those of each plan, as in `3*4=12`; `slots` is the text of every word and number.
    """

    family: Family
    question: str
    answer: int
    equations: tuple[tuple[str, ...], ...]
    slots: Mapping[str, str]


class Slot(NamedTuple):
    """A place in a template: `terms` is empty where a word or number is only repeated."""

    name: str
    terms: Terms


class UnusableNumbersError(Exception):
    """The numbers drawn give a fraction or a number out of bounds: draw again."""


def draw_numbers(family: Family, rng: Random) -> dict[str, int]:
    """Values for the family's `numbers`, which may yet turn out unusable."""
    values: dict[str, int] = {}
    for name, bounds, terms in parse_numbers(family.numbers):
        values[name] = rng.randint(*bounds) if bounds else value_of(terms, values)
    return values


def draw_instance(family: Family, numbers: Mapping[str, int], rng: Random) -> Instance | None:
    """The family with these numbers and words from `rng`; None if a number it shows breaks the rules.

    The rules: every number is whole and between 2 and `MAX_NUMBER`; the numbers of the question are all different, and
    the answer is none of them; no two plans have the same equations. All plans are checked, so that the choice of a
    plan does not change what is asked.
    """
    values = dict(numbers)
    for name, value in numbers.items():
        values |= {f"{name}10": value - value % 10, f"{name}1": value % 10}
    try:
        calculated = [_calculate(plan, values) for plan in family.plans]
    except UnusableNumbersError:
        return None
    equations = tuple(equations for equations, _ in calculated)
    answer = calculated[0][1]
    assert all(other == answer for _, other in calculated), f"plans of {family.name} disagree for {dict(numbers)}"

    wording = rng.choice(family.questions)
    asked = [values[part.name] for part in parse_template(wording) if isinstance(part, Slot) and part.name in values]
    in_bounds = all(_MIN_NUMBER <= number <= MAX_NUMBER for number in asked)
    if not in_bounds or len({*asked, answer}) <= len(asked) or len(set(equations)) < len(equations):
        return None
    slots = draw_words(rng) | {name: str(value) for name, value in values.items()}
    return Instance(family, _text(wording, slots, iter(())), answer, equations, slots)


def solution(instance: Instance, *, plan: int) -> str:
    """The rationale of one plan: a sentence a step with its calculation annotated, then `#### N`."""
    slots = dict(instance.slots)
    equations = iter(instance.equations[plan])
    sentences = [_text(sentence, slots, equations) for sentence in instance.family.plans[plan]]
    return "\n".join((*sentences, f"#### {instance.answer}"))


def _calculate(plan: tuple[str, ...], values: Mapping[str, int]) -> tuple[tuple[str, ...], int]:
    """The plan's equations and its last result; only literals (half, one less) may be 1."""
    known = dict(values)
    equations: list[str] = []
    result = 0
    for name, terms, operands in _plan_slots(plan):
        if terms:
            result = known[name] = value_of(terms, known)
            left = "".join([f"{op}{known.get(operand, operand)}" for op, operand in terms])
            equations.append(f"{left}={result}")
        for shown in (name, *operands):
            if shown in known and not _MIN_NUMBER <= known[shown] <= MAX_NUMBER:
                raise UnusableNumbersError
    return tuple(equations), result


def _text(template: str, slots: dict[str, str], equations: Iterator[str]) -> str:
    """The template filled in; results go into `slots`."""
    parts: list[str] = []
    for part in parse_template(template):
        if isinstance(part, str):
            parts.append(part)
        elif part.terms:
            equation = next(equations)
            result = slots[part.name] = equation.partition("=")[2]
            parts.append(f"<<{equation}>>{result}")
        else:
            parts.append(slots[part.name])
    return "".join(parts)


def value_of(terms: Terms, values: Mapping[str, int]) -> int:
    """Value from left to right: a formula has either + and - or * and /, so precedence does not come into it."""
    total = 0
    for op, operand in terms:
        number = int(operand) if operand.isdigit() else values[operand]
        if op == "-":
            total -= number
        elif op == "*":
            total *= number
        elif op == "/":
            total, rest = divmod(total, number) if number else (0, 1)
            if rest:
                raise UnusableNumbersError
        else:
            total += number
        if total < 0:
            raise UnusableNumbersError
    return total


@functools.cache
def parse_template(template: str) -> tuple[str | Slot, ...]:
    """Literal text and slots, in order."""
    parts: list[str | Slot] = []
    end = 0
    for match in _SLOT.finditer(template):
        word, result, formula = match.groups()
        parts += [template[end : match.start()], Slot(word, ()) if word else Slot(result, _terms(formula))]
        end = match.end()
    return (*parts, template[end:])


@functools.cache
def _plan_slots(plan: tuple[str, ...]) -> tuple[tuple[str, Terms, tuple[str, ...]], ...]:
    """Name, terms and named operands of every slot, in reading order."""
    slots = [part for sentence in plan for part in parse_template(sentence) if isinstance(part, Slot)]
    return tuple(
        (slot.name, slot.terms, tuple(operand for _, operand in slot.terms if not operand.isdigit())) for slot in slots
    )


@functools.cache
def parse_numbers(numbers: str) -> tuple[tuple[str, tuple[int, int] | None, Terms], ...]:
    """Name, bounds and terms of each number; a number has one or the other."""
    parsed: list[tuple[str, tuple[int, int] | None, Terms]] = []
    for item in numbers.split():
        name, _, text = item.partition("=")
        low, dots, high = text.partition("..")
        parsed.append((name, (int(low), int(high)), ()) if dots else (name, None, _terms(text)))
    return tuple(parsed)


def _terms(formula: str) -> Terms:
    """`a+b-3` as (('', 'a'), ('+', 'b'), ('-', '3'))."""
    return tuple((op, operand) for op, operand in _TERM.findall(formula))
