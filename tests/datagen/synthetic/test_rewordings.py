"""Rewordings: the slots of a question are recovered, and its family's other wordings say the same with them."""

import json
import re
from collections import Counter
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.augment.rephrase import check_rewrite
from datagen.synthetic.family import Instance, draw_instance, draw_numbers
from datagen.synthetic.four_steps import FOUR_STEPS
from datagen.synthetic.one_step import ONE_STEP
from datagen.synthetic.problems import FAMILIES, synthetic_problems, vocabulary
from datagen.synthetic.rewordings import EXTRA_WORDINGS, recover, rewordings
from datagen.synthetic.three_steps import THREE_STEPS
from datagen.synthetic.two_steps import TWO_STEPS
from datagen_schemas.problem import Problem

BY_NAME = {family.name: family for family in (*ONE_STEP, *TWO_STEPS, *THREE_STEPS, *FOUR_STEPS)}


def problem_of(family: str, question: str, *, answer: str = "1", id: str = "p") -> Problem:
    meta = json.dumps({"family": family})
    return Problem(
        id=id,
        question=question,
        answer=answer,
        rationale=None,
        choices=None,
        source="synthetic",
        split="train",
        meta=meta,
    )


def drawn(name: str, rng: Random) -> Instance:
    while (instance := draw_instance(BY_NAME[name], draw_numbers(BY_NAME[name], rng), rng)) is None:
        pass
    return instance


def slots_in(wording: str) -> set[str]:
    return set(re.findall(r"\{(\w+)\}", wording))


def test_a_question_is_said_in_the_other_two_wordings() -> None:
    question = "Ben has 20 shells. Ben gives 6 shells to Ivy. How many shells are left for Ben?"
    assert rewordings(problem_of("give_away", question, answer="14")) == (
        "Ben had 20 shells but lost 6 shells. How many shells are left?",
        "There were 20 shells on the table. Ben took 6 shells. How many shells are left on the table?",
    )


@settings(deadline=None, max_examples=200)
@given(name=st.sampled_from(sorted(FAMILIES)), seed=st.integers(0, 2**32))
def test_recovered_slots_are_those_the_instance_was_made_from(name: str, seed: int) -> None:
    instance = drawn(name, Random(seed))
    recovered = recover(problem_of(name, instance.question))
    assert recovered is not None
    assert {slot: instance.slots[slot] for slot in recovered.slots} == recovered.slots
    assert recovered.slots.keys() >= slots_in(recovered.wording)
    for slot, start, end in recovered.spans:
        assert instance.question[start:end] == instance.slots[slot]


@settings(deadline=None, max_examples=200)
@given(name=st.sampled_from(sorted(FAMILIES)), seed=st.integers(0, 2**32))
def test_a_rewording_is_the_familys_template_filled_with_the_instances_own_slots(name: str, seed: int) -> None:
    instance = drawn(name, Random(seed))
    problem = problem_of(name, instance.question, answer=str(instance.answer))
    recovered = recover(problem)
    assert recovered is not None
    wordings = [*instance.family.questions, *EXTRA_WORDINGS.get(name, ())]
    filled = {wording: wording.format_map(dict(instance.slots)) for wording in wordings}
    shown = slots_in(next(wording for wording, text in filled.items() if text == instance.question))
    # What the question shows, with the other number of a noun; the rest of the slots cannot be known.
    pairs = ({"x", "x1"}, {"y", "y1"}, {"f", "f1"}, {"boxes", "box"})
    known = shown.union(*(pair for pair in pairs if pair & shown))
    said = set(rewordings(problem))
    for text in said:
        assert check_rewrite(instance.question, text, answer=problem.answer) is None
        # Each is one of the wordings, with the known slots as they are.
        assert any(
            re.fullmatch(
                re.sub(
                    r"\\\{(\w+)\\\}",
                    lambda slot: re.escape(instance.slots[slot[1]]) if slot[1] in known else "[A-Za-z]+",
                    re.escape(wording),
                ),
                text,
            )
            for wording in wordings
        )
    expected = {
        text
        for wording, text in filled.items()
        if slots_in(wording) <= known
        and text != instance.question
        and check_rewrite(instance.question, text, answer=problem.answer) is None
        and all(
            slots_in(wording) & {plural, singular} or plural not in shown
            for plural, singular in (("x", "x1"), ("y", "y1"), ("f", "f1"))
        )
    }
    assert expected <= said


def test_every_family_has_a_rewording_for_each_of_its_questions() -> None:
    n_without = Counter(
        json.loads(problem.meta)["family"]
        for problem in synthetic_problems(seed=11, split="train", n=12 * len(FAMILIES))
        if not rewordings(problem)
    )
    assert n_without == Counter()


def test_a_rewording_uses_words_of_the_vocabulary_alone() -> None:
    words = set(vocabulary())
    for problem in synthetic_problems(seed=12, split="train", n=4 * len(FAMILIES)):
        for text in rewordings(problem):
            assert set(re.findall(r"[A-Za-z]+|[^\s\w]", text)) <= words


def test_a_word_that_the_question_does_not_show_is_new_and_depends_on_the_id_alone() -> None:
    question = "Ben had 20 shells but lost 6 shells. How many shells are left?"
    texts = {id: rewordings(problem_of("give_away", question, answer="14", id=id))[0] for id in map(str, range(40))}
    friends = {re.findall(r"gives 6 shells to (\w+)\.", text)[0] for text in texts.values()}
    assert len(friends) > 5
    assert "Ben" not in friends
    assert rewordings(problem_of("give_away", question, answer="14", id="7"))[0] == texts["7"]


def test_a_wording_that_counts_something_else_is_left_out() -> None:
    question = (
        "Ivy bakes 6 pies each hour. How many pies does Ivy bake in all in 2 hours on Monday and 5 hours on Tuesday?"
    )
    assert rewordings(problem_of("hours_of_work", question, answer="42")) == (
        "Each hour Ivy bakes 6 pies. Ivy works 2 hours on Monday and 5 hours on Tuesday. "
        "How many pies does Ivy bake in all?",
    )


def test_a_question_that_is_none_of_its_family_is_not_recovered() -> None:
    gift = "Ben has 20 shells. Ivy gives Ben 6 more shells. How many shells does Ben have now?"
    assert recover(problem_of("gift", gift)) is not None
    for question, why in (
        (gift.replace("20", "x"), "masked"),
        (gift.replace("Ivy", "Ben"), "two names that must differ"),
        (gift.replace("many shells", "many pens"), "one noun that must be the same"),
        (gift + " Thanks.", "more text"),
    ):
        assert recover(problem_of("gift", question)) is None, why
    assert rewordings(problem_of("together", gift)) == ()
    assert rewordings(problem_of("no such family", gift)) == ()
    assert rewordings(problem_of("gift", gift).model_copy(update={"meta": "{}"})) == ()
    packed = "There are 12 pens in each box. Ben has 3 boxes. How many pens does Ben have in all?"
    assert recover(problem_of("packed", packed)) is not None
    assert recover(problem_of("packed", packed.replace("boxes", "jars"))) is None
