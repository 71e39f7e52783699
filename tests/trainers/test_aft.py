import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import LlamaForCausalLM, PreTrainedModel, PreTrainedTokenizerFast

from datagen_schemas.alignment import AlignmentGroup
from datagen_schemas.errors import DataError
from datagen_trainers.aft import AftConfig, AftResult, train_aft
from datagen_trainers.groups import tokenised
from datagen_trainers.tiny import build_tokenizer

Groups = list[AlignmentGroup]
Group = Callable[[str, Sequence[str], Sequence[float], str | None], AlignmentGroup]
Fresh = Callable[[], LlamaForCausalLM]
Aft = Callable[[Groups, PreTrainedModel, AftConfig, Path], AftResult]
Update = Callable[[Groups, AftConfig, Path], tuple[dict[str, Tensor], AftResult]]
ByHand = Callable[[Groups, nn.Module, AftConfig], tuple[Tensor, dict[str, float]]]

ONE = AftConfig(
    epochs=1, batch_size=8, accumulation=1, warmup_ratio=0, learning_rate=1e-3, checkpoints=1, device="cpu"
)
SMALL = AftConfig(epochs=1, batch_size=1, accumulation=2, learning_rate=3e-3, seed=3, max_length=64, device="cpu")
SPLITS = ((8, 1), (2, 4), (1, 8))


@pytest.fixture(scope="module")
def aft(tokenizer: PreTrainedTokenizerFast) -> Aft:
    def train(groups: Groups, model: PreTrainedModel, config: AftConfig, out: Path) -> AftResult:
        return train_aft(groups, model=model, tokenizer=tokenizer, config=config, out=out)

    return train


@pytest.fixture(scope="module")
def update(aft: Aft, fresh: Fresh, watch: Callable[[nn.Module], dict[str, Tensor]]) -> Update:
    """Gradients of the only update, with what is said of it."""

    def gradients(groups: Groups, config: AftConfig, out: Path) -> tuple[dict[str, Tensor], AftResult]:
        model = fresh()
        found = watch(model)
        result = aft(groups, model, config, out)
        assert result.steps == 1
        return found, result

    return gradients


@pytest.fixture(scope="module")
def plain(
    groups: Groups, update: Update, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, tuple[dict[str, Tensor], AftResult]]:
    """The update of two losses without any saving."""
    config, out = (
        replace(ONE, batch_size=4, accumulation=2, candidate_layout="padded"),
        tmp_path_factory.mktemp("plain"),
    )
    return {
        "bc": update(groups, config, out / "bc"),
        "rank_dpo": update(groups, replace(config, loss="rank_dpo"), out / "rank_dpo"),
    }


@pytest.fixture(scope="module")
def by_hand(tokenizer: PreTrainedTokenizerFast) -> ByHand:
    return partial(loss_by_hand, tokenizer)


# The same by hand: one text at a time, loops over pairs, the formulas as the papers write them.


def naive_log_probs(model: nn.Module, prompt: list[int], completion: list[int]) -> Tensor:
    log_p = model(torch.tensor([prompt + completion])).logits[0].log_softmax(-1)
    return torch.stack([log_p[len(prompt) + t - 1, token] for t, token in enumerate(completion)])


def naive_align(s: list[Tensor], ranks: Sequence[float], config: AftConfig) -> Tensor:
    pairs = [(i, j) for i in range(len(s)) for j in range(len(s)) if ranks[i] > ranks[j]]
    if config.loss == "bc":  # Eq. 8 and 11
        total = torch.ones(())
        for i, j in pairs:
            lowest = min(s[m].item() for m, _ in ((m, n) for m, n in pairs if n == j))
            total = total + (s[j] - s[i]).exp() + (2 * lowest - 2 * 0.15 - s[i].item() - s[j]).exp()
        return total.log()
    if config.loss == "rrhf":  # Eq. 18
        return sum((torch.relu(s[j] - s[i]) for i, j in pairs), torch.zeros(()))
    d = [each - each.item() for each in s]  # Eq. 16; the reference model is the one at the start
    total = torch.zeros(())
    for i in range(len(s)):
        total = total + sum(((0.1 * (d[j] - d[m])).exp() for m, j in pairs if m == i), torch.ones(())).log()
    return total


def loss_by_hand(
    tokenizer: PreTrainedTokenizerFast, groups: Groups, model: nn.Module, config: AftConfig
) -> tuple[Tensor, dict[str, float]]:
    """L_AFT over all groups, and what is to be logged."""
    vft, align = torch.zeros(()), torch.zeros(())
    tokens = references = with_pairs = right = pairs = bounded = below = 0
    macro = best = worst = 0.0
    for one in groups:
        ids = tokenised(one, tokenizer, max_length=512)
        s = [naive_log_probs(model, ids.prompt, c).mean() for c in ids.responses]
        if ids.reference is not None:
            vft = vft - naive_log_probs(model, ids.prompt, ids.reference).sum()
            tokens, references = tokens + len(ids.reference), references + 1
        ordered = [(i, j) for i in range(len(s)) for j in range(len(s)) if one.scores[i] > one.scores[j]]
        if not ordered:
            continue
        align = align + naive_align(s, one.scores, config)
        with_pairs, pairs = with_pairs + 1, pairs + len(ordered)
        correct = sum(bool(s[i] > s[j]) for i, j in ordered)
        right, macro = right + correct, macro + correct / len(ordered)
        for j in {j for _, j in ordered}:
            lowest = min(s[i].item() for i, n in ordered if n == j)
            bounded, below = bounded + 1, below + (s[j].item() < lowest - config.boundary_beta)
        top = [x.item() for x, r in zip(s, one.scores, strict=True) if r == max(one.scores)]
        low = [x.item() for x, r in zip(s, one.scores, strict=True) if r == min(one.scores)]
        best, worst = best + sum(top) / len(top), worst + sum(low) / len(low)
    n_vft = tokens if config.vft_reduction == "mean" else references
    loss = config.vft_weight * vft / n_vft + align / with_pairs
    logged = {
        "loss": loss.item(),
        "loss/vft": vft.item() / n_vft,
        "loss/align": align.item() / with_pairs,
        "aft/acc_macro": macro / with_pairs,
        "aft/acc_micro": right / pairs,
        "aft/score_best": best / with_pairs,
        "aft/score_worst": worst / with_pairs,
        "aft/below_boundary": below / bounded,
        "aft/groups_without_pairs": 1 - with_pairs / len(groups),
    }
    return loss, logged


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"vft_reduction": "sum", "vft_weight": 0.3},
        {"loss": "rrhf"},
        {"loss": "rank_dpo", "candidate_layout": "padded"},
    ],
    ids=["bc", "bc-sum", "rrhf", "rank_dpo"],
)
def test_one_update_of_8_questions_is_equation_4_however_they_are_split(
    changes: dict[str, Any],
    groups: Groups,
    fresh: Fresh,
    update: Update,
    by_hand: ByHand,
    assert_same: Callable[..., None],
    tmp_path: Path,
) -> None:
    config = replace(ONE, **changes)
    model = fresh()
    loss, logged = by_hand(groups, model, config)
    torch.autograd.backward(loss)
    expected = {name: parameter.grad for name, parameter in model.named_parameters() if parameter.grad is not None}
    found = []
    for batch_size, accumulation in SPLITS:
        split = replace(config, batch_size=batch_size, accumulation=accumulation)
        gradients, result = update(groups, split, tmp_path / str(batch_size))
        assert_same(gradients, expected, relative=1e-5)
        assert result.metrics == pytest.approx(logged, rel=1e-5)
        assert result.loss == result.metrics["loss"]
        found.append(gradients)
    assert_same(found[1], found[0], relative=2e-6)
    assert_same(found[2], found[0], relative=2e-6)


@pytest.mark.parametrize(
    "changes",
    [
        {"candidate_layout": "auto"},
        {"candidate_layout": "shared_prefix"},
        {"group_memory": "two_pass"},
        {"group_memory": "two_pass", "loss": "rank_dpo"},
        {"activation_checkpointing": True},
        {"activation_checkpointing": True, "candidate_layout": "shared_prefix"},
    ],
    ids=lambda changes: "-".join(map(str, changes.values())),
)
def test_every_layout_and_every_way_to_save_memory_makes_the_same_update(
    changes: dict[str, Any],
    groups: Groups,
    update: Update,
    plain: dict[str, tuple[dict[str, Tensor], AftResult]],
    assert_same: Callable[..., None],
    tmp_path: Path,
) -> None:
    expected, before = plain[changes.get("loss", "bc")]
    config = replace(ONE, batch_size=4, accumulation=2, candidate_layout="padded")
    got, result = update(groups, replace(config, **changes), tmp_path)
    assert_same(got, expected, relative=2e-6)
    assert result.metrics == pytest.approx(before.metrics, rel=1e-5)


def test_the_log_is_over_the_updates_since_the_last_one(
    groups: Groups, aft: Aft, fresh: Fresh, by_hand: ByHand, tmp_path: Path
) -> None:
    # With a vanishing learning rate every epoch of one update logs the same; 102 updates are logged two by two.
    config = replace(ONE, learning_rate=1e-12, epochs=102, batch_size=4)
    result = aft(groups[:3], fresh(), config, tmp_path)
    _, logged = by_hand(groups[:3], fresh(), config)
    assert result.steps == 102
    assert result.metrics == pytest.approx(logged, rel=1e-4)


def test_of_k_responses_a_best_and_a_worst_are_compared(
    groups: Groups, aft: Aft, fresh: Fresh, by_hand: ByHand, tmp_path: Path
) -> None:
    result = aft(groups, fresh(), replace(ONE, k=2), tmp_path)
    assert (result.n_responses, result.n_beyond_k) == (16, 10)
    cut = []
    for one in groups:
        best, worst = one.scores.index(max(one.scores)), len(one.scores) - 1 - one.scores[::-1].index(min(one.scores))
        columns = {name: [getattr(one, name)[i] for i in sorted((best, worst))] for name in ("responses", "scores")}
        cut.append(one.model_copy(update=columns))
    assert result.metrics == pytest.approx(by_hand(cut, fresh(), ONE)[1], rel=1e-5)


def test_training_learns_to_score_better_responses_higher(
    groups: Groups, aft: Aft, fresh: Fresh, by_hand: ByHand, tmp_path: Path
) -> None:
    _, before = by_hand(groups, fresh(), ONE)
    config = replace(ONE, epochs=40, learning_rate=1e-2)
    result = aft(groups, fresh(), config, tmp_path)
    assert before["aft/acc_micro"] < 0.8
    assert result.metrics["aft/acc_micro"] == 1.0
    assert result.metrics["loss/vft"] < before["loss/vft"] / 3


def test_adapters_learn_the_same_with_activation_checkpointing_and_with_shared_prompts(
    groups: Groups, aft: Aft, fresh: Fresh, tmp_path: Path
) -> None:
    pytest.importorskip("peft")
    config = replace(ONE, epochs=2, lora_r=2, lora_dropout=0.0, max_grad_norm=1e-3, candidate_layout="padded")
    plain, other = fresh(), fresh()
    first = aft(groups, plain, config, tmp_path / "plain")
    saving = replace(config, activation_checkpointing=True, candidate_layout="shared_prefix")
    second = aft(groups, other, saving, tmp_path / "other")
    assert second.metrics == pytest.approx(first.metrics, rel=1e-5)
    for (name, weight), expected in zip(other.named_parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(weight, expected, rtol=0, atol=2e-6, msg=name)


def test_bfloat16_trains_nearly_the_same(groups: Groups, aft: Aft, fresh: Fresh, tmp_path: Path) -> None:
    for loss in ("bc", "rank_dpo"):
        exact = aft(groups, fresh(), replace(ONE, loss=loss), tmp_path / f"{loss}32")
        model = fresh()
        half = aft(groups, model, replace(ONE, loss=loss, bf16=True), tmp_path / f"{loss}16")
        assert half.loss != exact.loss
        assert half.loss == pytest.approx(exact.loss, rel=0.02)
        assert model.dtype == torch.float32
    # At the start the model is its own reference, bfloat16 or not: log(1 + n) for each response above n others.
    above = [[2], [2, 2], [], [2], [3, 2], [1], [1], [4, 4]]
    expected = sum(math.log(1 + n) for row in above for n in row) / 7
    assert half.metrics["loss/align"] == pytest.approx(expected, rel=1e-5)


def test_two_pass_has_no_lora_dropout_and_refuses_that_of_the_model(
    groups: Groups,
    aft: Aft,
    fresh: Fresh,
    same_weights: Callable[[nn.Module, nn.Module], bool],
    tmp_path: Path,
) -> None:
    pytest.importorskip("peft")
    config = replace(SMALL, lora_r=2, lora_dropout=0.5, group_memory="two_pass")
    with_dropout, without = fresh(), fresh()
    aft(groups[:2], with_dropout, config, tmp_path / "with")
    aft(groups[:2], without, replace(config, lora_dropout=0.0), tmp_path / "without")
    assert same_weights(with_dropout, without)
    model = fresh()
    attention: Any = model.get_submodule("model.layers.0.self_attn")  # Any: a number on a module
    attention.attention_dropout = 0.1
    with pytest.raises(DataError, match="dropout is on in model.layers.0.self_attn"):
        aft(groups, model, replace(SMALL, group_memory="two_pass"), tmp_path / "model")
    assert "forward" not in vars(model)


def test_logits_are_capped_as_the_model_caps_them(
    groups: Groups, aft: Aft, capped: PreTrainedModel, by_hand: ByHand, tmp_path: Path
) -> None:
    _, logged = by_hand(groups, capped, ONE)
    assert aft(groups, capped, ONE, tmp_path).metrics == pytest.approx(logged, rel=1e-5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"loss": "dpo"}, "no alignment loss 'dpo'; there are a, dc, bc"),
        ({"constraint": True}, "constraint belongs to rrhf, pro and rank_dpo"),
        ({"boundary_beta": float("inf")}, "boundary_beta is inf"),
        ({"vft_weight": math.nan}, "vft_weight is nan"),
        ({"vft_reduction": "total"}, "vft_reduction is 'total'. Choose one of mean, sum"),
        ({"candidate_layout": "packed"}, "candidate_layout is 'packed'. Choose one of auto, padded, shared_prefix"),
        ({"group_memory": "low"}, "group_memory is 'low'"),
        ({"k": 1}, "k is 1"),
        ({"report_to": "paper"}, "report_to is 'paper', which is not installed or not known"),
        ({"max_length": 2}, "8 of 8 have fewer than two responses of at most 2 tokens"),
    ],
)
def test_settings_that_cannot_be_are_refused_in_one_line(
    changes: dict[str, Any],
    message: str,
    groups: Groups,
    aft: Aft,
    fresh: Fresh,
    tmp_path: Path,
) -> None:
    with pytest.raises(DataError) as caught:
        aft(groups, fresh(), replace(SMALL, **changes), tmp_path / "out")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_data_that_cannot_train_is_refused_in_one_line(
    groups: Groups, make_group: Group, aft: Aft, fresh: Fresh, tmp_path: Path
) -> None:
    def refused(data: Groups) -> str:
        with pytest.raises(DataError) as caught:
            aft(data, fresh(), SMALL, tmp_path / "out")
        return str(caught.value)

    assert refused([]).startswith("no group to train on: there are none.")
    assert "in none of 1 has one response a higher score" in refused([groups[2]])
    assert "a score is not a number" in refused([make_group("Ana\n", ["1", "2"], [1.0, math.nan], None)])
    assert "the prompt has no tokens" in refused([make_group("", ["1", "2"], [1.0, 0.0], None)])
    assert "have fewer than two responses" in refused([make_group("Ana\n", ["1"], [1.0], None)])
    endless = build_tokenizer(["Ana"], max_number=9)
    endless.eos_token = None
    with pytest.raises(DataError, match="no end-of-sequence token. Set eos_token"):
        train_aft(groups, model=fresh(), tokenizer=endless, config=SMALL, out=tmp_path / "out")


def test_what_is_left_out_is_counted_and_the_rest_is_never_cut(
    groups: Groups,
    make_group: Group,
    aft: Aft,
    fresh: Fresh,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    long = make_group("Ana\n", ["1", "2", "3 " * 80], [1, 0, 0], "4 " * 80)
    small = make_group("Tom\n", ["1", "2 " * 80], [1, 0], None)
    result = aft([*groups, long, small], fresh(), SMALL, tmp_path / "all")
    assert (result.n_groups, result.n_responses, result.n_small_groups) == (9, 28, 1)
    assert (result.n_too_long, result.n_too_long_references) == (2, 1)
    said = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert said == [
        "2 responses longer than 64 tokens with their prompt are left out",
        "1 references longer than 64 tokens with their prompt are left out",
        "scores of more than two levels: --loss bc is what the paper calls rbc there",
        "1 groups with fewer than two responses have their references learnt, where they have one",
    ]
