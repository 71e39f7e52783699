import gc
import json
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn
from transformers import Gemma2Config, Gemma2ForCausalLM, LlamaForCausalLM, PreTrainedModel, PreTrainedTokenizerFast
from transformers.utils import logging as transformers_logging

from datagen_schemas.alignment import AlignmentGroup
from datagen_schemas.example import Example
from datagen_schemas.provenance import Provenance
from datagen_trainers.aft import AftConfig, train_aft
from datagen_trainers.groups import GroupBatch, TokenisedGroup, collate
from datagen_trainers.seg import SegConfig, train_seg
from datagen_trainers.tiny import build_model, build_tokenizer
from datagen_trainers.vft import VftConfig, train

DATA = Path(os.environ.get("DATAGEN_TEST_DATA", Path(__file__).parents[3] / "shared" / "data"))
VECTORS = DATA.parent / "vectors" / "losses.json"
PROVENANCE = Provenance.of_stage("rft", package_version="0")


@pytest.fixture(scope="session", autouse=True)
def frozen() -> Iterator[None]:
    """Keeps what torch and transformers have made at import out of every garbage collection.

    The trainer collects at the end of a run, and to walk all that takes half a second: as long as our tiny runs.
    """
    gc.collect()
    gc.freeze()
    transformers_logging.disable_progress_bar()
    yield
    gc.unfreeze()


@pytest.fixture(scope="session")
def vectors() -> dict[str, Any]:  # Any: JSON
    """Values and gradients of an independent implementation of every loss."""
    if not VECTORS.is_file():
        pytest.skip(f"no vectors at {VECTORS}: set DATAGEN_TEST_DATA")
    found: dict[str, Any] = json.loads(VECTORS.read_text())
    return found


def example(prompt: str, completion: str, answer: str, problem_id: str | None = None) -> Example:
    return Example(
        prompt=prompt,
        completion=completion,
        problem_id=prompt if problem_id is None else problem_id,
        source="gold",
        answer=answer,
        equations=(),
        sample=None,
        model=None,
        provenance=PROVENANCE,
    )


def group(prompt: str, responses: Sequence[str], scores: Sequence[float], reference: str | None) -> AlignmentGroup:
    return AlignmentGroup(
        prompt=prompt,
        responses=tuple(responses),
        scores=tuple(scores),
        problem_id=prompt,
        sources=("sampled",) * len(responses),
        reference=reference,
    )


@pytest.fixture(scope="session")
def make_example() -> Callable[[str, str, str], Example]:
    return example


@pytest.fixture(scope="session")
def make_group() -> Callable[[str, Sequence[str], Sequence[float], str | None], AlignmentGroup]:
    return group


@pytest.fixture(scope="session")
def examples() -> list[Example]:
    """Sums of two numbers, in questions of different lengths."""
    return [
        example(
            f"{'Tom and ' * (i % 3)}Ana has {i} pens and buys {i + 1} pens.\n",
            f"Ana has <<{i}+{i + 1}={2 * i + 1}>>{2 * i + 1} pens.\n#### {2 * i + 1}",
            str(2 * i + 1),
            str(i),
        )
        for i in range(2, 22)
    ]


@pytest.fixture(scope="session")
def mixed() -> list[Example]:
    """Ragged word problems and multiple choice; one without a prompt, one with tokens that come often."""
    return [
        example("Ana has 3 pens.\n", "Ana has 3 pens.\n#### 3", "3"),
        example("Tom has 7 pens and buys 2 pens.\n", "7+2=9 and 7+2=9\n#### 9", "9"),
        example("Tom has A or B ?\n", "B", "B"),
        example("", "Tom has 8 pens", "8"),
        example("Ana and Tom has 8\n", "8 8 8 8 pens.", "8"),
        example("Tom and Tom and Tom and Ana has 1 pens.\n", "#### 1", "1"),
        example("pens A or B or C ?\n", " C", "C"),
        example("Ana\n", "1", "1"),
    ]


@pytest.fixture(scope="session")
def groups() -> list[AlignmentGroup]:
    """Ragged; one without pairs, one without reference, one whose reference is among the responses, and a ranking."""
    return [
        group("Ana has 3 pens.\n", ["3 pens.", "Ana has 4 pens.", "5"], [1, 0, 0], "Ana has 3 pens."),
        group("Tom has 7 pens and buys 2 pens.\n", ["9 pens.", "7 and 2 pens", "7", "Tom"], [1, 1, 0, 0], "9 pens."),
        group("Tom\n", ["Ana", "Tom buys"], [1, 1], "Tom has 2 pens."),  # no pairs
        group("Ana buys 4\n", ["4", "Ana buys 5 pens.", "6"], [1, 0, 0], None),  # no reference
        group("Ana and Tom has 8\n", ["8 pens.", "8", "9 9 9", "Tom 8"], [2.5, 1, 2, 1], "8 8"),  # ranked, with a tie
        group("Tom and Tom and Tom and Ana has 1 pens.\n", ["1", "2 pens."], [0, 1], "1 pens."),
        group("pens\n", ["buys 3 pens and 4 pens and 5", "3"], [1, 0], "3 4"),
        group("Ana\n", ["1", "2", "3", "4", "5", "6"], [1, 0, 0, 1, 0, 0], "7 pens."),
    ]


@pytest.fixture(scope="session")
def tokenizer(examples: list[Example], mixed: list[Example]) -> PreTrainedTokenizerFast:
    """Knows the words of all examples, and so those of the groups."""
    texts = (text for one in (*mixed, *examples) for text in (one.prompt, one.completion))
    return build_tokenizer(texts, max_number=50)


@pytest.fixture(scope="session")
def fresh(tokenizer: PreTrainedTokenizerFast) -> Callable[[], LlamaForCausalLM]:
    """Makes the same small model again and again; the head of one that is `untied` is not its embedding."""

    def make(*, untied: bool = False) -> LlamaForCausalLM:
        model = build_model(tokenizer, seed=1, hidden=32, layers=2, heads=2)
        model.train()
        if untied:
            model.config.tie_word_embeddings = False
            model.lm_head.weight = nn.Parameter(model.lm_head.weight.detach().clone())
        return model

    return make


class _Scaled(LlamaForCausalLM):
    """Does to its logits what no setting says."""

    def forward(self, *args: Any, **kwargs: Any) -> Any:  # Any: as its parent
        found: Any = super().forward(*args, **kwargs)  # Any: transformers allows no logits
        found.logits = found.logits * 2
        return found


@pytest.fixture
def scaled(fresh: Callable[[], LlamaForCausalLM]) -> PreTrainedModel:
    return _Scaled(fresh().config)


@pytest.fixture
def capped(tokenizer: PreTrainedTokenizerFast) -> PreTrainedModel:
    """A model whose logits are capped softly, and often are."""
    torch.manual_seed(0)
    settings: dict[str, Any] = dict(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=16,
        initializer_range=0.3,
        final_logit_softcapping=3.0,
        attn_implementation="eager",
    )
    return Gemma2ForCausalLM(Gemma2Config(**settings))


class Method(NamedTuple):
    """One of the three ways to train, for what they have in common."""

    rows: Sequence[Any]  # makes four updates, saved after two
    config: Any
    train: Callable[..., Any]  # rows, model=, config=, out=


@pytest.fixture(scope="session")
def methods(
    examples: list[Example],
    mixed: list[Example],
    groups: list[AlignmentGroup],
    tokenizer: PreTrainedTokenizerFast,
) -> dict[str, Method]:
    small: dict[str, Any] = dict(
        epochs=2,
        batch_size=1,
        accumulation=2,
        learning_rate=3e-3,
        seed=3,
        checkpoints=2,
        max_length=64,
        device="cpu",
    )
    return {
        "vft": Method(examples[:4], VftConfig(**small), partial(train, tokenizer=tokenizer)),
        "aft": Method(groups[:4], AftConfig(**small), partial(train_aft, tokenizer=tokenizer)),
        "seg": Method(mixed[:4], SegConfig(**small), partial(train_seg, tokenizer=tokenizer)),
    }


@pytest.fixture(scope="session")
def make_batch() -> Callable[..., GroupBatch]:
    """Random groups of the given lengths of prompt and completions; of `vocabulary` tokens."""

    def batch(*shapes: tuple[int, list[int]], vocabulary: int = 61) -> GroupBatch:
        rng = torch.Generator().manual_seed(1)
        ids = [[torch.randint(1, vocabulary, (n,), generator=rng).tolist() for n in (p, *ls)] for p, ls in shapes]
        return collate([TokenisedGroup("p", row[0], row[1:], [0.0] * len(row[1:]), None, 0, False) for row in ids])

    return batch


@pytest.fixture(scope="session")
def naive_scores() -> Callable[[nn.Module, GroupBatch], Tensor]:
    """One text at a time through the whole model, a log-softmax over the vocabulary, and a mean."""

    def scores(model: nn.Module, batch: GroupBatch) -> Tensor:
        rows = []
        for b, n_prompt in enumerate(batch.prompt_lengths.tolist()):
            row = []
            for c, n in enumerate(batch.lengths[b].tolist()):
                text = torch.cat([batch.prompts[b, :n_prompt], batch.completions[b, c, :n]])
                log_probs = model(input_ids=text[None]).logits[0].log_softmax(-1)
                each = [log_probs[at - 1, text[at]] for at in range(n_prompt, n_prompt + n)]
                row.append(torch.stack(each).mean() if each else log_probs.new_zeros(()))
            rows.append(torch.stack(row))
        return torch.stack(rows)

    return scores


@pytest.fixture(scope="session")
def watch() -> Callable[[nn.Module], dict[str, Tensor]]:
    """Gradients of a model's next update, as they stand before they are clipped and applied."""

    def watched(model: nn.Module) -> dict[str, Tensor]:
        found: dict[str, Tensor] = {}

        def note(name: str, parameter: Tensor) -> None:  # after each backward pass; the last one is the sum
            assert parameter.grad is not None
            found[name] = parameter.grad.clone()

        for name, parameter in model.named_parameters():
            parameter.register_post_accumulate_grad_hook(partial(note, name))
        return found

    return watched


@pytest.fixture(scope="session")
def assert_same() -> Callable[..., None]:
    """Two sets of gradients, alike but for rounding."""

    def compare(got: dict[str, Tensor], expected: dict[str, Tensor], *, relative: float) -> None:
        assert set(got) == set(expected)
        for name, tensor in expected.items():
            assert tensor.norm() > 0
            assert (got[name] - tensor).norm() <= relative * tensor.norm(), name

    return compare


@pytest.fixture(scope="session")
def same_weights() -> Callable[[nn.Module, nn.Module], bool]:
    def same(one: nn.Module, other: nn.Module) -> bool:
        pairs = zip(one.state_dict().items(), other.state_dict().items(), strict=True)
        return all(a == b and torch.equal(x, y) for (a, x), (b, y) in pairs)

    return same


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What transformers' trainer logs."""
    lines: list[str] = []

    class Note(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())

    for name in ("trainer", "trainer_utils"):
        monkeypatch.setattr(logging.getLogger(f"transformers.{name}"), "handlers", [Note()])
    return lines
