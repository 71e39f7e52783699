"""Endless GSM8K-style word problems, seeded, with disjoint splits: the data of the embedded default."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Literal

from datagen.seeding import rng_for
from datagen.synthetic.family import MAX_NUMBER, Family, Instance, draw_instance, draw_numbers, solution
from datagen.synthetic.four_steps import FOUR_STEPS
from datagen.synthetic.one_step import ONE_STEP
from datagen.synthetic.three_steps import THREE_STEPS
from datagen.synthetic.two_steps import TWO_STEPS
from datagen.synthetic.words import COLORS, CONTAINERS, FOODS, NAMES, THINGS
from datagen_schemas.problem import Problem

__all__ = [
    "FAMILIES",
    "MAX_NUMBER",
    "SPLITS",
    "family_of",
    "family_split",
    "synthetic_problems",
    "vocabulary",
]

_ALL = (*ONE_STEP, *TWO_STEPS, *THREE_STEPS, *FOUR_STEPS)
_BY_NAME = {family.name: family for family in _ALL}

FAMILIES: Mapping[str, int] = MappingProxyType({family.name: family.steps for family in _ALL})
"""Name of every family and its number of steps."""

SPLITS: Mapping[str, tuple[int, int]] = MappingProxyType({"train": (0, 70), "validation": (70, 80), "test": (80, 100)})
"""Percent of a family's number settings that belong to each split, from and up to."""

_MAX_DRAWS = 5_000  # At least one draw in 100 fits: reached only when a family has hardly a new question left.
_CHAIN = re.compile(r"\[\w+=\w+[-+*/]\w+[-+*/]")
_TOKEN = re.compile(r"####|<<|>>|[A-Za-z]+|\d+|\n|[^\s\w]")


def synthetic_problems(
    *,
    seed: int,
    split: str,
    n: int,
    families: Sequence[str] | None = None,
    plan: Literal["first", "random"] | int = "first",
) -> Iterator[Problem]:
    """The first `n` problems of an endless list that depends on `seed`, `split` and `families` alone.

    Splits are disjoint by construction, for all seeds: the hash of a family and its numbers decides the split, so
    neither a question nor its calculation occurs in two of them. Within one call no question occurs twice: a
    repetition is drawn again, which looks only at earlier problems, so that problem i does not depend on `n`.

    Args:
        seed: another seed gives other problems.
        split: `train`, `validation` or `test`.
        n: how many problems.
        families: names from `FAMILIES`, each used equally often; a name given twice counts twice. None means all.
        plan: which solution becomes the rationale; `first` is always the family's first plan, `random` draws one of
            `single_operation_plans` for each problem, and a number i takes the i-th of those, beginning again after
            the last. The questions are the same in each case.
    """
    names = tuple(FAMILIES if families is None else families)
    unknown = [name for name in names if name not in _BY_NAME]
    if unknown or not names:
        raise ValueError(f"families: {unknown or 'none given'}; choose from {', '.join(FAMILIES)}")
    if split not in SPLITS:
        raise ValueError(f"split {split!r}: choose from {', '.join(SPLITS)}")
    if plan not in ("first", "random") and not (isinstance(plan, int) and plan >= 0):
        raise ValueError(f"plan {plan!r}: choose from first, random, or a number from 0")
    return _problems(seed, split, n, names, plan)


def _problems(seed: int, split: str, n: int, names: tuple[str, ...], plan: str | int) -> Iterator[Problem]:
    seen: set[str] = set()
    order: list[str] = []
    for i in range(n):
        if not order:
            # Blocks in which each family occurs once: equal shares even in a small sample.
            order = list(names)
            rng_for(seed, "synthetic", split, "block", str(i)).shuffle(order)
        family = _BY_NAME[order.pop()]
        instance = _new_instance(family, seed, split, i, seen)
        seen.add(instance.question)
        # A generator of its own, so that asking for other plans does not ask other questions.
        rng = rng_for(seed, "synthetic", split, "plan", str(i))
        simple = single_operation_plans(family)
        chosen = simple[plan % len(simple)] if isinstance(plan, int) else rng.choice(simple) if plan == "random" else 0
        yield Problem(
            id=f"synthetic-{hashlib.sha256(instance.question.encode()).hexdigest()[:12]}-{i}",
            question=instance.question,
            answer=str(instance.answer),
            rationale=solution(instance, plan=chosen),
            choices=None,
            source="synthetic",
            split=split,
            meta=json.dumps({"family": family.name, "n_steps": family.steps, "plan": chosen}),
        )


def _new_instance(family: Family, seed: int, split: str, i: int, seen: set[str]) -> Instance:
    rng = rng_for(seed, "synthetic", split, family.name, str(i))
    for _ in range(_MAX_DRAWS):
        numbers = draw_numbers(family, rng)
        if split_of(family, numbers) != split:
            continue
        instance = draw_instance(family, numbers, rng)
        if instance is not None and instance.question not in seen:
            return instance
    raise ValueError(
        f"problem {i}: family {family.name} has no new question left in split {split}; ask for fewer problems or "
        "for more families"
    )


def family_of(problem: Problem) -> Family | None:
    """The family that a synthetic problem was drawn from, as its `meta` says; None for any other problem."""
    try:
        meta = json.loads(problem.meta)
    except ValueError:
        return None
    name = meta.get("family") if isinstance(meta, dict) else None
    return _BY_NAME.get(name) if isinstance(name, str) else None


def single_operation_plans(family: Family) -> tuple[int, ...]:
    """The plans that calculate one operation at a time; 90-40-20=30 in one go is more than a tiny model can learn."""
    return tuple(i for i, plan in enumerate(family.plans) if not any(_CHAIN.search(sentence) for sentence in plan))


def split_of(family: Family, numbers: Mapping[str, int]) -> str:
    """The one split that this family may use these numbers in, whatever the seed, names and wording."""
    key = " ".join((family.name, *map(str, numbers.values())))
    percent = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") % 100
    return next(name for name, (low, high) in SPLITS.items() if low <= percent < high)


def family_split(seed: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Families for a base model and families held out from it: two of three and one of three of each step count."""
    base: list[str] = []
    held_out: list[str] = []
    for steps in sorted(set(FAMILIES.values())):
        names = [name for name, n_steps in FAMILIES.items() if n_steps == steps]
        rng_for(seed, "synthetic", "family_split", str(steps)).shuffle(names)
        held_out += names[: len(names) // 3]
        base += names[len(names) // 3 :]
    return tuple(base), tuple(held_out)


def vocabulary() -> tuple[str, ...]:
    """Every token but the numbers that a question or rationale can contain, sorted: words, punctuation, newline."""
    texts = ["#### <<>>=+-*/\n", *NAMES, *COLORS]
    texts += [noun for pair in (*THINGS, *FOODS, *CONTAINERS) for noun in pair]
    for family in _ALL:
        for template in (*family.questions, *(sentence for plan in family.plans for sentence in plan)):
            texts.append(re.sub(r"\{\w+\}|\[[^\]]+\]", " ", template))
    tokens = {token for text in texts for token in _TOKEN.findall(text)}
    return tuple(sorted(token for token in tokens if not token.isdigit()))
