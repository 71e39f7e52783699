"""Variants of prompts and one form of answer line, as Arithmo-Data has them (Jindal 2023, "Arithmo-Mistral-7B").

Its questions are put into lower case for 30 % of the rows, those that ask for a program are worded in many ways, and
all answers end in the same line. Here every row draws from the seed and its content, so a share is met in the mean,
and the rows in lower case at 0.1 are among those at 0.3.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from datagen.mix.answer_line import AnswerLine, standard_answer_line
from datagen.question_text import load_question_prompt
from datagen.seeding import rng_for
from datagen_prompts.template import PromptTemplate
from datagen_schemas.errors import DataError
from datagen_schemas.mixed import MixedExample

# In lower case, LaTeX is broken (\Delta is another sign than \delta), and the answer "A" is no option.
_MEANS_CASE = re.compile(r"\\|^[ \t]*\(?[A-J][).:](?=[ \t])", re.MULTILINE)


@dataclass(frozen=True)
class PromptShare:
    """A template and the share of rows whose prompt is made by it; of one data set, or of all."""

    template: str
    share: float | None = None  # None: what the other ones leave, in equal parts
    origin: str | None = None


@dataclass(frozen=True)
class Variants:
    """What is changed in rows."""

    lower_case: float = 0.0  # share of rows
    answer_line: AnswerLine = "keep"
    prompts: tuple[PromptShare, ...] = ()


class _Prompt(NamedTuple):
    prompt: PromptTemplate
    up_to: float  # of the cumulated shares


class RowVariants:
    """Changes rows, and counts what it did."""

    def __init__(self, variants: Variants, *, origins: Sequence[str], seed: int) -> None:
        """Load the templates.

        Raises:
            DataError: there is no such template, or shares of more than 1.
        """
        self._variants = variants
        self._seed = seed
        self._prompts = {origin: _prompts(variants.prompts, origin) for origin in origins}
        self.counts: Counter[str] = Counter()

    def __call__(self, row: MixedExample, *, key: bytes) -> MixedExample:
        """The row with its changes.

        Args:
            row: with its own prompt and completion.
            key: what its draws come from, beside the seed.
        """
        rng = rng_for(self._seed, "variants", key.hex())
        at_prompt, at_case = rng.random(), rng.random()
        question, prompt = row.question, row.prompt
        template = next((of.prompt for of in self._prompts[row.origin] if at_prompt < of.up_to), None)
        if template is not None and question is None:
            self.counts["prompt kept: question not known"] += 1
            template = None
        if at_case < self._variants.lower_case:
            if _MEANS_CASE.search(prompt if question is None else question):
                self.counts["case kept: LaTeX or lettered options"] += 1
            else:
                self.counts["lower case"] += 1
                prompt, question = _lower(prompt, question)
        if template is not None and question is not None:
            self.counts[f"prompt {template.id}"] += 1
            prompt = template.render_text(question=question, context="")
        answer = standard_answer_line(row.completion, answer=row.answer, form=self._variants.answer_line)
        if answer.left is not None:
            self.counts[f"answer line kept: {answer.left}"] += 1
        elif answer.text != row.completion:
            self.counts["answer line changed"] += 1
        return row.model_copy(update={"prompt": prompt, "completion": answer.text})

    def hashes(self) -> dict[str, str]:
        """The SHA-256 of every template in use."""
        found = {of.prompt.id: of.prompt.sha256 for prompts in self._prompts.values() for of in prompts}
        return dict(sorted(found.items()))


def _lower(prompt: str, question: str | None) -> tuple[str, str | None]:
    """The question in lower case, within its prompt; a template's own words keep theirs."""
    if question is None:
        return prompt.lower(), None
    before, found, after = prompt.rpartition(question)
    return (before + question.lower() + after if found else prompt.lower()), question.lower()


def _prompts(wanted: Sequence[PromptShare], origin: str) -> list[_Prompt]:
    """Templates of a data set with their cumulated shares: those that name it, else those for all."""
    mine = [of for of in wanted if of.origin == origin] or [of for of in wanted if of.origin is None]
    given = sum(of.share for of in mine if of.share is not None)
    if given > 1 + 1e-9:
        raise DataError(f"--train-prompt: the shares for {origin} add up to {given:g}, and 1 is all. Lower them.")
    rest = sum(of.share is None for of in mine)
    found: list[_Prompt] = []
    up_to = 0.0
    for of in mine:
        up_to += of.share if of.share is not None else (1 - given) / rest
        # All that there is: rounding must not leave a row without a prompt.
        found.append(_Prompt(load_question_prompt(of.template), 1.0 if up_to > 1 - 1e-9 else up_to))
    return found
