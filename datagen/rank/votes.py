"""Votes of a judge model: what is asked, asked again, and read from the stored replies (AFT paper, appendix A).

The paper asks for evaluation evidence before a rating, three times at temperature 1. A reply without a readable rating
is no rating: the vote is asked for again, up to a limit, and is missing after that.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from datagen.rank.parse import parse_rating
from datagen.rank.prompt import RATING_SCHEMA, judge_turns
from datagen.requests.request import Api, Request, Sampling
from datagen.requests.store import ReplyStore
from datagen_prompts.template import PromptTemplate
from datagen_schemas.candidate import Candidate
from datagen_schemas.problem import Problem
from datagen_schemas.rating import Rating

NO_REPLY = "no reply"
# Ask a of vote v is sample a * MOST_VOTES + v, so that more votes, or more asks, leave the paid ones where they are.
MOST_VOTES = 1_000

Group = tuple[Problem, Sequence[Candidate]]


@dataclass(frozen=True)
class ModelJudge:
    """A model that rates, and how it is asked."""

    label: str  # what stands in the rows
    model: str
    endpoint: str
    api: Api
    prompt: PromptTemplate
    sampling: Sampling
    seed: int
    votes: int = 3
    max_asks: int = 3
    structured: bool = True

    def request(self, problem: Problem, response: str) -> Request:
        """The question for one candidate: samples 0..votes-1. Equal candidates make equal requests: one is paid."""
        return Request(
            row=problem.id,
            endpoint=self.endpoint,
            model=self.model,
            api=self.api,
            turns=judge_turns(self.prompt, problem, response),
            sampling=self.sampling,
            seed=self.seed,
            samples=tuple(range(self.votes)),
            response_schema=RATING_SCHEMA if self.structured else None,
        )


class Vote(NamedTuple):
    """What came of one vote."""

    number: int
    rating: float | None
    evidence: str | None
    error: str | None
    asks: int
    reply_key: str | None


def requests_of_round(
    judge: ModelJudge, groups: Iterable[Group], store: ReplyStore, *, asks: int
) -> Iterator[Request]:
    """The votes to ask for in one round; those of a later round are the votes that no earlier ask could read.

    Args:
        judge: who is asked.
        groups: problems with the candidates to rate.
        store: what was answered so far.
        asks: how often every vote was asked for before; 0 asks for all.
    """
    for problem, candidates in groups:
        for response in dict.fromkeys(candidate.response for candidate in candidates):
            request = judge.request(problem, response)
            if asks == 0:
                yield request
                continue
            votes = read_votes(replace(judge, max_asks=asks), request, store)
            unread = [vote.number for vote in votes if vote.error is not None and vote.asks == asks]
            if unread:
                yield replace(request, samples=tuple(asks * MOST_VOTES + number for number in unread))


def read_votes(judge: ModelJudge, request: Request, store: ReplyStore) -> list[Vote]:
    """Every vote of a request, in order: the first readable rating among its replies, or why there is none."""
    votes = {number: Vote(number, None, None, NO_REPLY, 0, None) for number in range(judge.votes)}
    unread = list(votes)
    for ask in range(judge.max_asks):
        keys = {number: request.reply_key(ask * MOST_VOTES + number) for number in unread}
        found = store.get_many(list(keys.values()))
        unread = []
        for number, key in keys.items():
            reply = found.get(key)
            if reply is None:  # the call failed, or was not made: what the ask before lacked remains the reason
                continue
            parsed = parse_rating(reply.text, finish_reason=reply.finish_reason)
            votes[number] = Vote(number, parsed.rating, parsed.evidence, parsed.error, ask + 1, key)
            if parsed.error is not None:
                unread.append(number)
        if not unread:
            break
    return list(votes.values())


def rows_of(candidate: Candidate, judge: str, votes: Iterable[Vote]) -> list[Rating]:
    """The votes on one candidate as rows."""
    return [
        Rating(
            problem_id=candidate.problem_id,
            sample=candidate.sample,
            judge=judge,
            vote=vote.number,
            evidence=vote.evidence,
            rating=vote.rating,
            parse_error=vote.error,
            asks=vote.asks,
            reply_key=vote.reply_key,
        )
        for vote in votes
    ]
