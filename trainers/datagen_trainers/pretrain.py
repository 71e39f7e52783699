"""Train the tiny model of the embedded default from random weights: the base that VFT and RFT start from."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from datagen_schemas.example import Example
from datagen_trainers.tiny import build_model, build_tokenizer
from datagen_trainers.training import TrainProgress
from datagen_trainers.vft import TrainResult, VftConfig, train


def pretrain(
    examples: Sequence[Example],
    *,
    texts: Iterable[str],
    max_number: int,
    config: VftConfig,
    out: Path,
    hidden: int = 128,
    layers: int = 2,
    on_progress: Callable[[TrainProgress], None] | None = None,
) -> TrainResult:
    """Build tokenizer and model, train them, and save them at `out`; a finished run there is not done again.

    Args:
        examples: what to learn.
        texts: every word that will ever be read or written; a word outside of them is unknown for good.
        max_number: the largest number that is one token.
        config: how to train; its seed also draws the first weights.
        out: folder of the model.
        hidden: width of the model.
        layers: depth of the model.
        on_progress: told of every update.
    """
    tokenizer = build_tokenizer(texts, max_number=max_number)
    model = build_model(tokenizer, seed=config.seed, hidden=hidden, layers=layers, max_length=config.max_length)
    return train(examples, model=model, tokenizer=tokenizer, config=config, out=out, on_progress=on_progress)
