import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    Gemma2Config,
    Gemma2ForCausalLM,
    LlamaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

from datagen_schemas.alignment import AlignmentGroup
from datagen_schemas.errors import DataError
from datagen_schemas.example import Example
from datagen_trainers.aft import AftConfig, AftResult, train_aft
from datagen_trainers.groups import tokenised
from datagen_trainers.tiny import build_model, build_tokenizer
from datagen_trainers.training import TrainProgress

pytestmark = pytest.mark.usefixtures("examples")  # the words are those of the examples

ONE = AftConfig(epochs=1, batch_size=8, accumulation=1, warmup_ratio=0, learning_rate=1e-3, device="cpu")
SMALL = AftConfig(
    epochs=2, batch_size=1, accumulation=2, learning_rate=3e-3, seed=3, checkpoints=4, max_length=64, device="cpu"
)
SPLITS = ((8, 1), (2, 4), (1, 8))


@pytest.fixture(scope="module")
def tokenizer(examples: list[Example]) -> PreTrainedTokenizerFast:
    return build_tokenizer((t for e in examples for t in (e.prompt, e.completion)), max_number=50)


def fresh(tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    model = build_model(tokenizer, seed=1, hidden=32, layers=2, heads=2)
    model.train()
    return model


def group(prompt: str, responses: Sequence[str], scores: Sequence[float], reference: str | None) -> AlignmentGroup:
    return AlignmentGroup(
        prompt=prompt,
        responses=tuple(responses),
        scores=tuple(scores),
        problem_id=prompt,
        sources=("sampled",) * len(responses),
        reference=reference,
    )


@pytest.fixture(scope="module")
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


def aft(
    groups: Sequence[AlignmentGroup],
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    config: AftConfig,
    out: Path,
    **options: Any,
) -> AftResult:
    return train_aft(groups, model=model, tokenizer=tokenizer, config=config, out=out, **options)


def gradients_of(
    groups: Sequence[AlignmentGroup],
    tokenizer: PreTrainedTokenizerFast,
    config: AftConfig,
    out: Path,
    model: PreTrainedModel | None = None,
) -> tuple[dict[str, Tensor], AftResult]:
    """Gradients of the only update, as they stand before they are clipped and applied."""
    model = model or fresh(tokenizer)
    found: dict[str, Tensor] = {}

    def watch(name: str, parameter: Tensor) -> None:
        def note(p: Tensor) -> None:  # after each backward pass; the last one is the sum
            assert p.grad is not None
            found[name] = p.grad.clone()

        parameter.register_post_accumulate_grad_hook(note)

    for name, parameter in model.named_parameters():
        watch(name, parameter)
    result = aft(groups, model, tokenizer, config, out)
    assert result.steps == 1
    return found, result


def assert_same(got: dict[str, Tensor], expected: dict[str, Tensor], *, relative: float) -> None:
    assert set(got) == set(expected)
    for name, tensor in expected.items():
        assert tensor.norm() > 0
        assert (got[name] - tensor).norm() <= relative * tensor.norm(), name


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


def by_hand(
    groups: Sequence[AlignmentGroup], model: nn.Module, tokenizer: PreTrainedTokenizerFast, config: AftConfig
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
    changes: dict[str, Any], groups: list[AlignmentGroup], tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    config = replace(ONE, **changes)
    model = fresh(tokenizer)
    loss, logged = by_hand(groups, model, tokenizer, config)
    torch.autograd.backward(loss)
    expected = {name: parameter.grad for name, parameter in model.named_parameters() if parameter.grad is not None}
    found = []
    for batch_size, accumulation in SPLITS:
        split = replace(config, batch_size=batch_size, accumulation=accumulation)
        gradients, result = gradients_of(groups, tokenizer, split, tmp_path / str(batch_size))
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
    changes: dict[str, Any], groups: list[AlignmentGroup], tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    plain = replace(ONE, batch_size=4, accumulation=2, candidate_layout="padded")
    if "loss" in changes:
        plain = replace(plain, loss=changes["loss"])
    expected, before = gradients_of(groups, tokenizer, plain, tmp_path / "plain")
    got, result = gradients_of(groups, tokenizer, replace(plain, **changes), tmp_path / "other")
    assert_same(got, expected, relative=2e-6)
    assert result.metrics == pytest.approx(before.metrics, rel=1e-5)


def test_the_log_is_over_the_updates_since_the_last_one(
    groups: list[AlignmentGroup], tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    # With a vanishing learning rate every epoch of one update logs the same; 150 updates are logged two by two.
    config = replace(ONE, learning_rate=1e-12, epochs=102, batch_size=4)
    result = aft(groups[:3], fresh(tokenizer), tokenizer, config, tmp_path)
    _, logged = by_hand(groups[:3], fresh(tokenizer), tokenizer, config)
    assert result.steps == 102
    assert result.metrics == pytest.approx(logged, rel=1e-4)


def test_only_the_first_k_responses_count(
    groups: list[AlignmentGroup], tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    result = aft(groups, fresh(tokenizer), tokenizer, replace(ONE, k=2), tmp_path)
    assert result.n_responses == 16
    cut = [
        one.model_copy(update={name: getattr(one, name)[:2] for name in ("responses", "scores", "sources")})
        for one in groups
    ]
    assert result.metrics == pytest.approx(by_hand(cut, fresh(tokenizer), tokenizer, ONE)[1], rel=1e-5)


def same_weights(one: nn.Module, other: nn.Module) -> bool:
    pairs = zip(one.state_dict().items(), other.state_dict().items(), strict=True)
    return all(a == b and torch.equal(x, y) for (a, x), (b, y) in pairs)


@pytest.mark.parametrize(
    "changes", [{}, {"loss": "rank_dpo"}, {"lora_r": 2, "lora_dropout": 0.3}], ids=["bc", "rank_dpo", "lora"]
)
def test_an_interrupted_run_ends_in_the_same_weights(
    changes: dict[str, Any], groups: list[AlignmentGroup], tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    if "lora_r" in changes:
        pytest.importorskip("peft")
    config = replace(SMALL, **changes)
    whole = fresh(tokenizer)
    done = aft(groups, whole, tokenizer, config, tmp_path / "whole")

    def interrupt(progress: TrainProgress) -> None:
        if progress.step == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        aft(groups, fresh(tokenizer), tokenizer, config, tmp_path / "cut", on_progress=interrupt)
    assert not (tmp_path / "cut" / "training.json").exists()
    seen: list[TrainProgress] = []
    resumed = fresh(tokenizer)
    result = aft(groups, resumed, tokenizer, config, tmp_path / "cut", on_progress=seen.append)
    assert [progress.step for progress in seen] == [5, 6, 7, 8]  # the last checkpoint was after 4
    assert same_weights(whole, resumed)
    assert result._replace(seconds=0, path=done.path) == done._replace(seconds=0)
    assert not same_weights(whole, fresh(tokenizer))
    assert not (tmp_path / "cut" / "checkpoints").exists()


def test_a_finished_run_is_not_done_again(
    groups: list[AlignmentGroup], tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    first, second = fresh(tokenizer), fresh(tokenizer)
    done = aft(groups, first, tokenizer, SMALL, tmp_path)
    seen: list[TrainProgress] = []
    again = aft(groups, second, tokenizer, SMALL, tmp_path, on_progress=seen.append)
    assert seen == []
    assert again._replace(seconds=0) == done._replace(seconds=0)
    assert same_weights(first, second)
    with pytest.raises(DataError, match="Name another folder, or delete"):
        aft(groups[1:], fresh(tokenizer), tokenizer, SMALL, tmp_path)


def test_the_saved_folder_is_an_ordinary_model_with_a_card(
    groups: list[AlignmentGroup],
    tokenizer: PreTrainedTokenizerFast,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    model = fresh(tokenizer)
    capfd.readouterr()
    result = aft(groups, model, tokenizer, SMALL, tmp_path)
    printed = capfd.readouterr()
    assert printed.out == ""
    assert "%|" not in printed.err  # no bar
    ids = AutoTokenizer.from_pretrained(tmp_path)(groups[0].prompt, return_tensors="pt")["input_ids"]
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path)
    assert torch.equal(loaded(ids).logits, model(ids).logits)
    card = (tmp_path / "README.md").read_text()
    for text in (
        "8 questions with 26 responses (26 sampled)",
        "Eq. 4",
        '| loss | "bc" |',
        "| boundary_beta | 0.15 |",
        "arXiv:2309.02144",
        "arXiv:2308.01825",
        f"| aft/acc_macro | {result.metrics['aft/acc_macro']:.4g} |",
        f"| loss/align | {result.metrics['loss/align']:.4g} |",
    ):
        assert text in card
    assert json.loads((tmp_path / "training.json").read_text())["metrics"] == result.metrics


def test_training_learns_to_score_better_responses_higher(
    groups: list[AlignmentGroup], tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    _, before = by_hand(groups, fresh(tokenizer), tokenizer, ONE)
    config = replace(ONE, epochs=40, learning_rate=1e-2)
    result = aft(groups, fresh(tokenizer), tokenizer, config, tmp_path)
    assert before["aft/acc_micro"] < 0.8
    assert result.metrics["aft/acc_micro"] == 1.0
    assert result.metrics["loss/vft"] < before["loss/vft"] / 3


def test_lora_trains_adapters_and_saves_an_ordinary_model(
    groups: list[AlignmentGroup], tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    pytest.importorskip("peft")
    model = fresh(tokenizer)
    aft(groups, model, tokenizer, replace(SMALL, lora_r=2, learning_rate=1e-2), tmp_path)
    start, trained = fresh(tokenizer).state_dict(), AutoModelForCausalLM.from_pretrained(tmp_path).state_dict()
    changed = {name for name, weight in start.items() if not torch.equal(weight, trained[name])}
    assert changed == {name for name in start if "_proj" in name}
    change = trained["model.layers.1.mlp.up_proj.weight"] - start["model.layers.1.mlp.up_proj.weight"]
    singular = torch.linalg.svdvals(change)
    assert singular[2] < 1e-3 * singular[0]  # of rank 2


def test_adapters_learn_the_same_with_activation_checkpointing_and_with_shared_prompts(
    groups: list[AlignmentGroup], tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    pytest.importorskip("peft")
    config = replace(ONE, epochs=2, lora_r=2, lora_dropout=0.0, max_grad_norm=1e-3, candidate_layout="padded")
    plain, other = fresh(tokenizer), fresh(tokenizer)
    first = aft(groups, plain, tokenizer, config, tmp_path / "plain")
    saving = replace(config, activation_checkpointing=True, candidate_layout="shared_prefix")
    second = aft(groups, other, tokenizer, saving, tmp_path / "other")
    assert second.metrics == pytest.approx(first.metrics, rel=1e-5)
    for (name, weight), expected in zip(other.named_parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(weight, expected, rtol=0, atol=2e-6, msg=name)


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning")  # of the test's own call of peft
def test_an_adapter_alone_can_be_put_on_its_base_with_peft(
    groups: list[AlignmentGroup], tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    peft = pytest.importorskip("peft")
    fresh(tokenizer).save_pretrained(tmp_path / "base")
    config = replace(SMALL, lora_r=2, lora_merge=False, learning_rate=1e-2)
    ids = torch.tensor([tokenizer("Ana has 3 pens and buys")["input_ids"]])

    def base() -> LlamaForCausalLM:
        return LlamaForCausalLM.from_pretrained(tmp_path / "base")

    model, again = base(), base()
    aft(groups, model, tokenizer, config, tmp_path / "out")
    assert not (tmp_path / "out" / "model.safetensors").exists()
    model.eval()
    expected = model(ids).logits
    assert not torch.allclose(expected, base()(ids).logits, atol=1e-3)
    loaded = peft.PeftModel.from_pretrained(base(), tmp_path / "out")
    assert torch.equal(loaded(ids).logits, expected)
    seen: list[TrainProgress] = []
    aft(groups, again, tokenizer, config, tmp_path / "out", on_progress=seen.append)  # finished
    again.eval()
    assert seen == []
    assert torch.equal(again(ids).logits, expected)


def test_bfloat16_trains_nearly_the_same(
    groups: list[AlignmentGroup], tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    for loss in ("bc", "rank_dpo"):
        exact = aft(groups, fresh(tokenizer), tokenizer, replace(ONE, loss=loss), tmp_path / f"{loss}32")
        model = fresh(tokenizer)
        half = aft(groups, model, tokenizer, replace(ONE, loss=loss, bf16=True), tmp_path / f"{loss}16")
        assert half.loss != exact.loss
        assert half.loss == pytest.approx(exact.loss, rel=0.02)
        assert model.dtype == torch.float32
    # At the start the model is its own reference, bfloat16 or not: log(1 + n) for each response above n others.
    above = [[2], [2, 2], [], [2], [3, 2], [1], [1], [4, 4]]
    expected = sum(math.log(1 + n) for row in above for n in row) / 7
    assert half.metrics["loss/align"] == pytest.approx(expected, rel=1e-5)


def test_two_pass_has_no_lora_dropout_and_refuses_that_of_the_model(
    groups: list[AlignmentGroup], tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    pytest.importorskip("peft")
    config = replace(SMALL, lora_r=2, lora_dropout=0.5, group_memory="two_pass")
    with_dropout, without = fresh(tokenizer), fresh(tokenizer)
    aft(groups, with_dropout, tokenizer, config, tmp_path / "with")
    aft(groups, without, tokenizer, replace(config, lora_dropout=0.0), tmp_path / "without")
    assert same_weights(with_dropout, without)
    model = fresh(tokenizer)
    attention: Any = model.get_submodule("model.layers.0.self_attn")  # Any: a number on a module
    attention.attention_dropout = 0.1
    with pytest.raises(DataError, match="dropout is on in model.layers.0.self_attn"):
        aft(groups, model, tokenizer, replace(SMALL, group_memory="two_pass"), tmp_path / "model")
    assert "forward" not in vars(model)


class Scaled(LlamaForCausalLM):
    """Does to its logits what no setting says."""

    def forward(self, *args: Any, **kwargs: Any) -> Any:  # Any: as its parent
        found: Any = super().forward(*args, **kwargs)  # Any: transformers allows no logits
        found.logits = found.logits * 2
        return found


def test_logits_are_computed_as_the_model_does_or_it_is_refused(
    groups: list[AlignmentGroup], tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match="Scaled does not compute its logits by"):
        aft(groups, Scaled(fresh(tokenizer).config), tokenizer, SMALL, tmp_path / "scaled")
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
    model = Gemma2ForCausalLM(Gemma2Config(**settings))
    _, logged = by_hand(groups, model, tokenizer, ONE)
    assert aft(groups, model, tokenizer, ONE, tmp_path / "capped").metrics == pytest.approx(logged, rel=1e-5)


def test_a_loss_that_is_no_number_ends_the_run(
    groups: list[AlignmentGroup], tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=r"the loss is nan after \d+ updates. Lower --learning-rate"):
        aft(groups, fresh(tokenizer), tokenizer, replace(SMALL, learning_rate=1e38), tmp_path)
    assert not (tmp_path / "training.json").exists()


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
    groups: list[AlignmentGroup],
    tokenizer: PreTrainedTokenizerFast,
    tmp_path: Path,
) -> None:
    with pytest.raises(DataError) as caught:
        aft(groups, fresh(tokenizer), tokenizer, replace(SMALL, **changes), tmp_path / "out")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_data_that_cannot_train_is_refused_in_one_line(
    groups: list[AlignmentGroup], tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    def refused(data: list[AlignmentGroup], tokenizer: PreTrainedTokenizerFast = tokenizer) -> str:
        with pytest.raises(DataError) as caught:
            aft(data, fresh(tokenizer), tokenizer, SMALL, tmp_path / "out")
        return str(caught.value)

    assert refused([]).startswith("no group to train on: there are none.")
    assert "in none of 1 has one response a higher score" in refused([groups[2]])
    assert "a score is not a number" in refused([group("Ana\n", ["1", "2"], [1.0, math.nan], None)])
    assert "the prompt has no tokens" in refused([group("", ["1", "2"], [1.0, 0.0], None)])
    assert "have fewer than two responses" in refused([group("Ana\n", ["1"], [1.0], "1")])
    endless = build_tokenizer(["Ana"], max_number=9)
    model = fresh(endless)
    endless.eos_token = None
    with pytest.raises(DataError, match="no end-of-sequence token. Set eos_token"):
        aft([group("Ana\n", ["1", "2"], [1, 0], None)], model, endless, SMALL, tmp_path / "out")


def test_what_is_left_out_is_counted_and_the_rest_is_never_cut(
    groups: list[AlignmentGroup],
    tokenizer: PreTrainedTokenizerFast,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    long = group("Ana\n", ["1", "2", "3 " * 80], [1, 0, 0], "4 " * 80)
    small = group("Tom\n", ["1", "2 " * 80], [1, 0], None)
    result = aft([*groups, long, small], fresh(tokenizer), tokenizer, SMALL, tmp_path / "all")
    assert (result.n_groups, result.n_responses, result.n_small_groups) == (9, 28, 1)
    assert (result.n_too_long, result.n_too_long_references) == (2, 1)
    said = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert said == [
        "2 responses longer than 64 tokens with their prompt are left out",
        "1 references longer than 64 tokens with their prompt are left out",
        "1 groups with fewer than two responses are left out",
    ]


def test_memory_that_does_not_suffice_is_said_with_what_to_do(
    groups: list[AlignmentGroup], tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    def exhaust(_: TrainProgress) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate")

    model = fresh(tokenizer)
    with pytest.raises(DataError, match="^out of memory on the device. In this order: lower --batch-size") as caught:
        aft(groups, model, tokenizer, SMALL, tmp_path, on_progress=exhaust)
    assert "--group-memory two_pass" in str(caught.value)
    assert "forward" not in vars(model)
