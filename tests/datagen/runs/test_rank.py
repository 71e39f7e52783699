"""The `rank` job from files to ranked groups, with the built-in judge and with a server that rates."""

import json
import urllib.request
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import datasets
import pytest

from datagen.progress import Step
from datagen.readers.read import DatasetSpec
from datagen.recipes.gsm8k_rank import RankOptions
from datagen.requests.limits import Limits
from datagen.runs.judges import JudgeSpec
from datagen.runs.rank import plan_rank, reliability_of, run_rank
from datagen.runs.replies import Generator, Job
from datagen.store.arrow_dataset import read_records
from datagen_schemas.errors import DataError
from datagen_schemas.rating import RankedGroup, Rating

ALL = RankOptions(problems=None, k=None, probes=2)
STEPS = JudgeSpec("steps")


class Files(Protocol):
    """Of the fixture `files`: two problems; five replies to the first, one to the second."""

    problems: Path
    replies: Path


class Server(NamedTuple):
    url: str

    def stats(self) -> dict[str, Any]:  # Any: JSON
        with urllib.request.urlopen(self.url.removesuffix("/v1") + "/stats") as response:
            found: dict[str, Any] = json.load(response)  # Any: JSON
        return found


@pytest.fixture
def serve(serve_script: Callable[..., str]) -> Callable[..., Server]:
    """Starts judges in processes of their own."""
    return lambda *options: Server(serve_script("judge_server.py", *options))


@pytest.fixture
def job(files: Files, tmp_path: Path) -> Job:
    return Job(
        DatasetSpec(str(files.problems)),
        tmp_path / "rank",
        candidates=(files.replies,),
        store=tmp_path / "replies.sqlite",
    )


def judge_at(server: Server, **settings: Any) -> JudgeSpec:  # Any: fields of JudgeSpec
    return JudgeSpec("j", base_url=server.url, limits=Limits(max_tries=2, backoff_s=0.01), **settings)


def groups_of(path: Path) -> list[RankedGroup]:
    return list(read_records(path / "data", RankedGroup))


def test_the_step_judge_ranks_by_hand(job: Job) -> None:
    manifest = run_rank(job, [STEPS], ALL)
    counts = manifest["counts"]
    assert (counts["groups"], counts["candidates"], counts["ranked"], counts["missing"]) == (2, 6, 6, 0)
    eggs = groups_of(job.out)[0]
    scores = {one.sample: one.score for one in eggs.candidates}
    # 0, 1 and 2 are right; 3 has the false equation 3*2 = 7; 4 adds where it should multiply
    assert scores[0] == scores[1] == scores[2] == 10
    assert scores[3] < 10
    assert scores[4] < 10
    assert [one.rank for one in eggs.candidates][:4] == [1, 1, 1, 4]
    assert "3*2" in eggs.candidates[3].judges[0].evidence[0] or "3*2" in eggs.candidates[4].judges[0].evidence[0]
    # four correct ones, the one with the false equation among them, against the wrong one
    assert manifest["reliability"]["pair_accuracy"]["n"] == 4
    assert datasets.load_from_disk(str(job.out / "data")).column_names == ["problem", "candidates", "missing"]


def test_a_finished_run_is_not_done_again_and_equal_inputs_give_equal_bytes(job: Job, tmp_path: Path) -> None:
    first = run_rank(job, [STEPS], ALL)
    assert run_rank(job, [STEPS], ALL) == first
    other = replace(job, out=tmp_path / "other", workers=2)
    run_rank(other, [STEPS], ALL)
    for folder in ("data", "ratings", "probes", "candidates"):
        for file in sorted((job.out / folder).iterdir()):
            assert file.read_bytes() == (other.out / folder / file.name).read_bytes(), file


def test_what_the_rows_say_is_what_the_manifest_says(job: Job) -> None:
    manifest = run_rank(job, [STEPS], ALL)
    assert json.loads(json.dumps(reliability_of(job.out).as_json())) == json.loads(json.dumps(manifest["reliability"]))


def test_a_server_judges_each_text_three_times_and_a_second_run_asks_for_nothing(
    job: Job, serve: Callable[..., Server], tmp_path: Path
) -> None:
    server = serve()
    manifest = run_rank(job, [judge_at(server)], ALL)
    # six texts and, on two problems, a reference, an empty reply and three corrupted references, three votes each;
    # "5*7" and so on are all different texts
    assert manifest["counts"]["judged_once"] == 6 + 2 * 5
    assert server.stats()["samples"] == 3 * manifest["counts"]["judged_once"]
    votes = list(read_records(job.out / "ratings", Rating))
    assert len(votes) == 6 * 3
    assert all(vote.rating is not None and vote.evidence and vote.reply_key for vote in votes)
    group = groups_of(job.out)[0]
    for one in group.candidates:
        assert one.score == pytest.approx(sum(one.votes) / 3)
    run_rank(replace(job, out=tmp_path / "again"), [judge_at(server)], ALL)
    assert server.stats()["samples"] == 3 * manifest["counts"]["judged_once"]


def test_a_panel_keeps_its_judges_apart_and_averages_their_means(job: Job, serve: Callable[..., Server]) -> None:
    manifest = run_rank(job, [judge_at(serve()), STEPS], ALL)
    assert manifest["judges"] == ["j", "steps"]
    for one in groups_of(job.out)[0].candidates:
        means = {votes.judge: votes.mean for votes in one.judges}
        assert set(means) == {"j", "steps"}
        assert one.score == pytest.approx((means["j"] + means["steps"]) / 2)
    assert manifest["reliability"]["agreement_between_judges"]["candidates"] > 0


def test_the_progress_of_each_judge_is_its_own(job: Job, serve: Callable[..., Server]) -> None:
    server = serve()
    steps: dict[str, Step] = {}
    judges = [replace(judge_at(server, votes=i + 1), name=name) for i, name in enumerate("ab")]
    manifest = run_rank(job, judges, ALL, report=lambda step: steps.update({step.stage: step}))
    for of in manifest["failures"]["ledger"]["by_model"]:
        tokens = of["prompt_tokens"] + of["completion_tokens"]
        assert steps[f"judge {of['model']}"].detail == f"{tokens:,} tokens"


def test_a_judge_that_is_never_readable_leaves_candidates_missing_and_not_zero(
    job: Job, serve: Callable[..., Server], files: Files
) -> None:
    with files.replies.open("a") as file:
        question = "Mia has 5 pens and buys 7. How many has she?"
        file.write(json.dumps({"question": question, "response": "[[NEVER]] 5+7 = 12\n#### 12"}) + "\n")
    server = serve("--never")
    manifest = run_rank(job, [judge_at(server, votes=2, max_asks=2)], replace(ALL, probes=0))
    assert manifest["counts"]["missing"] == 1
    (missing,) = groups_of(job.out)[1].missing
    assert "0 of 2 votes are valid" in missing.reason
    lost = [vote for vote in read_records(job.out / "ratings", Rating) if vote.rating is None]
    assert [(vote.problem_id, vote.asks) for vote in lost] == [(lost[0].problem_id, 2)] * 2
    assert server.stats()["samples"] == 2 * 7 + 2  # the two votes that could not be read, once more
    assert manifest["reliability"]["votes"]["j"]["missing"] == 2


def test_a_server_that_refuses_json_is_asked_in_plain_text(job: Job, serve: Callable[..., Server]) -> None:
    manifest = run_rank(job, [judge_at(serve("--refuse-schema"))], ALL)
    assert manifest["counts"]["missing"] == 0
    assert manifest["failures"]["failed"] == 0


def test_a_server_that_answers_in_json_is_read_alike(job: Job, serve: Callable[..., Server], tmp_path: Path) -> None:
    run_rank(job, [judge_at(serve("--json"))], ALL)
    other = replace(job, out=tmp_path / "plain", store=tmp_path / "plain.sqlite")
    run_rank(other, [judge_at(serve(), structured=False)], ALL)
    as_json, as_text = (
        [[(one.sample, one.rank) for one in group.candidates] for group in groups_of(path)]
        for path in (job.out, other.out)
    )
    assert as_json == as_text


def test_prefill_asks_no_model_where_the_step_judge_is_certain(job: Job, serve: Callable[..., Server]) -> None:
    server = serve()
    manifest = run_rank(job, [judge_at(server)], replace(ALL, prefill=True, probes=0))
    # three right paths without a false equation are certain; the other three texts are asked
    assert manifest["counts"]["prefilled"] == 3
    assert server.stats()["samples"] == 3 * 3
    judges = {one.sample: [of.judge for of in one.judges] for one in groups_of(job.out)[0].candidates}
    assert judges[0] == ["steps (prefilled)"]
    assert judges[3] == ["j"]


def test_a_run_that_reaches_its_limit_of_tokens_is_short_and_goes_on(job: Job, serve: Callable[..., Server]) -> None:
    server = serve()
    poor = judge_at(server)
    poor = replace(poor, limits=replace(poor.limits, max_tokens_total=1))
    manifest = run_rank(job, [poor], ALL)
    assert manifest["failures"]["stopped"].startswith("max-tokens-total is 1 and one call of 3 samples may use 1,")
    assert manifest["counts"]["missing"] == 6
    again = run_rank(job, [judge_at(server)], ALL)
    assert again["counts"]["missing"] == 0


def test_the_draw_depends_on_the_seed_and_keeps_the_order(tmp_path: Path) -> None:
    job = Job(DatasetSpec("synthetic:30"), tmp_path / "a", needs_replies=False)
    drawn = {}
    for seed in (0, 1):
        of = replace(job, seed=seed, out=tmp_path / str(seed))
        run_rank(of, [STEPS], RankOptions(problems=10, probes=10))
        drawn[seed] = [group.problem.id for group in read_records(of.out / "probes", RankedGroup)]
    assert len(drawn[0]) == len(set(drawn[0])) == 10
    assert drawn[0] != drawn[1]


def test_candidates_of_problems_that_were_not_drawn_are_passed_over(job: Job) -> None:
    manifest = run_rank(job, [STEPS], replace(ALL, problems=1))
    counts = manifest["counts"]
    assert (counts["problems"], counts["problems_drawn_from"], counts["groups"]) == (1, 2, 1)
    assert counts["candidates"] in (5, 1)
    assert counts["bad_candidates"]["by_reason"] == {}


def test_a_plan_counts_the_votes_and_calls_nothing(job: Job, serve: Callable[..., Server]) -> None:
    server = serve()
    plans = plan_rank(job, [judge_at(server), STEPS], ALL)
    assert list(plans) == ["judge j"]
    assert plans["judge j"].samples == 3 * (6 + 2 * 5)
    assert server.stats()["calls"] == 0
    run_rank(job, [judge_at(server)], ALL)
    assert plan_rank(job, [judge_at(server)], ALL)["judge j"].to_ask == 0


def test_a_plan_takes_the_candidates_that_the_store_has_and_guesses_the_others(
    job: Job, serve: Callable[..., Server]
) -> None:
    server = serve()
    job = replace(job, candidates=(), generator=Generator("g", k=2, base_url=server.url))
    before = plan_rank(job, [judge_at(server)], ALL)
    assert (before["sample"].to_ask, before["judge j"].to_ask) == (2 * 2, 3 * (2 * 2 + 2 * 5))
    run_rank(job, [judge_at(server)], ALL)
    after = plan_rank(job, [judge_at(server)], ALL)
    assert (after["sample"].to_ask, after["judge j"].to_ask) == (0, 0)


def test_a_template_without_the_candidate_is_refused_before_anything_is_read(job: Job, tmp_path: Path) -> None:
    template = tmp_path / "mine.jinja"
    template.write_text("{{ question }} {{ reference }}\nRating:")
    with pytest.raises(DataError, match="it never shows 'candidate'"):
        run_rank(job, [JudgeSpec("j", prompt=str(template))], ALL)
    assert not job.out.exists()


def test_the_same_judge_twice_is_refused(job: Job) -> None:
    with pytest.raises(ValueError, match="named twice"):
        run_rank(job, [STEPS, STEPS], ALL)
