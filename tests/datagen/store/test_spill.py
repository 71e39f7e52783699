from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.store.spill import ReplySpill, Spilled


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 300), st.lists(st.tuples(st.integers(0, 10**6), st.text(st.characters(codec="utf-8")))))
def test_every_problem_gets_its_replies_in_order_of_arrival(n: int, drawn: list[tuple[int, str]]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        spill = ReplySpill(Path(folder), n)
        expected: list[list[str]] = [[] for _ in range(n)]
        for number, text in drawn:
            expected[number % n].append(text)
            spill.add(number % n, Spilled(text, None, "m", None, None, True))
        groups = list(spill.groups())
        assert [[reply.response for reply in group] for group in groups] == expected
        assert list(Path(folder).iterdir()) == []
