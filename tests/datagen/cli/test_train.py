"""`datagen train`: the options are the trainers' settings, and every method trains through the command."""

import json
import os
import re
import shlex
import subprocess
import sys
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import click
import pytest
import torch
from click.testing import CliRunner

from datagen.cli.main import main
from datagen.cli.train import command
from datagen.cli.train_options import (
    ALIGNMENT_LOSSES,
    LOSS_BY_TASK,
    OF_LOSSES,
    PRESETS,
    SEGMENTATION_LOSSES,
    SETTINGS,
)
from datagen_trainers.aft import AftConfig
from datagen_trainers.load import load_model
from datagen_trainers.losses import alignment, segmentation
from datagen_trainers.seg_config import TASKS, SegConfig
from datagen_trainers.tiny import build_model, build_tokenizer
from datagen_trainers.vft import VftConfig

WORDS = ("Mia", "has", "pens", "and", "buys", "How", "many", ".", "?", "####", "=", "+", "\n", "more")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny untrained model."""
    tokenizer = build_tokenizer([*WORDS, *(f" {word}" for word in WORDS)], max_number=20)
    folder = tmp_path_factory.mktemp("base")
    build_model(tokenizer, seed=1, hidden=32, layers=2, max_length=128).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def groups(tmp_path: Path) -> Path:
    """Five questions with a right and two wrong answers."""
    file = tmp_path / "groups.jsonl"
    rows = [
        {
            "prompt": f"Mia has {n} pens and buys 3 more. How many?\n",
            "correct": [f"{n}+3={n + 3}\n#### {n + 3}"],
            "incorrect": [f"#### {n}", f"{n}+3={n + 2}\n#### {n + 2}"],
            "reference": f"{n}+3={n + 3}\n#### {n + 3}",
        }
        for n in range(2, 7)
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


MAKE = ["make", "-C", str(Path(__file__).parents[3])]


def run(*arguments: object) -> Any:  # Any: click's Result
    return CliRunner().invoke(main, ["train", *map(str, arguments)], env={"DATAGEN_HOME": None})


@pytest.mark.parametrize(("method", "config"), [("vft", VftConfig), ("aft", AftConfig), ("seg", SegConfig)])
def test_every_setting_is_an_option_and_its_help_has_the_default(
    method: str, config: type[VftConfig] | type[AftConfig] | type[SegConfig]
) -> None:
    """`loss` and the like in one recipe: option, field of the dataclass and key of a TOML file have one name."""
    helps = {parameter.name: getattr(parameter, "help", "") or "" for parameter in command.params}
    shown = {"pro_dynamic_temperature": "with", "detach_boundary": "it is", "lora_merge": "merge"}
    shown |= {"dice_squared": "squared"}
    for field in fields(config):
        assert field.name in SETTINGS
        if field.name == "loss_by_task":
            assert config().loss_by_task == {}  # type: ignore[union-attr]  # only seg has it
            continue
        assert field.default is not MISSING
        if field.default is not None and field.default is not False:
            first, *others = helps[field.name].split("[default: ")[1].rstrip("]").split("; ")
            text = dict(other.split(": ") for other in others).get(method, first)
            assert text == shown.get(field.name) or text == str(field.default) or float(text) == field.default


@pytest.mark.parametrize(
    ("target", "names"),
    [
        ("train", ["train", "sample", "groups", "train", "eval"]),
        ("subsets", ["examples", *["train", "sample"] * 6, *["eval"] * 3]),
    ],
)
@pytest.mark.parametrize("arguments", [(), ("MODEL=m", "DATA=gsm8k", "FLAGS=--lora default --bf16")])
def test_make_gives_only_options_that_the_commands_have(
    target: str, names: list[str], arguments: tuple[str, ...]
) -> None:
    """What `make -n` would run is parsed by the commands themselves."""
    printed = subprocess.run(
        [*MAKE, "-n", target, *arguments], capture_output=True, text=True, check=True
    ).stdout.replace("\\\n", " ")
    lines = [line.split("bin/datagen ", 1)[1] for line in printed.splitlines() if "bin/datagen " in line]
    assert [line.split()[0] for line in lines] == ([] if arguments else ["demo"]) + names
    trained = [shlex.split(line)[2] for line in lines if line.startswith("train seg")]
    assert [Path(folder).name for folder in trained] == [
        name for name in ("data", "fraction-0.4", "fraction-0.1") for _ in range(2) if target == "subsets"
    ]
    for line in lines:
        name, *given = shlex.split(line)
        found = main.get_command(click.Context(main), name)
        assert found is not None
        found.make_context(name, given, resilient_parsing=True)


@pytest.mark.parametrize("fractions", [".50 0.1", "0.1 .5"])
def test_make_finds_the_parts_of_the_data_however_they_are_written(fractions: str) -> None:
    done = subprocess.run(
        [*MAKE, "-n", "subsets", f"FRACTIONS={fractions}"], capture_output=True, text=True, check=True
    )
    printed = done.stdout.replace("\\\n", " ")
    assert "--fraction 0.5 --fraction 0.1 " in printed
    assert re.findall(r"train seg \S+/(\S+)", printed) == ["data", "data", "fraction-0.1", "fraction-0.1"]


def test_make_train_goes_from_a_base_to_the_comparison_of_vft_and_aft(base: Path, tmp_path: Path) -> None:
    data = questions(tmp_path / "data.jsonl", range(2, 9))
    settings = "--epochs 20 --learning-rate 3e-3 --max-length 64 --device cpu --quiet"
    variables = (f"MODEL={base}", f"DATA={data}", f"TEST={data}", f"FLAGS={settings}", "MAX_TOKENS=16")
    places = (f"TRAIN_OUT={tmp_path}", f"BIN={Path(sys.executable).parent}", "-o", ".venv/.installed")
    done = subprocess.run(
        [*MAKE, "train", *variables, *places],
        env={**os.environ, "DATAGEN_HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    groups = json.loads((tmp_path / "groups" / "manifest.json").read_text())["counts"]
    assert groups["groups"] + groups["references"] == 7
    assert "McNemar" in done.stdout


def test_loras_presets_and_their_exceptions(base: Path, groups: Path, tmp_path: Path) -> None:
    """r=16, alpha=32 but for the head; the segmentation paper's r=8, alpha=16 with it; what is given besides wins."""
    untied = load_model(str(base))
    untied.model.config.tie_word_embeddings = False
    head = untied.model.get_output_embeddings()
    assert isinstance(head, torch.nn.Linear)
    head.weight = torch.nn.Parameter(head.weight.detach().clone())
    untied.model.save_pretrained(tmp_path / "untied")
    untied.tokenizer.save_pretrained(tmp_path / "untied")
    found = []
    for i, arguments in enumerate((["default"], ["paper"], ["paper", "--lora-r", "4", "--no-lora-merge"])):
        out = tmp_path / str(i)
        common = ("--model", tmp_path / "untied", "--out", out, "--epochs", 1, "--device", "cpu", "--quiet")
        result = run("aft", groups, *common, "--lora", *arguments)
        assert result.exit_code == 0, result.output
        config = json.loads((out / "training.json").read_text())["config"]
        found.append((config["lora_r"], config["lora_alpha"], config["lora_head"]))
    assert found == [(16, 32, False), (8, 16, True), (4, 16, True)]
    adapter = json.loads((tmp_path / "2" / "adapter_config.json").read_text())
    assert adapter["r"] == 4
    assert "lm_head" in adapter["target_modules"]
    common = ("--model", base, "--out", tmp_path / "tied", "--epochs", 1, "--device", "cpu", "--quiet")
    tied = run("aft", groups, *common, "--lora", "paper", "--no-lora-merge")
    assert tied.exit_code == 0, tied.output
    adapter = json.loads((tmp_path / "tied" / "adapter_config.json").read_text())
    assert adapter["r"] == 8
    assert "lm_head" not in adapter["target_modules"]  # it is the embedding


def test_every_loss_and_every_task_can_be_chosen() -> None:
    assert set(ALIGNMENT_LOSSES) == set(alignment.ALIGNMENT_LOSSES)
    assert set(SEGMENTATION_LOSSES) == set(segmentation.LOSSES)
    assert set(LOSS_BY_TASK) == set(TASKS)
    assert {loss for of in OF_LOSSES.values() for loss in of} <= {*ALIGNMENT_LOSSES, *SEGMENTATION_LOSSES}
    assert set(OF_LOSSES) <= SETTINGS


def questions(file: Path, numbers: range) -> Path:
    """A problem set with solutions."""
    rows = [
        {
            "question": f"Mia has {n} pens and buys 3 more. How many?",
            "answer": f"{n}+3=<<{n}+3={n + 3}>>\n#### {n + 3}",
        }
        for n in numbers
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


@pytest.mark.parametrize("method", ["vft", "seg"])
def test_a_limit_takes_only_the_first_questions(method: str, base: Path, tmp_path: Path) -> None:
    data = questions(tmp_path / "data.jsonl", range(2, 9))
    found = {}
    for n in (2, 5):
        out = tmp_path / str(n)
        result = run(method, data, "--limit", n, "--model", base, "--out", out, "--epochs", 1, "--quiet", "--json")
        assert result.exit_code == 0, result.output
        found[n] = json.loads(result.stdout)["n_examples"]
    assert found == {2: 2, 5: 5}


def test_seg_trains_on_problems_validates_and_says_what_it_did(base: Path, tmp_path: Path) -> None:
    data = questions(tmp_path / "data.jsonl", range(2, 9))
    validation = questions(tmp_path / "validation.jsonl", range(9, 12))
    out = tmp_path / "model"
    arguments = ("seg", data, "--model", base, "--out", out, "--epochs", 2, "--batch-size", 4, "--device", "cpu")
    options = ("--loss", "gdl", "--loss-by-task", "word_problem=dice", "--validation", validation)
    result = run(*arguments, *options, "--context-percentile", 75, "--quiet", "--json")
    assert result.exit_code == 0, result.output
    value = json.loads(result.stdout)
    assert (value["n_examples"], value["n_too_long"], value["steps"], value["method"]) == (7, 0, 4, "seg")
    assert value["validation"]["step"] in (1, 2, 3, 4)
    config = json.loads((out / "training.json").read_text())["config"]
    assert (config["loss"], config["loss_by_task"]) == ("gdl", {"word_problem": "dice"})
    before, after = (load_model(str(path)).model.state_dict() for path in (base, out))
    assert any(not after[name].equal(weight) for name, weight in before.items())
    again = run(*arguments, *options, "--context-percentile", 75)
    assert f"context {value['max_length']} tokens: 75 % of the examples have at most " in again.stdout
    assert "7 examples; 4 steps" in again.stdout
    assert f"validation loss {value['validation']['loss']:.4f}" in again.stdout
    other = run(*arguments, "--loss", "lovasz")
    assert other.exit_code == 1
    assert "Name another folder" in other.stderr


def test_a_checkpoint_is_not_chosen_by_another_form_of_prompts_and_answers(base: Path, tmp_path: Path) -> None:
    """Problems as they are and the formulas of `datagen examples`: their losses say nothing about each other."""
    data = {
        name: questions(tmp_path / f"{name}.jsonl", range(*ends)) for name, ends in {"a": (2, 9), "b": (9, 12)}.items()
    }
    for name, file in data.items():
        made = CliRunner().invoke(main, ["examples", "--dataset", str(file), "--out", str(tmp_path / name), "--quiet"])
        assert made.exit_code == 0, made.output
    common = ("--model", base, "--epochs", 1, "--device", "cpu", "--quiet", "--context-percentile", 100)
    for of, validation in ((tmp_path / "a", data["b"]), (data["a"], tmp_path / "b")):
        refused = run("seg", of, "--validation", validation, *common, "--out", tmp_path / "refused")
        assert refused.exit_code == 1
        assert "Make both with the same options of datagen examples" in refused.stderr
        assert not (tmp_path / "refused").exists()
    own = tmp_path / "own.jsonl"  # whose form is not known
    own.write_text(json.dumps({"prompt": "Question: Mia has 9 pens\nAnswer:", "completion": " #### 9"}) + "\n")
    taken = run("seg", tmp_path / "a", "--validation", own, *common, "--out", tmp_path / "own")
    assert taken.exit_code == 0, taken.output
    out = tmp_path / "model"
    done = run("seg", tmp_path / "a", "--validation", tmp_path / "b", *common, "--out", out, "--loss-by-task", "paper")
    assert done.exit_code == 0, done.output
    assert "losses by task: 7 word_problem (lovasz), 0 multiple_choice (focal)" in done.stdout
    # The card asks as the examples do, and not on what was trained on.
    assert "--prompt question-answer --dataset gsm8k --split test" in (out / "README.md").read_text()


def test_two_processes_do_not_train_to_one_folder(base: Path, tmp_path: Path) -> None:
    data = questions(tmp_path / "data.jsonl", range(2, 5))
    arguments = ("vft", data, "--model", base, "--out", tmp_path / "deep" / "out", "--epochs", 1, "--device", "cpu")
    holder = "import sys\nfrom pathlib import Path\nfrom datagen.store.run_lock import alone_in\n"
    holder += "with alone_in(Path(sys.argv[1])):\n    print('locked', flush=True)\n    sys.stdin.read()\n"
    command = [sys.executable, "-c", holder, str(tmp_path / "deep" / "out")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "locked\n"
        refused = run(*arguments, "--quiet")
        assert refused.exit_code == 1
        assert "another datagen is writing there now" in refused.output
        other.communicate()
    assert not (tmp_path / "deep").exists()  # made for the lock, and empty
    assert run(*arguments, "--quiet").exit_code == 0
    assert not (tmp_path / "deep" / "out" / ".lock").exists()


def test_what_others_print_does_not_mix_with_the_json(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A loss of one's own here; trackio and wandb do it, too."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "loud_loss.py").write_text(
        "from torch.nn.functional import cross_entropy\n"
        "def loud(logits, targets):\n    print('loud')\n    return cross_entropy(logits, targets)\n"
    )
    data = questions(tmp_path / "data.jsonl", range(2, 5))
    settings = ("--model", base, "--out", tmp_path / "out", "--max-steps", 1, "--device", "cpu", "--quiet", "--json")
    result = run("seg", data, "--loss", "loud_loss:loud", *settings)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["steps"] == 1
    assert "loud\n" in result.stderr


def test_the_papers_settings_are_a_preset_that_is_printed_and_gives_way(base: Path, tmp_path: Path) -> None:
    data = questions(tmp_path / "data.jsonl", range(2, 9))
    found = {}
    for preset in PRESETS:
        out = tmp_path / preset
        own = ("--max-steps", 2, "--no-lora-head", "--max-length", 200, "--loss-by-task", "paper")
        common = ("--model", base, "--out", out, "--device", "cpu")
        result = run("seg", data, "--preset", preset, *own, *common)
        assert result.exit_code == 0, result.output
        assert f"preset {preset}: loss lovasz, ce_weight 0.6" in result.stderr
        assert "max_steps 2" in result.stderr
        assert "% of the weights trained" in result.stdout
        found[preset] = json.loads((out / "training.json").read_text())["config"]
    # Section 4.4 and appendix G.
    paper = found["paper"]
    assert (paper["learning_rate"], found["paper-gsm8k"]["learning_rate"]) == (1e-4, 1e-5)
    assert (paper["batch_size"], paper["warmup_steps"], paper["schedule"]) == (2, 500, "linear")
    assert (paper["lora_r"], paper["lora_alpha"], paper["ce_weight"], paper["focal_gamma"]) == (8, 16, 0.6, 2)
    assert (PRESETS["paper"]["max_steps"], PRESETS["paper"]["context_percentile"]) == (25000, 75)
    # What is given besides.
    assert (paper["max_steps"], paper["lora_head"], paper["max_length"], paper["context_percentile"]) == (
        2,
        False,
        200,
        None,
    )
    assert paper["loss_by_task"] == {"word_problem": "lovasz", "multiple_choice": "focal"}  # section 4.8


def test_aft_trains_on_groups_and_says_what_it_did(base: Path, groups: Path, tmp_path: Path) -> None:
    out = tmp_path / "model"
    arguments = ("aft", groups, "--model", base, "--out", out, "--epochs", 2, "--learning-rate", "1e-3", "--quiet")
    result = run(*arguments, "--loss", "dc", "--device", "cpu", "--json")
    assert result.exit_code == 0, result.output
    value = json.loads(result.stdout)
    assert (value["n_groups"], value["n_responses"], value["steps"]) == (5, 15, 2)
    assert 0 <= value["metrics"]["aft/acc_macro"] <= 1
    before, after = (load_model(str(path)).model.state_dict() for path in (base, out))
    assert any(not after[name].equal(weight) for name, weight in before.items())
    again = run(*arguments, "--loss", "dc", "--device", "cpu")
    assert "5 questions with 15 responses; 2 steps" in again.stdout
    other = run(*arguments, "--loss", "bc", "--device", "cpu")
    assert other.exit_code == 1
    assert "Name another folder" in other.stderr


def test_a_recipe_file_sets_what_the_options_do(base: Path, groups: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text('[train]\nloss = "rrhf"\nconstraint = true\nepochs = 1\ndevice = "cpu"\nk = 2\n')
    out = tmp_path / "model"
    result = run("aft", groups, "--model", base, "--out", out, "--config", recipe, "--json", "--quiet")
    assert result.exit_code == 0, result.output
    config = json.loads((out / "training.json").read_text())["config"]
    assert (config["loss"], config["constraint"], config["epochs"], config["k"]) == ("rrhf", True, 1, 2)
    assert json.loads(result.stdout)["n_responses"] == 10


def test_a_recipe_file_sets_the_losses_of_tasks(base: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text('[train]\nloss = "ce"\nloss_by_task = "word_problem=sadl"\nmax_steps = 1\ndevice = "cpu"\n')
    data = questions(tmp_path / "data.jsonl", range(2, 5))
    result = run("seg", data, "--model", base, "--out", tmp_path / "model", "--config", recipe, "--quiet")
    assert result.exit_code == 0, result.output
    config = json.loads((tmp_path / "model" / "training.json").read_text())["config"]
    assert (config["loss"], config["loss_by_task"], config["max_steps"]) == ("ce", {"word_problem": "sadl"}, 1)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["vft", "synthetic:3", "--loss", "dc"], 2, "--loss is no setting of vft"),
        (["vft", "synthetic:3", "--validation", "synthetic:2"], 2, "--validation goes with aft and seg"),
        (["vft", "synthetic:3", "--preset", "paper"], 2, "--preset goes with seg"),
        (["aft", "GROUPS", "--loss", "lovasz"], 2, "and no 'lovasz'. 'lovasz' is of seg."),
        (["aft", "GROUPS", "--focal-gamma", "2"], 2, "--focal-gamma is no setting of aft"),
        (["seg", "synthetic:3", "--loss", "bc"], 2, "and no 'bc'. 'bc' is of aft."),
        (["seg", "synthetic:3", "--loss", "lovas"], 2, "and no 'lovas'."),
        (["seg", "synthetic:3", "--loss", "nowhere:loss"], 1, "'nowhere:loss' cannot be imported"),
        (["seg", "synthetic:3", "--loss-by-task", "word_problem"], 2, "'word_problem' is not TASK=LOSS"),
        (["seg", "synthetic:3", "--loss-by-task", "poem=focal"], 2, "with a task of word_problem, multiple_choice"),
        (["seg", "synthetic:3", "--loss-by-task", "word_problem=dc"], 2, "and no 'dc'"),
        (["seg", "synthetic:3", "--focal-gamma", "1"], 2, "--focal-gamma is of focal; lovasz does not have it"),
        (["seg", "synthetic:3", "--max-steps", "1", "--epochs", "1"], 2, "--max-steps is in place of --epochs"),
        (["seg", "synthetic:3", "--beta-search", "0:1:1"], 2, "--beta-search goes with aft"),
        (["seg", "synthetic:3", "--validation", "no.jsonl"], 1, "no.jsonl: no such file"),
        (["aft", "GROUPS", "--loss", "bc", "--constraint"], 2, "constraint belongs to rrhf, pro and rank_dpo"),
        (["aft", "GROUPS", "--beta-search", "0:0.5:0.05"], 2, "--validation go together"),
        (
            ["aft", "GROUPS", "--loss", "dc", "--beta-search", "0:1:0.5", "--validation", "synthetic:2"],
            2,
            "no boundary",
        ),
        (["aft", "GROUPS", "--beta-search", "0-1", "--validation", "synthetic:2"], 2, "no range FROM:TO:STEP"),
        (["aft", "GROUPS", "--four-bit"], 2, "--four-bit trains adapters: add --lora default"),
        (["aft", "GROUPS", "--four-bit", "--lora", "default"], 1, "--four-bit needs the package bitsandbytes"),
        (["aft", "GROUPS", "--lora-alpha", "8"], 2, "--lora-alpha has no effect without --lora or --lora-r"),
        (["aft", "GROUPS", "--loss", "dc", "--boundary-beta", "0.1"], 2, "--boundary-beta is of bc, rbc; dc does not"),
        (["aft", "GROUPS", "--beta-search", "0:1:1", "--validation", "no.jsonl"], 1, "no.jsonl: no such file"),
        (["aft", "nowhere"], 1, "nowhere: no such file or folder. Make groups with"),
        (["rft", "nowhere"], 1, "no run of datagen rft"),
    ],
)
def test_what_cannot_be_trained_is_one_line(
    base: Path, groups: Path, tmp_path: Path, arguments: list[str], code: int, said: str
) -> None:
    given = [str(groups) if argument == "GROUPS" else argument for argument in arguments]
    result = run(*given, "--model", base, "--out", tmp_path / "out", "--quiet")
    assert result.exit_code == code, result.output
    assert said in result.stderr
    assert result.stdout == ""


def test_beta_is_searched_on_a_validation_set(
    base: Path, groups: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An untrained model solves nothing, so that all accuracies are 0 and the smallest beta stays."""
    monkeypatch.setenv("DATAGEN_HOME", str(tmp_path / "home"))
    validation = tmp_path / "validation.jsonl"
    validation.write_text(json.dumps({"question": "Mia has 5 pens. How many?", "answer": "#### 5"}) + "\n")
    options = ("--beta-search", "0:0.2:0.2", "--validation", validation, "--epochs", 1, "--device", "cpu", "--quiet")
    result = CliRunner().invoke(
        main, ["train", "aft", str(groups), "--model", str(base), "--out", str(tmp_path / "best"), *map(str, options)]
    )
    assert result.exit_code == 0, result.output
    assert "best beta: 0" in result.stdout
    assert json.loads((tmp_path / "best" / "beta-search.json").read_text())["accuracy"] == {"0.0": 0.0, "0.2": 0.0}
    assert json.loads((tmp_path / "best" / "training.json").read_text())["config"]["boundary_beta"] == 0.0
    other = (*options, "--learning-rate", "1e-4")
    result = CliRunner().invoke(
        main, ["train", "aft", str(groups), "--model", str(base), "--out", str(tmp_path / "best"), *map(str, other)]
    )
    assert result.exit_code == 1
    assert "holds a search with other data, settings" in result.stderr
