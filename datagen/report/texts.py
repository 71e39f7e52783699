"""The texts of a data set in a stream: their lengths, and how often each token or word occurs."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pyarrow as pa

WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*|[0-9]+(?:[.,][0-9]+)*|[^\w\s]|_")
Tokenise = Callable[[Sequence[str]], list[list[int]]]
Value = dict[str, Any]  # Any: JSON


class Text(NamedTuple):
    """A text that a row holds."""

    kind: str  # by which lengths are told apart
    text: str
    is_answer: bool  # what a model learns to write, or wrote; else what it is asked


# Records with a column for what is asked and one for what is answered, and the column by which lengths are told apart.
_PAIRS = {
    "candidate": (None, "response", "verdict"),
    "example": ("prompt", "completion", "source"),
    "mixed-example": ("prompt", "completion", "kind"),
    "augmented": ("query", "response", "type"),
}


def texts_of(batch: pa.RecordBatch, record: str) -> Iterator[Text]:
    """The texts of a batch, in order; nothing for records that hold none."""
    if record in _PAIRS:
        asked, answered, kind = _PAIRS[record]
        prompts = batch.column(asked).to_pylist() if asked else [None] * batch.num_rows
        answers, kinds = batch.column(answered).to_pylist(), batch.column(kind).to_pylist()
        for prompt, answer, of in zip(prompts, answers, kinds, strict=True):
            if prompt:
                yield Text(str(of), prompt, False)
            if answer:
                yield Text(str(of), answer, True)
    elif record in _NESTED:
        for row in batch.to_pylist():
            yield from _NESTED[record](row)


def _of_ranked(row: Value) -> Iterator[Text]:
    yield Text("question", row["problem"]["question"], False)
    for candidate in (*row["candidates"], *row["missing"]):
        if candidate["response"]:
            yield Text("corrupted" if candidate["corruption"] else candidate["verdict"], candidate["response"], True)


def _of_group(row: Value) -> Iterator[Text]:
    yield Text("prompt", row["prompt"], False)
    for response, source in zip(row["responses"], row["sources"], strict=True):
        if response:
            yield Text("corrupted" if source.startswith("corrupted") else "responses", response, True)


def _of_pair(row: Value) -> Iterator[Text]:
    yield Text("prompt", row["prompt"], False)
    for kind in ("chosen", "rejected"):
        if row[kind]:
            yield Text(kind, row[kind], True)


def _of_problem(row: Value) -> Iterator[Text]:
    yield Text("question", row["question"], False)
    if row["rationale"]:
        yield Text("rationale", row["rationale"], True)


_NESTED: dict[str, Callable[[Value], Iterator[Text]]] = {
    "ranked-group": _of_ranked,
    "alignment-group": _of_group,
    "mixed-group": _of_group,
    "preference": _of_pair,
    "mixed-preference": _of_pair,
    "problem": _of_problem,
}


@dataclass
class TextCounts:
    """Lengths by kind, and occurrences; memory grows with the number of distinct ones only."""

    lengths: dict[str, Counter[int]] = field(default_factory=dict)
    """Kind -> length of an answer (of a question, where there are only questions) -> how often."""
    tokens: Counter[Any] = field(default_factory=Counter)  # Any: token ids, or words
    texts: int = 0

    def add(self, texts: Sequence[Text], *, tokenise: Tokenise | None, of_tokens: bool) -> None:
        """Count texts.

        Args:
            texts: a batch of them.
            tokenise: ids of each text; without it lengths are in characters and what occurs are words.
            of_tokens: whether to count what occurs too.
        """
        ids = None if tokenise is None else tokenise([text.text for text in texts])
        for i, text in enumerate(texts):
            kind = text.kind if text.is_answer else ""
            length = len(text.text) if ids is None else len(ids[i])
            self.lengths.setdefault(kind, Counter())[length] += 1
            if of_tokens:
                self.tokens.update(WORD.findall(text.text.lower()) if ids is None else ids[i])
        self.texts += len(texts)

    def answer_lengths(self) -> dict[str, Counter[int]]:
        """Of answers; of questions where nothing is answered."""
        answers = {kind: counts for kind, counts in self.lengths.items() if kind}
        return answers or ({"questions": self.lengths[""]} if self.lengths else {})
