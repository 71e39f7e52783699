from array import array

import pytest
import torch

from datagen_schemas.example import Example
from datagen_schemas.provenance import Provenance
from datagen_trainers.examples import Encoded
from datagen_trainers.losses.segmentation import SegmentationSettings
from datagen_trainers.seg_batch import INSTRUCTION, Row, collator, counts_of, log_of, scales_of, targets_of
from datagen_trainers.seg_config import TASKS, task_of

# "q q a a a </s>" and "q a </s>"; 9 is the end, and the padding.
LONG = Encoded(array("i", [5, 6, 7, 7, 8, 9]), n_read=2)
SHORT = Encoded(array("i", [5, 7, 9]), n_read=1)
NO_PROMPT = Encoded(array("i", [7, 9]), n_read=0)
NAMES = ["focal", "lovasz"]


def test_a_position_predicts_the_next_token_and_the_end_is_of_the_answer() -> None:
    sources, targets, is_answer = targets_of(LONG)
    assert sources == [0, 1, 2, 3, 4]
    assert targets == [6, 7, 7, 8, 9]  # the first token of the text is no target
    assert is_answer == [False, True, True, True, True]
    assert targets_of(NO_PROMPT) == ([0], [9], [True])  # its first answer token cannot be predicted


@pytest.mark.parametrize("pad_id", [9, 0])
def test_a_batch_has_no_row_of_padding(pad_id: int) -> None:
    batch = collator(NAMES, SegmentationSettings(), pad_id=pad_id)([[Row(SHORT, "focal"), Row(LONG, "lovasz")]])
    assert batch["input_ids"].tolist() == [[5, 7, 9, pad_id, pad_id, pad_id], [5, 6, 7, 7, 8, 9]]
    assert batch["sources"].tolist() == [0, 1, 6, 7, 8, 9, 10]
    assert batch["targets"].tolist() == [7, 9, 6, 7, 7, 8, 9]
    assert batch["sequence"].tolist() == [0, 0, INSTRUCTION, 1, 1, 1, 1]
    assert batch["losses"] == ("focal", "lovasz")
    assert batch["loss_index"].tolist() == [0, 1]


@pytest.mark.parametrize(
    ("scope", "units", "sequence"),
    [("sequence", [4, 1], [0, 0, -1, 1, 1, 1, 1, 2, 2]), ("batch", [4, 1], [0, 0, -1, 1, 1, 1, 1, 0, 0])],
)
def test_counts_are_of_tokens_and_of_what_each_loss_is_a_mean_over(
    scope: str, units: list[int], sequence: list[int]
) -> None:
    settings = SegmentationSettings(scope=scope)  # type: ignore[arg-type]  # one of the two
    rows = [Row(SHORT, "focal"), Row(LONG, "lovasz"), Row(SHORT, "focal")]
    batch = collator(NAMES, settings, pad_id=0)([rows])
    counts = counts_of(batch["counts"])
    assert (int(counts.labelled), int(counts.answer)) == (9, 8)
    assert int(counts.scopes) == {"sequence": 3, "batch": 2}[scope]
    assert counts.examples.tolist() == [2, 1]
    assert counts.units.tolist() == units
    assert batch["sequence"].tolist() == sequence


def test_region_losses_of_one_forward_pass_are_one_with_scope_batch() -> None:
    for scope, units in (("sequence", 3), ("batch", 1)):
        settings = SegmentationSettings(scope=scope)  # type: ignore[arg-type]  # one of the two
        batch = collator(["lovasz"], settings, pad_id=0)([[Row(SHORT, "lovasz")] * 3])
        assert counts_of(batch["counts"]).units.tolist() == [units]
        assert len(batch["losses"]) == units


def test_an_empty_batch_has_something_to_compute_and_nothing_to_count() -> None:
    batch = collator(NAMES, SegmentationSettings(), pad_id=3)([[]])
    assert batch["input_ids"].tolist() == [[3, 3]]
    assert batch["losses"] == ()
    assert not batch["counts"].any()
    assert len(batch["sources"]) == len(batch["sequence"]) == 0


def test_a_text_of_one_token_has_no_answer_to_count() -> None:
    batch = collator(["lovasz"], SegmentationSettings(), pad_id=3)(
        [[Row(Encoded(array("i", [9]), n_read=0), "lovasz")]]
    )
    assert not batch["counts"].any()
    assert batch["losses"] == ("lovasz",)


def test_scales_are_lambda_by_tokens_and_the_rest_by_the_share_of_a_loss_and_its_units() -> None:
    # 20 labelled tokens, 12 of answers, in 4 scopes; 3 answers of focal with 10 tokens, 1 of lovasz.
    totals = torch.tensor([20, 12, 4, 3, 1, 10, 1])
    ce_scale, answer_scale = scales_of(totals, torch.tensor([1, 0, 0]), SegmentationSettings(ce_weight=0.6))
    assert ce_scale.item() == pytest.approx(0.6 / 20)
    assert answer_scale.tolist() == pytest.approx([0.4 * 1 / 4, 0.4 * 3 / 4 / 10, 0.4 * 3 / 4 / 10])
    nothing = scales_of(torch.zeros(7, dtype=torch.int64), torch.tensor([], dtype=torch.int64), SegmentationSettings())
    assert torch.isfinite(nothing.ce_scale) and nothing.answer_scale.shape == (0,)


def test_the_log_has_the_means_of_what_was_summed() -> None:
    counts = [20, 12, 4, 3, 1, 10, 1]
    #  -log t 30, t 6, right 9, classes 14; focal 5 over 10 tokens, lovasz 0.8
    found = log_of(torch.tensor([30, 6, 9, 14, 5, 0.8, *counts], dtype=torch.float64), SegmentationSettings())
    segmentation = 3 / 4 * 0.5 + 1 / 4 * 0.8
    assert found == pytest.approx(
        {
            "loss": 0.6 * 1.5 + 0.4 * segmentation,
            "loss/ce": 1.5,
            "loss/seg": segmentation,
            "seg/present_classes": 3.5,
            "seg/mean_p_target": 0.5,
            "mean_token_accuracy": 0.75,
        }
    )


@pytest.mark.parametrize(
    ("completion", "answer", "task"),
    [
        ("B", "B", "multiple_choice"),
        (" B\n", "B", "multiple_choice"),
        ("(B)", "B", "multiple_choice"),
        ("#### B", "B", "multiple_choice"),
        ("B.", "B", "multiple_choice"),
        ("B", "C", "word_problem"),
        ("B", "", "multiple_choice"),  # rows of a prompt and a completion
        ("#### 5", "", "word_problem"),
        ("5 + 3 = 8, so it is B\n#### B", "B", "word_problem"),
        ("12", "12", "word_problem"),
        ("7", "7", "word_problem"),
        ("", "B", "word_problem"),
    ],
)
def test_an_answer_that_is_only_a_letter_is_multiple_choice(completion: str, answer: str, task: str) -> None:
    example = Example(
        prompt="Which?\n",
        completion=completion,
        problem_id="1",
        source="gold",
        answer=answer,
        equations=(),
        sample=None,
        model=None,
        provenance=Provenance.of_stage("gold", package_version="0"),
    )
    assert task in TASKS
    assert task_of(example) == task
