from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import gaussian_kde

from datagen.tokens.imbalance import MAX_POINTS, density, imbalance

COUNTS = st.dictionaries(st.integers(0, 40), st.integers(1, 30), min_size=1)


def test_numbers_by_hand() -> None:
    """Half the text is one token, a quarter each two others: entropy 1.5 bits. Sorted 0 1 1 2: Gini 2*13/16 - 5/4."""
    found = imbalance({7: 2, 1: 1, 3: 1}, n_vocabulary=4)
    assert (found.n_tokens, found.n_distinct, found.n_vocabulary) == (4, 3, 4)
    assert found.entropy_bits == pytest.approx(1.5)
    assert found.effective_tokens == pytest.approx(2**1.5)
    assert (found.top_10, found.top_100) == (1.0, 1.0)
    assert found.gini == pytest.approx(2 * (2 * 1 + 3 * 1 + 4 * 2) / (4 * 4) - 5 / 4)


def test_the_most_frequent_are_shared_out_of_the_whole_text() -> None:
    counts = {i: 10 for i in range(10)} | {i: 1 for i in range(10, 210)}
    found = imbalance(counts, n_vocabulary=1000)
    assert found.top_10 == pytest.approx(100 / 300)
    assert found.top_100 == pytest.approx(190 / 300)


def test_equally_frequent_tokens_have_no_imbalance_and_a_single_one_all_of_it() -> None:
    even = imbalance(dict.fromkeys(range(8), 5), n_vocabulary=8)
    assert (even.gini, even.entropy_bits, even.effective_tokens) == pytest.approx((0, 3, 8))
    single = imbalance({3: 9}, n_vocabulary=1000)
    assert (single.gini, single.entropy_bits, single.effective_tokens) == pytest.approx((0.999, 0, 1))


@given(counts=COUNTS, extra=st.integers(0, 20))
@settings(deadline=None, max_examples=100)
def test_gini_is_the_mean_difference_of_all_pairs(counts: dict[int, int], extra: int) -> None:
    """The definition: mean |x - y| over all pairs of tokens, by twice the mean."""
    values = [*counts.values(), *[0] * extra]
    pairs = sum(abs(x - y) for x in values for y in values)
    expected = pairs / (2 * len(values) * sum(values))
    assert imbalance(counts, n_vocabulary=len(values)).gini == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(("counts", "n"), [({}, 5), ({1: 0}, 5), ({1: 1, 2: 1}, 1)])
def test_nothing_to_count_is_refused(counts: dict[int, int], n: int) -> None:
    with pytest.raises(ValueError, match="distinct tokens"):
        imbalance(counts, n_vocabulary=n)


@given(counts=st.dictionaries(st.integers(0, 300), st.integers(1, 30), min_size=2, max_size=40))
@settings(deadline=None, max_examples=40)
def test_the_density_is_that_of_scipy_with_scotts_rule(counts: dict[int, int]) -> None:
    sample = np.repeat(list(counts), list(counts.values()))
    reference = gaussian_kde(sample, bw_method="scott")
    found = density(counts, n_ids=301)
    if float(np.sqrt(reference.covariance[0, 0])) >= 1:  # below, ours is widened to one id
        assert np.allclose(found.density, reference(found.ids), rtol=1e-9, atol=1e-300)


def test_a_token_alone_in_a_large_vocabulary_is_seen() -> None:
    """Its bandwidth is one id, the grid is at its finest, and the peak stands where the token is."""
    found = density(Counter({5: 1000}), n_ids=4000)
    assert len(found.ids) == MAX_POINTS
    assert found.ids[int(np.argmax(found.density))] == pytest.approx(5, abs=1)
    assert max(found.density) == pytest.approx(1 / np.sqrt(2 * np.pi), rel=0.2)


def test_the_density_of_a_text_far_from_the_ends_has_the_area_one() -> None:
    found = density({400: 3, 500: 6, 650: 2}, n_ids=1200)
    assert np.trapezoid(found.density, found.ids) == pytest.approx(1, abs=1e-3)
