"""The line in which a solution states its answer: found, taken away, and written in one form for all.

Data sets end their solutions in their own ways: GSM8K with `#### 35`, MetaMathQA with both `#### 35` and `The answer
is: 35`. Arithmo-Data (Jindal 2023) writes one form for all of them, so that a model learns one.
"""

import re
from typing import Literal, NamedTuple

from datagen.answers.check import check_answer

AnswerLine = Literal["keep", "hashes", "phrase"]
MARKS: dict[AnswerLine, str] = {"hashes": "#### ", "phrase": "The answer is: "}

_TAIL = 300  # characters in which an answer line is looked for
_MOST_LINES = 3  # of them that follow each other; bounds the work on hostile text
_LINE = re.compile(
    r"(?:[ \t]*\#{4}[ \t]*(?P<after_hashes>[^\n#]{1,200})"
    r"|(?:^|(?<=[\n.!?]))[ \t]*(?:(?:so|thus|therefore|hence)[, ]+)?the (?:final )?answer is[: ]+"
    r"(?P<after_phrase>[^\n]{1,200}))\s*\Z",
    re.IGNORECASE,
)


class Solution(NamedTuple):
    """A solution without its answer line, and the answer that the line states; None if there is no such line."""

    body: str
    answer: str | None


class Standardised(NamedTuple):
    """A completion with its answer line in the wanted form; if it was left as it is, why."""

    text: str
    left: str | None


def split_answer_line(completion: str) -> Solution:
    """Cut off the lines at the end that state the answer; of several, the last one's answer counts."""
    body, answer = completion.rstrip(), None
    for _ in range(_MOST_LINES):
        start = max(0, len(body) - _TAIL)
        tail = body[start:]
        if "####" not in tail and "swer" not in tail and "SWER" not in tail:  # what a search for nothing would cost
            break
        match = _LINE.search(body, start)
        if match is None:
            break
        said = (match["after_hashes"] or match["after_phrase"] or "").strip()
        answer = said.rstrip(".").rstrip() if answer is None else answer
        body = body[: match.start()].rstrip()
    return Solution(body, answer)


def standard_answer_line(completion: str, *, answer: str | None, form: AnswerLine) -> Standardised:
    """The completion with one answer line at its end.

    The answer is the row's own where the completion reaches it, else what the completion states. A completion that
    states none, or another one than the row's, is left as it is: writing the row's answer under a path that does not
    lead to it would teach nonsense.

    Args:
        completion: a solution.
        answer: the row's reference answer, if it is known.
        form: 'hashes' for `#### 35`, 'phrase' for `The answer is: 35`, 'keep' to change nothing.
    """
    if form == "keep":
        return Standardised(completion, None)
    body, stated = split_answer_line(completion)
    if answer is not None:
        verdict = check_answer(completion, answer).verdict
        if verdict == "wrong":
            return Standardised(completion, "no answer stated" if stated is None else "states another answer")
        shown = answer if verdict == "correct" or stated is None else stated
        if verdict == "unknown" and stated is None:
            return Standardised(completion, "no answer stated")
    elif stated is None:
        return Standardised(completion, "no answer stated")
    else:
        shown = stated
    line = f"{MARKS[form]}{shown}"
    if completion.endswith(line) and completion == f"{body}{completion[len(body) : -len(line)]}{line}":
        return Standardised(completion, None)  # ` <<5*7=35>> #### 35` has its line already, without a line break
    if not body.strip():
        lead = completion[: len(completion) - len(completion.lstrip())]
        return Standardised(f"{lead}{line}", None)
    return Standardised(f"{body}\n{line}", None)
