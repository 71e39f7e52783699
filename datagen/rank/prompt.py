r"""What a judge is asked of one candidate (AFT paper, Table 6, in words of our own).

A candidate is text of a model and may try to steer the judge: to end its own section, to open another one, to pose as
a turn of the chat, to hide text from a human reader. Every line of it is quoted with `| `; the section markers of the
template and the special tokens of chat models are broken where it contains them, visibly and without dropping a word;
invisible characters go. Question and reference are treated alike, but for the quoting. Arithmetic stays as it is:
`<<48/2=24>>`, `[3, 5)`, `\frac{1}{2}`, `|x| < 3`.
"""

import json
import re
import unicodedata
from collections.abc import Collection, Sequence
from functools import lru_cache

from datagen.answers.check import check_answer
from datagen.question_text import question_text
from datagen_prompts.template import PromptTemplate, Turn, load_prompt
from datagen_schemas.problem import Problem

JUDGE_FIELDS = ("question", "reference", "candidate")
QUOTE = "| "

# The evidence is declared before the rating, so that a server that writes in order writes it first.
RATING_SCHEMA = json.dumps(
    {
        "type": "object",
        "properties": {
            "evidence": {"type": "string"},
            "rating": {"type": "number", "minimum": 1, "maximum": 10},
        },
        "required": ["evidence", "rating"],
        "additionalProperties": False,
    },
    separators=(",", ":"),
)

_TAGS = (
    "s|bos|eos|pad|unk|mask|cls|sep|sys|inst|system|user|human|assistant|model|think|thinking|thought|reasoning|answer"
    "|tool|tools|tool_call|tool_calls|tool_response|tool_result|tool_results|function|function_call|start_of_turn"
    "|end_of_turn|start_of_image|im_start|im_end|sop|eop|gmask"
)
# In folded text: lower case, and full-width signs as plain ones (DeepSeek's tokens have them).
_SPECIAL = re.compile(
    r"<\|[\w▁./\- ]{1,64}\|>"  # <|im_end|>, <|start_header_id|>
    rf"|<\s?/?\s?(?:{_TAGS}|[a-z]*_of_[a-z]*)\s?/?\s?>"  # </s>, <think>, <<SYS>>, <end_of_turn>
    rf"|\[\s?/?\s?(?:inst|sys|system|think|available_tools|tool_calls|tool_results|tool_content|system_prompt|args"
    rf"|call_id|img|control_[0-9]+)\s?\]"  # [INST]
    r"|^[ \t]*---\s?(?:system|user|assistant|tool)\s?---[ \t]*$",
    re.MULTILINE,
)
_BRACKETED = re.compile(r"\[[^\[\]\n]{1,200}\]|(?<![<\w])</?[^\W\d_][^<>\n]{0,200}>(?!>)")
_LETTER = re.compile(r"[^\W\d_]")
_WORDS = re.compile(r"[^\W_]+")
_SPACE = re.compile(r"\s+")
_RUN = re.compile(r"([^\w\s()])(?:[\s*_`]*\1){2,}")  # ###, ===, three quotes, also when spaced
_LINE_END = re.compile("\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")  # all that str.splitlines knows
_BROKEN = str.maketrans("[]<>{}", "()()()")
# Characters that show nothing and are not of the category Cf: fillers, a blank Braille cell, variation selectors.
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
_SAME_SIGN = {
    "’": "'",
    "‘": "'",
    "“": '"',
    "”": '"',
    "【": "[",
    "】": "]",
    "〔": "[",
    "〕": "]",
    "⟦": "[",
    "⟧": "]",
    "〈": "<",
    "〉": ">",
    "⟨": "<",
    "⟩": ">",
    "‹": "<",
    "›": ">",
}


def load_judge_prompt(name: str = "judge") -> PromptTemplate:
    """A judge's template, built in or a user's own file.

    Raises:
        DataError: there is no such template, or it does not show question, reference and candidate.
    """
    return load_prompt(name, fields=JUDGE_FIELDS)


def judge_turns(prompt: PromptTemplate, problem: Problem, response: str) -> tuple[Turn, ...]:
    """The judge's prompt for one candidate."""
    markers = section_markers(prompt.literals)
    return prompt.render(
        question=neutralised(question_text(problem), markers=markers),
        reference=neutralised(_reference(problem), markers=markers),
        candidate=quoted(neutralised(response, markers=markers)),
    )


def quoted(text: str) -> str:
    """Every line with `| ` before it; an empty text is one such line."""
    return "\n".join(QUOTE + line for line in text.split("\n"))


def neutralised(text: str, *, markers: Collection[str]) -> str:
    """The text without what could pose as the prompt around it; line ends become newlines.

    Args:
        text: of a candidate, a question or a reference.
        markers: section markers of the template, as `section_markers` finds them.
    """
    text = _LINE_END.sub("\n", text)
    text = "".join(map(_visible, text)) if not text.isascii() or not text.replace("\n", "").isprintable() else text
    text = _INVISIBLE.sub("", text)
    text = _rewritten(text, _SPECIAL)
    pattern = _markers_pattern(frozenset(markers))
    return text if pattern is None else _rewritten(text, pattern)


@lru_cache(maxsize=64)
def section_markers(literals: Sequence[str]) -> tuple[str, ...]:
    """What a template marks its sections with, from the text that it writes itself.

    Words in square brackets and tags, wherever they stand; lines that open with a sign (`### 2. Answer`,
    `=== CANDIDATE ===`, `{end}`, three quotes or backticks); and, next to a field, a line of several words. One plain
    word (`Answer:`) is no such marker: ordinary solutions contain it, and quoting keeps it apart.
    """
    found: dict[str, None] = {}
    for literal in literals:
        found |= dict.fromkeys(match for match in _BRACKETED.findall(literal) if _LETTER.search(match))
        lines = [line.strip() for line in literal.splitlines() if line.strip()]
        found |= dict.fromkeys(line for line in lines if _is_rule(line))
        found |= dict.fromkeys(line for line in lines[:1] + lines[-1:] if len(_WORDS.findall(line)) > 1)
    return tuple(found)


def _is_rule(line: str) -> bool:
    """Whether a line is made to separate; `#### 18` is an answer, and hashes alone would break every answer."""
    if not _LETTER.search(line):
        return _RUN.fullmatch(line) is not None and line[0] != "#"
    return line[0] in "#=*~+<{%@^|_\"'`\u2014\u2500-" and not line.startswith(("- ", "* "))


def _reference(problem: Problem) -> str:
    """The reference solution, with the answer below it where it does not state it; without one, the answer alone."""
    if not problem.rationale:
        return problem.answer
    stated = check_answer(problem.rationale, problem.answer, choices=problem.choices)
    return problem.rationale if stated.verdict == "correct" else f"{problem.rationale}\nAnswer: {problem.answer}"


def _visible(character: str) -> str:
    """The character, unless it controls something or shows nothing: zero-width, bidi, escape, half of a pair."""
    if character in "\n\t":
        return character
    category = unicodedata.category(character)
    return "" if category in ("Cc", "Cf") else "\N{REPLACEMENT CHARACTER}" if category == "Cs" else character


def _rewritten(text: str, pattern: re.Pattern[str]) -> str:
    """The text with every match broken; it is looked for in any letter case, and in full-width signs too."""
    folded, origin = _folded(text)
    pieces: list[str] = []
    end = 0
    for match in pattern.finditer(folded):
        start, stop = origin[match.start()], origin[match.end() - 1] + 1
        pieces += (text[end:start], _broken(text[start:stop]))
        end = stop
    return text if not pieces else "".join(pieces) + text[end:]


def _broken(marker: str) -> str:
    """Parentheses for brackets; a sign that was repeated, once and in parentheses; else a dot between the words."""
    plain = "".join(_fold(character) if not character.isalnum() else character for character in marker)
    broken = _RUN.sub(r"(\1)", plain.translate(_BROKEN))
    return broken if broken != plain else _SPACE.sub(" \u00b7 ", broken, count=1)


def _folded(text: str) -> tuple[str, Sequence[int]]:
    """The text in one letter case and one width, and for each of its characters the place it came from."""
    if text.isascii():
        return text.lower(), range(len(text))
    folded = [(piece, i) for i, character in enumerate(text) for piece in _fold(character)]
    return "".join(piece for piece, _ in folded), [i for _, i in folded]


@lru_cache(maxsize=4096)
def _fold(character: str) -> str:
    return _SAME_SIGN.get(character) or unicodedata.normalize("NFKC", character).casefold()


@lru_cache(maxsize=64)
def _markers_pattern(markers: frozenset[str]) -> re.Pattern[str] | None:
    """Any of the markers, however its words are spaced; None if there are none."""
    # Longer ones first, so that a marker that begins another one does not hide it.
    ordered = sorted(markers, key=lambda one: (-len(one), one))
    return re.compile("|".join(map(_spaced, ordered))) if ordered else None


def _spaced(marker: str) -> str:
    """A pattern in which spaces, line ends and Markdown between the characters do not hide the marker."""
    folded = _folded(marker)[0]
    if _LETTER.search(folded) is None:
        return re.escape(folded)
    # Within brackets these are decoration; in a line like `*** answer ***` they are the marker.
    decoration = "*_`" if folded[0] in "[<" else "".join(sign for sign in "*_`" if sign not in folded)
    characters = [character for character in folded if not character.isspace() and character not in decoration]
    return rf"[\s{decoration}]*".join(map(re.escape, characters))
