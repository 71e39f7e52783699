"""How well ratings agree: Krippendorff's alpha between votes; kappa, rho and tau between a person and a judge.

Ratings from 1 to 10 are taken as interval data: 9 against 10 is a smaller disagreement than 1 against 10.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from datagen_schemas.errors import MissingExtraError

if TYPE_CHECKING:  # numpy takes 0.1 s to import
    import numpy as np
    from numpy.typing import NDArray

RATINGS = range(1, 11)
RESAMPLES = 2000
_LIBRARY_CELLS = 5_000_000  # units x values x values that the library may lay out; 40 MB an array


def whole(rating: float) -> int:
    """A rating or mean of ratings as the nearest whole rating, halves up (7.5 is 8).

    A mean of means may come out as 7.499999999999999; the billionth that is added keeps that a half.
    """
    return math.floor(rating + 0.5 + 1e-9)


def interval_alpha(units: Mapping[tuple[float, ...], int]) -> float | None:
    """Krippendorff's alpha, interval level, of units that were rated several times.

    Args:
        units: the ratings of one unit, raters in any order -> how many units have them. A unit with fewer than two
            ratings says nothing of agreement and does not count.

    Returns:
        1 for perfect agreement, 0 for chance, below it for systematic disagreement. None where alpha is undefined:
        no unit has two ratings, or all ratings are the same, so that there is nothing to agree about.
    """
    pairable = {votes: n for votes, n in units.items() if len(votes) >= 2 and n > 0}
    values = sorted({value for votes in pairable for value in votes})
    if len(values) < 2:
        return None
    if sum(pairable.values()) * len(values) ** 2 > _LIBRARY_CELLS:
        return _interval_alpha_from_sums(pairable)
    import krippendorff
    import numpy as np

    column = {value: i for i, value in enumerate(values)}
    counts = np.zeros((len(pairable), len(values)), dtype=np.int64)
    for i, votes in enumerate(pairable):
        for value in votes:
            counts[i, column[value]] += 1
    counts = np.repeat(counts, list(pairable.values()), axis=0)
    return float(krippendorff.alpha(value_counts=counts, value_domain=values, level_of_measurement="interval"))


def _interval_alpha_from_sums(pairable: Mapping[tuple[float, ...], int]) -> float:
    """The same number from sums of squares, for more units than the library has memory for.

    With squared differences, the coincidences of a unit of m ratings sum to 2 m SS / (m - 1), and those expected by
    chance to 2 n SS / (n - 1) over all n ratings, SS being the sum of squares about the mean of the same ratings.
    """
    n = sum(len(votes) * times for votes, times in pairable.items())
    mean = math.fsum(sum(votes) * times for votes, times in pairable.items()) / n
    total = math.fsum((value - mean) ** 2 * times for votes, times in pairable.items() for value in votes)
    within = math.fsum(
        len(votes) / (len(votes) - 1) * sum((value - sum(votes) / len(votes)) ** 2 for value in votes) * times
        for votes, times in pairable.items()
    )
    return 1 - (within / n) / (total / (n - 1))


class Estimate(NamedTuple):
    """A statistic with its bootstrap percentile interval (95 %); None where it is undefined."""

    value: float | None
    low: float | None
    high: float | None
    n: int
    resamples: int
    """Those that gave a value: a resample without variation gives none."""


class Agreement(NamedTuple):
    """How one set of ratings agrees with another over the same items."""

    weighted_kappa: Estimate
    spearman: Estimate
    kendall_tau_b: Estimate

    def as_json(self) -> dict[str, Any]:  # Any: nested JSON
        """Plain JSON: each statistic with its interval."""
        return {name: estimate._asdict() for name, estimate in self._asdict().items()}


def require_statistics() -> None:
    """Refuse before a person spends half an hour on ratings that could not be compared.

    Raises:
        MissingExtraError: scipy or scikit-learn is not installed.
    """
    from importlib.util import find_spec

    if find_spec("scipy") is None or find_spec("sklearn") is None:
        raise MissingExtraError("review", needed_for="Agreement between ratings")


def agreement(
    human: Sequence[float], judge: Sequence[float], *, seed: int = 0, resamples: int = RESAMPLES
) -> Agreement:
    """Quadratically weighted Cohen's kappa, Spearman's rho and Kendall's tau-b over items that both rated.

    Kappa compares whole ratings from 1 to 10 (halves up), so it also punishes a judge that is always two points too
    kind; rho and tau compare orders only. Rho and tau are undefined when one side gave the same rating throughout;
    kappa only when both gave the same one throughout. The interval resamples items, seeded; the resamples that are
    undefined are left out of it and of `resamples`.

    Raises:
        ValueError: the two differ in length.
        MissingExtraError: scipy or scikit-learn is not installed.
    """
    if len(human) != len(judge):
        raise ValueError(f"{len(human)} ratings of one side and {len(judge)} of the other")
    try:
        from scipy.stats import kendalltau, spearmanr
        from sklearn.metrics import cohen_kappa_score
    except ImportError as error:
        raise MissingExtraError("review", needed_for="Agreement between ratings") from error
    import numpy as np

    a, b = np.asarray(human, dtype=np.float64), np.asarray(judge, dtype=np.float64)

    def kappa(x: "NDArray[np.float64]", y: "NDArray[np.float64]") -> float | None:
        # As arrays: scikit-learn takes a third longer over lists, and this is called 2,000 times.
        first, second = (np.array([whole(value) for value in side]) for side in (x, y))
        if len({*first, *second}) < 2:
            return None
        return float(cohen_kappa_score(first, second, labels=list(RATINGS), weights="quadratic"))

    def rho(x: "NDArray[np.float64]", y: "NDArray[np.float64]") -> float | None:
        return float(spearmanr(x, y).statistic) if _both_vary(x, y) else None

    def tau(x: "NDArray[np.float64]", y: "NDArray[np.float64]") -> float | None:
        return float(kendalltau(x, y, variant="b").statistic) if _both_vary(x, y) else None

    rows = np.random.default_rng(seed).integers(0, max(len(a), 1), size=(resamples, len(a)))
    return Agreement(*(_estimate(statistic, a, b, rows) for statistic in (kappa, rho, tau)))


def _both_vary(x: "NDArray[np.float64]", y: "NDArray[np.float64]") -> bool:
    return len(x) > 1 and bool((x != x[0]).any()) and bool((y != y[0]).any())


def _estimate(
    statistic: "Callable[[NDArray[np.float64], NDArray[np.float64]], float | None]",
    x: "NDArray[np.float64]",
    y: "NDArray[np.float64]",
    rows: "NDArray[np.int64]",
) -> Estimate:
    """The statistic of all items, and the interval from resampled rows."""
    import numpy as np

    value = statistic(x, y)
    if value is None:
        return Estimate(None, None, None, len(x), 0)
    defined = [found for row in rows if (found := statistic(x[row], y[row])) is not None]
    if not defined:
        return Estimate(value, None, None, len(x), 0)
    low, high = np.quantile(defined, [0.025, 0.975])
    return Estimate(value, float(low), float(high), len(x), len(defined))
