"""Votes are asked for, asked again where they cannot be read, and never made up or paid for twice."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from datagen.annotate import annotate
from datagen.models.scripted import Scripted
from datagen.rank.prompt import load_judge_prompt
from datagen.rank.votes import MOST_VOTES, Group, ModelJudge, Vote, read_votes, requests_of_round
from datagen.requests.failure import RequestFailed
from datagen.requests.fetch import Fetched, fetch_replies
from datagen.requests.limits import Limits
from datagen.requests.request import Reply, Request, Sampling
from datagen.requests.store import ReplyStore
from datagen_schemas.problem import Problem
from datagen_schemas.provenance import Provenance

PROBLEM = Problem(
    id="p", question="2 + 2?", answer="4", rationale="2+2=4\n#### 4", choices=None, source="s", split="train"
)
SOURCE = Provenance.of_stage("rank", package_version="0")
Say = Callable[[Request, int], str | Reply]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ReplyStore]:
    with ReplyStore(tmp_path / "replies.sqlite") as opened:
        yield opened


def judge(*, votes: int = 3, max_asks: int = 3) -> ModelJudge:
    sampling = Sampling(temperature=1.0)
    prompt = load_judge_prompt()
    return ModelJudge("j", "m", "scripted", "chat", prompt, sampling, seed=0, votes=votes, max_asks=max_asks)


def group(*responses: str) -> list[Group]:
    return [(PROBLEM, [annotate(PROBLEM, text, sample=i, provenance=SOURCE) for i, text in enumerate(responses)])]


def ask(asked: ModelJudge, groups: Sequence[Group], store: ReplyStore, say: Say) -> tuple[Scripted, list[Fetched]]:
    """All rounds, as a run asks them."""
    backend = Scripted(say)
    fetched = []
    for asks in range(asked.max_asks):
        requests = list(requests_of_round(asked, groups, store, asks=asks))
        if requests:
            limits = Limits(max_tries=1, backoff_s=0)
            fetched.append(fetch_replies(requests, backend, store, limits=limits, seed=0))
    return backend, fetched


def votes_on(response: str, asked: ModelJudge, store: ReplyStore) -> list[Vote]:
    return read_votes(asked, asked.request(PROBLEM, response), store)


def test_three_votes_are_one_question_and_keep_their_order(store: ReplyStore) -> None:
    backend, _ = ask(judge(), group("#### 4"), store, lambda _, i: f"Evidence: vote {i}\nRating: {i + 7}")
    assert len(backend.calls) == 1
    assert [vote.rating for vote in votes_on("#### 4", judge(), store)] == [7, 8, 9]
    assert [vote.evidence for vote in votes_on("#### 4", judge(), store)] == ["vote 0", "vote 1", "vote 2"]


def test_identical_candidates_are_judged_once(store: ReplyStore) -> None:
    backend, _ = ask(judge(), group("#### 4", "#### 5", "#### 4", "#### 4"), store, lambda *_: "Rating: 7")
    assert sum(len(call.samples) for call in backend.calls) == 2 * 3


def test_only_the_votes_that_could_not_be_read_are_asked_again(store: ReplyStore) -> None:
    said = {1: "I cannot say", MOST_VOTES + 1: "Rating: ten", 2 * MOST_VOTES + 1: "Evidence: at last\nRating: 4"}
    backend, _ = ask(judge(), group("x"), store, lambda _, i: said.get(i, "Rating: 8"))
    assert [call.samples for call in backend.calls] == [(0, 1, 2), (MOST_VOTES + 1,), (2 * MOST_VOTES + 1,)]
    assert [(vote.rating, vote.asks) for vote in votes_on("x", judge(), store)] == [(8, 1), (4, 3), (8, 1)]


def test_a_vote_that_never_can_be_read_is_missing_with_its_reason(store: ReplyStore) -> None:
    backend, _ = ask(judge(), group("x"), store, lambda _, i: "Rating: 0" if i % MOST_VOTES == 2 else "Rating: 8")
    assert sum(len(call.samples) for call in backend.calls) == 3 + 2
    last = votes_on("x", judge(), store)[2]
    assert last.rating is None
    assert last.error is not None and "1 and 10" in last.error
    assert last.asks == 3


def test_a_reply_that_was_cut_off_is_asked_for_again(store: ReplyStore) -> None:
    cut = Reply("The pupil wrote\nRating: 10", "length", 1, 1)
    _, fetched = ask(judge(votes=1), group("x"), store, lambda _, i: cut if i == 0 else "Rating: 2")
    assert len(fetched) == 2
    assert votes_on("x", judge(votes=1), store)[0].rating == 2


def test_a_failed_call_is_no_reply_and_the_next_run_asks_for_it_alone(store: ReplyStore) -> None:
    def fails(_: Request, sample: int) -> str:
        raise RequestFailed("refused", "no", retryable=False)

    _, (failed,) = ask(judge(), group("x"), store, fails)
    assert failed.failed[0].samples == (0, 1, 2)
    assert {vote.error for vote in votes_on("x", judge(), store)} == {"no reply"}
    assert {vote.asks for vote in votes_on("x", judge(), store)} == {0}
    backend, _ = ask(judge(), group("x"), store, lambda *_: "Rating: 5")
    assert [call.samples for call in backend.calls] == [(0, 1, 2)]
    assert [vote.rating for vote in votes_on("x", judge(), store)] == [5, 5, 5]


def test_a_second_run_asks_for_nothing_and_more_votes_ask_for_the_new_ones_alone(store: ReplyStore) -> None:
    asked = Counter[int]()

    def say(_: Request, sample: int) -> str:
        asked[sample] += 1
        return "Rating: 6" if sample >= MOST_VOTES else "unreadable"

    ask(judge(votes=2), group("x"), store, say)
    ask(judge(votes=2), group("x"), store, say)
    ask(judge(votes=4), group("x"), store, say)
    assert asked == {i: 1 for first in (0, MOST_VOTES) for i in range(first, first + 4)}
    assert [vote.rating for vote in votes_on("x", judge(votes=4), store)] == [6, 6, 6, 6]


def test_the_schema_is_part_of_the_key_and_plain_text_is_another_question() -> None:
    structured, plain = (replace(judge(), structured=is_on).request(PROBLEM, "x") for is_on in (True, False))
    assert structured.response_schema is not None and plain.response_schema is None
    assert structured.reply_key(0) != plain.reply_key(0)
