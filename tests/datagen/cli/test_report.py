"""`datagen report`: the page's numbers are those of the run, and of `datagen stats`."""

import base64
import gzip
import json
import os
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from tokenizers import Tokenizer, models, pre_tokenizers

from datagen.cli.main import main
from datagen.report.charts import number, percent

DATA = Path(os.environ.get("DATAGEN_TEST_DATA", Path(__file__).parents[4] / "shared" / "data"))


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, list(map(str, arguments)))


@pytest.fixture
def problems(tmp_path: Path) -> Path:
    """Six problems, and four replies to each: 0 to 3 of them right, one with a false equation."""
    rows, replies = [], []
    for i in range(6):
        question = f"Mia has {i} pens and buys {i + 7}. How many has she?"
        rows.append({"question": question, "answer": f"{i}+{i + 7} = <<{i}+{i + 7}={2 * i + 7}>>\n#### {2 * i + 7}"})
        for j in range(4):
            right = j < i % 4
            shown = 2 * i + 7 if right else 1000
            text = f"So {i + 7}+{i}+{j}-{j} = <<{i + 7}+{i}+{j}-{j}={shown}>>{shown}\n#### {shown}"
            replies.append({"question": question, "response": text, "model": f"m{j % 2}"})
    file = tmp_path / "p.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "r.jsonl").write_text("".join(json.dumps(row) + "\n" for row in replies))
    return file


@pytest.fixture
def rft(problems: Path) -> Path:
    out = problems.with_name("rft")
    replies = problems.with_name("r.jsonl")
    made = run("rft", "--dataset", problems, "--candidates", replies, "--out", out, "--workers", 1, "--quiet")
    assert made.exit_code == 0, made.output
    return out


def numbers_of(page: str, title: str) -> list[list[str]]:
    """Cells of a figure's table of numbers, or of its bars."""
    (figure,) = re.findall(rf"<figure[^>]*><figcaption><h3>{re.escape(title)}</h3>.*?</figure>", page, re.DOTALL)
    rows = re.findall(r"<tr><th scope=\"row\">.*?</tr>", figure)
    return [re.findall(r">([^<>]+)</(?:bdi|td)>", row) for row in rows]


def rows_of(page: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:  # Any: JSON
    """Names that are shared, and the entries."""
    (packed,) = re.findall(r'id="rows">([^<]*)<', page)
    lines = gzip.decompress(base64.b64decode(packed)).decode().split("\n")[:-1]
    return json.loads(lines[0]), [entry for line in lines[1:] for entry in json.loads(line)]


def entries_of(page: str) -> list[dict[str, Any]]:  # Any: JSON
    return rows_of(page)[1]


def compare_with_stats(folder: Path, page: str) -> None:
    """Every number of candidates on the page is the one that `datagen stats` prints."""
    found = json.loads(run("stats", folder, "--json").stdout)
    n = found["candidates"]
    verdicts = {row[0]: row[1] for row in numbers_of(page, "Verdicts")}
    for name in ("correct", "wrong"):
        assert verdicts[name] == f"{number(found[name])} · {percent(found[name] / n)}"
    assert [row[:2] for row in numbers_of(page, "Distinct paths against k")] == [
        [str(point["k"]), f"{point['distinct']:.3f}"] for point in found["distinct_at_k"]
    ]
    assert [row[:2] for row in numbers_of(page, "pass@k")] == [
        [str(point["k"]), percent(point["pass"])] for point in found["pass_at_k"]
    ]
    assert numbers_of(page, "Solve rates") == [
        [name, number(count)] for name, count in found["solve_rates_percent"].items()
    ]
    assert numbers_of(page, "Correct, by model") == [
        [name, f"{percent(of['correct'] / of['candidates'])} of {number(of['candidates'])}"]
        for name, of in found["by_model"].items()
    ]


def test_the_numbers_of_the_page_are_those_of_stats_and_of_the_manifest(rft: Path) -> None:
    result = run("report", rft, "--quiet", "--json")
    assert result.exit_code == 0, result.output
    said = json.loads(result.stdout)
    assert said["out"] == str(rft.with_name("rft-report.html"))
    assert (said["texts"], said["texts_in_all"], said["problems"]) == (24, 24, 6)
    page = Path(said["out"]).read_text()
    assert said["bytes"] == len(page.encode())
    compare_with_stats(rft, page)
    manifest = json.loads((rft / "manifest.json").read_text())
    assert {row[0]: row[1] for row in numbers_of(page, "Dropped, by reason")} == {
        reason: number(n) for reason, n in manifest["counts"]["dropped"].items()
    }
    head, entries = rows_of(page)
    outcomes = Counter(head["outcome"][card["outcome"]] for entry in entries for card in entry["c"])
    assert outcomes == {**manifest["counts"]["dropped"], "selected": manifest["counts"]["selected"]}
    right = {"correct", "selected", "same path as another"}
    for card in (card for entry in entries for card in entry["c"]):
        names = {head["verdict"][card["verdict"]], head["outcome"][card["outcome"]]}
        assert names <= right or names == {"wrong"}
    widths = re.findall(r'<rect class="c1" width="([\d.]+)%"', page[page.index("<h3>Correct, by model</h3>") :])
    found = [100 * of["correct"] / of["candidates"] for of in manifest["statistics"]["by_model"].values()]
    assert [float(width) for width in widths[: len(found)]] == pytest.approx(found, abs=0.01)
    assert all(entry["q"].startswith("Mia has") and entry["g"] and entry["a"] for entry in entries_of(page))


@pytest.mark.skipif(not (DATA / "gsm8k").is_dir(), reason="needs GSM8K's files in DATAGEN_TEST_DATA")
def test_the_numbers_of_the_published_replies_are_those_of_stats(tmp_path: Path) -> None:
    folder, out = DATA / "gsm8k", tmp_path / "rft"
    replies = folder / "example_model_solutions.jsonl"
    made = run(
        "rft", "--dataset", folder / "test.jsonl", "--candidates", replies, "--out", out, "--workers", 1, "--quiet"
    )
    assert made.exit_code == 0, made.output
    result = run("report", out, "--workers", 1, "--quiet", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["texts"] == 5276
    page = out.with_name("rft-report.html").read_text()
    compare_with_stats(out, page)
    assert {row[0]: row[1] for row in numbers_of(page, "Dropped, by reason")} == {
        "wrong": "3,275",
        "same path as another": "613",
        "false equation": "3",
    }


def test_tokens_are_counted_as_stats_counts_them(rft: Path) -> None:
    words = ("<s>", "Mia", "has", "pens", "and", "buys", "How", "many", "she?", "So", "####", "7", "unk")
    made = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="unk"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    made.add_special_tokens(["<s>"])
    tokenizer = rft.with_name("tokenizer.json")
    made.save(str(tokenizer))
    (of,) = json.loads(run("stats", rft, "--tokens", tokenizer, "--json").stdout)["datasets"]
    assert run("report", rft, "--tokenizer", tokenizer, "--quiet").exit_code == 0
    page = rft.with_name("rft-report.html").read_text()
    found = {row[0]: row[1] for row in numbers_of(page, "Token distribution")}
    assert found["tokens"] == number(of["n_tokens"])
    assert found["distinct"] == number(of["n_distinct"])
    assert found["in the vocabulary"] == number(of["n_vocabulary"])
    assert (found["entropy, bits"], found["Gini"]) == (f"{of['entropy_bits']:.2f}", f"{of['gini']:.3f}")
    assert found["no. 1"].startswith(of["most_frequent"][0]["token"])
    assert "In tokens." in page


def test_the_same_run_is_the_same_bytes(rft: Path, problems: Path) -> None:
    first, second = problems.with_name("1.html"), problems.with_name("2.html")
    assert run("report", rft, "--out", first, "--quiet").exit_code == 0
    assert run("report", rft, "--out", second, "--workers", 2, "--quiet").exit_code == 0
    assert first.read_bytes() == second.read_bytes()


def test_several_runs_are_on_one_page_and_share_their_questions(rft: Path, problems: Path) -> None:
    sampled, ranked = problems.with_name("sampled"), problems.with_name("ranked")
    common = ("--dataset", problems, "--candidates", problems.with_name("r.jsonl"), "--workers", 1, "--quiet")
    assert run("sample", *common, "--out", sampled).exit_code == 0
    assert run("rank", "--judge", "steps", "--probes", 0, *common, "--out", ranked).exit_code == 0
    problems.rename(problems.with_name("moved.jsonl"))
    assert run("report", sampled, "--quiet").exit_code == 0
    alone = entries_of(sampled.with_name("sampled-report.html").read_text())
    assert all("q" not in entry for entry in alone)  # the problem set is gone
    result = run("report", sampled, ranked, sampled, "--quiet", "--json")
    assert result.exit_code == 0, result.output
    said = json.loads(result.stdout)
    assert (said["runs"], said["texts"]) == (["sampled", "ranked"], 48)
    page = Path(said["out"]).read_text()
    assert all(entry["q"].startswith("Mia has") for entry in entries_of(page))
    for title in ("Solve rates", "Judge scores", "Pairs of known order", "Agreement", "Word distribution"):
        assert f"<h3>{title}</h3>" in page
    assert "No model was asked: nothing was spent." in page


def test_candidates_find_their_questions_in_the_problem_set(rft: Path, problems: Path) -> None:
    negatives = problems.with_name("negatives")
    made = run("corrupt", "--dataset", problems, "--method", "numbers", "--out", negatives, "--quiet", "--workers", 1)
    assert made.exit_code == 0, made.output
    assert run("report", negatives, "--quiet").exit_code == 0
    page = negatives.with_name("negatives-report.html").read_text()
    entries = entries_of(page)
    assert entries
    assert all(entry["q"].startswith("Mia has") and entry["g"] for entry in entries)
    assert all(card["n"][0][0] == "Corrupted" for entry in entries for card in entry["c"])


def test_a_sample_holds_whole_problems_by_seed_and_says_so(rft: Path, problems: Path) -> None:
    drawn = []
    for seed in (0, 0, 1, 2):
        out = problems.with_name("s.html")
        result = run("report", rft, "--max-rows", 9, "--seed", seed, "--out", out, "--quiet", "--json")
        assert result.exit_code == 0, result.output
        page = out.read_text()
        entries = entries_of(page)
        assert [len(entry["c"]) for entry in entries] == [4, 4]
        assert f"a sample of 2 of 6 problems (8 of 24 texts), drawn with seed {seed}." in page
        compare_with_stats(rft, page)  # numbers are of all
        drawn.append(tuple(entry["p"] for entry in entries))
    assert drawn[0] == drawn[1]
    assert len(set(drawn)) > 1


def test_a_page_is_no_larger_than_asked_for(rft: Path, problems: Path) -> None:
    out = problems.with_name("s.html")
    whole = json.loads(run("report", rft, "--out", out, "--quiet", "--json").stdout)["bytes"]
    assert run("report", rft, "--max-mb", 0.0009, "--out", out, "--quiet").exit_code == 0
    page = out.read_text()
    assert 0 < len(entries_of(page)) < 6
    assert len(page) < whole
    assert "drawn with seed 0" in page


def test_folders_of_data_without_a_run_are_shown_too(rft: Path) -> None:
    result = run("report", rft / "candidates", "--out", rft.with_name("c.html"), "--quiet", "--json")
    assert result.exit_code == 0, result.output
    page = rft.with_name("c.html").read_text()
    assert "a data set without a manifest" in page
    assert "nothing was spent" not in page  # nobody knows
    compare_with_stats(rft / "candidates", page)


def test_evaluations_show_all_their_parts(rft: Path, problems: Path) -> None:
    out = problems.with_name("evaluated")
    made = run("eval", "--dataset", problems, "--candidates", problems.with_name("r.jsonl"), "--out", out, "--quiet")
    assert made.exit_code == 0, made.output
    assert run("report", out, "--quiet").exit_code == 0
    page = out.with_name("evaluated-report.html").read_text()
    result = json.loads((out / "manifest.json").read_text())["result"]
    assert [row[:2] for row in numbers_of(page, "Accuracy")][-2:] == [
        [of["model"], percent(of["accuracy"])] for of in result["models"]
    ]
    assert sum(len(entry["c"]) for entry in entries_of(page)) == 24


def test_formulas_and_groups_and_pairs_are_shown(rft: Path, problems: Path) -> None:
    base = problems.parent
    ranked = ("--dataset", problems, "--candidates", rft / "candidates", "--quiet", "--workers", 1)
    assert run("rank", "--judge", "steps", *ranked, "--out", base / "rank").exit_code == 0
    made = {
        "groups": ("groups", "--ranked", base / "rank"),
        "pairs": ("groups", "--ranked", base / "rank", "--as", "preference"),
        "formulas": ("examples", "--dataset", problems),
        "backward": ("augment", "--method", "fobar", "--questions-only", "--dataset", "synthetic:5"),
    }
    for name, command in made.items():
        result = run(*command, "--out", base / name, "--quiet", "--workers", 1)
        assert result.exit_code == 0, result.output
        result = run("report", base / name, "--quiet", "--json")
        assert result.exit_code == 0, result.output
        assert json.loads(result.stdout)["texts"] > 0
        assert entries_of((base / f"{name}-report.html").read_text())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("NOWHERE",), "no such folder"),
        (("EMPTY",), "no run and no data set of datagen"),
        (("CUT",), "the run is not finished. Run its command again"),
        (("RFT", "--out", "RFT/report.html"), "lies inside the run"),
        (("RFT", "--out", "EMPTY"), "is a folder. Name a file"),
        (("RFT", "--out", "OTHER"), "is no report of datagen. Choose another --out."),
        (("RFT", "--tokenizer", "OTHER"), "Name a folder, a tokenizer.json or a Hub id."),
        (("BROKEN",), "manifest.json: "),
    ],
)
def test_what_cannot_be_reported_is_one_line(rft: Path, arguments: tuple[str, ...], said: str) -> None:
    places = {"RFT": rft, **{name: rft.with_name(name) for name in ("NOWHERE", "EMPTY", "CUT", "OTHER", "BROKEN")}}
    for name in ("EMPTY", "CUT", "BROKEN"):
        places[name].mkdir()
    (places["CUT"] / "run.json").write_text("{}")
    (places["BROKEN"] / "manifest.json").write_text("{")
    places["OTHER"].write_text("a file of mine")
    given = []
    for argument in arguments:
        first, slash, rest = argument.partition("/")
        given.append(f"{places[first]}{slash}{rest}" if first in places else argument)
    result = run("report", *given, "--quiet")
    assert result.exit_code == 1, result.output
    (line,) = result.stderr.strip().splitlines()
    assert said in line
    assert places["OTHER"].read_text() == "a file of mine"


def test_a_row_that_is_no_record_is_named(rft: Path) -> None:
    from datagen.store.arrow_dataset import DatasetWriter, read_batches
    from datagen_schemas.candidate import Candidate

    rows = [row for batch in read_batches(rft / "candidates") for row in batch.to_pylist()]
    rows[5]["verdict"] = "maybe"
    bad = rft.with_name("bad")
    with DatasetWriter(bad, Candidate) as writer:
        import pyarrow as pa

        from datagen.store.arrow_dataset import stored_schema

        writer.write(pa.RecordBatch.from_pylist(rows, schema=stored_schema(Candidate)))
    result = run("report", bad, "--quiet")
    assert result.exit_code == 1
    assert "row 5: verdict: " in result.stderr


def test_a_report_is_written_over_by_the_next_one(rft: Path) -> None:
    assert run("report", rft, "--title", "First", "--quiet").exit_code == 0
    assert run("report", rft, "--title", "Second", "--quiet").exit_code == 0
    assert "<h1><bdi>Second</bdi></h1>" in rft.with_name("rft-report.html").read_text()
