import pytest

from datagen.steps.table import (
    correlation_table,
    dataset_table,
    error_table,
    markdown,
    mean_rank,
    metric_table,
)

# CV-loss paper, Table 9, StableLM 3B: cross-entropy and Lovasz.
CE = {"exact_match": 0.2479, "iou": 0.2096, "commutative_iou": 0.2456, "precision": 0.2605, "recall": 0.2672}
LL = {"exact_match": 0.2866, "iou": 0.2402, "commutative_iou": 0.2815, "precision": 0.2942, "recall": 0.3038}


def test_the_table_has_the_papers_columns_and_a_star_where_p_is_small() -> None:
    table = metric_table({"CE": CE, "LL": {**LL, "dice": 0.2938}}, p={"LL": {"iou": 0.049, "exact_match": 0.05}})
    assert table.header == ("Model", "EM", "IoU", "C-IoU", "Prec", "Rec", "DS")
    assert table.rows == [
        ("CE", "24.79", "20.96", "24.56", "26.05", "26.72", ""),
        ("LL", "28.66", "24.02*", "28.15", "29.42", "30.38", "29.38"),
    ]


def test_errors_have_the_columns_of_table_3() -> None:
    of = {"extra_steps": 0.676, "missing_steps": 0.6778, "wrong_operators": 0.0468, "inverted_operands": 0.0513}
    table = error_table({"CE": {**of, "repetition": 0.0}}, p={})
    assert table.header == ("Model", "ES", "MS", "WO", "IO", "Rep")
    assert table.rows == [("CE", "67.60", "67.78", "4.68", "5.13", "0.00")]


def test_the_mean_rank_is_what_a_hand_calculates() -> None:
    # Ranks on three data sets: a 1, 1.5, 3; b 2, 1.5, 1; c 3, 3, 2. Of the third, the lowest is best.
    means = {
        "a": {"x": 0.9, "y": 0.5, "errors": 0.3},
        "b": {"x": 0.8, "y": 0.5, "errors": 0.1},
        "c": {"x": 0.1, "y": 0.2, "errors": 0.2},
    }
    ranks = mean_rank(means, lower_is_better=("errors",))
    assert ranks == pytest.approx({"a": 5.5 / 3, "b": 4.5 / 3, "c": 8 / 3})
    table = dataset_table(means, lower_is_better=("errors",))
    assert table.header == ("Model", "x", "y", "errors", "MR")
    assert table.rows[0] == ("a", "90.00", "50.00", "30.00", "1.83")


def test_models_of_other_data_sets_cannot_be_ranked() -> None:
    with pytest.raises(ValueError, match="b has no value for y"):
        mean_rank({"a": {"x": 1.0, "y": 1.0}, "b": {"x": 1.0}})


def test_a_correlation_that_is_not_defined_is_left_empty() -> None:
    table = correlation_table({"MS": {"EM": 0.1744, "IoU": float("nan")}})
    assert (table.header, table.rows) == (("", "EM", "IoU"), [("MS", "0.1744", "")])


def test_a_models_name_does_not_break_the_markdown() -> None:
    text = markdown(metric_table({"a|b\nc": CE}, p={}, columns={"EM": "exact_match"}))
    assert text == "| Model | EM |\n| --- | ---: |\n| a\\|b c | 24.79 |"
