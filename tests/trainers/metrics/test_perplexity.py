import math

import pytest

from datagen_trainers.metrics.perplexity import mean_perplexity, perplexity


def test_a_coin_per_token_has_perplexity_2() -> None:
    assert perplexity(math.log(0.5)) == pytest.approx(2)


def test_the_mean_is_of_perplexities_and_not_of_scores() -> None:
    found = mean_perplexity([math.log(1 / 2), math.log(1 / 8)])
    assert found.value == pytest.approx(5)  # of scores it would be 4
    assert found.n == 2


def test_nothing_has_no_perplexity_and_the_impossible_an_infinite_one() -> None:
    assert math.isnan(mean_perplexity([]).value)
    assert perplexity(-1e6) == math.inf
