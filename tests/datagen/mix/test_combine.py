"""Which rows make a mixture."""

import random
from collections import Counter
from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.mix.combine import Combined, CombineOptions, DuplicateOptions, Row, combine, pairs_of_origins
from datagen.mix.mixture import Amounts
from datagen.mix.near_duplicates import comparable

LONG = "How many pens has she got by now, after she has been to the market on Monday and to the fair on Friday? "

# (origin, kind, question, completion): near duplicates are made by a change of one letter.
specs = st.lists(
    st.tuples(
        st.sampled_from("abc"),
        st.integers(0, 2),
        st.sampled_from([LONG, LONG + "1", LONG.replace("pens", "pans"), LONG.replace("got", "gut")]),
        st.sampled_from(["She has 3 of them by now", "She had 3 of them by now", "She has 4 of them by now"]),
    ),
    max_size=25,
)
Spec = tuple[str, int, str, str]


def mixed(
    specs: Sequence[Spec], options: CombineOptions, *, order: Sequence[str] = "abc", workers: int = 1
) -> Combined:
    """The rows of each data set in their order; `order` is that of the data sets."""
    by_origin = {origin: [spec for spec in specs if spec[0] == origin] for origin in order}
    texts: dict[int, Spec] = {}
    rows: list[Row] = []
    for origin, mine in by_origin.items():
        for i, spec in enumerate(mine):
            text = comparable(spec[2], spec[3])
            texts[len(rows)] = spec
            content = f"{spec[2]}|{spec[3]}".encode()
            rows.append(Row(spec[1], origin, i, content, len(rows), text.key(), text.block()))
    return combine(
        rows,
        options,
        origins=order,
        texts=lambda wanted: [comparable(*texts[row.at][2:]) for row in wanted],
        workers=workers,
    )


def shown(found: Combined) -> tuple[object, ...]:
    """Without the places in the file, which depend on the order."""
    return (
        [(taken.row[:4], taken.copy) for taken in found.taken],
        sorted((twin.row[:3], twin.of[:3]) for twin in (*found.exact, *found.near)),
        found.not_drawn,
    )


options = st.builds(
    CombineOptions,
    st.builds(DuplicateOptions, st.sampled_from(["near", "exact", "keep"])),
    st.builds(Amounts, st.dictionaries(st.sampled_from("abc"), st.integers(1, 5))),
    st.integers(0, 3),
)


@given(specs, options, st.permutations("abc"))
@settings(deadline=None, max_examples=80)
def test_the_order_of_the_data_sets_decides_nothing(
    specs: list[Spec], options: CombineOptions, order: list[str]
) -> None:
    assert shown(mixed(specs, options, order=order)) == shown(mixed(specs, options))


@given(specs, options)
@settings(deadline=None, max_examples=80)
def test_every_row_is_taken_or_left_out_for_one_reason(specs: list[Spec], options: CombineOptions) -> None:
    found = mixed(specs, options)
    taken = Counter((taken.row.origin, taken.row.row) for taken in found.taken)
    gone = Counter((twin.row.origin, twin.row.row) for twin in (*found.exact, *found.near))
    assert max((taken + gone).values(), default=1) == 1
    assert taken.total() + gone.total() + found.not_drawn.total() == len(specs)


@given(specs)
@settings(deadline=None, max_examples=80)
def test_what_goes_goes_for_a_row_that_stays_and_comes_first(specs: list[Spec]) -> None:
    found = mixed(specs, CombineOptions())
    gone = {twin.row for twin in (*found.exact, *found.near)}
    for twin in (*found.exact, *found.near):
        assert twin.of < twin.row
        # An exact duplicate's first one may itself be a near duplicate of another.
        assert twin.of not in {exact.row for exact in found.exact}
    assert not gone & {taken.row for taken in found.taken}
    contents = [taken.row.key for taken in found.taken]
    assert len(set(contents)) == len(contents)


def test_of_two_equal_rows_the_data_sets_own_solution_stays_whatever_its_name() -> None:
    row = (LONG, "She has 3 of them by now")
    found = mixed([("a", 1, *row), ("c", 0, *row), ("b", 0, *row)], CombineOptions())
    assert [taken.row.origin for taken in found.taken] == ["b"]
    assert pairs_of_origins(found.exact) == {"a": {"b": 1}, "c": {"b": 1}}


def test_a_larger_cap_keeps_what_a_smaller_one_keeps() -> None:
    specs = [("a", 0, f"{LONG} {i}", f"{i}") for i in range(40)]

    def kept(cap: int) -> set[int]:
        found = mixed(specs, CombineOptions(amounts=Amounts(caps={"a": cap})))
        assert found.not_drawn == Counter({"a": 40 - cap})
        return {taken.row.row for taken in found.taken}

    assert len(kept(5)) == 5
    assert kept(5) < kept(20) < set(range(40))
    other = mixed(specs, CombineOptions(amounts=Amounts(caps={"a": 5}), seed=1))
    assert {taken.row.row for taken in other.taken} != kept(5)


def test_what_is_drawn_does_not_depend_on_the_order_of_the_rows() -> None:
    specs = [("a", 0, f"{LONG} {i}", f"{i}") for i in range(40)]
    options = CombineOptions(amounts=Amounts(caps={"a": 10}))
    shuffled = random.Random(0).sample(specs, 40)
    found = [[taken.row.content for taken in mixed(rows, options).taken] for rows in (specs, shuffled)]
    assert found[0] == found[1]


def test_copies_of_a_row_are_counted_and_not_next_to_each_other_by_design() -> None:
    specs = [("a", 0, f"{LONG} {i}", f"{i}") for i in range(20)] + [("b", 0, f"{LONG} b{i}", f"{i}") for i in range(4)]
    found = mixed(specs, CombineOptions(amounts=Amounts(weights={"b": 1}, repeat=True)), order="ab")
    times = Counter((taken.row.origin, taken.row.row) for taken in found.taken)
    assert [times["b", i] for i in range(4)] == [5, 5, 5, 5]
    assert len(found.taken) == 40
    places = [i for i, taken in enumerate(found.taken) if (taken.row.origin, taken.row.row) == ("b", 0)]
    assert places[-1] - places[0] > 4
    assert sorted(taken.copy for taken in found.taken if taken.row.row == 0 and taken.row.origin == "b") == [
        0,
        1,
        2,
        3,
        4,
    ]


def test_processes_do_not_change_the_result() -> None:
    specs = [("ab"[i % 2], 0, LONG + "b" * (i % 7), f"She has {i % 900} of them") for i in range(5000)]
    assert shown(mixed(specs, CombineOptions(), workers=2)) == shown(mixed(specs, CombineOptions()))
