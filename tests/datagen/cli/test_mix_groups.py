"""`datagen mix` of alignment groups and of preference pairs, and what reads such mixtures."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from datagen.cli.main import main
from datagen.readers.alignment import read_alignment_groups
from datagen.store.arrow_dataset import read_records
from datagen_schemas.alignment import AlignmentGroup
from datagen_schemas.mixed import MixedGroup, MixedPreference
from datagen_schemas.preference import Preference

Mixed = type[MixedGroup | MixedPreference]
Plain = type[AlignmentGroup | Preference]
KINDS = [("group", MixedGroup, AlignmentGroup), ("preference", MixedPreference, Preference)]
kinds = pytest.mark.parametrize(("rows", "mixed", "plain"), KINDS)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, list(map(str, arguments)))


@pytest.fixture
def build(tmp_path: Path) -> Callable[[str, str], Path]:
    """Groups or pairs of six problems with two replies each, one of them right; `seed` tells runs apart."""
    problems, replies = tmp_path / "p.jsonl", tmp_path / "r.jsonl"
    with problems.open("w") as p, replies.open("w") as r:
        for i in range(6):
            question = f"Mia has {i} pens and buys {i + 7}. How many has she?"
            p.write(json.dumps({"question": question, "answer": f"{i}+{i + 7}={2 * i + 7}\n#### {2 * i + 7}"}) + "\n")
            for said in (2 * i + 7, 1000 + i):
                r.write(json.dumps({"question": question, "response": f"That is {said}.\n#### {said}"}) + "\n")

    def made(rows: str, name: str) -> Path:
        where = ["--dataset", problems, "--candidates", replies, "--as", rows, "--limit", 6 if name == "all" else 3]
        result = run("groups", *where, "--out", tmp_path / name, "--workers", 1, "--quiet")
        assert result.exit_code == 0, result.output
        return tmp_path / name

    return made


@kinds
def test_each_says_where_it_comes_from_and_is_else_what_stands_there(
    rows: str, mixed: Mixed, plain: Plain, build: Callable[[str, str], Path], tmp_path: Path
) -> None:
    whole, half = build(rows, "all"), build(rows, "half")
    result = run("mix", half, whole, "--out", tmp_path / "out", "--json", "--quiet")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert (found["record"], found["rows"]) == (mixed.__name__, found["sources"]["all"]["in"])
    assert found["dropped"] == {"duplicate": found["sources"]["half"]["in"]}
    there = list(read_records(whole / "data", plain))
    made = list(read_records(tmp_path / "out" / "data", mixed))
    assert sorted(row.origin_row for row in made) == list(range(len(there)))
    for row in made:
        assert row.origin == "all"  # the first by name stays
        assert row.model_dump(exclude={"origin", "origin_row"}) == there[row.origin_row].model_dump()


@kinds
def test_an_earlier_mixture_is_the_origin_of_its_rows(
    rows: str, mixed: Mixed, plain: Plain, build: Callable[[str, str], Path], tmp_path: Path
) -> None:
    one = build(rows, "half")
    assert run("mix", one, "--out", tmp_path / "first", "--quiet").exit_code == 0
    assert run("mix", build(rows, "all"), tmp_path / "first", "--out", tmp_path / "second", "--quiet").exit_code == 0
    first = list(read_records(tmp_path / "first" / "data", mixed))
    second = list(read_records(tmp_path / "second" / "data", mixed))
    assert {row.origin for row in first} == {"half"}
    assert {row.origin for row in second} == {"all"}
    again = run("mix", f"z={one}", tmp_path / "first", "--out", tmp_path / "third", "--quiet", "--seed", 5)
    assert again.exit_code == 0, again.output
    for row in read_records(tmp_path / "third" / "data", mixed):
        assert row.origin == "first"
        assert row.prompt == first[row.origin_row].prompt


@kinds
def test_what_reads_groups_reads_mixtures_of_them(
    rows: str, mixed: Mixed, plain: Plain, build: Callable[[str, str], Path], tmp_path: Path
) -> None:
    whole = build(rows, "all")
    out = tmp_path / "out"
    assert run("mix", f"a={whole}", f"b={build(rows, 'half')}", "--out", out, "--quiet").exit_code == 0
    made = list(read_records(out / "data", mixed))
    assert run("validate", out, "--quiet").exit_code == 0
    page = run("report", out, "--out", tmp_path / "page.html", "--quiet", "--json")
    assert page.exit_code == 0, page.output
    texts = [len(row.responses) if isinstance(row, MixedGroup) else 2 for row in made]
    assert json.loads(page.stdout)["texts"] == sum(texts)
    read = list(read_alignment_groups(out))
    assert [group.prompt for group in read] == [row.prompt for row in made]
    if rows == "group":
        assert read == made
    (tmp_path / "test.jsonl").write_text(json.dumps({"question": "What is 7 times 7?", "answer": "49"}) + "\n")
    clean = run("decontaminate", out, "--against", tmp_path / "test.jsonl", "--out", tmp_path / "clean", "--quiet")
    assert clean.exit_code == 0, clean.output
    assert list(read_records(tmp_path / "clean" / "data", mixed)) == made
    parts = ["--part", "test=0.5", "--part", "train=rest"]
    assert run("split", tmp_path / "clean", *parts, "--out", tmp_path / "parts", "--quiet").exit_code == 0
    split = [row for name in ("test", "train") for row in read_records(tmp_path / "parts" / name, mixed)]
    assert sorted(row.origin_row for row in split) == sorted(row.origin_row for row in made)


def test_groups_mix_with_their_like_only(build: Callable[[str, str], Path], tmp_path: Path) -> None:
    groups, pairs = build("group", "all"), build("preference", "half")
    for arguments in ((groups, pairs), (groups, "synthetic:3"), (groups, "--answer-line", "phrase")):
        result = run("mix", *arguments, "--out", tmp_path / "out", "--quiet")
        assert result.exit_code == 1
        assert result.stderr.count("\n") == 1
        assert not (tmp_path / "out").exists()
