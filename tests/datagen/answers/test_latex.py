r"""Math-Verify in a process that can be killed."""

import threading
import time
from collections.abc import Iterator

import pytest

from datagen.answers.check import check_answer
from datagen.answers.latex import LatexJudge


@pytest.fixture(scope="module")
def judge() -> Iterator[LatexJudge]:
    with LatexJudge(timeout_s=60) as judge:  # generous: the machine may be busy
        yield judge


@pytest.mark.parametrize(
    ("answer", "gold", "is_equal"),
    [
        (r"\sqrt{8}", r"2\sqrt{2}", True),
        ("$x^2+2x+1$", "(x+1)^2", True),
        ("3+4", "7", True),
        (r"\frac{\sqrt{2}}{2}", r"\frac{1}{\sqrt 2}", True),
        (r"\sqrt{8}", r"3\sqrt{2}", False),
        ("[0,1]", "[0,1)", False),
        ("", "5", None),
        ("1" * 2_001, "5", None),
    ],
)
def test_equality_is_mathematical(judge: LatexJudge, answer: str, gold: str, is_equal: bool | None) -> None:
    assert judge.equal(answer, gold) is is_equal


def test_the_check_asks_it_where_exact_comparison_cannot_decide(judge: LatexJudge) -> None:
    assert check_answer(r"\boxed{\sqrt{8}}", r"2\sqrt{2}", latex=judge) == (r"\sqrt{8}", "correct", "boxed/latex")
    assert check_answer(r"\boxed{\sqrt{8}}", r"3\sqrt{2}", latex=judge) == (r"\sqrt{8}", "wrong", "boxed/latex")


def test_it_works_in_a_thread(judge: LatexJudge) -> None:
    answers: list[bool | None] = []
    threads = [threading.Thread(target=lambda: answers.append(judge.equal("2+2", "4"))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [True, True, True]


def test_a_question_that_takes_too_long_is_unknown_and_the_next_one_is_answered() -> None:
    with LatexJudge(timeout_s=2) as judge:
        started = time.monotonic()
        assert check_answer(r"\boxed{9^{9^{9^{9}}}+x}", "x+1", latex=judge)[1:] == ("unknown", "boxed/latex")
        assert time.monotonic() - started < 150  # the worker's start included, on a busy machine
        judge.timeout_s = 60
        assert judge.equal("1+1", "2") is True


def test_a_worker_that_dies_is_replaced() -> None:
    with LatexJudge(timeout_s=60) as judge:
        assert judge.equal("1+1", "2") is True
        assert judge._worker is not None
        judge._worker._process.kill()
        judge._worker._process.wait()
        assert judge.equal("2+1", "3") is None
        assert judge.equal("2+2", "4") is True


def test_a_question_is_asked_once_even_if_it_has_no_answer() -> None:
    hostile = r"9^{9^{9^{9}}}+x"
    with LatexJudge(timeout_s=60) as judge:
        assert judge.equal(r"\sqrt{8}", r"2\sqrt{2}") is True
        judge.timeout_s = 1
        assert judge.equal(hostile, "x+1") is None
        assert judge._worker is None  # it was killed; nothing below starts another
        assert judge.equal(hostile, "x+1") is None
        assert judge.equal(r"\sqrt{8}", r"2\sqrt{2}") is True
        assert judge._worker is None


def test_no_worker_runs_before_the_first_question_or_after_the_end() -> None:
    with LatexJudge() as judge:
        assert judge._worker is None
        judge.equal("1+1", "2")
        worker = judge._worker
        assert worker is not None
    assert judge._worker is None
    assert worker._process.poll() is not None
