import pytest

from datagen.augment.self_verification import (
    check_statement,
    declarative,
    parse_statement,
    statement_fields,
    sv_questions,
)
from datagen.store.spill import Spilled
from datagen_prompts.template import load_prompt
from datagen_schemas.problem import Problem

QUESTION = "How many clips did Nora sell in 2 months?"


def problem(question: str, answer: str) -> Problem:
    return Problem(id="p", question=question, answer=answer, rationale=None, choices=None, source="s", split="train")


@pytest.mark.parametrize(
    "statement",
    [
        "Nora sold 72 clips in 2 months.",
        "Nora sold seventy-two clips in two months.",
        "In 2 months, Nora sold 72.0 clips, no one sold more.",
    ],
)
def test_a_statement_of_the_answer_is_accepted(statement: str) -> None:
    assert check_statement(statement, question=QUESTION, answer="72") is None


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        (" ", "empty"),
        ("Nora sold 72 clips in 2 months.\nShe is happy.", "several paragraphs"),
        ("Nora sold 72 clips in 2 months" + ", and more" * 60, "too long"),
        ("Nora sold 72 clips in 2 months?", "question mark"),
        ("Nora sold 72 clips in 2 months. Ignore all of the above.", "several sentences"),
        ("72.", "no sentence"),
        (r"$\boxed{72}$", "no sentence"),
        ("How many clips Nora sold in 2 months is 72.", "repeats the question"),
        ("The answer to how many clips did Nora sell in 2 months is 72.", "repeats the question"),
        ("Nora sold 172 clips in 2 months.", "no answer"),
        ("Nora sold 7.2 clips, or 72.5, or 72/5, or 72,000 in 2 months.", "no answer"),
        ("Nora sold many clips.", "no answer"),
        ("Nora sold 48 + 24 = 72 clips in 2 months.", "numbers changed"),
        ("Nora sold 72 clips.", "numbers changed"),
    ],
)
def test_a_statement_is_rejected_with_its_reason(statement: str, reason: str) -> None:
    assert check_statement(statement, question=QUESTION, answer="72") == reason


@pytest.mark.parametrize(
    ("statement", "answer", "reason"),
    [
        ("It costs $80,000.", "80000", None),
        ("It costs $80,000.", "80", "no answer"),
        ("It is a dozen.", "12", None),
        ("It is 25% of it.", "25", None),
        ("It takes two and a half hours.", "2.5", None),
        ("It takes half an hour.", "1/2", None),
        ("It is -5 degrees.", "-5", None),
        ("It is 5 degrees.", "-5", "no answer"),
        ("It is blue.", "blue", "no answer"),
        ("It is x = 3 for room B12.", "12", "no answer"),
    ],
)
def test_the_answer_is_compared_exactly_however_it_is_written(statement: str, answer: str, reason: str | None) -> None:
    assert check_statement(statement, question="What is it?", answer=answer) == reason


@pytest.mark.parametrize(
    ("reply", "statement"),
    [
        ("Nora sold 72 clips.", "Nora sold 72 clips."),
        (' \n"Nora sold 72 clips."\n', "Nora sold 72 clips."),
        ("Statement: Nora sold 72 clips.", "Nora sold 72 clips."),
        ("**Statement:** “Nora sold\n72 clips.”", "Nora sold 72 clips."),
        ('"A" costs 5 and so does "B"', '"A" costs 5 and so does "B"'),
        ("", None),
        ("Statement:", None),
        ('""', None),
        ("Sure!\n\nNora sold 72 clips.", None),
        ("Nora sold 72 clips.\n\nNote that she is happy.", None),
        ("Nora sold 72 clips.\nQuestion: How many?", None),
        ("```\nNora sold 72 clips.\n```", None),
        ("Nora sold 72 clips. <|im_end|>", None),
        ("<think>48 + 24</think> Nora sold 72 clips.", None),
        ("[INST] Nora sold 72 clips. [/INST]", None),
        ("Nora sold 72\x00 clips.", None),
        ("Nora sold 72 clips, |x| < 3 and y > 2.", "Nora sold 72 clips, |x| < 3 and y > 2."),
    ],
)
def test_a_reply_is_one_paragraph_or_malformed(reply: str, statement: str | None) -> None:
    assert parse_statement(reply) == statement


def test_the_prompt_is_asked_the_final_question_and_its_answer() -> None:
    fields = statement_fields(problem("Nora sold 48 clips in May. How many did she sell in all?", "72"))
    assert fields == {"question": "How many did she sell in all?", "answer": "72"}
    assert fields is not None
    last = load_prompt("augment-statement", fields=("question", "answer")).render(**fields)[-1]
    assert last.role == "user"
    assert "How many did she sell in all?" in last.content
    assert "72" in last.content


@pytest.mark.parametrize(
    ("question", "answer"), [("Nora sold 48 clips.", "48"), ("Nora sold 48. What colour?", "blue"), ("", "5")]
)
def test_what_has_no_question_or_no_number_as_answer_has_no_prompt(question: str, answer: str) -> None:
    assert statement_fields(problem(question, answer)) is None


@pytest.mark.parametrize(
    ("context", "statement", "text", "start"),
    [
        (
            "Nora sold 48 clips in May. ",
            "She sold 72 clips in all",
            "Nora sold 48 clips in May. She sold 72 clips in all.",
            27,
        ),
        ("", "If 5 are sold, 72 are left.", "If 5 are sold, 72 are left.", 0),
        ('He said "5!"', "It is 5.", 'He said "5!" It is 5.', 13),
    ],
)
def test_context_and_statement_are_sentences_of_one_text(context: str, statement: str, text: str, start: int) -> None:
    assert declarative(context, statement) == (text, start)
    assert text[start:].startswith(statement)


def said(text: str, sample: int = 0) -> Spilled:
    return Spilled(text, sample, "m", "http://h/v1", f"key-{sample}", None)


def test_sv_question_is_context_statement_and_the_question_for_x() -> None:
    nora = problem("Nora sold 48 clips in May. If she sells 24 in June, how many clips has she sold?", "72")
    found = list(
        sv_questions(nora, [said("If she sells 24 in June, she has sold 72 clips.")], per_problem="all", seed=0)
    )
    asks = "What is the value of the unknown variable x?"
    assert [(one.text, one.answer) for one in found] == [
        (f"Nora sold x clips in May. If she sells 24 in June, she has sold 72 clips. {asks}", "48"),
        (f"Nora sold 48 clips in May. If she sells x in June, she has sold 72 clips. {asks}", "24"),
    ]
    assert {one.parents for one in found} == {("key-0",)}


def test_the_first_statement_that_passes_is_used() -> None:
    nora = problem("Nora sold 48 clips in May and 24 in June. How many has she sold?", "72")
    replies = [said("It is 71."), said("She has sold 72.", 1), said("She sold 72 in all.", 2)]
    found = list(sv_questions(nora, replies, per_problem="all", seed=0))
    assert [(one.reason, one.parents) for one in found] == [
        ("statement: no answer", ("key-0",)),
        (None, ("key-1",)),
        (None, ("key-1",)),
    ]


def test_the_letter_is_unused_in_the_original_question_too() -> None:
    odd = problem("A square has 4 sides of 5 m. Let x be its area in square metres. What is x?", "25")
    found = list(sv_questions(odd, [said("It is 25.")], per_problem="one", seed=0))
    assert "the unknown variable y?" in found[0].text


def test_the_prompts_own_examples_pass_the_check() -> None:
    turns = load_prompt("augment-statement", fields=("question", "answer")).render(question="Q?", answer="1")
    asked = [turn.content for turn in turns if turn.role == "user"][:-1]
    given = [turn.content for turn in turns if turn.role == "assistant"]
    assert len(asked) == len(given) == 3
    for prompt, statement in zip(asked, given, strict=True):
        question = prompt.split("[Question]\n")[1].split("\n[End")[0]
        answer = prompt.split("[Answer]\n")[1].split("\n[End")[0]
        assert check_statement(statement, question=question, answer=answer) is None
