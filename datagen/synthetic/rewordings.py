"""Other wordings of a synthetic question, by rule: the rephrasing of the embedded default, which needs no model.

A family asks one thing in two or three wordings. The wording that a question was made from is recognised, its names,
nouns and numbers are read off, and the family's other wordings are filled in with them.

Decided here:
- A word that the question does not show (the friend who takes 5 of the balls, a container, a color, a thing that is
  bought once) is new and changes nothing of the calculation: it is drawn, by the problem's id alone, from the words
  that the question does not use.
- What is counted stays: a wording that counts other things (cookies for dollars) is another problem, and left out.
- `datagen.augment.rephrase.check_rewrite` has the last word: each number must be there as often, with its unit.
"""

import functools
import re
from collections.abc import Mapping
from typing import NamedTuple

from datagen.augment.rephrase import check_rewrite
from datagen.seeding import rng_for
from datagen.synthetic.family import Family, Slot, parse_template
from datagen.synthetic.problems import family_of
from datagen.synthetic.words import COLORS, CONTAINERS, FOODS, NAMES, THINGS
from datagen_schemas.problem import Problem

EXTRA_WORDINGS: Mapping[str, tuple[str, ...]] = {
    "half": ("A {box} holds {t} {x}. Half of the {x} are {hue} and half are {tint}. How many {x} are {hue}?",),
    "hours_of_work": (
        "Each hour {A} bakes {p} {f}. {A} works {a} hours on Monday and {b} hours on Tuesday. "
        "How many {f} does {A} bake in all?",
    ),
}
"""For wordings whose family states or counts something else in the others; no problem is drawn from these."""

_SINGULARS = {"x": "x1", "y": "y1", "f": "f1", "boxes": "box"}
_NOUNS = {"x": THINGS, "y": THINGS, "f": FOODS, "boxes": CONTAINERS}
_COUNTED = ("x", "y", "f")
_WORDS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("A", "B", "C"), NAMES),
    **dict.fromkeys(("hue", "tint"), COLORS),
    **{plural: tuple(many for _, many in nouns) for plural, nouns in _NOUNS.items()},
    **{_SINGULARS[plural]: tuple(one for one, _ in nouns) for plural, nouns in _NOUNS.items()},
}


class Recovered(NamedTuple):
    """What a question was made from.

    `slots` are the text of the words and numbers that it shows; a noun is given in both numbers.
    `spans` are where each of the question's slots stands, in reading order.
    """

    family: Family
    wording: str
    slots: Mapping[str, str]
    spans: tuple[tuple[str, int, int], ...]


def rewordings(problem: Problem) -> tuple[str, ...]:
    """The question in each of its family's other wordings, with the same numbers, names and nouns.

    None for a problem that is not synthetic, for one whose question is no wording of its family (it was changed: a
    number masked, a sentence rewritten), and for one whose family's other wordings count something else.
    """
    recovered = recover(problem)
    if recovered is None:
        return ()
    family = recovered.family
    texts: list[str] = []
    for wording in (*family.questions, *EXTRA_WORDINGS.get(family.name, ())):
        text = _filled(wording, recovered, problem.id)
        # The question's own wording gives the question back, which is no rewrite either.
        if text is not None and check_rewrite(problem.question, text, answer=problem.answer) is None:
            texts.append(text)
    return tuple(dict.fromkeys(texts))


def recover(problem: Problem) -> Recovered | None:
    """Family, wording and slots of a synthetic problem; None if its question is none of its family's."""
    family = family_of(problem)
    for wording in family.questions if family is not None else ():
        pattern, names = _pattern(wording)
        match = pattern.fullmatch(problem.question)
        slots = _agreeing({name: match[i] for i, name in enumerate(names, start=1)}, names, match) if match else None
        if family is not None and match is not None and slots is not None:
            spans = tuple((name, *match.span(i)) for i, name in enumerate(names, start=1))
            return Recovered(family, wording, slots, spans)
    return None


def _agreeing(texts: dict[str, str], names: tuple[str, ...], match: re.Match[str]) -> dict[str, str] | None:
    """The slots, nouns in both numbers; None if two that must be equal are not, or two that must differ do not."""
    if any(texts[name] != match[i] for i, name in enumerate(names, start=1)):
        return None
    slots = dict(texts)
    for plural, singular in _SINGULARS.items():
        shown = {pair for pair in _NOUNS[plural] for i in (0, 1) if texts.get((singular, plural)[i]) == pair[i]}
        if len(shown) > 1:
            return None
        for one, many in shown:
            slots |= {singular: one, plural: many}
    words = [slots[name] for name in _WORDS if name in slots]
    return slots if len(set(words)) == len(words) else None


def _filled(wording: str, recovered: Recovered, problem_id: str) -> str | None:
    """The wording with the question's slots; None if it counts other things or shows a number that is not known."""
    asked, shown = _slots(wording), _slots(recovered.wording)
    if any(plural in shown and not {plural, _SINGULARS[plural]} & asked for plural in _COUNTED):
        return None
    if any(plural in asked and plural not in recovered.slots for plural in _COUNTED):
        return None
    slots = dict(recovered.slots)
    for name in (name for name in _WORDS if name in asked and name not in slots):
        rng = rng_for(0, "rewording", problem_id, name)
        used = set(slots.values())
        slots[name] = rng.choice([word for word in _WORDS[name] if word not in used])
        for plural, singular in _SINGULARS.items():
            for one, many in _NOUNS[plural] if name in (plural, singular) else ():
                if slots[name] in (one, many):
                    slots |= {singular: one, plural: many}
    if not asked <= slots.keys():
        return None
    return "".join(part if isinstance(part, str) else slots[part.name] for part in parse_template(wording))


def _slots(wording: str) -> frozenset[str]:
    return frozenset(part.name for part in parse_template(wording) if isinstance(part, Slot))


@functools.cache
def _pattern(wording: str) -> tuple[re.Pattern[str], tuple[str, ...]]:
    """What a question of this wording matches, with one group a slot, and the names of the groups."""
    pattern, names = "", []
    for part in parse_template(wording):
        if isinstance(part, str):
            pattern += re.escape(part)
        else:
            pattern += f"({'|'.join(_WORDS[part.name])})" if part.name in _WORDS else "([1-9][0-9]*)"
            names.append(part.name)
    return re.compile(pattern), tuple(names)
