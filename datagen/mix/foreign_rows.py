"""Rows of other people's training data as rows of a mixture: found by their usual columns, or through a column map.

Read without a map: prompt and completion (TRL), query and response (MetaMathQA, whose `type` and `original_question`
are taken, too), instruction, input and output (Alpaca, MathInstruct), question or problem and solution, response or
answer, and chats of one turn each (`messages`, `conversations`). A `context` (Dolly) and a list of `choices` belong to
the question.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple, get_args

from datagen import __version__
from datagen.mix.own_rows import Origin
from datagen.question_text import with_options
from datagen.readers.dropped import BadRow
from datagen.readers.fields import LETTERS, Values, exact_text, gold_position, shown
from datagen.readers.generic import choices_of
from datagen.readers.row import Row
from datagen_prompts.template import PromptTemplate
from datagen_schemas.augmented import AugmentedType
from datagen_schemas.errors import DataError
from datagen_schemas.mixed import MixedExample, MixedKind
from datagen_schemas.provenance import Provenance

COLUMNS = (
    "prompt", "question", "context", "choices", "completion", "answer", "problem_id", "type", "original_question",
)  # fmt: skip
"""What a column map can name."""

QUESTION = "question-"  # how the id of a problem begins that is known by its question alone
_QUESTIONS = ("question", "query", "problem", "instruction")
_COMPLETIONS = ("completion", "response", "output", "solution", "rationale", "answer")  # the first that is there
_CHATS = ("messages", "conversations")
_USER, _ASSISTANT, _SYSTEM = frozenset(("user", "human")), frozenset(("assistant", "gpt")), "system"


class _Texts(NamedTuple):
    question: str | None  # with its options
    prompt: str | None  # at least one of the two is there
    completion: str
    has_own_answer: bool  # the answer's column is not the completion's
    context: str | None = None  # that the question rests on
    choices: tuple[str, ...] | None = None


def from_foreign(row: Row, *, origin: Origin, columns: Mapping[str, str]) -> MixedExample:
    """One row.

    Args:
        row: as published.
        origin: the data set, and the template for rows without a prompt.
        columns: our column -> theirs; it adds to the usual names.

    Raises:
        BadRow: it has no prompt or no completion, or a column of the map is not there.
    """
    values = _renamed(row.values, columns)
    texts = _texts(values)
    question = "\n".join(filter(None, (texts.question, texts.context))) or None
    made_from = _optional(values, "original_question") or question or texts.prompt
    return MixedExample(
        prompt=texts.prompt or _prompt(texts, origin.prompt),
        completion=texts.completion,
        problem_id=_optional(values, "problem_id") or question_id(made_from or ""),
        question=question,
        answer=_answer(values, texts),
        kind=_kind(values),
        origin=origin.name,
        origin_row=row.row_index,
        provenance=Provenance.of_stage("mix", package_version=__version__),
    )


def _prompt(texts: _Texts, template: PromptTemplate) -> str:
    """The question in a template, and the context in its place there, or else below the question."""
    question, context = texts.question or "", texts.context or ""
    if "context" not in template.shown:
        question, context = "\n".join(filter(None, (question, context))), ""
    return template.render_text(question=question, context=context)


def question_id(question: str) -> str:
    """The problem of a question that has no id: the same text, in any case and spacing, is the same problem."""
    plain = " ".join(question.casefold().split())
    return f"{QUESTION}{hashlib.sha256(plain.encode(errors='surrogatepass')).hexdigest()[:16]}"


def check_columns(columns: Mapping[str, str]) -> None:
    """Refuse a column map with a name that is none of ours.

    Raises:
        DataError: it has one.
    """
    if unknown := sorted(columns.keys() - set(COLUMNS)):
        raise DataError(f"column map: {unknown[0]!r} is no column of a mixture. Choose from {', '.join(COLUMNS)}.")


def _renamed(row: Values, columns: Mapping[str, str]) -> Values:
    for theirs in columns.values():
        if theirs not in row:
            raise BadRow("missing column", f"no {theirs!r}, only {', '.join(row) or 'nothing'}")
    if not columns:
        return row
    taken = set(columns.values())
    # A mapped prompt or completion is the one: a column of a usual name beside it is something else.
    hidden = {*columns, *(_QUESTIONS if {"question", "prompt"} & columns.keys() else ())}
    hidden |= {name for name in _COMPLETIONS if "completion" in columns and name != "answer"}
    others = {name: value for name, value in row.items() if name not in taken and name not in hidden}
    return {**others, **{ours: row[theirs] for ours, theirs in columns.items()}}


def _texts(row: Values) -> _Texts:
    if not any(name in row for name in ("prompt", *_QUESTIONS)):
        for name in _CHATS:
            if name in row:
                return _chat(row[name], name)
    prompt = _optional(row, "prompt")
    asked = next((name for name in _QUESTIONS if _optional(row, name) is not None), None)
    if prompt is None and asked is None:
        raise BadRow("missing column", f"no prompt, {', '.join(_QUESTIONS)}; only {', '.join(row) or 'nothing'}")
    question = _optional(row, asked) if asked is not None else None
    if asked == "instruction" and question is not None and (given := _optional(row, "input")) is not None:
        question = f"{question}\n{given}"
    answered = next((name for name in _COMPLETIONS if row.get(name) is not None), None)
    if answered is None:
        raise BadRow("missing column", f"no {', '.join(_COMPLETIONS)}; only {', '.join(row) or 'nothing'}")
    value = row[answered]
    if not isinstance(value, str):
        raise BadRow("not text", f"{answered!r} is {shown(value)}")
    if not value.strip():
        raise BadRow("empty text", f"{answered!r} is blank")
    has_own_answer = answered != "answer"
    if prompt is not None or question is None:
        return _Texts(question, prompt, value, has_own_answer)
    choices = choices_of(row)
    return _Texts(with_options(question, choices), None, value, has_own_answer, _optional(row, "context"), choices)


def _chat(turns: object, name: str) -> _Texts:
    """A chat of one turn each; what the system says comes first in the prompt."""
    if not isinstance(turns, Sequence) or not all(isinstance(turn, Mapping) for turn in turns):
        raise BadRow("not a chat", f"{name!r} is {shown(turns)}")
    said = [(turn.get("role", turn.get("from")), turn.get("content", turn.get("value"))) for turn in turns]
    texts = [text for _, text in said if isinstance(text, str) and text.strip()]
    roles = [role for role, _ in said]
    system, rest = (texts[:1], texts[1:]) if roles[:1] == [_SYSTEM] else ([], texts)
    asked = roles[len(system) :]
    if len(texts) != len(said) or len(rest) != 2 or asked[0] not in _USER or asked[1] not in _ASSISTANT:
        raise BadRow("not one question and one reply", f"turns of {', '.join(map(str, roles)) or 'nobody'}")
    question, completion = rest
    return _Texts(question, "\n\n".join((*system, question)), completion, has_own_answer=True)


def _optional(row: Values, name: str) -> str | None:
    value = row.get(name)
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    if isinstance(value, str):
        return value
    if name == "problem_id" and isinstance(value, int):
        return str(value)
    raise BadRow("not text", f"{name!r} is {shown(value)}")


def _answer(row: Values, texts: _Texts) -> str | None:
    """The answer beside the completion; of a choice, by its letter or its text, the letter, also as the completion."""
    value = row.get("answer")
    if value is None or not (texts.has_own_answer or texts.choices):
        return None
    answer = exact_text(value, "answer") or None
    if answer is None or texts.choices is None:
        return answer
    is_letter = len(answer) == 1 and answer.upper() in LETTERS[: len(texts.choices)]
    return answer.upper() if is_letter else gold_position(answer, texts.choices, "answer")


def _kind(row: Values) -> MixedKind:
    """MetaMathQA's types end in the method's name: GSM_FOBAR."""
    given = row.get("type")
    for method in get_args(AugmentedType):
        if isinstance(given, str) and given.rpartition("_")[2] == method:
            kind: MixedKind = method
            return kind
    return "foreign"
