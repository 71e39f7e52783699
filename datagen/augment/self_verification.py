"""Self-verification questions (Weng et al. 2022, as MetaMath uses them): the answer becomes a statement, x is asked.

The question is split into what it states and its final question. A model turns that question and its answer into one
declarative statement; the statement part with one number masked by x, the new statement, and a question for x are the
backward question. Whatever the model writes is checked by rule before it becomes part of a question.
"""

import re
from collections import Counter
from fractions import Fraction

from rapidfuzz import fuzz

from datagen.answers.number import parse_number
from datagen.augment.reply import one_paragraph
from datagen.augment.sentences import split_question
from datagen.augment.stated_numbers import numbers_of
from datagen_schemas.problem import Problem

MAX_STATEMENT_CHARS = 400
SAME_QUESTION = 95.0  # rapidfuzz ratio, 0 to 100

LABELS = ("statement", "declarative statement", "answer", "rewrite", "sentence")
_ASKS_FIRST = re.compile(
    r"\W*(?:how (?:many|much|long|far|old|tall|big|often|fast)|what|which|who|whose|when|where|why|calculate|find"
    r"|compute|determine)\b",
    re.IGNORECASE,
)


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

    "empty"; "several paragraphs"; "too long"; "question mark"; "repeats the question" (it begins as a question, or
    holds its words); "no answer" (no number in it equals the answer: 172 and 7.2 do not state 72); "numbers changed"
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
    if _repeats(text, question):
        return "repeats the question"
    value = parse_number(answer)
    stated = numbers_of(text)
    if value is None or value not in stated:
        return "no answer"
    return None if _same_numbers(stated, numbers_of(question), value) else "numbers changed"


def sv_question(masked_statement: str, *, statement: str, unknown: str = "x") -> str:
    """The backward question: the masked context, the declarative statement, and the question for the unknown.

    Args:
        masked_statement: The problem's statement part with one number replaced by the unknown.
        statement: The final question and its answer as a statement; it passed `check_statement`.
        unknown: How the masked number is written.
    """
    parts = [_ended(masked_statement), _ended(statement), f"What is the value of the unknown variable {unknown}?"]
    return " ".join(part for part in parts if part)


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
