"""What a run cost, model by model: in its manifest, on the report's page, and on the card."""

import json
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from datagen.cli.main import main

SERVER = Path(__file__).parents[2] / "servers" / "judge_server.py"
TOKENS_A_SAMPLE = 20  # what the server says of every reply
PRICES = """
as_of = "2031-02-03"
[[price]]
model = "big"
input = 3
output = 15
[[price]]
model = "small"
input = 0.1
output = 0.4
"""


@pytest.fixture
def servers() -> Iterator[list[str]]:
    """Two servers, so that each counts what one model was asked."""
    command = [sys.executable, str(SERVER), "--port", "0"]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as one,
        subprocess.Popen([*command, "--steady"], stdout=subprocess.PIPE, text=True) as two,
    ):
        started = [one, two]
        yield [f"http://127.0.0.1:{int(of.stdout.readline())}/v1" for of in started if of.stdout is not None]
        for process in started:
            process.kill()


def run(folder: Path, *arguments: object) -> Result:
    prices = folder / "prices.toml"
    prices.write_text(PRICES)
    environment = {"DATAGEN_HOME": str(folder / "home"), "DATAGEN_PRICES": str(prices)}
    return CliRunner().invoke(main, list(map(str, arguments)), env=environment)


def asked_of(server: str) -> dict[str, int]:
    with urllib.request.urlopen(server.removesuffix("/v1") + "/stats") as response:
        found: dict[str, int] = json.load(response)
    return found


def ranked(folder: Path, servers: list[str]) -> dict[str, Any]:  # Any: JSON
    """A panel of two judges rates the replies to three problems, the big one twice, the small one twice."""
    problems, replies = folder / "p.jsonl", folder / "r.jsonl"
    asked = [f"Mia has {i} pens and buys {i + 7}. How many has she?" for i in range(3)]
    with problems.open("w") as p, replies.open("w") as r:
        for i, question in enumerate(asked):
            p.write(json.dumps({"question": question, "answer": f"{i}+{i + 7}={2 * i + 7}\n#### {2 * i + 7}"}) + "\n")
            for said in (2 * i + 7, 1000):
                r.write(json.dumps({"question": question, "response": f"That is {said}.\n#### {said}"}) + "\n")
    judges = [part for name, at in zip(("big", "small"), servers, strict=True) for part in ("--judge", f"{name}@{at}")]
    made = run(
        folder, "rank", *judges, "--dataset", problems, "--candidates", replies, "--votes", 2, "--min-votes", 1,
        "--out", folder / "rank", "--quiet", "--json",
    )  # fmt: skip
    assert made.exit_code == 0, made.output
    found: dict[str, Any] = json.loads(made.stdout)  # Any: JSON
    return found


def test_each_judge_of_a_panel_is_charged_for_what_its_server_answered(servers: list[str], tmp_path: Path) -> None:
    said = ranked(tmp_path, servers)
    ledger = json.loads((tmp_path / "rank" / "manifest.json").read_text())["failures"]["ledger"]
    assert said["ledger"] == ledger
    accounts = {of["model"]: of for of in ledger["by_model"]}
    assert list(accounts) == ["big", "small"]
    prices = {"big": (Decimal(3), Decimal(15)), "small": (Decimal("0.1"), Decimal("0.4"))}
    for (name, of), server in zip(accounts.items(), servers, strict=True):
        counted = asked_of(server)
        assert of["endpoint"] == server
        assert (of["calls"], of["retries"]) == (counted["calls"], 0)
        assert of["completion_tokens"] == TOKENS_A_SAMPLE * counted["samples"] > 0
        read, written = prices[name]
        expected = (read * of["prompt_tokens"] + written * of["completion_tokens"]) / 1_000_000
        assert Decimal(of["cost_usd"]) == expected > 0
    for name in ("calls", "retries", "prompt_tokens", "completion_tokens"):
        assert sum(of[name] for of in accounts.values()) == ledger[name], name
    assert sum(Decimal(of["cost_usd"]) for of in accounts.values()) == Decimal(ledger["cost_usd"])

    result = run(tmp_path, "report", tmp_path / "rank", "--out", tmp_path / "page.html", "--quiet", "--json")
    assert result.exit_code == 0, result.output
    shown = json.loads(result.stdout)["costs"]
    assert [(of["run"], of["stage"], of["model"], of["use"]) for of in shown] == [
        ("rank", "rank", "big", "judge"),
        ("rank", "rank", "small", "judge"),
    ]
    for of in shown:
        account = accounts[of["model"]]
        assert all(of[name] == account[name] for name in ("endpoint", "calls", "prompt_tokens", "cost_usd"))
    (figure,) = re.findall(r"<h3>Cost by stage and model</h3>.*?</figure>", (tmp_path / "page.html").read_text(), re.S)
    assert f"in {ledger['calls']} calls, ${Decimal(ledger['cost_usd']):.4f}".rstrip("0") in figure
    assert "2031-02-03" in figure
    for name, of in accounts.items():
        (bar,) = re.findall(rf"rank: {name} \(judge\)</bdi>.*?</tr>", figure)
        assert f"{of['prompt_tokens'] + of['completion_tokens']:,} · $" in bar

    made = run(
        tmp_path, "publish", tmp_path / "rank", "--repo", "me/ranked", "--license", "mit", "--dry-run", "--out",
        tmp_path / "hub", "--quiet",
    )  # fmt: skip
    assert made.exit_code == 0, made.output
    card = (tmp_path / "hub" / "README.md").read_text()
    for name, of in accounts.items():
        numbers = " | ".join(f"{of[key]:,}" for key in ("calls", "prompt_tokens", "completion_tokens"))
        assert f"| `{name}` | judge | {numbers} | {Decimal(of['cost_usd']):.4f} |" in card
    assert f"{Decimal(ledger['cost_usd']):.4f} USD in all" in card
