"""The built-in problems: right, small-numbered, reproducible, and disjoint between splits."""

import hashlib
import json
import re
import subprocess
import sys
from collections import Counter

import pytest

from datagen.synthetic import problems as synthetic
from datagen.synthetic.problems import (
    FAMILIES,
    MAX_NUMBER,
    SPLITS,
    family_split,
    single_operation_plans,
    synthetic_problems,
    vocabulary,
)
from datagen.synthetic.words import COLORS, CONTAINERS, FOODS, NAMES, THINGS
from datagen_schemas.problem import Problem

N = 20_000

FINGERPRINT = """
import hashlib
from datagen.synthetic.problems import synthetic_problems
problems = synthetic_problems(seed=3, split="train", n=300, plan="random")
print(hashlib.sha256("".join(problem.model_dump_json() for problem in problems).encode()).hexdigest())
"""


@pytest.fixture(scope="module")
def problems() -> list[Problem]:
    return list(synthetic_problems(seed=0, split="train", n=N, plan="random"))


def family_of(problem: Problem) -> str:
    return str(json.loads(problem.meta)["family"])


def rationale_of(problem: Problem) -> str:
    assert problem.rationale is not None
    return problem.rationale


def equations_of(problem: Problem) -> tuple[str, ...]:
    return tuple(re.findall(r"<<(.+?)>>", rationale_of(problem)))


def evaluated(chain: str) -> int:
    """From left to right; only for chains of sums and differences, or of products and quotients."""
    first, *rest = re.findall(r"[-+*/]?\d+", chain)
    assert "".join((first, *rest)) == chain
    assert not (re.search(r"[-+]", chain) and re.search(r"[*/]", chain))
    total = int(first)
    for term in rest:
        op, number = term[0], int(term[1:])
        assert op != "/" or total % number == 0
        total = {"+": total + number, "-": total - number, "*": total * number, "/": total // number}[op]
    return total


def test_every_equation_holds_and_is_followed_by_its_result(problems: list[Problem]) -> None:
    for problem in problems:
        shown = re.findall(r"<<([^=]+)=(\d+)>>(\d+)", rationale_of(problem))
        assert len(shown) == rationale_of(problem).count("<<") > 0
        for left, right, result in shown:
            assert evaluated(left) == int(right) == int(result), problem


def test_the_last_equation_and_the_last_line_give_the_answer(problems: list[Problem]) -> None:
    for problem in problems:
        *steps, last = rationale_of(problem).splitlines()
        assert last == f"#### {problem.answer}"
        assert equations_of(problem)[-1].endswith(f"={problem.answer}")
        assert all(step[0].isupper() or step[0].isdigit() for step in steps)
        assert all(step.endswith(".") and step.count("<<") == 1 for step in steps)


def test_no_number_is_larger_than_the_tokenizer_is_told(problems: list[Problem]) -> None:
    numbers = {
        int(number) for problem in problems for number in re.findall(r"\d+", problem.question + rationale_of(problem))
    }
    assert max(numbers) <= MAX_NUMBER
    # Numbers never touch a letter, a point or a thousands separator, so each is a token by itself.
    assert not any(re.search(r"\d[.,]\d|\d[A-Za-z]|[A-Za-z]\d", problem.question) for problem in problems)


def test_the_answer_is_none_of_the_numbers_of_the_question(problems: list[Problem]) -> None:
    assert not any(problem.answer in re.findall(r"\d+", problem.question) for problem in problems)


def test_solutions_take_their_numbers_from_the_question(problems: list[Problem]) -> None:
    """An operand is asked about, calculated before, the tens or ones of such a number, or a small literal."""
    for problem in problems:
        known = {int(number) for number in re.findall(r"\d+", problem.question)}
        for equation in equations_of(problem):
            left, _, right = equation.partition("=")
            for number in map(int, re.findall(r"\d+", left)):
                parts = {part for k in known for part in (k - k % 10, k % 10, k - 1)}
                assert number in known | parts | {1, 2, 3}, problem
            known.add(int(right))


def test_ids_and_questions_are_unique(problems: list[Problem]) -> None:
    assert len({problem.id for problem in problems}) == N
    assert len({problem.question for problem in problems}) == N


def test_there_are_48_families_of_1_to_4_steps_in_equal_shares(problems: list[Problem]) -> None:
    assert Counter(FAMILIES.values()) == {1: 12, 2: 12, 3: 12, 4: 12}
    shares = Counter(map(family_of, problems))
    assert shares.keys() == FAMILIES.keys()
    assert max(shares.values()) - min(shares.values()) <= 1
    assert all(json.loads(problem.meta)["n_steps"] == FAMILIES[family_of(problem)] for problem in problems)


def test_a_one_step_problem_is_solved_by_one_equation_and_none_takes_more_than_five(problems: list[Problem]) -> None:
    first = synthetic_problems(seed=0, split="train", n=480, plan="first")
    assert all(len(equations_of(p)) == 1 for p in first if FAMILIES[family_of(p)] == 1)
    assert {len(equations_of(problem)) for problem in problems} == {1, 2, 3, 4, 5}


@pytest.mark.parametrize("other", [split for split in SPLITS if split != "train"])
def test_splits_share_no_question_even_with_other_names_and_objects(problems: list[Problem], other: str) -> None:
    drawn = {*NAMES, *COLORS, *(noun for pair in (*THINGS, *FOODS, *CONTAINERS) for noun in pair)}

    def template_instance(problem: Problem) -> str:
        return re.sub(r"\w+", lambda word: "_" if word[0] in drawn else word[0], problem.question)

    others = list(synthetic_problems(seed=1, split=other, n=4_000))
    assert not {problem.question for problem in problems} & {problem.question for problem in others}
    assert not {problem.id for problem in problems} & {problem.id for problem in others}
    assert {problem.split for problem in others} == {other}
    # Not even with other names and objects: no wording meets numbers that it has in another split.
    assert not set(map(template_instance, problems)) & set(map(template_instance, others))


def test_a_problem_does_not_depend_on_how_many_are_asked_for() -> None:
    few = list(synthetic_problems(seed=5, split="test", n=50))
    many = list(synthetic_problems(seed=5, split="test", n=500))
    assert few == many[:50]


def test_another_process_writes_the_same_problems() -> None:
    outputs = [
        subprocess.run([sys.executable, "-c", FINGERPRINT], capture_output=True, text=True, check=True).stdout.strip()
        for _ in range(2)
    ]
    here = "".join(p.model_dump_json() for p in synthetic_problems(seed=3, split="train", n=300, plan="random"))
    assert set(outputs) == {hashlib.sha256(here.encode()).hexdigest()}


def test_another_seed_gives_other_problems() -> None:
    one, two = (
        {problem.question for problem in synthetic_problems(seed=seed, split="train", n=500)} for seed in (1, 2)
    )
    assert len(one & two) < 25


def test_the_plan_changes_the_solution_but_not_the_question() -> None:
    first = list(synthetic_problems(seed=2, split="train", n=480, plan="first"))
    drawn = list(synthetic_problems(seed=2, split="train", n=480, plan="random"))
    assert [(p.id, p.question, p.answer) for p in first] == [(p.id, p.question, p.answer) for p in drawn]
    assert {json.loads(p.meta)["plan"] for p in first} == {0}
    for one, other in zip(first, drawn, strict=True):
        assert (equations_of(one) == equations_of(other)) == (json.loads(other.meta)["plan"] == 0)


def test_a_number_takes_the_plans_in_turn_and_asks_the_same_questions() -> None:
    by_plan = [list(synthetic_problems(seed=2, split="train", n=48, plan=i)) for i in range(12)]
    for versions in zip(*by_plan, strict=True):
        family = synthetic.family_of(versions[0])
        assert family is not None
        simple = single_operation_plans(family)
        assert len({(p.id, p.question, p.answer) for p in versions}) == 1
        assert [json.loads(p.meta)["plan"] for p in versions] == [simple[i % len(simple)] for i in range(12)]
        assert len({p.rationale for p in versions}) == len(simple)
    with pytest.raises(ValueError, match="plan -1: choose from first, random, or a number from 0"):
        synthetic_problems(seed=0, split="train", n=1, plan=-1)


def test_every_word_is_in_the_vocabulary_and_there_are_at_most_350(problems: list[Problem]) -> None:
    known = set(vocabulary())
    assert sum(token.isalpha() for token in known) <= 350
    text = {token for p in problems for token in re.findall(r"[A-Za-z]+", f"{p.question} {rationale_of(p)}")}
    assert text <= known
    # The characters that are no part of a word or number, each in some token.
    rest = {c for p in problems for c in f"{p.question}\n{rationale_of(p)}" if not c.isalnum() and c != " "}
    assert rest <= set("".join(known))


def test_questions_have_15_to_60_tokens(problems: list[Problem]) -> None:
    lengths = [len(re.findall(r"\w+|[^\w\s]", problem.question)) for problem in problems]
    assert 12 <= min(lengths) <= max(lengths) <= 60


def test_a_third_of_the_families_is_held_out_at_each_number_of_steps() -> None:
    base, held_out = family_split(0)
    assert Counter(FAMILIES[name] for name in base) == {1: 8, 2: 8, 3: 8, 4: 8}
    assert Counter(FAMILIES[name] for name in held_out) == {1: 4, 2: 4, 3: 4, 4: 4}
    assert {*base, *held_out} == FAMILIES.keys()
    assert family_split(0) == (base, held_out) != family_split(1)


def test_only_the_families_asked_for_are_used() -> None:
    _, held_out = family_split(0)
    assert {family_of(p) for p in synthetic_problems(seed=0, split="test", n=64, families=held_out)} == set(held_out)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"split": "dev"}, "split 'dev'"), ({"families": ["nim"]}, r"\['nim'\]"), ({"families": []}, "none given")],
)
def test_a_wrong_option_is_named(options: dict[str, str | list[str]], message: str) -> None:
    arguments = {"seed": 0, "split": "train", "n": 1} | options
    with pytest.raises(ValueError, match=message):
        synthetic_problems(**arguments)  # type: ignore[arg-type]  # wrong values are the point


def test_a_family_without_new_questions_says_so_instead_of_going_on(monkeypatch: pytest.MonkeyPatch) -> None:
    # Using up a whole family takes a minute; fewer draws make it give up sooner, in the same way.
    monkeypatch.setattr("datagen.synthetic.problems._MAX_DRAWS", 20)
    with pytest.raises(ValueError, match="family half has no new question left in split validation"):
        list(synthetic_problems(seed=0, split="validation", n=1_000, families=["half"]))
