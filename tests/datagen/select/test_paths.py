"""The selected set is the one that Algorithm 1 selects, computed the slow and obvious way."""

import editdistance
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.select.paths import Path, select_paths


def plain_algorithm_1(paths: list[Path]) -> list[int]:
    """Algorithm 1 line by line: every sum computed anew, with another library's edit distance."""
    selected: list[int] = []
    for i, path in enumerate(paths):
        same = [s for s in selected if paths[s].equations == path.equations]
        if not same:
            selected.append(i)
            continue
        (kept,) = same
        others = [paths[s].text for s in selected if s != kept]
        kept_sum = sum(editdistance.eval(paths[kept].text, other) for other in others)
        new_sum = sum(editdistance.eval(path.text, other) for other in others)
        if new_sum > kept_sum:
            selected[selected.index(kept)] = i
    return selected


def path(text: str, *equations: str) -> Path:
    return Path(text, equations)


@settings(deadline=None, max_examples=300)
@given(st.lists(st.tuples(st.text("ab 1", min_size=1, max_size=12), st.sampled_from("uvwxyz")), max_size=25))
def test_same_set_as_the_plain_algorithm(drawn: list[tuple[str, str]]) -> None:
    # Texts of different paths differ, because equations are part of the text.
    paths = [path(f"{text} <<{equation}>>", equation) for text, equation in drawn]
    assert [chosen.position for chosen in select_paths(paths)] == plain_algorithm_1(paths)


def test_a_farther_path_replaces_the_kept_one_and_takes_its_place() -> None:
    # Distances to the other kept path 'zzzzzz': 'zzzz' 2, 'aaaa' 6, 'zzza' 3.
    paths = [path("zzzz", "1+1=2"), path("zzzzzz", "2*1=2"), path("aaaa", "1+1=2"), path("zzza", "1+1=2")]
    assert [chosen.position for chosen in select_paths(paths)] == [2, 1]


def test_an_equally_far_path_does_not_replace_the_kept_one() -> None:
    paths = [path("aa", "1+1=2"), path("bb", "2*1=2"), path("cc", "1+1=2")]
    assert [chosen.position for chosen in select_paths(paths)] == [0, 1]


def test_order_of_equations_tells_paths_apart() -> None:
    paths = [path("a", "1+1=2", "2*3=6"), path("b", "2*3=6", "1+1=2")]
    assert len(select_paths(paths)) == 2


def test_paths_without_equations_do_not_collapse_into_one() -> None:
    paths = [path("Two and two make 4."), path("Counting on gives 4."), path("two  and two MAKE 4.")]
    assert [chosen.key for chosen in select_paths(paths)] == ["two and two make 4.", "counting on gives 4."]


@pytest.mark.parametrize(("dedup", "kept"), [("equations", 2), ("commutative", 1), ("exact", 3), ("none", 4)])
def test_options_say_what_makes_two_paths_the_same(dedup: str, kept: int) -> None:
    paths = [path("a", "2*3=6"), path("b", "3*2=6"), path("c", "2*3=6"), path("a", "2*3=6")]
    assert len(select_paths(paths, dedup=dedup)) == kept  # type: ignore[arg-type]  # a str from the table above


def test_no_path_selects_nothing() -> None:
    assert select_paths([]) == []
