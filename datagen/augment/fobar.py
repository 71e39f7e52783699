"""FOBAR (Jiang et al. 2023, arXiv:2308.07758): ask backwards, for a number of the question, given its answer.

Each number of a question in turn is masked by an unknown ("$80,000" -> "$x", "25%" -> "x%"); the masked question is
kept whole, and a sentence is added that gives the answer and asks for the unknown. No model is needed: the answer to
the new question is the number that was masked, so it is known exactly. MetaMath (Yu et al. 2023) trains on these.

The papers mask digits. Here number words are masked too, and where the bare unknown would not read as English, the
words around it are replaced with it: "twice as many" -> "x times as many", "half the cake" -> "x of the cake",
"5kg" -> "x kg". `original` is all that was replaced, and alone decides what stands in its place, so that a mask can be
undone.
"""

import re
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Literal, NamedTuple

from datagen.answers.number import canonical, parse_number
from datagen.augment.quantities import Quantity, find_quantities, math_spans
from datagen.augment.question import NO_NUMBER, NOT_A_NUMBER, Question, left_out
from datagen.augment.stated_numbers import stated_numbers
from datagen.seeding import rng_for
from datagen_schemas.problem import Problem

PerProblem = Literal["all", "one"] | int
STATED_ELSEWHERE = "its number stands elsewhere in the question"

# x as in the papers, then letters that are no word and not easily read as a digit or a unit.
UNKNOWNS = ("x", "y", "z", "n", "k", "p", "q", "r", "w", "v", "u", "b", "d", "e", "f", "h", "j")

_LETTER = re.compile(r"(?<![^\W\d_])[^\W\d_](?![^\W\d_])(?!['’][a-z])")
_NEAR_A_SIGN = re.compile(r"(?<=[0-9^_=+*/])[A-Za-z]{2,3}\b|\b[A-Za-z]{2,3}(?=[\^_=+*])")
_LATEX = re.compile(r"\\[A-Za-z]+")

_TIMES = frozenset(("once", "twice", "thrice", "double", "triple", "quadruple"))
_AFTER_SHARE = re.compile(
    r"\s+(?:as|the|an?|this|that|these|those|his|her|their|its|my|your|our|what|[A-Z]\w*['’]s?)\b"
)
_UNIT_AFTER = re.compile(r"[A-Za-z]+")


class Masked(NamedTuple):
    """A question with one number replaced by an unknown."""

    question: str
    unknown: str
    start: int
    original: str
    value: str


def fobar_questions(problem: Problem, *, per_problem: PerProblem, seed: int) -> Iterator[Question]:
    """The backward questions of a problem, those that give their unknown away as rejected ones."""
    if problem.choices or parse_number(problem.answer) is None:
        yield left_out("fobar", problem, NOT_A_NUMBER)
        return
    found = masks(problem.question)
    if not found:
        yield left_out("fobar", problem, NO_NUMBER)

    def reason(masked: Masked) -> str | None:
        return STATED_ELSEWHERE if is_stated_elsewhere(masked, answer=problem.answer) else None

    for masked in chosen(found, per_problem=per_problem, seed=seed, problem_id=problem.id, reason=reason):
        text = fobar_question(masked, answer=problem.answer)
        n_added = len(text) - len(masked.question.rstrip())
        name = f"fobar-{masked.start}"
        yield Question("fobar", problem, name, text, masked.value, reason=reason(masked), n_added=n_added)


def masks(question: str, *, avoid: str = "") -> tuple[Masked, ...]:
    """The question with each of its quantities masked in turn, in reading order; none if no letter is free.

    Args:
        question: the text.
        avoid: a text whose letters are not free either.
    """
    quantities = find_quantities(question)
    unknown = _unused_letter(f"{question}\n{avoid}") if quantities else None
    if unknown is None:
        return ()
    spans = math_spans(question)
    return tuple(_mask(question, quantity, unknown, spans) for quantity in quantities)


def unmasked(masked: Masked) -> str:
    """The original question, exactly."""
    end = masked.start + len(_replacement(masked.original, masked.unknown))
    return masked.question[: masked.start] + masked.original + masked.question[end:]


def fobar_question(masked: Masked, *, answer: str) -> str:
    """The backward question: the masked question, its answer, and the unknown asked for."""
    question, unknown = masked.question.rstrip(), masked.unknown
    return f"{question} Suppose that the answer to this question is {answer}. Which number does {unknown} stand for?"


def is_stated_elsewhere(masked: Masked, *, answer: str | None = None) -> bool:
    """Whether the masked value stands in the text once more, which would give the unknown away.

    Any other quantity of the question counts, whatever it is a number of: 5 apples and 5 days are the same number by
    accident, but a reader who guesses needs no more than that. So does a number word that no mask would take: "the
    other half", "doubles", "3 dozen"; "one" is more often no number, and "day 2" is a name. With `answer` (canonical),
    the sentence that gives the answer counts as well.
    """
    if answer == masked.value:
        return True
    value = parse_number(masked.value)
    if value != 1 and any(of.is_word and of.value == value for of in stated_numbers(masked.question)):
        return True
    masked_end = masked.start + len(masked.original)
    return any(
        canonical(other.value) == masked.value
        for other in find_quantities(unmasked(masked))
        if other.end <= masked.start or other.start >= masked_end
    )


def chosen(
    masks: tuple[Masked, ...],
    *,
    per_problem: PerProblem,
    seed: int,
    problem_id: str,
    reason: Callable[[Masked], str | None] = lambda _: None,
) -> tuple[Masked, ...]:
    """All masks of a problem, or as many drawn at random as give so many without a `reason`; in reading order.

    A larger number keeps what a smaller one drew, so that raising it asks no question again.
    """
    if per_problem == "all":
        return masks
    wanted = 1 if per_problem == "one" else per_problem
    if wanted < 1:
        raise ValueError(f"per_problem is {per_problem!r}; give all, one or a number from 1.")
    order = list(range(len(masks)))
    rng_for(seed, "fobar", problem_id).shuffle(order)
    drawn = []
    for i in order:
        if wanted == 0:
            break
        drawn.append(i)
        wanted -= reason(masks[i]) is None
    return tuple(masks[i] for i in sorted(drawn))


def _mask(question: str, quantity: Quantity, unknown: str, spans: tuple[tuple[int, int], ...]) -> Masked:
    start = quantity.start
    in_math = any(begin <= start < end for begin, end in spans)
    end = quantity.end if in_math else _end_of_original(question, quantity)
    original = question[start:end]
    replaced = question[:start] + _replacement(original, unknown) + question[end:]
    return Masked(replaced, unknown, start, original, canonical(quantity.value))


def _end_of_original(question: str, quantity: Quantity) -> int:
    """The end of the number, or of the word after it that has to change with it."""
    rest = question[quantity.end :]
    if _is_share(quantity):
        word = _AFTER_SHARE.match(rest)
    else:
        word = _UNIT_AFTER.match(rest) if quantity.text[-1].isdigit() else None
    return quantity.end + (word.end() if word else 0)


def _is_share(quantity: Quantity) -> bool:
    return isinstance(quantity.value, Fraction) and 0 < quantity.value < 1 and "." not in quantity.text


def _replacement(original: str, unknown: str) -> str:
    """What stands in the place of `original`; a function of these two alone."""
    if original.lower() in _TIMES:
        return f"{unknown} times"
    touching = re.fullmatch(r"(?:.*[0-9])([A-Za-z]+)", original)
    if touching is not None and touching[1] not in ("th", "rd", "nd", "ths", "rds", "nds"):
        return f"{unknown} {touching[1]}"
    share = _AFTER_SHARE.search(original)
    if share is None or share.end() != len(original):
        return unknown
    return f"{unknown} times{share[0]}" if share[0].strip().lower() == "as" else f"{unknown} of{share[0]}"


def _unused_letter(question: str) -> str | None:
    """The first unknown that the question does not use: not alone, not as a variable, not as a sign of times."""
    used = {letter.lower() for letter in _LETTER.findall(question)}
    for letters in _NEAR_A_SIGN.findall(question):
        used.update(letters.lower())
    for start, end in math_spans(question):
        used.update(_LATEX.sub(" ", question[start:end]).lower())
    return next((letter for letter in UNKNOWNS if letter not in used), None)
