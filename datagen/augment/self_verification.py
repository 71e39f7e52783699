"""Self-verification questions (Weng et al. 2022, as MetaMath uses them): the answer becomes a statement, x is asked.

The question is split into what it states and its final question. A model turns that question and its answer into one
declarative statement; what is stated and the new statement, with one number masked by x, and a question for x are the
backward question. Whatever the model writes is checked by rule before it becomes part of a question.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from fractions import Fraction

from rapidfuzz import fuzz

from datagen.answers.number import parse_number
from datagen.augment.fobar import STATED_ELSEWHERE, Masked, PerProblem, chosen, is_stated_elsewhere, masks
from datagen.augment.question import NO_FINAL_QUESTION, NO_NUMBER, NOT_A_NUMBER, NOT_REWRITTEN, Question, left_out
from datagen.augment.reply import one_paragraph
from datagen.augment.sentences import sentences, split_question
from datagen.augment.stated_numbers import numbers_of
from datagen.store.spill import Spilled
from datagen_schemas.problem import Problem

MAX_STATEMENT_CHARS = 400
SAME_QUESTION = 95.0  # rapidfuzz ratio, 0 to 100

LABELS = ("statement", "declarative statement", "answer", "rewrite", "sentence")
_WORD = re.compile(r"[^\W\d_]{2}")
_LATEX = re.compile(r"\\[A-Za-z]+")
_ASKS_FIRST = re.compile(
    r"\W*(?:how (?:many|much|long|far|old|tall|big|often|fast)|what|which|who|whose|when|where|why|calculate|find"
    r"|compute|determine)\b",
    re.IGNORECASE,
)


def sv_questions(
    problem: Problem, replies: Sequence[Spilled], *, per_problem: PerProblem, seed: int
) -> Iterator[Question]:
    """The backward questions of a problem; what is no use comes as rejected ones.

    Args:
        problem: what was asked.
        replies: the model's statements, in order; the first that passes `check_statement` is used.
        per_problem: how many questions.
        seed: draws them.
    """
    split = split_question(problem.question)
    if problem.choices or parse_number(problem.answer) is None:
        yield left_out("sv", problem, NOT_A_NUMBER)
        return
    if split is None:
        yield left_out("sv", problem, NO_FINAL_QUESTION)
        return
    if not replies:
        yield left_out("sv", problem, NOT_REWRITTEN)
    for reply in replies:
        parents = (reply.reply_key,) if reply.reply_key is not None else ()
        statement = parse_statement(reply.response)
        reason = "malformed"
        if statement is not None:
            reason = check_statement(statement, question=split.question, answer=problem.answer) or ""
        if statement is None or reason:
            name = f"sv-statement-{reply.sample}"
            yield Question("sv", problem, name, reply.response, problem.answer, parents, f"statement: {reason}")
            continue
        yield from _masked(problem, split.statement, statement, parents, per_problem=per_problem, seed=seed)
        return


def _masked(
    problem: Problem, context: str, statement: str, parents: tuple[str, ...], *, per_problem: PerProblem, seed: int
) -> Iterator[Question]:
    """Every number in turn but the answer in its statement, which would make the question a forward one."""
    text, start_of_statement = declarative(context, statement)
    found = tuple(
        masked
        for masked in masks(text, avoid=problem.question)
        if masked.start < start_of_statement or masked.value != problem.answer
    )
    if not found:
        yield left_out("sv", problem, NO_NUMBER)

    def reason(masked: Masked) -> str | None:
        return STATED_ELSEWHERE if is_stated_elsewhere(masked, answer=problem.answer) else None

    for masked in chosen(found, per_problem=per_problem, seed=seed, problem_id=problem.id, reason=reason):
        asked, name = sv_question(masked), f"sv-{masked.start}"
        n_added = len(asked) - len(masked.question)
        yield Question("sv", problem, name, asked, masked.value, parents, reason(masked), n_added=n_added)


def statement_fields(problem: Problem) -> dict[str, str] | None:
    """Fields of the prompt that asks for the statement; None without a final question or a number as its answer."""
    split = split_question(problem.question)
    if split is None or parse_number(problem.answer) is None:
        return None
    return {"question": split.question, "answer": problem.answer}


def parse_statement(reply: str) -> str | None:
    """The statement that a model replied; None if the reply is not one paragraph."""
    return one_paragraph(reply, labels=LABELS)


def check_statement(statement: str, *, question: str, answer: str) -> str | None:
    """Why a statement is no use, or None if it is: the first reason that holds, in the order below.

    "empty"; "several paragraphs"; "too long"; "question mark"; "several sentences" (the second one says what nobody
    asked for); "no sentence" (the bare answer); "repeats the question" (it begins as a question, or holds its words);
    "no answer" (no number in it equals the answer: 172 and 7.2 do not state 72); "numbers changed"
    (it lacks one of the question, so a condition is lost, or has a new one, such as a step on the way to the answer).

    Args:
        statement: What `parse_statement` gave.
        question: The final question that the statement replaces.
        answer: The problem's answer.
    """
    text = statement.strip()
    if not text:
        return "empty"
    if "\n" in text:
        return "several paragraphs"
    if len(text) > max(MAX_STATEMENT_CHARS, 2 * len(question)):
        return "too long"
    if "?" in text or "？" in text:
        return "question mark"
    if len(sentences(text)) > 1:
        return "several sentences"
    if "=" not in text and _WORD.search(_LATEX.sub(" ", text)) is None:
        return "no sentence"
    if _repeats(text, question):
        return "repeats the question"
    value = parse_number(answer)
    stated = numbers_of(text)
    if value is None or value not in stated:
        return "no answer"
    return None if _same_numbers(stated, numbers_of(question), value) else "numbers changed"


def declarative(context: str, statement: str) -> tuple[str, int]:
    """What is stated and the final question's statement as one text, and where the latter begins."""
    before = _ended(context)
    text = " ".join(part for part in (before, _ended(statement)) if part)
    return text, len(before) + 1 if before else 0


def sv_question(masked: Masked) -> str:
    """The backward question: the masked statements, and the question for the unknown."""
    return f"{masked.question} What is the value of the unknown variable {masked.unknown}?"


def _repeats(statement: str, question: str) -> bool:
    said, asked = _words(statement), _words(question)
    if _ASKS_FIRST.match(statement):
        return True
    return bool(asked) and (asked in said or fuzz.ratio(said, asked) >= SAME_QUESTION)


def _words(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold()))


def _same_numbers(stated: Counter[Fraction], asked: Counter[Fraction], answer: Fraction) -> bool:
    """Whether a statement has the numbers of the question, and the answer; 1 may be a pronoun and is not counted."""
    return {*stated, 1} == {*asked, answer, 1}


def _ended(text: str) -> str:
    """The text without white space around it, and with a full stop if nothing ends it."""
    text = text.strip()
    return text if not text or re.search(r"[.!?:;][\"'”’)\]]*\Z", text) else text.rstrip(",") + "."
