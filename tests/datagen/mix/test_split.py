"""Splits by problem."""

from collections import Counter
from collections.abc import Sequence
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.mix.foreign_rows import question_id
from datagen.mix.split import (
    DEFAULT_PARTS,
    Families,
    Part,
    names_of,
    nested_families,
    root_id,
    sizes_of,
    split_families,
)
from datagen.mix.subsets import subset_ids
from datagen_schemas.errors import DataError


@pytest.mark.parametrize(
    ("problem_id", "root"),
    [
        ("gsm8k-7-ab12/fobar-22", "gsm8k-7-ab12"),
        ("gsm8k-7-ab12/ansaug", "gsm8k-7-ab12"),
        ("gsm8k-7-ab12", "gsm8k-7-ab12"),
        ("MATH/algebra/12", "MATH/algebra/12"),
        ("x/fobar-2/y", "x/fobar-2/y"),
    ],
)
def test_an_augmented_question_belongs_to_its_problem(problem_id: str, root: str) -> None:
    assert root_id(problem_id) == root


def test_a_question_is_the_same_in_any_case_and_spacing_and_an_id_made_of_it_is_it() -> None:
    assert names_of(None, ["How  many?"]) == names_of(None, ["how many?"])
    assert names_of(question_id("How many?"), ["how many?"]) == names_of(None, ["how many?"])
    assert names_of("zz-1", ["how many?"])[0] == min(names_of("zz-1", ["how many?"])) == "zz-1"


rows = st.lists(st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=3), min_size=1, max_size=12)


@given(rows, st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=80)
def test_families_are_connected_components_whatever_the_order(rows: list[list[str]], rng: object) -> None:
    expected = {name: {name} for row in rows for name in row}
    for _ in range(8):  # the slow way: join until nothing changes; paths are at most 8 names long
        for row in rows:
            joined = set().union(*(expected[name] for name in row))
            for name in joined:
                expected[name] |= joined
    shuffled = [list(row) for row in rows]
    rng.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis's Random
    families = Families()
    for row in shuffled:
        families.add(row)
    assert {name: families.family(name) for name in expected} == {name: min(of) for name, of in expected.items()}


def test_a_long_chain_of_rows_is_one_family() -> None:
    families = Families()
    for i in range(20_000, 0, -1):
        families.add([f"{i:05}", f"{i - 1:05}"])
    assert families.family("20000") == "00000"


HALF, TENTH = Fraction(1, 2), Fraction(1, 10)


@pytest.mark.parametrize(
    ("parts", "n", "sizes"),
    [
        (DEFAULT_PARTS, 100, [90, 5, 5]),
        (DEFAULT_PARTS, 1319, [1187, 66, 66]),  # 1187.1, 65.95, 65.95
        ((Part("a", None), Part("b", 400)), 1319, [919, 400]),
        ((Part("a", HALF), Part("b", HALF)), 3, [2, 1]),  # 1.5 each: by name
        ((Part("a", HALF), Part("b", 3), Part("c", None)), 10, [5, 3, 2]),
        ((Part("a", 4), Part("b", 6)), 10, [4, 6]),
        ((Part("a", None),), 10, [10]),
        ((Part("a", Fraction(1, 3)), Part("b", None)), 10, [3, 7]),
    ],
)
def test_sizes_are_exact(parts: Sequence[Part], n: int, sizes: list[int]) -> None:
    assert list(sizes_of(parts, n).values()) == sizes


@pytest.mark.parametrize(
    ("parts", "n", "said"),
    [
        ((Part("a", HALF), Part("b", Fraction(2, 3))), 9, "1.16667 in all"),
        ((Part("a", 10), Part("b", None)), 9, "10 problems are asked for, and there are 9"),
        ((Part("a", HALF),), 9, "rest"),
        ((Part("a", 3),), 9, "rest"),
        ((Part("a", HALF), Part("b", 2)), 9, "rest"),
        ((Part("a", Fraction(9, 10)), Part("b", 3), Part("c", None)), 10, "too few"),
        (DEFAULT_PARTS, 3, "not one of 3 problems"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(parts: Sequence[Part], n: int, said: str) -> None:
    with pytest.raises(DataError, match=said):
        sizes_of(parts, n)


families = st.dictionaries(
    st.text("abcdef", min_size=1, max_size=4), st.sampled_from(["x", "y", "z"]), min_size=20, max_size=80
)


@given(families, st.integers(0, 3), st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=60)
def test_every_family_is_in_one_part_of_exact_size_whatever_the_order(
    stratum_of: dict[str, str], seed: int, rng: object
) -> None:
    parts = (Part("train", None), Part("validation", TENTH), Part("test", 7))
    found = split_families(stratum_of, parts, seed=seed)
    assert found.keys() == stratum_of.keys()
    assert Counter(found.values()) == sizes_of(parts, len(stratum_of))
    shuffled = list(stratum_of)
    rng.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis's Random
    assert split_families({name: stratum_of[name] for name in shuffled}, parts, seed=seed) == found


@given(families, st.integers(0, 3))
@settings(deadline=None, max_examples=60)
def test_each_stratum_has_its_share_of_each_part_to_within_two(stratum_of: dict[str, str], seed: int) -> None:
    found = split_families(stratum_of, (Part("a", HALF), Part("b", Fraction(3, 10)), Part("c", None)), seed=seed)
    n_of = Counter(stratum_of.values())
    sizes = Counter(found.values())
    together = Counter((stratum, found[name]) for name, stratum in stratum_of.items())
    for stratum, n in n_of.items():
        for part, size in sizes.items():
            assert abs(together[stratum, part] - n * size / len(stratum_of)) <= 2


def test_small_strata_do_not_all_go_to_the_same_part() -> None:
    """100 strata of one family: all at the same place, they would be in one part."""
    found = split_families({f"f{i}": f"s{i}" for i in range(100)}, DEFAULT_PARTS, seed=0)
    assert Counter(found.values()) == {"train": 90, "validation": 5, "test": 5}
    both = {f"f{i}": f"s{i}" for i in range(50)} | {f"g{i}": "large" for i in range(950)}
    found = split_families(both, (Part("a", HALF), Part("b", HALF)), seed=0)
    assert 15 < sum(found[f"f{i}"] == "a" for i in range(50)) < 35


def test_a_seed_draws_its_own_split() -> None:
    names = {f"f{i}": "" for i in range(100)}
    assert split_families(names, DEFAULT_PARTS, seed=0) != split_families(names, DEFAULT_PARTS, seed=1)


@given(families, st.tuples(st.integers(1, 100), st.integers(1, 100)), st.integers(0, 3))
@settings(deadline=None, max_examples=60)
def test_fractions_are_nested_and_of_exact_size(
    stratum_of: dict[str, str], percents: tuple[int, int], seed: int
) -> None:
    small, large = (percent / 100 for percent in sorted(percents))
    found = nested_families(stratum_of, (small, large), seed=seed)
    assert found[small] <= found[large] <= stratum_of.keys()
    for fraction in (small, large):
        expected = {s: max(1, Fraction(str(fraction)) * n // 1) for s, n in Counter(stratum_of.values()).items()}
        assert Counter(stratum_of[name] for name in found[fraction]) == expected


def test_in_one_stratum_a_fraction_is_what_examples_draws() -> None:
    names = [f"gsm8k-{i}" for i in range(50)]
    found = nested_families(dict.fromkeys(names, "s"), [0.3], seed=4)
    assert found[0.3] == subset_ids(names, fraction=0.3, seed=4)
