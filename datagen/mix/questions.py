"""The question that a row is about, whatever columns it has, by which it is compared with other rows.

A prompt is a template with a question in it. The template's own words say nothing of the problem and are taken away
where they are known: those of the built-in templates always, those of others by `frames_of` and `common_frame`.
"""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from importlib import resources
from itertools import islice
from typing import Any, NamedTuple

from datagen.question_text import load_question_prompt
from datagen_schemas.errors import DataError

# Columns that hold the bare question, ours first; what stands in a tuple is read as one text.
_COLUMNS: tuple[tuple[str, ...], ...] = (
    ("question",),
    ("query",),
    ("problem",),
    ("Problem",),
    ("Body", "Question"),
    ("Question",),
    ("q_text",),
    ("question_stem",),
    ("ctx",),
    ("original_question",),
)
# Columns in which a template's words may stand around the question.
_FRAMED: tuple[tuple[str, ...], ...] = (
    ("prompt",),
    ("instruction", "input"),
    ("instruction",),
    ("messages",),
    ("conversations",),
    ("text",),
)
_PROBLEM_IDS = ("problem_id", "id")
_ASKED = "\x00question\x00"
_LONGEST_ASKING = 400  # characters
MIN_TEXTS = 50  # fewer may share their first words by accident
MAX_TEXTS = 1000

# How backward questions ask for their unknown: ours and MetaMath's. These words are the method's, not the problem's.
_ASKS_BACKWARD = re.compile(
    r"\s*(?:Suppose that the answer to this question is [^\n]{1,200}\. Which number does \w stand for\?"
    r"|(?:If we know the answer to the above question is [^\n]{1,200}?, )?"
    r"[Ww]hat is the value of (?:the )?unknown variable \w\?)\s*\Z"
)


class Frame(NamedTuple):
    """What a template writes before and after the question."""

    prefix: str
    suffix: str


def question_of(row: Mapping[str, Any]) -> str | None:  # Any: whatever a row holds
    """The question that a row is about; None if no column tells it.

    Where there is only a prompt, it is the prompt without the words of a built-in template.
    """
    problem = row.get("problem")
    if isinstance(problem, Mapping):
        return question_of(problem)
    for columns in _COLUMNS:
        if found := _joined(row, columns):
            return found
    for columns in _FRAMED:
        if found := _joined(row, columns):
            return unframed(found, built_in_frames()).strip()
    return None


def questions_of(row: Mapping[str, Any]) -> tuple[str, ...]:  # Any: whatever a row holds
    """The row's question, and the one that it was made from: a rewrite hides the words, and not the problem."""
    found = (question_of(row), _joined(row, ("original_question",)))
    return tuple(dict.fromkeys(text for text in found if text))


def problem_id_of(row: Mapping[str, Any]) -> str | None:  # Any: whatever a row holds
    """The problem that a row belongs to; None if no column tells it."""
    problem = row.get("problem")
    if isinstance(problem, Mapping):
        return problem_id_of(problem)
    found = next((row[name] for name in _PROBLEM_IDS if row.get(name) not in (None, "")), None)
    return str(found) if isinstance(found, str | int) and not isinstance(found, bool) else None


def text_at(row: Mapping[str, Any], path: str) -> str | None:  # Any: whatever a row holds
    """The text of a named column, such as 'completion' or 'problem.question'; None if there is none.

    A list of texts is read as one text.
    """
    value: Any = row  # Any: whatever a row holds
    for name in path.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(name)
    return _text(value)


def own_words(text: str) -> str:
    """A backward question without the words in which all of its kind ask for the unknown."""
    start = max(0, len(text) - _LONGEST_ASKING)  # where to look: the search is quadratic in white space
    return text[:start] + _ASKS_BACKWARD.sub("", text[start:])


def unframed(text: str, frames: Iterable[Frame]) -> str:
    """The question in a prompt: what is left by the first frame that fits; the text itself if none does."""
    for prefix, suffix in frames:
        # A question is in it only if the two ends do not overlap.
        if len(text) > len(prefix) + len(suffix) and text.startswith(prefix) and text.endswith(suffix):
            inner = text[len(prefix) : len(text) - len(suffix)].strip()
            if inner:
                return inner
    return text


def frames_of(template: str) -> tuple[Frame, ...]:
    """The frame of a prompt template: of the whole text, and of its last turn alone.

    Raises:
        DataError: no such template.
    """
    prompt = load_question_prompt(template)
    texts = [prompt.render_text(question=_ASKED, context=""), prompt.render(question=_ASKED, context="")[-1].content]
    frames = [Frame(*text.split(_ASKED)) for text in texts if text.count(_ASKED) == 1]
    return tuple(dict.fromkeys(frame for frame in frames if frame.prefix.strip() or frame.suffix.strip()))


@lru_cache(maxsize=1)
def built_in_frames() -> tuple[Frame, ...]:
    """Frames of the built-in templates that ask a question, the longest first."""
    found: set[Frame] = set()
    for file in (resources.files("datagen_prompts") / "templates").iterdir():
        try:
            found.update(frames_of(file.name.removesuffix(".jinja")))
        except DataError:  # it shows something else than a question, such as a reply to a judge
            continue
    return tuple(sorted(found, key=lambda frame: (-len(frame.prefix) - len(frame.suffix), frame)))


def common_frame(texts: Iterable[str]) -> Frame | None:
    """The words that all texts begin and end with: a template that nobody named.

    Only the first distinct texts are looked at. None if there are few of them, or if they share no whole word.
    """
    distinct = list(islice(dict.fromkeys(islice(texts, 20 * MAX_TEXTS)), MAX_TEXTS))
    if len(distinct) < MIN_TEXTS:
        return None
    prefix = os.path.commonprefix(distinct)
    suffix = os.path.commonprefix([text[len(prefix) :][::-1] for text in distinct])[::-1]
    # Back to the last whole word: 'Question: A' may be all that the first questions have in common.
    prefix = prefix[: max((i + 1 for i, character in enumerate(prefix) if character.isspace()), default=0)]
    suffix = suffix[min((i for i, character in enumerate(suffix) if character.isspace()), default=len(suffix)) :]
    return Frame(prefix, suffix) if prefix.strip() or suffix.strip() else None


def _joined(row: Mapping[str, Any], columns: Sequence[str]) -> str | None:  # Any: whatever a row holds
    if len(columns) == 1:
        return _text(row.get(columns[0]))
    first, *rest = (row.get(name) for name in columns)
    texts = [text for value in (first, *rest) if isinstance(value, str) and (text := value.strip())]
    return "\n".join(texts) if isinstance(first, str) and len(texts) == len(columns) else None


def _text(value: object) -> str | None:
    """A text, the last turn of a user in a chat, or a list of texts as one; None if it is blank or anything else."""
    if isinstance(value, str):
        return value if value.strip() else None
    if not isinstance(value, Sequence) or isinstance(value, bytes):
        return None
    if value and all(isinstance(item, str) for item in value):
        return _text("\n".join(value))
    for turn in reversed(value):
        if isinstance(turn, Mapping) and turn.get("role", turn.get("from")) in ("user", "human"):
            said = turn.get("content", turn.get("value"))
            if isinstance(said, str) and said.strip():
                return said
    return None
