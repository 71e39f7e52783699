"""How many rows each data set gives."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.mix.mixture import Amounts, amounts, apportioned, copies, lot
from datagen_schemas.errors import DataError

HAVE = {"a": 100, "b": 30}


@pytest.mark.parametrize(
    ("wanted", "given"),
    [
        (Amounts(), {"a": 100, "b": 30}),
        (Amounts(caps={"a": 40, "b": 40}), {"a": 40, "b": 30}),
        # 100 and 30 rows at 1 to 1: as many as b has
        (Amounts(weights={"a": 1}), {"a": 30, "b": 30}),
        (Amounts(weights={"a": 1}, repeat=True), {"a": 100, "b": 100}),
        # a is 3 of 4 parts: 100 would need 33.3 of b, so b's 30 make 120 in all
        (Amounts(weights={"a": 3}), {"a": 90, "b": 30}),
        # 0.7 to 0.3: 30 / 0.3 = 100 in all
        (Amounts(weights={"a": 0.7, "b": 0.3}), {"a": 70, "b": 30}),
        (Amounts(weights={"b": 3}), {"a": 10, "b": 30}),
        (Amounts(weights={"b": 3}, total=8), {"a": 2, "b": 6}),
        # 10 * 100/130 = 7.69, 10 * 30/130 = 2.31
        (Amounts(total=10), {"a": 8, "b": 2}),
        (Amounts(total=260, repeat=True), {"a": 200, "b": 60}),
        (Amounts(caps={"a": 10}, weights={"a": 1, "b": 1}), {"a": 10, "b": 10}),
    ],
)
def test_amounts(wanted: Amounts, given: dict[str, int]) -> None:
    assert amounts(HAVE, wanted) == given


@pytest.mark.parametrize("wanted", [Amounts(total=131), Amounts(weights={"b": 1}, total=62)])
def test_more_rows_than_there_are_is_an_error_unless_rows_may_come_twice(wanted: Amounts) -> None:
    with pytest.raises(DataError, match="--repeat"):
        amounts(HAVE, wanted)
    repeated = Amounts(wanted.caps, wanted.weights, wanted.total, repeat=True)
    assert sum(amounts(HAVE, repeated).values()) == wanted.total


def test_a_data_set_without_a_row_cannot_have_a_weight() -> None:
    with pytest.raises(DataError, match="b: no rows are left"):
        amounts({"a": 3, "b": 0}, Amounts(weights={"a": 2}))
    assert amounts({"a": 3, "b": 0}, Amounts()) == {"a": 3, "b": 0}


sources = st.dictionaries(st.text("abc", min_size=1, max_size=3), st.integers(1, 500), min_size=1, max_size=6)


@given(sources, st.integers(1, 1000), st.randoms(use_true_random=False), st.booleans())
@settings(deadline=None, max_examples=80)
def test_shares_are_met_to_within_a_row_whatever_the_order(
    have: dict[str, int], total: int, rng: object, weighted: bool
) -> None:
    weights = {name: 1 + 0.1 * i for i, name in enumerate(sorted(have))} if weighted else {}
    found = amounts(have, Amounts(weights=weights, total=total, repeat=True))
    assert sum(found.values()) == total
    parts = {name: Fraction(str(weights[name])) if weighted else Fraction(n) for name, n in have.items()}
    for name, n in found.items():
        assert abs(n - total * parts[name] / sum(parts.values())) < 1
    shuffled = list(have)
    rng.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis's Random
    assert (
        amounts({name: have[name] for name in shuffled}, Amounts(weights=weights, total=total, repeat=True)) == found
    )


@given(sources)
@settings(deadline=None, max_examples=100)
def test_without_a_total_weights_lose_rows_or_repeat_them_but_not_both(have: dict[str, int]) -> None:
    weights = {name: 1 + i for i, name in enumerate(sorted(have))}
    once = amounts(have, Amounts(weights=weights))
    again = amounts(have, Amounts(weights=weights, repeat=True))
    assert all(once[name] <= n <= again[name] for name, n in have.items())


def test_what_rounding_leaves_goes_to_the_largest_remainders_then_by_name() -> None:
    third = Fraction(1, 3)
    assert apportioned(10, {"c": third, "a": third, "b": third}) == {"a": 4, "b": 3, "c": 3}
    assert apportioned(10, {"a": Fraction(1, 4), "b": Fraction(3, 4)}) == {"a": 3, "b": 7}  # 2.5 and 7.5: by name


def test_repeated_rows_come_in_whole_rounds_first() -> None:
    assert copies(7, of=3) == [3, 2, 2]
    assert copies(2, of=3) == [1, 1, 0]
    assert copies(0, of=0) == []


def test_a_lot_depends_on_seed_purpose_and_key() -> None:
    lots = {lot(0, "draw", b"x"), lot(1, "draw", b"x"), lot(0, "shuffle", b"x"), lot(0, "draw", b"x", 1)}
    assert len(lots) == 4
    assert lot(0, "draw", b"x") in lots
