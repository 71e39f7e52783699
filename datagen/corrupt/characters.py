"""Characters replaced by '.', in proportion alpha (AFT, appendix E and Table 9).

The paper says "alpha proportion characters"; which of them, it leaves open. Here: of the n characters that are not
already '.', exactly round(alpha * n), drawn without replacement; white space counts as in Table 9.
"""

import random

from datagen.corrupt.edit import Draft, Unusable, kept_from

MARK = "."
TOO_SHORT = Unusable("too few characters for this alpha")


def corrupt_characters(text: str, *, alpha: float, rng: random.Random, keep_answer: bool = False) -> Draft | Unusable:
    """Replace round(alpha * n) characters by '.'.

    Args:
        text: the solution.
        alpha: share of the characters to replace, in (0, 1].
        rng: seeded by the row and not by alpha, so that a smaller alpha's positions are among a larger one's.
        keep_answer: leave the last line alone; its characters do not count.
    """
    if not 0 < alpha <= 1:
        raise ValueError(f"alpha must be in (0, 1], not {alpha}")
    stop = kept_from(text, keep_answer=keep_answer)
    open_positions = [i for i in range(stop) if text[i] != MARK]
    n = len(open_positions)
    order = rng.sample(open_positions, n)  # one permutation, whatever alpha is
    positions = tuple(sorted(order[: round(alpha * n)]))
    if not positions:
        return TOO_SHORT
    characters = list(text)
    for i in positions:
        characters[i] = MARK
    return Draft(
        "".join(characters),
        kind="characters",
        where=f"{len(positions)} of {n} characters",
        before="",
        after="",
        positions=positions,
        alpha=alpha,
        realised_alpha=len(positions) / n,
    )
