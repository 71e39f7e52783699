"""Solutions of backward questions (FOBAR, arXiv:2308.07758) about synthetic problems, by rule, with no model.

A family's plan is a chain of calculations from the numbers of the question to the answer. Where the masked number
enters the chain once, the chain can be undone: what does not depend on the unknown is calculated forwards, in the
plan's own sentences; then each calculation that does is undone, from the answer back to the unknown. As in GSM8K,
every calculation is annotated, and the last line is `#### N`.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from datagen.augment.fobar import Masked, unmasked
from datagen.synthetic.family import Slot, Terms, UnusableNumbersError, parse_numbers, parse_template, value_of
from datagen.synthetic.rewordings import Recovered, recover
from datagen_schemas.problem import Problem

EXTRA_PLANS: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "three_friends": (
        (
            "{B} has the {b} more {x} and {C} has them 2 times: that is [u=b*3] {x}.",
            "Without the {b} more they have 4 times as many {x} as {A}: that is [v=a*4] {x}.",
            "Together they have [t=v+u] {x}.",
        ),
    ),
    "half_price": (
        (
            "One {y1} costs [h=p/2] dollars.",
            "One {x1} and one {y1} cost 3 times as much: that is [u=h*3] dollars.",
            "In all they cost [t=u*n] dollars.",
        ),
    ),
    "times_fewer_together": (
        (
            "Without the {c} fewer {x}, {B} and {C} have [n=k*2] times as many {x} as {A}.",
            "All three have [m=n+1] times as many {x} as {A}.",
            "That makes [u=a*m] {x}.",
            "With {c} fewer, together they have [t=u-c] {x}.",
        ),
    ),
}
"""Plans for numbers that enter every plan of the family more than once; not used forwards."""


class _Step(NamedTuple):
    """One calculation of a plan: the sentence that it stands in, its name and its terms."""

    sentence: str
    name: str
    terms: Terms


class _Undone(NamedTuple):
    """A calculation backwards: the words before its result, its left side, its result."""

    words: str
    left: str
    result: int


def backward_solutions(problem: Problem, masked: Masked) -> tuple[str, ...]:
    """Solutions of the backward question that masks one number of a synthetic problem; their equations differ.

    The question is `datagen.augment.fobar.fobar_question(masked, answer=problem.answer)`. There is one solution for
    each plan in which the unknown enters once; a plan that splits it into tens and ones, or that uses it twice, has
    none. None at all: for a problem that is not synthetic or has been changed, for a number that the family has in
    its words ("half", "2 times as many", "the three friends"), and where no plan uses the number once.
    """
    recovered = recover(problem)
    if recovered is None or unmasked(masked) != problem.question or not problem.answer.isdigit():
        return ()
    hidden = _hidden_slot(recovered, masked)
    if hidden is None:
        return ()
    values = _values(recovered, without=hidden)
    words = {**recovered.slots, hidden: masked.unknown}
    solutions: dict[tuple[str, ...], str] = {}
    for plan in (*recovered.family.plans, *EXTRA_PLANS.get(recovered.family.name, ())):
        try:
            solved = _solution(plan, words, values, hidden, masked, int(problem.answer))
        except UnusableNumbersError:
            solved = None
        if solved is not None:
            solutions.setdefault(*solved)
    return tuple(solutions.values())


def _hidden_slot(recovered: Recovered, masked: Masked) -> str | None:
    """The slot that is masked, if the question shows it once and only it is masked."""
    name = next((name for name, start, _ in recovered.spans if start == masked.start), None)
    if name is None or recovered.slots[name] != masked.original or masked.value != masked.original:
        return None
    return name if [shown for shown, _, _ in recovered.spans].count(name) == 1 else None


def _values(recovered: Recovered, *, without: str) -> dict[str, int]:
    """The numbers of the question but the unknown one, and what the family computes from them."""
    values = {name: int(text) for name, text in recovered.slots.items() if text.isdigit() and name != without}
    for name, bounds, terms in parse_numbers(recovered.family.numbers):
        if bounds is None and name not in values and name != without and _named(terms) <= values.keys():
            values[name] = value_of(terms, values)
    for name, value in tuple(values.items()):
        values |= {f"{name}10": value - value % 10, f"{name}1": value % 10}
    return values


def _solution(
    plan: tuple[str, ...],
    words: Mapping[str, str],
    values: Mapping[str, int],
    hidden: str,
    masked: Masked,
    answer: int,
) -> tuple[tuple[str, ...], str] | None:
    """Equations and text of the plan backwards; None if it uses the unknown twice or cannot be told."""
    known = dict(values)
    lines: list[str] = []
    equations: list[str] = []
    chain: list[tuple[_Step, str]] = []  # the steps that depend on the unknown, each with the operand that does
    unknown = hidden
    steps = _steps(plan)
    for step in steps:
        if [operand for _, operand in step.terms].count(unknown) == 1 and _named(step.terms) <= {*known, unknown}:
            chain.append((step, unknown))
            unknown = step.name
        elif _named(step.terms) <= known.keys():
            left = "".join(f"{op}{known.get(operand, operand)}" for op, operand in step.terms)
            result = known[step.name] = value_of(step.terms, known)
            equations.append(f"{left}={result}")
            told = _told(step, words, known, _shown(left, result))
            if told is None:
                return None  # It tells a word that the question does not show.
            lines.append(told)
        else:
            return None
    if not chain or chain[-1][0] is not steps[-1]:
        return None
    result = answer
    for step, operand in reversed(chain):
        told = _told(step, words, known, str(result))
        undone = _undone(step.terms, operand, known, result)
        result = undone.result
        equations.append(f"{undone.left}={result}")
        before = f"So {masked.unknown} =" if operand == hidden else undone.words
        line = f"{before} {_shown(undone.left, result)}."
        lines.append(f"{told} {line}" if told else line)
    return (tuple(equations), "\n".join((*lines, f"#### {result}"))) if str(result) == masked.value else None


def _undone(terms: Terms, operand: str, known: Mapping[str, int], result: int) -> _Undone:
    """The calculation that gives the one unknown operand from the result."""
    i = [name for _, name in terms].index(operand)
    others = [(op, known[name] if name in known else int(name)) for op, name in terms[:i] + terms[i + 1 :]]
    if any(op in ("*", "/") for op, _ in terms):
        return _undone_product(terms, i, others, result)
    added = [number for op, number in others if op != "-"]
    taken = [number for op, number in others if op == "-"]
    if terms[i][0] == "-":  # 90-20-x=30: x=90-20-30
        taken.append(result)
        words = f"{_listed(added)} without {_listed(taken)} is"
    else:  # 40+x-20=30: x=30+20-40
        changes = [f"with {_listed(taken)} more"] * bool(taken) + [f"without {_listed(added)}"] * bool(added)
        words = f"{_listed(changes).capitalize()} that is"
        added, taken = [result, *taken], added
    # What is added comes first, so that nothing on the way is below 0.
    left = "+".join(map(str, added)) + "".join(f"-{number}" for number in taken)
    return _Undone(words, left, sum(added) - sum(taken))


def _undone_product(terms: Terms, i: int, others: list[tuple[str, int]], result: int) -> _Undone:
    """The other factor, the dividend or the divisor."""
    if len(terms) != 2:
        raise UnusableNumbersError
    other = others[0][1]
    if terms[1][0] == "/" and i == 0:
        return _Undone(f"{other} times {result} is", f"{other}*{result}", other * result)
    whole, part = (result, other) if terms[1][0] == "*" else (other, result)
    if not part or whole % part:
        raise UnusableNumbersError
    return _Undone(f"{whole} is {part} times", f"{whole}/{part}", whole // part)


def _told(step: _Step, words: Mapping[str, str], known: Mapping[str, int], result: str) -> str | None:
    """The plan's sentence with the result in its place; None if it tells a word or a number that is not known."""
    texts = {**{name: str(value) for name, value in known.items()}, **words, step.name: result}
    parts = [part if isinstance(part, str) else texts.get(part.name) for part in parse_template(step.sentence)]
    known_parts = [part for part in parts if part is not None]
    return "".join(known_parts) if len(known_parts) == len(parts) else None


def _shown(left: str, result: int) -> str:
    return f"<<{left}={result}>>{result}"


def _listed(items: Sequence[int | str]) -> str:
    return " and ".join(map(str, items))


def _steps(plan: tuple[str, ...]) -> list[_Step]:
    parts = ((sentence, part) for sentence in plan for part in parse_template(sentence))
    return [
        _Step(sentence, part.name, part.terms) for sentence, part in parts if isinstance(part, Slot) and part.terms
    ]


def _named(terms: Terms) -> set[str]:
    return {operand for _, operand in terms if not operand.isdigit()}
