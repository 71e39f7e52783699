"""Where a run's replies come from: files made elsewhere, a model that is asked now, or both."""

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from datagen import __version__
from datagen.models.open_backend import BackendName, endpoint_name, model_name, open_backend
from datagen.progress import Report, Step, silent
from datagen.question_text import load_question_prompt, question_fields
from datagen.readers.candidates import ProblemIndex, read_candidates
from datagen.readers.read import DatasetSpec, Dropped, read_problems
from datagen.requests.fetch import Fetched, Progress, fetch_replies
from datagen.requests.ledger import Ledger
from datagen.requests.limits import Limits
from datagen.requests.plan import Plan, plan_requests
from datagen.requests.request import Api, Request, Sampling
from datagen.requests.store import ReplyStore, default_store_path
from datagen.runs.out_place import refuse_same
from datagen.sample import requests_for, stored_replies
from datagen.store.run_directory import RunDirectory, fingerprint
from datagen.store.spill import ReplySpill, Spilled
from datagen_prompts.template import PromptTemplate
from datagen_schemas.errors import DataError
from datagen_schemas.problem import Problem
from datagen_schemas.provenance import Provenance

MAX_DROPS_LISTED = 1000  # in the manifest; all are counted


@dataclass(frozen=True)
class Generator:
    """A model to ask, and how."""

    model: str
    k: int
    backend: BackendName = "openai"
    base_url: str | None = None
    api: Api = "chat"
    prompt: str = "solve"
    sampling: Sampling = field(default_factory=Sampling)
    limits: Limits = field(default_factory=Limits)
    samples_per_call: int | None = None

    @property
    def endpoint(self) -> str:
        """What stands for the server in reply keys and provenance."""
        return endpoint_name(self.backend, self.base_url)

    @cached_property
    def name(self) -> str:
        """What stands for the model in reply keys and provenance."""
        return model_name(self.backend, self.model)

    def config(self) -> dict[str, Any]:  # Any: JSON
        """What decides the replies; limits and concurrency do not."""
        return {
            "model": self.name,
            "k": self.k,
            "endpoint": self.endpoint,
            "api": self.api,
            "prompt": self.template().sha256,
            "sampling": self.sampling.as_json(),
        }

    def template(self) -> PromptTemplate:
        """The prompt that asks the question."""
        return load_question_prompt(self.prompt)

    def requests(self, problems: Iterable[Problem], *, seed: int) -> Iterator[Request]:
        """One request per problem."""
        rows = ((problem.id, question_fields(problem)) for problem in problems)
        return self.prompt_requests(rows, prompt=self.template(), k=self.k, seed=seed)

    def prompt_requests(
        self, rows: Iterable[tuple[str, Mapping[str, str]]], *, prompt: PromptTemplate, k: int, seed: int
    ) -> Iterator[Request]:
        """The same for another prompt: one request of k samples per row, given as its name and the prompt's fields."""
        return requests_for(
            rows,
            k=k,
            prompt=prompt,
            model=self.name,
            endpoint=self.endpoint,
            api=self.api,
            sampling=self.sampling,
            seed=seed,
        )


@dataclass(frozen=True)
class Job:
    """What `sample` and `rft` have in common."""

    dataset: DatasetSpec
    out: Path
    candidates: tuple[Path, ...] = ()
    generator: Generator | None = None
    seed: int = 0
    workers: int = 1
    overwrite: bool = False
    store: Path | None = None
    command: str = ""
    needs_replies: bool = True

    def __post_init__(self) -> None:
        """Refuse a job without the replies that it needs, or that would replace its input."""
        if self.needs_replies and not self.candidates and self.generator is None:
            raise DataError("no replies: name a model (--model) or files of replies made elsewhere (--candidates).")
        refuse_same(self.out, [Path(self.dataset.name), *self.candidates])

    @property
    def store_path(self) -> Path:
        """The reply store in use."""
        return self.store if self.store is not None else default_store_path()

    def config(self) -> dict[str, Any]:  # Any: JSON
        """What decides the output."""
        local = Path(self.dataset.name)
        return {
            "datagen": __version__,
            "dataset": {
                "name": self.dataset.name,
                "split": self.dataset.split,
                "limit": self.dataset.limit,
                "columns": dict(self.dataset.columns),
                "format": self.dataset.format,
                "skip_bad": self.dataset.skip_bad,
                "file": fingerprint(local) if local.exists() else None,
            },
            "candidates": [fingerprint(path) for path in self.candidates],
            "generator": self.generator.config() if self.generator is not None else None,
            "seed": self.seed,
        }


class Loaded(NamedTuple):
    """The problems of a job, and the bad rows that were skipped on the way."""

    problems: list[Problem]
    drops: "Drops"


class Drops:
    """Bad input rows: counted by reason, the first ones listed."""

    def __init__(self) -> None:
        """No drops yet."""
        self.counts: Counter[str] = Counter()
        self.listed: list[Dropped] = []

    def __call__(self, dropped: Dropped) -> None:
        """Count one."""
        self.counts[dropped.reason] += 1
        if len(self.listed) < MAX_DROPS_LISTED:
            self.listed.append(dropped)

    def as_json(self) -> dict[str, Any]:  # Any: JSON
        """For the manifest."""
        return {"by_reason": dict(sorted(self.counts.items())), "rows": [drop._asdict() for drop in self.listed]}


def load_problems(spec: DatasetSpec, *, report: Report = silent) -> Loaded:
    """All problems of a dataset.

    Raises:
        DataError: the dataset cannot be read, has a bad row, or has no row left.
    """
    drops = Drops()
    problems: list[Problem] = []
    for problem in read_problems(spec, on_drop=drops):
        problems.append(problem)
        if len(problems) % 1000 == 0:
            report(Step("read problems", len(problems), spec.limit))
    if not problems:
        raise DataError(f"{spec.name}: no problem to work on. Check --dataset, --split and --limit.")
    report(Step("read problems", len(problems), len(problems)))
    return Loaded(problems, drops)


class Replies(NamedTuple):
    """One group of replies per problem, in the problems' order."""

    groups: Iterator[Sequence[Spilled]]
    drops: Drops
    fetched: Fetched | None


def collect_replies(
    job: Job,
    problems: Sequence[Problem],
    run: RunDirectory,
    *,
    known: Sequence[Problem] | None = None,
    aliases: Mapping[str, str] | None = None,
    requests: Callable[[], Iterable[Request]] | None = None,
    ledger: Ledger | None = None,
    report: Report = silent,
) -> Replies:
    """Read the candidate files, then bring what is missing from the model into the store.

    Replies from files come first, in the order of the files; then the sampled ones.

    Args:
        job: whose replies.
        problems: what is to be answered.
        run: for the files that this needs meanwhile.
        known: what the candidate files may answer, where that is more than `problems`; the rest is passed over.
        aliases: other ids by which the candidate files may name these, each with the problem's own one.
        requests: what to ask about each problem, in their order, where the generator's own prompt is not all.
        ledger: where to book the calls, if other calls of the run count towards the same limits.
        report: told how far it is.
    """
    drops = Drops()
    groups: list[Iterator[Sequence[Spilled]]] = []
    fetched = None
    if job.candidates:
        index = ProblemIndex(_answerable(job, known or problems, aliases or {}), aliases=aliases)
        groups.append(_from_files(job, problems, run, index=index, drops=drops, report=report))
    if job.generator is not None:
        ask = requests or partial(job.generator.requests, problems, seed=job.seed)
        total = sum(len(request.samples) for request in ask()) if requests else len(problems) * job.generator.k
        fetched = fetch(job, ask(), total=total, ledger=ledger, report=report)
        groups.append(replies_in_store(job, ask()))
    if not groups:
        groups.append(iter([()] * len(problems)))
    merged = (list(chain.from_iterable(parts)) for parts in zip(*groups, strict=True))
    return Replies(merged, drops, fetched)


def _answerable(job: Job, problems: Sequence[Problem], aliases: Mapping[str, str]) -> Sequence[Problem]:
    """With --limit, the whole file too: its candidates answer the problems beyond the limit as well."""
    spec = job.dataset
    if spec.limit is None or not Path(spec.name).exists():
        return problems
    known = {problem.id for problem in problems} | aliases.keys()
    whole = load_problems(replace(spec, limit=None, skip_bad=True)).problems
    return [*problems, *(problem for problem in whole if problem.id not in known)]


def _from_files(
    job: Job,
    problems: Sequence[Problem],
    run: RunDirectory,
    *,
    index: ProblemIndex,
    drops: Drops,
    report: Report,
) -> Iterator[Sequence[Spilled]]:
    position = {problem.id: i for i, problem in enumerate(problems)}
    spill = ReplySpill(run.path / ".spill", len(problems))
    n = 0
    with closing(spill):
        for path in job.candidates:
            for reply in read_candidates(path, index, skip_bad=job.dataset.skip_bad, on_drop=drops):
                if reply.problem_id not in position:
                    continue
                source = Spilled(
                    reply.response,
                    reply.sample,
                    reply.model,
                    reply.source,
                    None,
                    reply.is_correct,
                    reply.corruption,
                )
                spill.add(position[reply.problem_id], source)
                n += 1
                if n % 10_000 == 0:
                    report(Step("read candidates", n, None))
    report(Step("read candidates", n, n))
    return spill.groups()


def replies_in_store(job: Job, requests: Iterable[Request]) -> Iterator[Sequence[Spilled]]:
    """What the store has for each request."""
    with ReplyStore(job.store_path) as store:
        yield from stored_replies(requests, store)


def fetch(
    job: Job,
    requests: Iterable[Request],
    *,
    total: int,
    stage: str = "sample",
    ledger: Ledger | None = None,
    report: Report = silent,
) -> Fetched:
    """Ask the job's model for every sample of the requests that the store does not have yet."""
    generator = job.generator
    assert generator is not None
    backend = open_backend(
        generator.backend,
        model=generator.model,
        base_url=generator.base_url,
        api_key=os.environ.get("OPENAI_API_KEY"),
        limits=generator.limits,
        samples_per_call=generator.samples_per_call,
    )
    with ReplyStore(job.store_path) as store:
        return fetch_replies(
            requests,
            backend,
            store,
            limits=generator.limits,
            seed=job.seed,
            ledger=ledger,
            on_progress=shown(stage, report),
            total=total,
        )


def shown(stage: str, report: Report) -> Callable[[Progress], None]:
    """Calls to a model as progress of a stage: tokens, money and failures."""

    def show(progress: Progress) -> None:
        cost = "" if progress.cost_usd is None else f" · ${progress.cost_usd:.4f}"
        tokens = f"{progress.prompt_tokens + progress.completion_tokens:,} tokens{cost}"
        failed = f" · {progress.failed} failed" if progress.failed else ""
        report(Step(stage, progress.done, progress.total, tokens + failed))

    return show


def plan(job: Job) -> Plan | None:
    """What the job would ask a model for; calls nothing. None if it asks no model."""
    if job.generator is None:
        return None
    problems = load_problems(job.dataset).problems
    with ReplyStore(job.store_path) as store:
        return plan_requests(
            job.generator.requests(problems, seed=job.seed),
            store,
            samples_per_call=job.generator.samples_per_call,
        )


def provenance_of(job: Job, *, stage: str) -> Provenance:
    """What all replies of a job have in common."""
    generator = job.generator
    template = generator.template() if generator is not None else None
    return Provenance(
        stage=stage,
        model=generator.name if generator is not None else None,
        endpoint=generator.endpoint if generator is not None else None,
        prompt_id=template.id if template is not None else None,
        prompt_sha256=template.sha256 if template is not None else None,
        sampling=generator.sampling.as_json() if generator is not None else None,
        seed=job.seed if generator is not None else None,
        sample=None,
        reply_key=None,
        parents=(),
        package_version=__version__,
    )
