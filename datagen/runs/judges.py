"""The judges of a run: named on the command line, asked through the reply store, read from it."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

from datagen.models.open_backend import BackendName, endpoint_name, model_name, open_backend
from datagen.progress import Report, silent
from datagen.rank.prompt import load_judge_prompt
from datagen.rank.votes import Group, ModelJudge, read_votes, requests_of_round, rows_of
from datagen.recipes.gsm8k_rank import STEPS, Judge, by_steps
from datagen.requests.fetch import Fetched, fetch_replies
from datagen.requests.ledger import Ledger
from datagen.requests.limits import Limits
from datagen.requests.request import Api, Request, Sampling
from datagen.requests.store import ReplyStore
from datagen.runs.replies import shown
from datagen_schemas.candidate import Candidate
from datagen_schemas.errors import ServerError
from datagen_schemas.problem import Problem
from datagen_schemas.rating import Rating


@dataclass(frozen=True)
class JudgeSpec:
    """A judge as the command line names it: `steps`, or a model and how it is asked."""

    name: str
    backend: BackendName = "openai"
    base_url: str | None = None
    api: Api = "chat"
    prompt: str = "judge"
    sampling: Sampling = field(default_factory=lambda: Sampling(temperature=1.0))
    limits: Limits = field(default_factory=Limits)
    votes: int = 3
    max_asks: int = 3
    structured: bool = True
    samples_per_call: int | None = None

    @property
    def is_model(self) -> bool:
        """Whether a model has to be asked."""
        return self.name != STEPS

    @cached_property
    def model(self) -> str:
        """What stands for the model in reply keys."""
        return model_name(self.backend, self.name)

    @property
    def endpoint(self) -> str:
        """What stands for the server in reply keys."""
        return endpoint_name(self.backend, self.base_url)

    def judge(self, *, label: str, seed: int) -> ModelJudge:
        """The judge that this names.

        Raises:
            DataError: the prompt cannot be used.
        """
        return ModelJudge(
            label=label,
            model=self.model,
            endpoint=self.endpoint,
            api=self.api,
            prompt=load_judge_prompt(self.prompt),
            sampling=self.sampling,
            seed=seed,
            votes=self.votes,
            max_asks=self.max_asks,
            structured=self.structured,
        )

    def config(self) -> dict[str, Any]:  # Any: JSON
        """What decides its votes."""
        if not self.is_model:
            return {"judge": STEPS}
        return {
            "judge": self.model,
            "endpoint": self.endpoint,
            "api": self.api,
            "prompt": load_judge_prompt(self.prompt).sha256,
            "sampling": self.sampling.as_json(),
            "votes": self.votes,
            "max_asks": self.max_asks,
            "structured": self.structured,
        }


class Panel:
    """The judges of a run, by the name that stands in the rows: the model's, with its server where two share it."""

    def __init__(self, specs: Sequence[JudgeSpec], *, seed: int) -> None:
        """Load the prompts, so that a bad one is known before anything is paid for.

        Raises:
            ValueError: a judge is named twice.
            DataError: a prompt cannot be used.
        """
        names = [spec.model if spec.is_model else STEPS for spec in specs]
        labels = [
            f"{name}@{spec.endpoint}" if spec.is_model and names.count(name) > 1 else name
            for name, spec in zip(names, specs, strict=True)
        ]
        if len(set(labels)) < len(labels):
            raise ValueError(f"a judge is named twice: {', '.join(labels)}")
        self.specs = dict(zip(labels, specs, strict=True))
        self.models = {
            label: spec.judge(label=label, seed=seed) for label, spec in self.specs.items() if spec.is_model
        }

    def ask(
        self,
        groups: Callable[[], Iterable[Group]],
        store: ReplyStore,
        *,
        ledger: Ledger,
        seed: int,
        total: int | None = None,
        report: Report = silent,
    ) -> dict[str, Fetched]:
        """Ask every model for its votes, and again for those that could not be read.

        Args:
            groups: gives the problems with their candidates, once a round.
            store: where the replies go.
            ledger: shared by all calls of the run, so that its limits are one limit.
            seed: of the back-off.
            total: distinct candidates, for the progress.
            report: told how far it is.

        Raises:
            ServerError: a judge's server refused, or cannot be reached.
        """
        fetched: dict[str, Fetched] = {}
        for label, judge in self.models.items():
            spec = self.specs[label]
            # One for all rounds: it remembers what the server refused.
            backend = open_backend(
                spec.backend,
                model=spec.name,
                base_url=spec.base_url,
                api_key=os.environ.get("OPENAI_API_KEY"),
                limits=spec.limits,
                samples_per_call=spec.samples_per_call,
            )
            for asks in range(spec.max_asks):
                requests = requests_of_round(judge, groups(), store, asks=asks)
                first = next(requests, None)
                if first is None:
                    break
                stage = f"judge {label}" if asks == 0 else f"judge {label}, ask {asks + 1}"
                try:
                    fetched[stage] = fetch_replies(
                        _with(first, requests),
                        backend,
                        store,
                        limits=spec.limits,
                        seed=seed,
                        ledger=ledger,
                        on_progress=shown(stage, report),
                        total=total * spec.votes if total is not None and asks == 0 else None,
                    )
                except ServerError as error:
                    raise ServerError(f"judge {label}: {_as_judge(str(error))}") from error
                if fetched[stage].stopped:
                    return fetched
        return fetched

    def readers(self, store: ReplyStore) -> dict[str, Judge]:
        """Who gives the votes on a candidate: the store for a model, the step judge itself."""
        return {
            label: partial(_stored, judge=self.models[label], store=store) if spec.is_model else by_steps
            for label, spec in self.specs.items()
        }


def _as_judge(message: str) -> str:
    """What the client says of a model, with the options that name a judge."""
    return message.replace("--base-url", "--judge-base-url").replace("--model", "--judge")


def _with(first: Request, others: Iterator[Request]) -> Iterator[Request]:
    yield first
    yield from others


def _stored(problem: Problem, candidate: Candidate, *, judge: ModelJudge, store: ReplyStore) -> list[Rating]:
    request = judge.request(problem, candidate.response)
    return rows_of(candidate, judge.label, read_votes(judge, request, store))
