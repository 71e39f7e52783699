"""The groups job, from files to a run directory, and into TRL's DPOTrainer."""

import json
import math
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import datasets
import pytest

from datagen.groups.build import GroupOptions
from datagen.readers.read import DatasetSpec, read_problems
from datagen.runs.groups import GroupsJob, run_groups
from datagen.runs.rft import Manifest
from datagen.store.arrow_dataset import DatasetWriter, read_records
from datagen.store.validate import validate
from datagen_schemas.alignment import AlignmentGroup
from datagen_schemas.corruption import Corruption
from datagen_schemas.errors import DataError, StoreError
from datagen_schemas.preference import Preference
from datagen_schemas.problem import Problem
from datagen_schemas.provenance import Provenance
from datagen_schemas.rating import RankedGroup

SHARED_DATA = Path(os.environ.get("DATAGEN_TEST_DATA", Path(__file__).parents[4] / "shared" / "data"))
CORRUPTION = Corruption(
    method="chars",
    kind="characters",
    alpha=0.2,
    realised_alpha=0.2,
    positions=(0,),
    where="everywhere",
    before="",
    after="",
    parent="0" * 64,
)

# Three of the published replies reach the right answer with one of these: 613.6, -6 and 2 would be right.
FALSE = ("520*(1+0.18)=500", "1-1-1-1-1-1-1-1=0.01", "5-3=2.5")
Rated = tuple[str, float, str]  # response, score, verdict


def job(files: Any, out: Path, **changes: Any) -> GroupsJob:  # Any: the fixture of conftest.py; fields of GroupsJob
    plain = GroupsJob(
        out, dataset=DatasetSpec(str(files.problems)), candidates=(files.replies,), command="datagen groups"
    )
    return replace(plain, **changes)


def groups_in(out: Path) -> list[AlignmentGroup]:
    return list(read_records(out / "data", AlignmentGroup))


def write_ranked(folder: Path, ranked: Sequence[tuple[Problem, Sequence[Rated]]]) -> Path:
    """A run of ranked groups, their candidates best first and without ties."""
    provenance = Provenance(
        stage="sample",
        model="judged-model",
        endpoint=None,
        prompt_id=None,
        prompt_sha256=None,
        sampling=None,
        seed=None,
        sample=None,
        reply_key=None,
        parents=(),
        package_version="0",
    )
    groups = [
        RankedGroup.model_validate(
            {
                "problem": problem,
                "candidates": [
                    {
                        "sample": i,
                        "response": response,
                        "score": score,
                        "votes": (score,),
                        "deviation": 0.0,
                        "rank": i + 1,
                        "judges": (),
                        "verdict": verdict,
                        "source": "sampled",
                        "corruption": None,
                        "provenance": provenance,
                    }
                    for i, (response, score, verdict) in enumerate(rated)
                ],
                "missing": (),
            }
        )
        for problem, rated in ranked
    ]
    with DatasetWriter(folder / "data", RankedGroup) as writer:
        writer.write_records(groups, RankedGroup)
    return folder


def write_negatives(
    path: Path, negatives: Sequence[tuple[str, str]], corruption: Corruption | None = CORRUPTION
) -> Path:
    rows = [
        {"problem_id": problem_id, "response": text, **({"corruption": corruption.model_dump()} if corruption else {})}
        for problem_id, text in negatives
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def problems(files: Any) -> list[Problem]:
    return list(read_problems(DatasetSpec(str(files.problems))))


def test_right_replies_and_the_gold_path_stand_above_wrong_ones(files: Any, tmp_path: Path) -> None:
    manifest = run_groups(job(files, tmp_path / "out"), GroupOptions())
    eggs, pens = groups_in(tmp_path / "out")
    assert (eggs.scores, eggs.sources) == ((1, 1, 1, 1, 0), ("gold", "m", "m", "m", "m"))
    assert eggs.prompt == "A hen lays 2 eggs a day. How many eggs do 3 hens lay in 4 days?\n"
    assert eggs.responses[0] == eggs.reference
    assert eggs.responses[-1] == "3+2 = <<3+2=5>>5\n#### 5"
    assert (pens.scores, pens.responses[1]) == ((1, 0), "5*7 = <<5*7=35>>35\n#### 35")
    counts = manifest["counts"]
    assert {name: counts[name] for name in ("problems", "candidates", "groups", "responses", "gold", "rows")} == {
        "problems": 2,
        "candidates": 6,
        "groups": 2,
        "responses": 7,
        "gold": 2,
        "rows": 2,
    }
    assert (counts["positives"], counts["negatives"], counts["pairs"]) == (5, 2, 4 * 1 + 1 * 1)
    assert (counts["dropped"], counts["dropped_responses"]) == ({}, {"false equation": 1})


def test_without_the_gold_path_a_problem_that_nobody_solved_has_no_group(files: Any, tmp_path: Path) -> None:
    manifest = run_groups(job(files, tmp_path / "out"), GroupOptions(gold=False))
    (eggs,) = groups_in(tmp_path / "out")
    assert "gold" not in eggs.sources
    assert eggs.reference is not None
    assert manifest["counts"]["dropped"] == {"only negatives": 1}
    assert manifest["counts"]["dropped_responses"] == {"false equation": 1, "in a problem without a group": 1}


def test_the_gold_path_of_a_problem_without_a_group_is_kept_if_asked(
    files: Any, problems: list[Problem], tmp_path: Path
) -> None:
    manifest = run_groups(job(files, tmp_path / "out"), GroupOptions(gold=False, references=True))
    eggs, pens = groups_in(tmp_path / "out")
    assert (len(eggs.responses), pens.responses, pens.scores, pens.sources) == (4, (), (), ())
    assert (pens.problem_id, pens.reference) == (problems[1].id, "She has 5+7 = <<5+7=12>>12 pens.\n#### 12")
    counts = manifest["counts"]
    assert [counts[name] for name in ("groups", "references", "rows", "responses")] == [1, 1, 2, 4]
    assert counts["dropped"] == {"only negatives": 1}
    assert [(part.record, part.rows) for part in validate(tmp_path / "out")] == [("alignment-group", 2)]
    with pytest.raises(ValueError, match="--references is for --as group"):
        GroupOptions(references=True, rows="preference")


def test_the_output_opens_with_datasets_and_passes_validation(files: Any, tmp_path: Path) -> None:
    run_groups(job(files, tmp_path / "groups"), GroupOptions())
    run_groups(job(files, tmp_path / "pairs"), GroupOptions(rows="preference"), format="parquet")
    opened = datasets.load_from_disk(str(tmp_path / "groups" / "data"))
    assert isinstance(opened, datasets.Dataset)
    assert opened["scores"][1] == [1.0, 0.0]
    assert [(part.record, part.rows) for part in validate(tmp_path / "groups")] == [("alignment-group", 2)]
    assert [(part.record, part.rows) for part in validate(tmp_path / "pairs")] == [("preference", 5)]
    assert "Preference pairs" in (tmp_path / "pairs" / "README.md").read_text()


def test_corrupted_negatives_make_groups_of_gold_paths_alone(
    files: Any, problems: list[Problem], tmp_path: Path
) -> None:
    negatives = write_negatives(tmp_path / "n.jsonl", [(problems[0].id, "3 .ens lay 6.\n#### 24")])
    manifest = run_groups(job(files, tmp_path / "out", candidates=(), negatives=(negatives,)), GroupOptions())
    (eggs,) = groups_in(tmp_path / "out")
    # Its last line is still right: it is a negative because it was made one.
    assert (eggs.scores, eggs.sources) == ((1, 0), ("gold", "corrupted/chars"))
    assert manifest["counts"]["dropped"] == {"no candidates": 1}


def test_a_reply_that_nobody_corrupted_is_refused_as_a_negative(
    files: Any, problems: list[Problem], tmp_path: Path
) -> None:
    negatives = write_negatives(tmp_path / "n.jsonl", [(problems[0].id, "24\n#### 24")], None)
    with pytest.raises(DataError, match=r"n\.jsonl: a reply to problem .* has no 'corruption'"):
        run_groups(job(files, tmp_path / "out", negatives=(negatives,)), GroupOptions())


def test_ranked_groups_need_no_dataset_and_keep_the_judges_order(problems: list[Problem], tmp_path: Path) -> None:
    eggs, pens = problems
    rank = write_ranked(
        tmp_path / "rank",
        [
            (pens, [("best", 9.0, "correct"), ("middle", 6.5, "wrong"), ("worst", 2.0, "wrong")]),
            (eggs, [("alone", 9.0, "correct")]),
        ],
    )
    negatives = write_negatives(tmp_path / "n.jsonl", [(eggs.id, "al.ne")])
    only_ranked = GroupsJob(tmp_path / "a", ranked=(rank,))
    manifest = run_groups(only_ranked, GroupOptions("ranked"))
    assert [(g.responses, g.scores, g.sources) for g in groups_in(tmp_path / "a")] == [
        (("best", "middle", "worst"), (9.0, 6.5, 2.0), ("judged-model",) * 3)
    ]
    assert groups_in(tmp_path / "a")[0].reference == pens.rationale
    counts = manifest["counts"]
    assert (counts["positives"], counts["negatives"], counts["pairs"]) == (1, 2, 3)
    assert counts["dropped"] == {"a single response": 1}
    with_negatives = GroupsJob(tmp_path / "b", ranked=(rank / "data",), negatives=(negatives,))
    run_groups(with_negatives, GroupOptions("ranked", negative_score="alpha"))
    assert [(g.responses, g.scores) for g in groups_in(tmp_path / "b")][1] == (("alone", "al.ne"), (9.0, 8.0))


def test_binary_feedback_takes_ranked_candidates_by_their_answers(
    files: Any, problems: list[Problem], tmp_path: Path
) -> None:
    eggs, pens = problems
    right, wrong = "She has 12 pens.\n#### 12", "35 pens.\n#### 35"
    rank = write_ranked(tmp_path / "rank", [(pens, [(wrong, 9.0, "wrong"), (right, 2.0, "correct")])])
    run_groups(job(files, tmp_path / "out", ranked=(rank,)), GroupOptions(gold=False))
    first, second = groups_in(tmp_path / "out")
    # The ranked problem comes first; its group joins the file's wrong reply to it.
    assert (first.problem_id, first.scores) == (pens.id, (1, 0, 0))
    assert (first.responses[0], set(first.responses[1:])) == (right, {wrong, "5*7 = <<5*7=35>>35\n#### 35"})
    assert second.problem_id == eggs.id


def test_a_dataset_beside_ranked_groups_counts_its_other_problems(
    files: Any, problems: list[Problem], tmp_path: Path
) -> None:
    rank = write_ranked(tmp_path / "rank", [(problems[1], [("a", 9.0, "correct"), ("b", 2.0, "wrong")])])
    manifest = run_groups(job(files, tmp_path / "out", ranked=(rank,)), GroupOptions("ranked"))
    counts = manifest["counts"]
    assert (counts["problems"], counts["groups"], counts["dropped"]) == (2, 1, {"not ranked": 1})
    assert counts["dropped_responses"] == {"in a problem without a group": 5, "not judged": 1}


def test_a_problem_that_is_ranked_twice_is_refused(problems: list[Problem], tmp_path: Path) -> None:
    rated = [(problems[0], [("a", 9.0, "correct"), ("b", 2.0, "wrong")])]
    ranks = (write_ranked(tmp_path / "r1", rated), write_ranked(tmp_path / "r2", rated))
    with pytest.raises(DataError, match=r"r2.*is ranked twice"):
        run_groups(GroupsJob(tmp_path / "out", ranked=ranks), GroupOptions("ranked"))


def test_other_rows_are_no_ranked_groups(files: Any, tmp_path: Path) -> None:
    run_groups(job(files, tmp_path / "groups"), GroupOptions())
    with pytest.raises(DataError, match="no ranked groups"):
        run_groups(GroupsJob(tmp_path / "out", ranked=(tmp_path / "groups",)), GroupOptions("ranked"))
    (tmp_path / "groups" / "manifest.json").unlink()
    with pytest.raises(DataError, match="not finished"):
        run_groups(GroupsJob(tmp_path / "out2", ranked=(tmp_path / "groups",)), GroupOptions("ranked"))


def test_not_a_single_group_is_an_error_that_leaves_nothing_behind(files: Any, tmp_path: Path) -> None:
    lines = [line for line in files.replies.read_text().splitlines() if "#### 24" in line]
    files.replies.write_text("\n".join(lines) + "\n")
    with pytest.raises(DataError, match=r"of 2 problems 1 only positives, 1 no candidates\. Give wrong responses too"):
        run_groups(job(files, tmp_path / "out"), GroupOptions())
    assert not (tmp_path / "out").exists()


def many(files: Any, tmp_path: Path, n: int) -> GroupsJob:
    """The two problems and their replies, n times."""
    problems, replies = tmp_path / "many.jsonl", tmp_path / "many_replies.jsonl"
    for source, target in ((files.problems, problems), (files.replies, replies)):
        rows = [json.loads(line) for line in source.read_text().splitlines()]
        made = [{**row, "question": f"({i}) {row['question']}"} for i in range(n) for row in rows]
        target.write_text("".join(json.dumps(row) + "\n" for row in made))
    return GroupsJob(tmp_path / "one", dataset=DatasetSpec(str(problems)), candidates=(replies,))


def data_bytes(out: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted((out / "data").iterdir())}


def test_bytes_depend_on_the_seed_and_not_on_workers_or_the_order_of_files(files: Any, tmp_path: Path) -> None:
    plain = many(files, tmp_path, 60)
    options = GroupOptions(max_positives=2, gold=False)
    run_groups(plain, options)
    expected = data_bytes(tmp_path / "one")
    run_groups(replace(plain, out=tmp_path / "two", workers=2), options)
    assert data_bytes(tmp_path / "two") == expected
    lines = plain.candidates[0].read_text().splitlines(keepends=True)
    halves = (tmp_path / "h1.jsonl", tmp_path / "h2.jsonl")
    halves[0].write_text("".join(lines[1::2]))
    halves[1].write_text("".join(lines[::2]))
    run_groups(replace(plain, out=tmp_path / "halves", candidates=halves), options)
    assert data_bytes(tmp_path / "halves") == expected
    run_groups(replace(plain, out=tmp_path / "seed"), replace(options, seed=1))
    assert data_bytes(tmp_path / "seed") != expected


def test_a_finished_run_is_not_done_again_and_other_options_are_another_run(files: Any, tmp_path: Path) -> None:
    first = run_groups(job(files, tmp_path / "out"), GroupOptions())
    written = data_bytes(tmp_path / "out")
    assert run_groups(job(files, tmp_path / "out"), GroupOptions()) == first
    with pytest.raises(StoreError, match="other options or inputs"):
        run_groups(job(files, tmp_path / "out"), GroupOptions(gold=False))
    (tmp_path / "out" / "manifest.json").unlink()
    next((tmp_path / "out" / "data").glob("data-*")).write_bytes(b"cut")
    run_groups(job(files, tmp_path / "out"), GroupOptions())
    assert data_bytes(tmp_path / "out") == written


def test_a_job_without_responses_or_problems_is_refused(files: Any, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no responses"):
        job(files, tmp_path, candidates=())
    with pytest.raises(DataError, match="no problems"):
        job(files, tmp_path, dataset=None)


def real_groups(tmp_path: Path, **options: Any) -> tuple[Manifest, Path]:  # Any: fields of GroupOptions
    folder = SHARED_DATA / "gsm8k"
    replies = folder / "example_model_solutions.jsonl"
    if not replies.exists():
        pytest.skip(f"{replies} is not there; set DATAGEN_TEST_DATA to the folder that holds gsm8k/")
    out = tmp_path / "real"
    real = GroupsJob(out, dataset=DatasetSpec(str(folder / "test.jsonl")), candidates=(replies,))
    return run_groups(real, GroupOptions(**options)), out


def test_the_real_replies_of_gsm8k_give_the_groups_that_a_slow_script_counts(tmp_path: Path) -> None:
    manifest, out = real_groups(tmp_path)
    lines = (SHARED_DATA / "gsm8k" / "example_model_solutions.jsonl").read_text().splitlines()
    groups = positives = negatives = n_repeated = 0
    problems = (SHARED_DATA / "gsm8k" / "test.jsonl").read_text().splitlines()
    reference = {row["question"]: row["answer"] for row in map(json.loads, problems)}
    by_prompt = {group.prompt: group for group in groups_in(out)}
    for line in lines:
        row = json.loads(line)
        replies = [value for value in row.values() if isinstance(value, dict)]
        right = {" ".join(reply["solution"].split()) for reply in replies if reply["is_correct"]}
        wrong = {" ".join(reply["solution"].split()) for reply in replies if not reply["is_correct"]}
        false = {text for text in right if any(equation in text.replace(" ", "") for equation in FALSE)}
        assert not right & wrong
        right -= false
        n_repeated += len(replies) - len(right | wrong | false)
        right.add(" ".join(reference[row["question"]].split()))
        if wrong:
            groups += 1
            positives += len(right)
            negatives += len(wrong)
            group = by_prompt[row["question"] + "\n"]
            assert {" ".join(text.split()) for text in group.responses} == right | wrong
    counts = manifest["counts"]
    assert counts["dropped_responses"]["false equation"] == len(FALSE)
    assert (counts["groups"], counts["positives"], counts["negatives"]) == (groups, positives, negatives)
    assert (counts["candidates"], groups > 1000, n_repeated > 0) == (4 * 1319, True, True)
    assert counts["dropped"] == {"only positives": 1319 - groups}


def test_limits_hold_for_the_real_replies(tmp_path: Path) -> None:
    manifest, out = real_groups(tmp_path, max_positives=2, max_negatives=1, rows="preference", max_pairs=1)
    pairs = list(read_records(out / "data", Preference))
    assert len(pairs) == len({pair.problem_id for pair in pairs}) == manifest["counts"]["groups"] > 1000
    assert all((pair.chosen_score, pair.rejected_score) == (1.0, 0.0) for pair in pairs)
    assert manifest["counts"]["pairs"] + manifest["counts"]["pairs_beyond_limit"] == manifest["counts"]["positives"]


# transformers' and TRL's own business: TRL 1.16 still reads the names that transformers 5.23 deprecates.
@pytest.mark.filterwarnings("ignore:.*gradient_checkpointing.* is deprecated:FutureWarning")
def test_trl_reads_the_pairs_unchanged_and_starts_from_the_loss_of_equal_models(files: Any, tmp_path: Path) -> None:
    run_groups(job(files, tmp_path / "pairs"), GroupOptions(rows="preference"))
    pairs = datasets.load_from_disk(str(tmp_path / "pairs" / "data"))
    assert isinstance(pairs, datasets.Dataset)
    rows = [dict(row) for row in pairs.to_list()]
    from trl.trainer.dpo_config import DPOConfig
    from trl.trainer.dpo_trainer import DPOTrainer

    from datagen_trainers.tiny import build_model, build_tokenizer

    tokenizer = build_tokenizer(
        [row[name] for row in rows for name in ("prompt", "chosen", "rejected")], max_number=50
    )
    model, same = (build_model(tokenizer, seed=0, hidden=32, layers=1, heads=2) for _ in range(2))
    settings = DPOConfig(
        output_dir=str(tmp_path / "dpo"),
        max_steps=2,
        per_device_train_batch_size=5,
        learning_rate=1e-2,
        lr_scheduler_type="constant",
        logging_steps=1,
        save_strategy="no",
        report_to=[],
        use_cpu=True,
        bf16=False,
        activation_checkpointing=False,
        disable_tqdm=True,
    )
    trainer = DPOTrainer(model=model, ref_model=same, args=settings, train_dataset=pairs, processing_class=tokenizer)
    assert isinstance(trainer.train_dataset, datasets.Dataset)
    for encoded, row in zip(trainer.train_dataset.to_list(), rows, strict=True):
        for name in ("chosen", "rejected"):
            text = tokenizer.decode(encoded[f"{name}_ids"], skip_special_tokens=True)
            assert isinstance(text, str)
            assert text.strip() == row[name].strip()
    trainer.train()
    first, second = (step["loss"] for step in trainer.state.log_history if "loss" in step)
    # DPO, Eq. 7: -log sigmoid(0) while the policy is the reference model.
    assert first == pytest.approx(math.log(2), abs=1e-3)
    assert second < first
