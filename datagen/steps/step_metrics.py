"""Step metrics of the CV-loss paper: section 3.5 (IoU, C-IoU) and section 4.6 (ES, MS, WO, IO), one value a solution.

PS and GTS, the predicted and the gold steps, are sets, as in the paper; only `repetition` counts a step twice. The
published code departs from the paper, and we from both where they leave something open:

- Precision, recall and Dice there divide by the number of steps, repetitions counted; here by that of the set.
- ES there divides by |GTS|, and can pass 1; here by |PS| (section 4.6). It is 1 - precision, but for an empty reply.
- WO there takes any step with the gold operands in the gold order, such as 2+3=6 for 2+3=5, whose operator is right;
  here the operators must differ, and the operands may stand in any order: "correct operands but wrong sign" says
  nothing of positions. (On GSM8K's 5,276 published replies the gold order makes WO 3.0 % in place of 4.6 %.)
- WO and IO there compare with gold steps that were not made; here with all, "the gold rationales": 2*3=6 beside a
  right 2+3=5 has a wrong operator. (On those replies it makes WO 4.6 % in place of 4.3 %, and changes no IO.)
- IO there begins with the steps that WO has counted; here the two have no pair of steps in common.
- C-IoU there divides by the union of the texts, in which 2+3=5 and 3+2=5 are two: a solution with every step commuted
  has 1/2. It disregards the result, too. Here it is the IoU of the best one-to-one match of equal steps: 1.
- Steps are compared there as texts; here as normalised equations (.5 is 0.5, 6.0 is 6). On those replies, whose models
  write <<3*2=6.0>>, texts make the IoU 18.6 % in place of 28.1 %.
- Exact match is our answer check, exact and with negatives; the code reads the first `#### ` and digits as a float.
- A share of nothing is 0: every metric of a reply without steps but MS, which is 1; WO and IO without an error. So it
  is in the code. Without gold steps nothing is defined, where the code gives MS 1 and the rest 0.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from statistics import fmean
from typing import NamedTuple

from datagen.steps.step import Step, find_steps, gold_steps
from datagen_schemas.problem import Problem


class StepScores(NamedTuple):
    """The steps of one solution against the gold ones; each in 0..1."""

    iou: float
    commutative_iou: float
    precision: float
    recall: float
    dice: float
    extra_steps: float  # ES = |PS - GTS| / |PS|
    missing_steps: float  # MS = |GTS - PS| / |GTS|
    wrong_operators: float  # WO, a share of E = PS - GTS
    inverted_operands: float  # IO, a share of E
    repetition: float  # share of the steps that the solution has made before


def scores_of(response: str, problem: Problem) -> StepScores | None:
    """Scores of a reply to a problem; None if its gold path has no step."""
    gold = gold_steps(problem)
    return step_scores(find_steps(response), gold) if gold else None


def mean_scores(scores: Sequence[StepScores]) -> StepScores:
    """Mean over several replies to one problem."""
    return StepScores(*(fmean(values) for values in zip(*scores, strict=True)))


def step_scores(predicted: Sequence[Step], gold: Sequence[Step]) -> StepScores:
    """Scores of the predicted steps.

    Raises:
        ValueError: there are no gold steps.
    """
    if not gold:
        raise ValueError("no gold steps: such a problem has no step metrics")
    made, wanted = {step.text: step for step in predicted}, {step.text: step for step in gold}
    wrong = [step for text, step in made.items() if text not in wanted]
    shared = len(made) - len(wrong)
    # Each gold step is matched once: 2+3=5 and 3+2=5 are two predicted steps, one of which is extra.
    commuted = (
        Counter(step.commuted for step in made.values()) & Counter(s.commuted for s in wanted.values())
    ).total()
    total = len(made) + len(wanted)
    return StepScores(
        iou=shared / (total - shared),
        commutative_iou=commuted / (total - commuted),
        precision=_share(shared, len(made)),
        recall=shared / len(wanted),
        dice=2 * shared / total,
        extra_steps=_share(len(wrong), len(made)),
        missing_steps=(len(wanted) - shared) / len(wanted),
        wrong_operators=_share_of(wrong, _has_wrong_operator, wanted.values()),
        inverted_operands=_share_of(wrong, _has_inverted_operands, wanted.values()),
        repetition=_share(len(predicted) - len(made), len(predicted)),
    )


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def _share_of(wrong: Sequence[Step], is_wrong: Callable[[Step, Step], bool], gold: Iterable[Step]) -> float:
    """The share of the wrong steps for which the gold path has such a step, predicted or not."""
    against = list(gold)
    return _share(sum(any(is_wrong(step, g) for g in against) for step in wrong), len(wrong))


def _has_wrong_operator(step: Step, gold: Step) -> bool:
    """3*2=6 for 2+3=5, and 2*3+4 for 2+3*4; not 2+3=6, whose result alone is wrong, and not 4/2-10 for 10-4/2."""
    others = sorted(step.operators) != sorted(gold.operators)
    moved = step.operands == gold.operands and step.operators != gold.operators
    return _has_its_operands(step, gold) and (others or moved)


def _has_inverted_operands(step: Step, gold: Step) -> bool:
    """2-5=3 for 5-2=3; not 3+2=5 for 2+3=5, and not (2+3)*4 for 2+3*4."""
    same = sorted(step.operators) == sorted(gold.operators)
    return _has_its_operands(step, gold) and same and step.operands != gold.operands


def _has_its_operands(step: Step, gold: Step) -> bool:
    """The same operands, in another expression."""
    return (
        bool(step.operands) and sorted(step.operands) == sorted(gold.operands) and step.expression != gold.expression
    )
