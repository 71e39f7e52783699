"""`datagen trace` as it is typed, and what hostile text can do to a terminal: nothing."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.cli.main import main
from datagen.cli.printable import printable, printable_json, shortened
from datagen.cli.trace_lines import lines_of
from datagen.trace.link import Link, Trace

# Clears the screen, sets the window's title, moves up, turns the direction of writing, and hides text.
QUESTION = "5+7? \x1b[1m"
HOSTILE = "\x1b[2J\x1b]0;owned\x07 5+7 = <<5+7=12>>12\r\x9b1A\u202e21\u2066\u200b\u2028\x7f\U000e0041\n#### 12"
# What a terminal or a reader may be misled by; line feeds and tabs are ours.
FORBIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2066-\u2069\U000e0000-\U000e007f]"
)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A problem, a hostile reply to it, one of a model whose name is hostile, and the runs of them."""
    folder = tmp_path_factory.mktemp("hostile")
    gold = "5+7 = <<5+7=12>>12 \x1b[31m\n#### 12"
    (folder / "p.jsonl").write_text(json.dumps({"question": QUESTION, "answer": gold}) + "\n")
    replies = [
        {"question": QUESTION, "response": HOSTILE, "model": "m\x1b[7m"},
        {"question": QUESTION, "response": "7+5 = <<7+5=12>>12\n#### 12", "model": "m"},
        {"question": QUESTION, "response": "5*7 = 36\x1b[5m\n#### 36", "model": "m"},
    ]
    (folder / "r.jsonl").write_text("".join(json.dumps(row) + "\n" for row in replies))
    given = ["--dataset", "p.jsonl", "--candidates", "r.jsonl", "--workers", "1", "--quiet"]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for arguments in (
            ["rft", *given, "--out", "rft"],
            ["rank", "--judge", "steps", "--probes", "1", *given, "--out", "rank"],
            ["groups", "--ranked", "rank", "--workers", "1", "--quiet", "--out", "groups"],
        ):
            assert run(*arguments).exit_code == 0
    return folder


@pytest.fixture
def place(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, as the current folder."""
    monkeypatch.setenv("DATAGEN_HOME", "home")
    copy = tmp_path / "copy"
    shutil.copytree(built, copy)
    monkeypatch.chdir(copy)
    return copy


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments, catch_exceptions=False)


def said(*arguments: str) -> str:
    result = run("trace", *arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def found(*arguments: str) -> dict[str, Any]:  # Any: JSON
    loaded: dict[str, Any] = json.loads(said(*arguments, "--json"))  # Any: JSON
    return loaded


def test_a_trace_reads_like_this(place: Path) -> None:
    lines = said("rft/candidates", "1").splitlines()
    assert lines[0] == "candidate · rft/candidates row 1"
    assert lines[1].startswith("  written by: ")
    assert lines[2:] == [
        "  response: 7+5 = <<7+5=12>>12 #### 12",
        "  verdict: correct, answer 12 (hashes/number)",
        "  equations: 7+5=12 ✓",
        "  judged by steps in rank: 10: No wrong step: 1 of 1 equations hold, the final answer is correct.",
        "  model: m",
        f"  problem {problem_id()} · sample 1",
        "  reply made elsewhere · r.jsonl row 1 (by its text)",
        "    response: the same text",
        "",
        f"problem {problem_id()} · p.jsonl row 0 (by its id)",
        "  question: 5+7? \\x1b[1m",
        "  gold path: 5+7 = <<5+7=12>>12 \\x1b[31m #### 12",
        "  answer: 12",
        "  source p.jsonl · split all",
    ]


def test_every_vote_of_a_judge_is_said_and_those_of_a_row_above_are_not_said_again() -> None:
    same, other = {"judge": "m", "rating": 8.0, "evidence": "Right."}, {"judge": "m", "rating": 7.0, "evidence": None}
    below = Link("candidate", {"votes": [same, same, other]})
    row = Link("ranked-candidate", {"votes": [same, other, same]}, made_from=(below,))
    assert list(lines_of(Trace(row, None), full=False)) == [
        "ranked candidate",
        "  judged by m: 8: Right.",
        "  judged by m: 7",
        "  judged by m: 8: Right.",
        "  candidate",
    ]


@pytest.mark.parametrize("data", ["rft/candidates", "rft", "rank", "rank/ratings", "groups", "r.jsonl", "p.jsonl"])
@pytest.mark.parametrize("options", [(), ("--full",), ("--json",)])
def test_no_control_character_of_a_text_reaches_the_terminal(place: Path, data: str, options: tuple[str, ...]) -> None:
    printed = said(data, "0", *options)
    assert FORBIDDEN.search(printed) is None
    assert "1b" in printed  # it is shown as an escape, not swallowed


def test_json_means_the_same_with_its_hostile_characters_escaped(place: Path) -> None:
    assert found("rft/candidates", "0")["row"]["values"]["response"] == HOSTILE


def test_full_shows_what_is_shortened_else(place: Path) -> None:
    long = "\n".join(f"{i}+{i} = <<{i}+{i}={2 * i}>>{2 * i}" for i in range(100)) + "\n#### 12"
    Path("long.jsonl").write_text(json.dumps({"question": QUESTION, "response": long}) + "\n")
    given = ("--dataset", "p.jsonl", "--candidates", "long.jsonl", "--workers", "1", "--quiet", "--out", "long")
    assert run("sample", *given).exit_code == 0
    assert "99+99 = " not in said("long", "0").partition("verdict")[0]
    assert "    99+99 = <<99+99=198>>198\n    #### 12\n" in said("long", "0", "--full")
    response = next(line for line in said("long", "0").splitlines() if line.startswith("  response"))
    assert (len(response), response[-1]) == (len("  response: ") + 160, "…")


def test_a_problem_with_several_rows_lists_them_and_one_with_a_single_row_is_traced(place: Path) -> None:
    listed = said("rft/candidates", "--problem", problem_id())
    assert listed.splitlines()[0] == f"3 rows of {problem_id()}: name one of them"
    assert listed.splitlines()[2] == "  1  7+5 = <<7+5=12>>12 #### 12"
    assert FORBIDDEN.search(listed) is None
    assert [row["row"] for row in found("rft/candidates", "--problem", problem_id())["rows"]] == [0, 1, 2]
    assert found("rank", "--problem", problem_id())["row"]["kind"] == "ranked-group"


def problem_id() -> str:
    problem: str = found("rft/candidates", "1")["problem"]["facts"]["id"]
    return problem


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("rft",), 2, "Name a ROW, or a problem with --problem."),
        (("rft", "0", "--problem", "x"), 2, "Name a ROW, or a problem with --problem."),
        (("nowhere", "0"), 2, "does not exist"),
        (("rft", "-1"), 2, "-1"),
        (("rft", "one"), 2, "'one' is not a valid integer"),
        (("rft", "99"), 1, "rft: no row 99, it has 3. Rows are counted from 0."),
        (("rft", "--problem", "x\x1b[2J"), 1, "rft: no row of problem x\\x1b[2J."),
        (("empty", "0"), 1, "empty: no data files here"),
    ],
)
def test_what_cannot_be_traced_is_said_in_one_line(
    place: Path, arguments: tuple[str, ...], code: int, message: str
) -> None:
    Path("empty").mkdir()
    result = run("trace", *arguments)
    assert (result.exit_code, result.stdout) == (code, "")
    assert message in result.stderr
    if code == 1:
        assert len(result.stderr.splitlines()) == 1


def test_what_is_missing_stands_at_the_end(place: Path) -> None:
    Path("p.jsonl").unlink()
    lines = said("rft/candidates", "1").splitlines()
    assert lines[-2:] == ["missing", "  dataset p.jsonl of rft: missing"]


@settings(deadline=None, max_examples=50)
@given(st.text(alphabet=st.characters(), max_size=40))
def test_printable_text_has_no_forbidden_character_and_keeps_all_others(text: str) -> None:
    shown = printable(text)
    assert FORBIDDEN.search(shown) is None
    shown.encode()  # also of halves of characters
    harmless = [c for c in text if c.isprintable() and c not in "\u00ad"]
    remaining = iter(shown)
    assert all(c in remaining for c in harmless)  # in this order


@settings(deadline=None, max_examples=50)
@given(st.dictionaries(st.text(max_size=5), st.text(max_size=20), max_size=3))
def test_printable_json_means_what_it_meant(value: dict[str, str]) -> None:
    written = printable_json(value)
    assert json.loads(written) == value
    assert FORBIDDEN.search(written) is None


@pytest.mark.parametrize(
    ("text", "most", "shown"),
    [("a  b\n c", 9, "a b c"), ("abcdef", 6, "abcdef"), ("abcdefg", 6, "abcde…"), ("\x1b", 6, "\\x1b")],
)
def test_a_shortened_text_is_one_line(text: str, most: int, shown: str) -> None:
    assert shortened(text, most=most) == shown
