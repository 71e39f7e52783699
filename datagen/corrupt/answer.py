"""The final answer alone changed, to a number that is near it or to another choice."""

import random
import re
from collections.abc import Iterator

from datagen.answers.extract import Extracted
from datagen.answers.letter import LETTERS
from datagen.answers.number import parse_number
from datagen.corrupt.edit import NO_PLAIN_SITE, Draft, Edit, Unusable, edited, starts
from datagen.corrupt.numbers import edits_to
from datagen.corrupt.solution import Operand, Solution

NO_ANSWER = Unusable("no final answer found")
NOT_A_NUMBER = Unusable("the final answer is no plain number")


def changed_answers(
    solution: Solution, rng: random.Random, *, answer: Extracted | None, n_choices: int
) -> Iterator[Draft | Unusable]:
    """Drafts with another final answer; endless.

    Args:
        solution: the text.
        rng: of this row.
        answer: what the answer check took for the final answer.
        n_choices: of the problem; 0 if it is open.
    """
    if answer is None:
        yield NO_ANSWER
        return
    if n_choices and len(answer.text) == 1 and answer.text in LETTERS:
        yield from _other_letters(solution, rng, letter=answer.text, n_choices=n_choices)
        return
    operand = answer_number(solution, answer)
    if operand is None:
        yield NOT_A_NUMBER
        return
    while True:
        edits = edits_to(operand, rng)
        yield NO_PLAIN_SITE if edits is None else _draft(solution, edits, operand.copies[-1].text, edits[-1].text)


def answer_number(solution: Solution, answer: Extracted) -> Operand | None:
    """Where the final answer stands: the last number of its value, which may be the result of the last equation."""
    value = parse_number(answer.text)
    places = [Operand(mention.value, (mention,), True) for mention in solution.mentions]
    places += [equation.result for equation in solution.equations]
    same = [place for place in places if place.value == value]
    last = max(same, key=lambda place: max(copy.start for copy in place.copies), default=None)
    return last if last is not None and last.is_clear else None


def _other_letters(
    solution: Solution, rng: random.Random, *, letter: str, n_choices: int
) -> Iterator[Draft | Unusable]:
    places = [match.start() for match in re.finditer(rf"(?<![\w'’]){letter}(?![\w'’])", solution.text)]
    others = [other for other in LETTERS[:n_choices] if other != letter]
    if not places or not others:
        yield NO_ANSWER
        return
    while True:
        other = rng.choice(others)
        yield _draft(solution, [Edit(places[-1], places[-1] + 1, other)], letter, other)


def _draft(solution: Solution, edits: list[Edit], before: str, after: str) -> Draft:
    return Draft(
        edited(solution.text, edits),
        kind="answer",
        where="final answer",
        before=before,
        after=after,
        positions=starts(edits),
    )
