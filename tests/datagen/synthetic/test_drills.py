from datagen.equations.evaluate import evaluate
from datagen.synthetic.drills import LINES, arithmetic_drills


def test_every_calculation_holds_and_the_answer_is_the_last_result() -> None:
    for sheet in arithmetic_drills(seed=3, n=200):
        lines = (sheet.rationale or "").split("\n")
        assert len(lines) == LINES
        for line in lines:
            left, right = line.split("=")
            assert evaluate(left) == int(right)
        assert lines[-1].endswith(f"={sheet.answer}")


def test_a_sheet_depends_on_seed_and_index_alone() -> None:
    assert list(arithmetic_drills(seed=3, n=5)) == list(arithmetic_drills(seed=3, n=9))[:5]
    assert next(arithmetic_drills(seed=3, n=1)).rationale != next(arithmetic_drills(seed=4, n=1)).rationale
