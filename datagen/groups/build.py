"""Alignment groups of AFT (arXiv:2309.02144, sections 4.1 to 4.3): per problem, responses of which one is better."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Literal, NamedTuple

import pyarrow as pa

from datagen.annotate import PROBLEMS_PER_TASK, REPLIES_PER_TASK, annotated
from datagen.groups.binary import binary_members, unranked
from datagen.groups.choose import choose_sides, choose_spread
from datagen.groups.members import BEYOND_LIMIT, WITHOUT_GROUP, Member, Members
from datagen.groups.preference import ordered_pairs, preferences
from datagen.groups.ranked import LOWEST_RATING, TOP_RATING, NegativeScore, ranked_members
from datagen.parallel import ordered_map
from datagen.question_text import load_question_prompt, question_fields
from datagen.select.statistics import Filter
from datagen.store.arrow_dataset import to_batch
from datagen.store.spill import Spilled
from datagen_prompts.template import PromptTemplate
from datagen_schemas.alignment import AlignmentGroup
from datagen_schemas.preference import Preference
from datagen_schemas.problem import Problem
from datagen_schemas.provenance import Provenance
from datagen_schemas.rating import RankedGroup

Feedback = Literal["binary", "ranked"]
Rows = Literal["group", "preference"]


@dataclass(frozen=True)
class GroupOptions:
    """What stands in a group, with which score, and how it is written."""

    feedback: Feedback = "binary"
    rows: Rows = "group"
    keep: Filter = field(default_factory=Filter)  # binary: which correct candidates are positives
    gold: bool | None = None  # None: binary yes; ranked only where the judge rated it
    train_prompt: str = "plain"
    max_positives: int | None = None  # verified correct; the gold path counts and is the first to stay
    max_negatives: int | None = None  # wrong
    max_responses: int | None = None  # ranked
    min_gap: float = 0.0  # ranked: scores closer than this are ties
    negative_score: NegativeScore = LOWEST_RATING  # ranked: of a corrupted reply that the judge did not rate
    max_pairs: int | None = None  # preference
    references: bool = False  # a problem without a group keeps a row for its gold path, which Eq. 4 learns, too
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse options that mean nothing for the kind of feedback."""
        ranked, pairs = self.feedback == "ranked", self.rows == "preference"
        for name, is_set, is_meant, what in (
            ("--keep-false-equations", self.keep.keep_false_equations, not ranked, "binary feedback"),
            ("--keep-unstated", self.keep.keep_unstated, not ranked, "binary feedback"),
            ("--max-responses", self.max_responses is not None, ranked, "ranked feedback; use --max-positives"),
            ("--min-gap", self.min_gap != 0, ranked, "ranked feedback"),
            ("--negative-score", self.negative_score != LOWEST_RATING, ranked, "ranked feedback"),
            ("--max-pairs", self.max_pairs is not None, pairs, "--as preference"),
            ("--references", self.references, not pairs, "--as group"),
        ):
            if is_set and not is_meant:
                raise ValueError(f"{name} is for {what}")
        if self.negative_score != "alpha" and not LOWEST_RATING <= self.negative_score <= TOP_RATING:
            raise ValueError(f"--negative-score {self.negative_score} is no rating from 1 to 10")
        if self.max_responses is not None and self.max_responses < 2:
            raise ValueError("--max-responses must be 2 or more: a group needs a better and a worse one")
        if 0 in (self.max_positives, self.max_negatives, self.max_pairs):
            raise ValueError("a limit of 0 leaves no group")


class Gathered(NamedTuple):
    """All that was given for one problem."""

    problem: Problem
    ranked: RankedGroup | None
    replies: Sequence[Spilled]


class Grouped(NamedTuple):
    """A problem's group, or why it has none."""

    group: AlignmentGroup | None
    reason: str | None
    members: list[Member]  # of the group, in its order
    dropped: Counter[str]  # candidates that are not in it, by reason


class GroupPart(NamedTuple):
    """The result for some neighbouring problems."""

    rows: pa.RecordBatch
    counts: Counter[str]
    dropped: Counter[str]  # problems without a group, by reason
    dropped_responses: Counter[str]


def alignment_groups(
    gathered: Iterable[Gathered], *, provenance: Provenance, options: GroupOptions, workers: int = 1
) -> Iterator[GroupPart]:
    """Groups for problems, part by part and in their order.

    Args:
        gathered: problems with what was given for each.
        provenance: what all replies have in common.
        options: what to keep.
        workers: processes; the result does not depend on it. Ranked feedback checks no answers and needs only one.
    """
    workers = workers if options.feedback == "binary" else 1
    function = partial(_group_part, provenance=provenance, options=options)
    yield from ordered_map(function, _in_tasks(gathered), workers=workers)


def grouped(gathered: Gathered, *, provenance: Provenance, options: GroupOptions, prompt: PromptTemplate) -> Grouped:
    """The group of one problem."""
    problem = gathered.problem
    found, dropped = _members(gathered, provenance=provenance, options=options)
    reason = _why_none(found, gathered, options=options)
    if reason is not None:
        dropped[WITHOUT_GROUP] += sum(member.is_given for member in found)
        return Grouped(None, reason, [], dropped)
    members = choose_sides(
        found,
        max_positives=options.max_positives,
        max_negatives=options.max_negatives,
        seed=options.seed,
        problem_id=problem.id,
    )
    members = choose_spread(members, max_responses=options.max_responses, seed=options.seed, problem_id=problem.id)
    if len({member.score for member in members}) < 2:  # the judge gave those that the limits leave the same score
        dropped[WITHOUT_GROUP] += sum(member.is_given for member in found)
        return Grouped(None, "all tied within the limits", [], dropped)
    dropped[BEYOND_LIMIT] += sum(m.is_given for m in found) - sum(m.is_given for m in members)
    group = AlignmentGroup(
        prompt=prompt.render_text(**question_fields(problem)),
        responses=tuple(member.text for member in members),
        scores=tuple(member.score for member in members),
        problem_id=problem.id,
        sources=tuple(member.source for member in members),
        reference=problem.rationale,
    )
    return Grouped(group, None, members, dropped)


def reference_only(problem: Problem, *, prompt: PromptTemplate) -> AlignmentGroup:
    """The row of a problem without a better and a worse response: its L_A is 0, and L_VFT is that of its gold path."""
    return AlignmentGroup(
        prompt=prompt.render_text(**question_fields(problem)),
        responses=(),
        scores=(),
        problem_id=problem.id,
        sources=(),
        reference=problem.rationale,
    )


def _members(gathered: Gathered, *, provenance: Provenance, options: GroupOptions) -> Members:
    problem, ranked, replies = gathered
    if options.feedback == "binary":
        given = [*replies, *(unranked(ranked) if ranked is not None else ())]
        found = binary_members(
            problem,
            annotated(problem, given, provenance=provenance),
            keep=options.keep,
            gold=options.gold is not False,
        )
        n_gold = _n_candidates(gathered) - len(given)
        return Members(found.kept, found.dropped + Counter({"gold path": n_gold}))
    if ranked is None:
        return Members([], +Counter({WITHOUT_GROUP: len(replies)}))
    return ranked_members(
        ranked,
        replies,
        gold=options.gold,
        negative_score=options.negative_score,
        min_gap=options.min_gap,
    )


def _why_none(members: Sequence[Member], gathered: Gathered, *, options: GroupOptions) -> str | None:
    """Why there is no better and no worse response; None if there are both."""
    scores = {member.score for member in members}
    if len(scores) > 1:
        return None
    if options.feedback == "ranked" and gathered.ranked is None:
        return "not ranked"
    if _n_candidates(gathered) == 0:
        return "no candidates"
    if not members:
        return "no usable candidates"
    if options.feedback == "binary":
        return "only positives" if scores.pop() > 0 else "only negatives"
    return "a single response" if len(members) == 1 else "all tied"


def _n_candidates(gathered: Gathered) -> int:
    ranked = gathered.ranked
    return len(gathered.replies) + (len(ranked.candidates) + len(ranked.missing) if ranked is not None else 0)


def _in_tasks(gathered: Iterable[Gathered]) -> Iterator[list[Gathered]]:
    """Pieces of work that take about equally long; as everywhere, their size depends on the input alone."""
    task: list[Gathered] = []
    size = 0
    for item in gathered:
        task.append(item)
        size += _n_candidates(item)
        if len(task) == PROBLEMS_PER_TASK or size >= REPLIES_PER_TASK:
            yield task
            task, size = [], 0
    if task:
        yield task


def _group_part(task: list[Gathered], *, provenance: Provenance, options: GroupOptions) -> GroupPart:
    """Group, write and count the problems of one task."""
    prompt = load_question_prompt(options.train_prompt)
    counts, dropped, dropped_responses = Counter[str](), Counter[str](), Counter[str]()
    groups: list[AlignmentGroup] = []
    pairs: list[Preference] = []
    for item in task:
        found = grouped(item, provenance=provenance, options=options, prompt=prompt)
        counts["problems"] += 1
        counts["candidates"] += _n_candidates(item)
        dropped_responses += found.dropped
        if found.group is None:
            dropped[str(found.reason)] += 1
            if options.references and item.problem.rationale is not None:
                groups.append(reference_only(item.problem, prompt=prompt))
                counts["references"] += 1
            continue
        groups.append(found.group)
        counts["groups"] += 1
        counts["responses"] += len(found.members)
        counts["gold"] += sum(not member.is_given for member in found.members)
        counts["positives"] += sum(member.verdict == "correct" for member in found.members)
        counts["negatives"] += sum(member.verdict == "wrong" for member in found.members)
        n_pairs = len(ordered_pairs(found.group))
        if options.rows == "preference":
            chosen = preferences(found.group, max_pairs=options.max_pairs, seed=options.seed)
            pairs.extend(chosen)
            counts["pairs_beyond_limit"] += n_pairs - len(chosen)
            n_pairs = len(chosen)
        counts["pairs"] += n_pairs
    rows = to_batch(groups, AlignmentGroup) if options.rows == "group" else to_batch(pairs, Preference)
    return GroupPart(rows, counts, dropped, dropped_responses)
