from pathlib import Path

from datagen.runs.evaluate import Assess, ks, n_steps, why_not_assessed
from datagen.runs.replies import Generator
from datagen_schemas.problem import Problem

PROBLEM = Problem(
    id="p", question="How many?", answer="5", rationale=None, choices=None, source="s", split="test", meta="{}"
)


def test_steps_are_what_the_problem_says_else_the_equations_of_its_gold_path() -> None:
    rationale = "2*3 = <<2*3=6>>6, then 6+1 = <<6+1=7>>7"
    assert n_steps(PROBLEM.model_copy(update={"rationale": rationale})) == 2
    assert n_steps(PROBLEM.model_copy(update={"rationale": rationale, "meta": '{"n_steps": 4}'})) == 4
    assert n_steps(PROBLEM.model_copy(update={"rationale": "By magic."})) == 0
    assert n_steps(PROBLEM) is None


def test_k_doubles_and_ends_at_k() -> None:
    assert [ks(1), ks(2), ks(6), ks(8)] == [[1], [1, 2], [1, 2, 4, 6], [1, 2, 4, 8]]


def test_only_a_model_in_this_process_is_assessed() -> None:
    assert why_not_assessed(Generator("m", k=1, backend="transformers"), Assess()) is None
    assert "behind HTTP" in str(why_not_assessed(Generator("m", k=1), Assess()))
    assert "in vllm" in str(why_not_assessed(Generator("m", k=1, backend="vllm"), Assess()))
    off = Assess(samples=0)
    assert why_not_assessed(Generator("m", k=1, backend="transformers"), off) == "switched off"
    given = Assess(samples=0, candidates=Path("c"))
    assert why_not_assessed(Generator("m", k=1, backend="transformers"), given) is None
