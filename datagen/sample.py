"""Problems x k -> requests, and the replies that the store holds for them (RFT paper, section 3.3: k = 100)."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from datagen.requests.request import Api, Request, Sampling
from datagen.requests.store import ReplyStore
from datagen.store.spill import Spilled
from datagen_prompts.template import PromptTemplate


def requests_for(
    rows: Iterable[tuple[str, Mapping[str, str]]],
    *,
    k: int,
    prompt: PromptTemplate,
    model: str,
    endpoint: str,
    api: Api,
    sampling: Sampling,
    seed: int,
) -> Iterator[Request]:
    """One request per row, given as its name and the prompt's fields, asking for samples 0..k-1."""
    for row, fields in rows:
        yield Request(
            row=row,
            endpoint=endpoint,
            model=model,
            api=api,
            turns=prompt.render(**fields),
            sampling=sampling,
            seed=seed,
            samples=tuple(range(k)),
        )


def stored_replies(requests: Iterable[Request], store: ReplyStore) -> Iterator[Sequence[Spilled]]:
    """What the store holds for each request, in order of sample; a failed sample is simply not there."""
    for request in requests:
        keys = {request.reply_key(sample): sample for sample in request.samples}
        found = store.get_many(list(keys))
        yield [
            Spilled(
                response=found[key].text,
                sample=sample,
                model=request.model,
                endpoint=request.endpoint,
                reply_key=key,
                is_correct=None,
            )
            for key, sample in keys.items()
            if key in found
        ]
