"""Changes of prompts and completions."""

from pathlib import Path

import pytest

from datagen.mix.variants import PromptShare, RowVariants, Variants
from datagen_schemas.errors import DataError
from datagen_schemas.mixed import MixedExample
from datagen_schemas.provenance import Provenance


def row(question: str | None = "Has Mia 5 Pens?", *, prompt: str | None = None, origin: str = "a") -> MixedExample:
    return MixedExample(
        prompt=f"Question: {question}\nAnswer:" if prompt is None else prompt,
        completion="Yes, 5.\n#### 5",
        problem_id="p",
        question=question,
        answer="5",
        kind="gold",
        origin=origin,
        origin_row=0,
        provenance=Provenance.of_stage("mix", package_version="0"),
    )


def changed(
    variants: Variants, one: MixedExample, *, n: int = 1, seed: int = 0
) -> tuple[list[MixedExample], RowVariants]:
    change = RowVariants(variants, origins=["a", "b"], seed=seed)
    return [change(one, key=i.to_bytes(4, "big")) for i in range(n)], change


def test_without_options_nothing_changes() -> None:
    (same,), change = changed(Variants(), row())
    assert same == row()
    assert not change.counts


def test_lower_case_is_for_the_question_and_not_for_its_template() -> None:
    (lower,), change = changed(Variants(lower_case=1.0), row())
    assert lower.prompt == "Question: has mia 5 pens?\nAnswer:"
    assert lower.question == "Has Mia 5 Pens?"  # as it was read
    assert change.counts == {"lower case": 1}
    (whole,), _ = changed(Variants(lower_case=1.0), row(None, prompt="Question: X"))
    assert whole.prompt == "question: x"


@pytest.mark.parametrize("question", ["What is \\Delta x?", "Which?\n(A) One\n(B) Two", "Which?\nA. One\nB. Two"])
def test_latex_and_lettered_options_keep_their_case(question: str) -> None:
    (same,), change = changed(Variants(lower_case=1.0), row(question))
    assert same == row(question)
    assert change.counts == {"case kept: LaTeX or lettered options": 1}


def test_a_share_is_met_in_the_mean_and_a_smaller_one_lies_inside_a_larger() -> None:
    few, many = (
        {i for i, of in enumerate(changed(Variants(lower_case=share), row(), n=2000)[0]) if "mia" in of.prompt}
        for share in (0.1, 0.3)
    )
    assert few < many
    assert abs(len(few) - 200) < 60  # 4.5 standard deviations of sqrt(2000 * 0.1 * 0.9) = 13.4
    assert abs(len(many) - 600) < 92  # of 20.5


def test_prompts_are_made_by_their_templates_in_their_shares(tmp_path: Path) -> None:
    own = tmp_path / "own.jinja"
    own.write_text("Hey! {{ question }}")
    shares = (PromptShare("plain", 0.25), PromptShare(str(own)), PromptShare("problem-solution"))
    rows, change = changed(Variants(prompts=shares), row(), n=2000)
    n_of = {start: sum(of.prompt.startswith(start) for of in rows) for start in ("Has", "Hey! Has", "Problem: Has")}
    assert sum(n_of.values()) == 2000
    for n, share in zip(n_of.values(), (0.25, 0.375, 0.375), strict=True):
        assert abs(n - 2000 * share) < 100
    assert change.counts["prompt own.jinja"] == n_of["Hey! Has"]
    assert set(change.hashes()) == {"own.jinja", "plain", "problem-solution"}


def test_what_the_shares_leave_keeps_its_prompt_and_a_data_set_may_have_templates_of_its_own() -> None:
    shares = (PromptShare("plain", 0.5), PromptShare("program", 1.0, origin="b"))
    rows, _ = changed(Variants(prompts=shares), row(), n=400)
    kept = sum(of.prompt.startswith("Question:") for of in rows)
    assert abs(kept - 200) < 50
    others, _ = changed(Variants(prompts=shares), row(origin="b"), n=10)
    assert {of.prompt for of in others} == {
        "Has Mia 5 Pens?\n\nAnswer with a Python program that prints the result.\n"
    }


def test_a_prompt_whose_question_is_not_known_stays() -> None:
    (same,), change = changed(Variants(prompts=(PromptShare("plain"),)), row(None, prompt="Q: how?"))
    assert same.prompt == "Q: how?"
    assert change.counts == {"prompt kept: question not known": 1}


def test_answer_lines_are_counted() -> None:
    (one,), change = changed(Variants(answer_line="phrase"), row())
    assert one.completion == "Yes, 5.\nThe answer is: 5"
    assert change.counts == {"answer line changed": 1}
    _, change = changed(Variants(answer_line="phrase"), row().model_copy(update={"answer": "6"}))
    assert change.counts == {"answer line kept: states another answer": 1}


def test_shares_of_more_than_all_are_refused() -> None:
    with pytest.raises(DataError, match=r"add up to 1\.1"):
        RowVariants(Variants(prompts=(PromptShare("plain", 0.6), PromptShare("solve", 0.5))), origins=["a"], seed=0)


def test_a_seed_draws_its_own_rows() -> None:
    prompts = [[of.prompt for of in changed(Variants(lower_case=0.5), row(), n=50, seed=s)[0]] for s in (0, 0, 1)]
    assert prompts[0] == prompts[1] != prompts[2]
