"""The whole RFT loop in miniature: what the embedded default is trained on, and with which settings.

A base model learns arithmetic and format on two of every three families of synthetic problems, whose solutions follow
any of several plans. Gold data are few problems of the other families with one path each, as human annotators give.
VFT from the base; k samples of the VFT model on the gold problems; RFT from the base on gold and selected paths; both
are measured on new problems of those other families.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain

from datagen.synthetic.drills import arithmetic_drills
from datagen.synthetic.problems import FAMILIES, MAX_NUMBER, family_split, synthetic_problems, vocabulary
from datagen_schemas.problem import Problem


@dataclass(frozen=True)
class TrainingNumbers:
    """The settings of one training run that differ from a large model's."""

    epochs: int
    batch_size: int
    learning_rate: float


@dataclass(frozen=True)
class MiniatureConfig:
    """Sizes and settings of the loop; the defaults take under six minutes on two cores."""

    seed: int = 0
    n_drills: int = 10_000
    n_base: int = 28_000
    n_gold: int = 300
    n_held_out: int = 400
    hidden: int = 128
    layers: int = 2
    max_length: int = 256
    base: TrainingNumbers = field(default=TrainingNumbers(epochs=1, batch_size=16, learning_rate=4e-3))
    fine_tuning: TrainingNumbers = field(default=TrainingNumbers(epochs=6, batch_size=8, learning_rate=1e-3))
    k: int = 16
    augment_k: int = 4
    temperature: float = 1.0
    max_tokens: int = 160
    pass_k: int = 8
    n_pass: int = 200  # of the held-out problems, the first ones, for pass@k
    max_number: int = MAX_NUMBER


def quick_config(seed: int = 0) -> MiniatureConfig:
    """A loop of seconds in which nothing is learnt: to see that everything works."""
    return MiniatureConfig(seed=seed, n_drills=400, n_base=1_600, n_gold=48, n_held_out=32, k=4, pass_k=2, n_pass=16)


def base_problems(config: MiniatureConfig) -> Iterator[Problem]:
    """Sheets of arithmetic, and problems of the base families, each solved by one plan at random.

    Families of one and two steps come twice as often: what they teach, the longer ones need too.
    """
    families, _ = family_split(config.seed)
    weighted = [family for family in families for _ in range(2 if FAMILIES[family] <= 2 else 1)]
    problems = synthetic_problems(seed=config.seed, split="train", n=config.n_base, families=weighted, plan="random")
    return chain(arithmetic_drills(seed=config.seed, n=config.n_drills), problems)


def gold_problems(config: MiniatureConfig) -> Iterator[Problem]:
    """Problems of the other families, all solved by the first plan of their family."""
    _, families = family_split(config.seed)
    return synthetic_problems(seed=config.seed, split="train", n=config.n_gold, families=families, plan="first")


def held_out_problems(config: MiniatureConfig) -> Iterator[Problem]:
    """Problems of the gold families with other numbers."""
    _, families = family_split(config.seed)
    return synthetic_problems(seed=config.seed, split="test", n=config.n_held_out, families=families, plan="first")


def tokenizer_texts() -> Iterator[str]:
    """Every word of the synthetic problems as it stands within a line, and the capitalised ones as they open one."""
    for token in vocabulary():
        yield f" {token}"
        if not token.islower():
            yield token
