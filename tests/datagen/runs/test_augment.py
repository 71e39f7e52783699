"""The `augment` job: questions by rule or from a scripted model on loopback, solutions from it or from files."""

import json
import urllib.request
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from datasets import load_from_disk

from datagen.readers.read import DatasetSpec
from datagen.recipes.metamath import AugmentOptions
from datagen.requests.limits import Limits
from datagen.runs.augment import plan_augment, run_augment
from datagen.runs.replies import Generator, Job
from datagen.runs.rewriting import Rewriting
from datagen.runs.sample import run_sample
from datagen.store.arrow_dataset import read_records
from datagen_schemas.augmented import AugmentationCount, Augmented, RejectedQuestion
from datagen_schemas.errors import DataError
from datagen_schemas.problem import Problem

EGGS = "A hen lays 2 eggs a day. How many eggs do 3 hens lay in 4 days?"
GOLD = "3 hens lay 3*2 = <<3*2=6>>6 eggs.\nThat is 6*4 = <<6*4=24>>24.\n#### 24"
PENS = "Mia has 5 pens and buys 7. How many pens has she?"
ADDED = "Suppose that the answer to this question is 24. Which number does x stand for?"

# Rewrites of EGGS, by what becomes of them.
GOOD = "Every day each hen gives 2 eggs. What number of eggs comes from 3 hens in 4 days?"
OTHER_PROBLEM = "Together 3 hens give 2 eggs every day. What is the number of eggs after 4 days?"
REWRITES = {
    "accepted": GOOD,
    "numbers changed": "Every day each hen gives 2 eggs. What number of eggs comes from 5 hens in 4 days?",
    "unit changed": "Every week each hen gives 2 eggs. What number of eggs comes from 3 hens in 4 weeks?",
    "leaks the answer": "Every day each hen gives 2 eggs. Do 3 hens really lay 24 eggs in 4 days?",
    "malformed": "Of course! Here it is:\n\nEvery day each hen gives 2 eggs. How many are 3 hens' eggs in 4 days?",
    "same question": "a hen lays 2 eggs a day. how many eggs do 3 hens lay in 4 days",
    "repeats an existing question": GOOD.replace("number", "numbers"),
    "too few solutions reach the original answer": OTHER_PROBLEM,
}
# Statements of EGGS' final question and answer.
STATEMENTS = {
    "statement: question mark": "Do 3 hens lay 24 eggs in 4 days?",
    "statement: no answer": "3 hens lay 25 eggs in 4 days.",
    "statement: malformed": "Statement: 3 hens lay 24 eggs in 4 days.\n\nNote: 24 is right.",
    "accepted": "3 hens lay 24 eggs in 4 days.",
}
SYSTEM = {"rephrase": "You reword", "statement": "You turn a question", "solve": "You solve", "backward": "backwards"}


class Server(NamedTuple):
    url: str

    def stats(self) -> dict[str, int]:
        with urllib.request.urlopen(self.url.removesuffix("/v1") + "/stats") as response:
            found: dict[str, int] = json.load(response)
        return found


@pytest.fixture
def serve(serve_script: Callable[..., str], tmp_path: Path) -> Callable[[list[dict[str, Any]]], Server]:
    """Starts a scripted model in a process of its own."""
    numbers = count()

    def start(script: list[dict[str, Any]]) -> Server:
        file = tmp_path / f"script-{next(numbers)}.json"
        file.write_text(json.dumps(script))
        return Server(serve_script("scripted_server.py", "--script", str(file)))

    return start


def entry(kind: str, asked: str, *replies: str) -> dict[str, Any]:
    return {"system": SYSTEM[kind], "asked": asked, "replies": list(replies)}


def solutions(question: str, *results: int, kind: str = "solve") -> dict[str, Any]:
    """One reply a result, each by a path of its own."""
    replies = [
        f"First {i} + {i} = {2 * i}, and so on.\nThe answer is: {result}" for i, result in enumerate(results, 2)
    ]
    return entry(kind, question, *replies)


def asking(job: Job, server: Server, *, k: int = 4, **limits: Any) -> Job:  # Any: fields of Limits
    limits = {"max_tries": 2, "backoff_s": 0.01} | limits
    generator = Generator("m", k, base_url=server.url, prompt="solve-metamath", limits=Limits(**limits))
    return replace(job, generator=generator)


def rows_of(job: Job, folder: str = "data") -> list[Augmented]:
    return list(read_records(job.out / folder, Augmented))


def reasons_of(job: Job) -> list[tuple[str, str]]:
    return [(row.reason, row.query) for row in read_records(job.out / "rejected", RejectedQuestion)]


def answers(tmp_path: Path, *rows: tuple[str, str]) -> tuple[Path]:
    path = tmp_path / "r.jsonl"
    path.write_text("".join(json.dumps({"question": q, "response": r}) + "\n" for q, r in rows))
    return (path,)


def test_a_backward_solution_is_kept_if_it_reaches_the_masked_number(job: Job, tmp_path: Path) -> None:
    asked = f"A hen lays x eggs a day. How many eggs do 3 hens lay in 4 days? {ADDED}"
    right = "3 hens lay 24/4 = <<24/4=6>>6 a day, so one lays 6/3 = <<6/3=2>>2.\n#### 2"
    wrong = "24/3 = <<24/3=8>>8\n#### 8"
    more = "One hen: 24/3 = <<24/3=8>>8 in all, 8/4 = <<8/4=2>>2 a day.\n#### 2"
    rows = answers(tmp_path, (asked, right), (asked, wrong), (asked, right), (EGGS, GOLD), (asked, more))
    manifest = run_augment(replace(job, candidates=rows), AugmentOptions(("ansaug", "fobar")))
    found = rows_of(job)
    assert [(one.type, one.answer) for one in found] == [("AnsAug", "24"), ("FOBAR", "2"), ("FOBAR", "2")]
    assert found[1].response == right.replace("#### 2", "The answer is: 2")
    assert {one.original_question for one in found} == {EGGS}
    assert manifest["methods"]["FOBAR"]["solutions"] == 2
    assert manifest["counts"]["rejected"] == {"replies are missing": 2}  # to the two other masks
    assert manifest["counts"]["rejected_solutions"] == {"same path as another": 1, "wrong": 1}


def test_candidates_of_a_run_of_sample_answer_ansaug_by_the_ids_of_their_problems(job: Job, tmp_path: Path) -> None:
    both = tmp_path / "both.jsonl"
    both.write_text(Path(job.dataset.name).read_text() + json.dumps({"question": PENS, "answer": "#### 12"}) + "\n")
    spec = DatasetSpec(str(both))
    rows = answers(tmp_path, (EGGS, GOLD), (PENS, "5+7 = <<5+7=12>>12\n#### 12"), (EGGS, "3+2 = <<3+2=5>>5\n#### 5"))
    sampled = replace(job, dataset=spec, candidates=rows, out=tmp_path / "sampled")
    run_sample(sampled)
    given = replace(job, dataset=spec, candidates=(sampled.out / "data",))  # without a question
    manifest = run_augment(given, AugmentOptions(("ansaug", "fobar")))
    assert [(row.type, row.query) for row in rows_of(given)] == [("AnsAug", EGGS), ("AnsAug", PENS)]
    assert manifest["counts"]["rejected_solutions"] == {"wrong": 1}
    # Those of the problems beyond the limit are passed over, the others are not.
    limited = replace(given, dataset=replace(spec, limit=1), out=tmp_path / "limited")
    run_augment(limited, AugmentOptions(("ansaug",)))
    assert [row.query for row in rows_of(limited)] == [EGGS]
    # A backward question is another one.
    with pytest.raises(DataError, match="unknown problem"):
        run_augment(replace(given, out=tmp_path / "backward"), AugmentOptions(("fobar",)))


def test_nearly_identical_solutions_are_one(job: Job, tmp_path: Path) -> None:
    """Other equations, so another path, but for one character the same text."""
    long = "The hens lay their eggs every single day of the four days that we look at, and so we count: "
    texts = [f"{long}{sum_} = <<{sum_}=24>>24\n#### 24" for sum_ in ("2*3*4", "2*4*3")]
    rows = answers(tmp_path, *((EGGS, text) for text in texts))
    options = AugmentOptions(("ansaug",), most_similar=95.0)
    assert run_augment(replace(job, candidates=rows), options)["counts"]["rows"] == 1
    other = replace(job, candidates=rows, out=tmp_path / "all")
    assert run_augment(other, replace(options, most_similar=100.0))["counts"]["rows"] == 2


def test_a_rewrite_is_kept_or_rejected_for_the_reason_that_holds(
    job: Job, serve: Callable[[list[dict[str, Any]]], Server]
) -> None:
    """One model, eight rewrites: only one keeps its numbers and units, is new, and is solved to 24 at least twice."""
    server = serve(
        [
            entry("rephrase", EGGS, *REWRITES.values()),
            solutions(GOOD, 24, 24, 8, 7),
            solutions(OTHER_PROBLEM, 8, 8, 8, 24),
        ]
    )
    manifest = run_augment(asking(job, server), AugmentOptions(("rephrase",), k=4), rewriting=Rewriting(n=8))
    found = rows_of(job)
    assert [(row.type, row.query, row.answer) for row in found] == [("Rephrased", GOOD, "24")] * 2
    assert all(row.response.endswith("The answer is: 24") for row in found)
    expected = {reason: 1 for reason in REWRITES if reason != "accepted"}
    assert manifest["counts"]["rejected"] == expected
    assert {reason: text for reason, text in reasons_of(job)} == {r: REWRITES[r] for r in expected}
    assert [manifest["counts"][name] for name in ("questions", "accepted", "rows")] == [8, 1, 2]
    # Provenance: the solution's own key, and the key of the rewrite that its question is.
    assert len({row.provenance.reply_key for row in found}) == 2
    assert len({row.provenance.parents[-1] for row in found}) == 1
    assert found[0].provenance.prompt_id == "solve-metamath"


@pytest.mark.parametrize(("min_right", "is_kept"), [(1, True), (2, False)])
def test_a_rewrite_needs_m_right_solutions(
    job: Job, serve: Callable[[list[dict[str, Any]]], Server], min_right: int, is_kept: bool
) -> None:
    server = serve([entry("rephrase", EGGS, GOOD), solutions(GOOD, 24, 8, 8, 8)])
    options = AugmentOptions(("rephrase",), k=4, min_right=min_right)
    assert run_augment(asking(job, server), options)["counts"]["accepted"] == is_kept


def test_sv_asks_for_each_number_of_the_statements_but_the_answer(
    job: Job, serve: Callable[[list[dict[str, Any]]], Server]
) -> None:
    """Three of the four statements are no use and say why; of the last one each number but 24 is masked."""
    asks = "What is the value of the unknown variable x?"
    masked = {
        f"A hen lays x eggs a day. 3 hens lay 24 eggs in 4 days. {asks}": 2,
        f"A hen lays 2 eggs a day. x hens lay 24 eggs in 4 days. {asks}": 3,
        f"A hen lays 2 eggs a day. 3 hens lay 24 eggs in x days. {asks}": 4,
    }
    backward = [solutions(question, value, 1, kind="backward") for question, value in masked.items()]
    server = serve([entry("statement", "How many eggs do 3 hens lay in 4 days?", *STATEMENTS.values()), *backward])
    manifest = run_augment(asking(job, server, k=2), AugmentOptions(("sv",), k=2), rewriting=Rewriting(n=4))
    found = rows_of(job)
    assert {row.query: int(row.answer) for row in found} == masked
    assert {row.type for row in found} == {"SV"}
    assert manifest["counts"]["rejected"] == {reason: 1 for reason in STATEMENTS if reason != "accepted"}
    assert manifest["counts"]["rejected_solutions"] == {"wrong": 3}
    assert found[0].provenance.prompt_id == "solve-backward"


def test_a_backward_question_whose_number_the_statement_gives_away_is_rejected(
    job: Job, serve: Callable[[list[dict[str, Any]]], Server]
) -> None:
    """Each of 2 and 2 is stated twice; only the 8 could be asked for."""
    question = "Ann has 2 boxes. Each holds 8 pens. How many pens are in 2 boxes?"
    Path(job.dataset.name).write_text(json.dumps({"question": question, "answer": "2*8=16\n#### 16"}) + "\n")
    server = serve([entry("statement", "How many pens are in 2 boxes?", "There are 16 pens in 2 boxes.")])
    manifest = run_augment(asking(job, server), AugmentOptions(("sv",)), questions_only=True)
    assert [problem.answer for problem in read_records(job.out / "data", Problem)] == ["8"]
    assert manifest["counts"]["rejected"] == {"its number stands elsewhere in the question": 2}


EVERY = [
    entry("rephrase", EGGS, GOOD),
    entry("statement", "How many eggs do 3 hens lay in 4 days?", STATEMENTS["accepted"]),
    solutions(GOOD, 24, 24),
    solutions("lays x eggs", 2, 2, kind="backward"),
    solutions("x hens", 3, 1, kind="backward"),
    solutions("x days", 1, 1, kind="backward"),
    solutions(EGGS, 24, 23),
]
ALL = AugmentOptions(k=2)


def test_all_methods_make_one_dataset_each_and_a_merged_one(
    job: Job, serve: Callable[[list[dict[str, Any]]], Server]
) -> None:
    manifest = run_augment(asking(job, serve(EVERY), k=2), ALL)
    merged = load_from_disk(str(job.out / "data"))
    assert merged.column_names == list(Augmented.model_fields)
    assert merged["type"] == ["AnsAug", "Rephrased", "Rephrased", *["SV"] * 3, *["FOBAR"] * 3]
    apart = [row for method in ("ansaug", "rephrase", "sv", "fobar") for row in rows_of(job, method)]
    assert apart == rows_of(job)
    assert {name: of["solutions"] for name, of in manifest["methods"].items()} == {
        "AnsAug": 1,
        "Rephrased": 2,
        "SV": 3,
        "FOBAR": 3,
    }
    counted = list(read_records(job.out / "originals", AugmentationCount))
    assert [(one.type, one.questions, one.accepted, one.solutions) for one in counted] == [
        ("AnsAug", 1, 1, 1),
        ("Rephrased", 1, 1, 2),
        ("SV", 3, 2, 3),
        ("FOBAR", 3, 2, 3),
    ]
    assert counted[3].rejected[0].model_dump() == {"reason": "no solution is accepted", "n": 1}
    counts = manifest["counts"]
    assert counts["questions"] == counts["accepted"] + sum(counts["rejected"].values()) == 8
    assert manifest["methods"]["AnsAug"]["diversity_gain"] == {"mean": 0.0, "n": 1}
    assert manifest["methods"]["Rephrased"]["mean_question_chars"] == len(GOOD)


def test_nothing_that_was_paid_for_is_asked_again(job: Job, serve: Callable[[list[dict[str, Any]]], Server]) -> None:
    """Neither by the same command, nor by a method more, nor by more samples."""
    server = serve(EVERY)
    first = run_augment(asking(job, server, k=2), AugmentOptions(("rephrase", "fobar"), k=2))
    n = server.stats()["samples"]
    assert n == 1 + 2 + 3 * 2
    again = run_augment(replace(asking(job, server, k=2), out=job.out.with_name("b")), ALL)
    assert server.stats()["samples"] == n + 1 + 2 + 3 * 2  # a statement, the original's and three questions' solutions
    assert again["methods"]["FOBAR"] == first["methods"]["FOBAR"]
    assert rows_of(replace(job, out=job.out.with_name("b")), "fobar") == rows_of(job, "fobar")
    run_augment(replace(asking(job, server, k=3), out=job.out.with_name("c")), replace(ALL, k=3))
    assert server.stats()["samples"] == n + 9 + 8


def test_a_dry_run_prices_every_stage_and_asks_nothing(
    job: Job, serve: Callable[[list[dict[str, Any]]], Server]
) -> None:
    """Before: a rewrite and a statement, and solutions of as many questions as there will likely be. After: none."""
    server = serve(EVERY)
    plans = plan_augment(asking(job, server, k=2), ALL)
    assert {name: (plan.samples, plan.to_ask) for name, plan in plans.items()} == {
        "rewrite": (2, 2),
        "solve": (16, 16),
    }
    assert server.stats()["calls"] == 0
    assert not job.out.exists()
    run_augment(asking(job, server, k=2), ALL)
    plans = plan_augment(asking(job, server, k=2), ALL)
    assert {name: (plan.samples, plan.to_ask) for name, plan in plans.items()} == {"rewrite": (2, 0), "solve": (16, 0)}


def test_a_limit_stops_the_run_between_rows_and_the_next_one_goes_on(
    job: Job, serve: Callable[[list[dict[str, Any]]], Server]
) -> None:
    """Within the rewriting, then within the solving; the rows are the same in the end."""
    server = serve(EVERY)
    whole = run_augment(replace(asking(job, server, k=2), out=job.out.with_name("whole")), ALL)
    store = job.store_path.with_name("fresh.sqlite")
    for limit, why in ((1, "max-tokens-total is 1 and one call of "), (2500, "max-tokens-total reached")):
        short = replace(asking(job, server, k=2, max_tokens_total=limit), store=store, out=job.out.with_name("short"))
        manifest = run_augment(short, ALL)
        assert manifest["failures"]["stopped"].startswith(why)
        assert manifest["counts"]["rows"] < whole["counts"]["rows"]
    done = run_augment(replace(asking(job, server, k=2), store=store, out=job.out.with_name("short")), ALL)
    assert done["failures"]["stopped"] is None
    assert done["counts"] == whole["counts"]


def test_workers_do_not_change_a_byte(job: Job, serve: Callable[[list[dict[str, Any]]], Server]) -> None:
    server = serve(EVERY)
    for workers in (1, 2):
        run_augment(replace(asking(job, server, k=2), workers=workers, out=job.out.with_name(f"w{workers}")), ALL)
    one, two = ((job.out.with_name(f"w{n}") / "data" / "data-00000-of-00001.arrow").read_bytes() for n in (1, 2))
    assert one == two


def test_a_problem_in_latex_is_masked_with_an_unused_letter_and_compared_as_latex(job: Job, tmp_path: Path) -> None:
    """x is taken. The answers 1/2 and 0.5, and \\frac{1}{2}, are one; that of the second problem is no number."""
    problems = tmp_path / "math.jsonl"
    rows = [
        (r"If $x = 7$, what is $\frac{x}{14}$?", r"It is $\boxed{\frac{1}{2}}$."),
        (r"Solve $y^2 = 12$ for positive $y$.", r"It is $\boxed{2\sqrt{3}}$."),
    ]
    problems.write_text(
        "".join(
            json.dumps({"problem": q, "solution": a, "level": "Level 1", "type": "Algebra"}) + "\n" for q, a in rows
        )
    )
    seven = (
        r"If $x = y$, what is $\frac{x}{14}$? Suppose that the answer to this question is \frac{1}{2}. "
        "Which number does y stand for?"
    )
    replies = answers(
        tmp_path,
        (rows[0][0], "It is 0.5.\nThe answer is: 0.5"),
        (rows[1][0], "12 is 4 * 3.\nThe answer is: $\\sqrt{12}$"),
        (seven, "14/2 = 7\nThe answer is: 7"),
    )
    spec = DatasetSpec(str(problems))
    manifest = run_augment(replace(job, dataset=spec, candidates=replies), AugmentOptions(("ansaug", "fobar")))
    assert manifest["methods"]["AnsAug"]["accepted"] == 2
    assert manifest["methods"]["FOBAR"]["problems_left_out"] == {"answer is not a number": 1}
    assert [row.answer for row in rows_of(job, "fobar")] == ["7"]
