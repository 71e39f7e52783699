import hashlib
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest

from datagen.publish import licences
from datagen.publish.checks import Check, Refused
from datagen.readers.read import DatasetSpec
from datagen.runs.publish import Plan, PublishJob, run_publish
from datagen.runs.replies import Job
from datagen.runs.write_examples import ExampleOptions, run_examples
from datagen_schemas.errors import DataError, StoreError

pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")  # the library's own
LoopbackHub = Any  # the fixture's type is in the conftest, which cannot be imported

TRAIN = [
    ("Tom has 3 red apples and 4 green apples in his big basket. How many apples are there?", "3 + 4 = 7\n#### 7"),
    ("Ann walks 5 miles on each of 2 sunny days in May. How many miles does she walk in all?", "5 * 2 = 10\n#### 10"),
]
TEST = [
    ("Bob reads 8 pages in the morning and 9 pages at night. How many pages does he read?", "8 + 9 = 17\n#### 17"),
]


def write(path: Path, rows: Sequence[tuple[str, str]]) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(orjson.dumps({"question": q, "answer": a}) + b"\n" for q, a in rows))
    return str(path)


@pytest.fixture
def gsm8k(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Examples of files that stand for GSM8K's own: their hashes are in the table of licences."""

    def examples(split: str = "train", *, also: Sequence[tuple[str, str]] = ()) -> Path:
        folder = tmp_path / "home-of-bob" / "gsm8k"
        files = [write(folder / "train.jsonl", [*TRAIN, *also]), write(folder / "test.jsonl", TEST)]
        hashes = tuple(hashlib.sha256(Path(file).read_bytes()).hexdigest() for file in files)
        table = [of._replace(files=hashes) if of.key == "gsm8k" else of for of in licences.known_sources()]
        monkeypatch.setattr(licences, "known_sources", lambda: tuple(table))
        job = Job(
            dataset=DatasetSpec(str(folder / f"{split}.jsonl")),
            out=tmp_path / f"of-{split}",
            needs_replies=False,
            command=f"datagen examples --dataset {folder}/{split}.jsonl --out of-{split}",
        )
        run_examples(job, ExampleOptions(answers="gold"))
        return job.out

    return examples


def dry_run(run: Path, out: Path, **options: Any) -> dict[str, Any]:
    job = PublishJob(run=run, repo="me/data", out=out, **options)
    return run_publish(job, confirm=lambda _: pytest.fail("a dry run asks nothing"))


def test_a_run_that_its_limit_stopped_is_published_with_what_it_lacks(
    make_run: Callable[..., Path], tmp_path: Path
) -> None:
    run = make_run("The answer is 1.", name="short")
    manifest = orjson.loads((run / "manifest.json").read_bytes())
    failures = {"failed": 2, "stopped": "max-tokens-total reached", "skipped": 1208}
    (run / "manifest.json").write_bytes(orjson.dumps(manifest | {"failures": failures}))
    checks = {check["name"]: check for check in dry_run(run, tmp_path / "hub")["checks"]}
    assert (checks["manifest"]["state"], checks["manifest"]["line"]) == (
        "note",
        "stopped early; made by 1 run; 2 replies are missing; 1,208 samples were never asked for (max-tokens-total "
        "reached) (the card says so)",
    )
    limits = (tmp_path / "hub" / "README.md").read_text().split("## Limits")[1].split("## ")[0]
    assert "1,208 samples were never asked for (max-tokens-total reached)" in limits


def refused(run: Path, tmp_path: Path, **options: Any) -> dict[str, Check]:
    with pytest.raises(Refused) as found:
        dry_run(run, tmp_path / "hub", **options)
    assert not (tmp_path / "hub").exists()
    assert "\n" not in str(found.value)
    return {check.name: check for check in found.value.checks if check.state == "refused"}


def test_a_run_is_published_with_all_checks_in_order(
    hub_server: LoopbackHub, gsm8k: Callable[..., Path], tmp_path: Path
) -> None:
    plans: list[Plan] = []
    checks: list[Check] = []

    def confirm(plan: Plan) -> bool:
        assert not hub_server.calls("POST", "create")
        plans.append(plan)
        return True

    result = run_publish(PublishJob(run=gsm8k(), repo="me/data"), confirm=confirm, on_checks=checks.extend)
    assert [check.name for check in checks] == ["manifest", "schema", "licence", "overlap", "secrets", "size"]
    assert {check.state for check in checks} == {"ok"}
    assert (plans[0].user, plans[0].visibility, plans[0].license) == ("me", "public, a new repository", "mit")
    assert plans[0].sent_bytes == sum(file.bytes for file in plans[0].files) > 0
    assert result["published"]
    assert result["rows"] == 2
    assert not list((tmp_path / "home" / "publish").iterdir())


def test_a_no_changes_nothing(hub_server: LoopbackHub, run: Path) -> None:
    result = run_publish(PublishJob(run=run, repo="me/data"), confirm=lambda _: False)
    assert result["published"] is False
    assert not [call for method in ("POST", "PUT") for call in hub_server.calls(method)]


def test_private_data_does_not_go_to_a_public_repository(hub_server: LoopbackHub, run: Path) -> None:
    hub_server.control("repos", [{"id": "me/data", "private": False}])
    with pytest.raises(DataError, match=r"me/data is public, so --private would be no protection"):
        run_publish(PublishJob(run=run, repo="me/data", private=True), confirm=lambda _: True)


def test_a_dry_run_is_the_same_folder_every_time_and_needs_no_network(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    first = dry_run(run, tmp_path / "a")
    assert {file["path"] for file in first["files"]} == {
        "README.md",
        "datagen.json",
        "data/train-00000-of-00001.parquet",
    }
    second = dry_run(run, tmp_path / "b")
    assert first["files"] == second["files"]
    dry_run(run, tmp_path / "a")  # is there already
    (tmp_path / "a" / "README.md").write_text("my own words")
    with pytest.raises(StoreError, match="was edited. Replace it with --overwrite"):
        dry_run(run, tmp_path / "a")
    assert (tmp_path / "a" / "README.md").read_text() == "my own words"
    dry_run(run, tmp_path / "a", overwrite=True)
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "thesis.tex").write_text("x")
    with pytest.raises(StoreError, match="no dry run wrote it"):
        dry_run(run, tmp_path / "c", overwrite=True)


def test_an_unfinished_run_is_not_published(run: Path, tmp_path: Path) -> None:
    (run / "manifest.json").unlink()
    assert "not finished. Finish it by running its command again" in refused(run, tmp_path)["manifest"].line


def test_a_folder_that_is_no_run_is_not_published(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run / "data", tmp_path / "bare")
    assert "no run of datagen" in refused(tmp_path / "bare", tmp_path)["manifest"].line


def test_rows_that_are_not_what_the_manifest_says_are_not_published(
    make_run: Callable[..., Path], tmp_path: Path
) -> None:
    run = make_run("a", "b")
    manifest = orjson.loads((run / "manifest.json").read_bytes())
    manifest["counts"]["rows"] = 3
    (run / "manifest.json").write_bytes(orjson.dumps(manifest))
    assert "2 rows, but the manifest says 3" in refused(run, tmp_path)["schema"].line


def test_an_empty_data_set_is_not_published(make_run: Callable[..., Path], tmp_path: Path) -> None:
    assert "no rows, so there is nothing to publish" in refused(make_run(), tmp_path)["size"].line


def test_a_test_split_is_not_published_without_a_word(gsm8k: Callable[..., Path], tmp_path: Path) -> None:
    run = gsm8k("test")
    line = refused(run, tmp_path)["overlap"].line
    assert line.startswith("made from a test split (test.jsonl); 1 of 1 rows overlap test.jsonl")
    dry_run(run, tmp_path / "allowed", allow=frozenset({"overlap"}))
    assert (
        "**This data set was made from a test split** (`test.jsonl`)" in (tmp_path / "allowed/README.md").read_text()
    )


def test_rows_that_overlap_the_test_split_beside_the_source_are_found(
    gsm8k: Callable[..., Path], tmp_path: Path
) -> None:
    run = gsm8k(also=[(TEST[0][0], "17\n#### 17")])
    assert "1 of 3 rows overlap test.jsonl (all, 1 questions)" in refused(run, tmp_path)["overlap"].line
    dry_run(run, tmp_path / "allowed", allow=frozenset({"overlap"}))
    made = (tmp_path / "allowed/README.md").read_text()
    assert "**1 rows overlap a test set**" in made
    assert "1 of 3 rows overlap (1 exact)." in made


def test_a_named_test_set_is_compared_with_too(gsm8k: Callable[..., Path], run: Path, tmp_path: Path) -> None:
    assert "no test set of synthetic:10 is known" in _line(dry_run(run, tmp_path / "a"), "overlap")
    other = write(tmp_path / "other.jsonl", TRAIN[:1])
    assert "1 of 2 rows overlap test.jsonl (all, 1 questions), other.jsonl (all, 1 q" in (
        refused(gsm8k(), tmp_path, against=(other,))["overlap"].line
    )


def test_a_dry_run_does_not_ask_the_hub_for_a_test_set(run: Path, tmp_path: Path) -> None:
    assert "on the Hub and not here" in refused(run, tmp_path, against=("gsm8k",))["overlap"].line


def test_the_report_of_the_run_is_taken_if_it_is_of_the_same_test_set_and_rows(
    gsm8k: Callable[..., Path], tmp_path: Path
) -> None:
    run = gsm8k()
    test = tmp_path / "home-of-bob/gsm8k/test.jsonl"
    against = {
        "name": "theirs",
        "split": "test",
        "n_problems": 1,
        "sha256": hashlib.sha256(test.read_bytes()).hexdigest(),
    }
    said = {"against": [against], "rows": 7, "overlapping": 5, "n_removed": 5, "by_how": {"exact": 5}, "removed": True}
    (run / "contamination.json").write_bytes(orjson.dumps(said))
    found = dry_run(run, tmp_path / "a")
    assert "none of 2 rows overlaps theirs (test, 1 questions); 5 were removed before" in _line(found, "overlap")
    (run / "contamination.json").write_bytes(orjson.dumps({**said, "rows": 9}))  # of other rows
    assert "none of 2 rows overlaps test.jsonl (all, 1 questions)" in _line(dry_run(run, tmp_path / "b"), "overlap")
    (run / "contamination.json").write_bytes(orjson.dumps({**said, "against": [{**against, "sha256": "0"}]}))
    assert "none of 2 rows overlaps test.jsonl (all, 1 questions)" in _line(dry_run(run, tmp_path / "c"), "overlap")


def _line(result: dict[str, Any], name: str) -> str:
    return str(next(check["line"] for check in result["checks"] if check["name"] == name))


def test_a_file_of_ones_own_needs_a_licence(make_run: Callable[..., Path], tmp_path: Path) -> None:
    file = tmp_path / "mine.jsonl"
    write(file, TRAIN)
    dataset = {"name": str(file), "file": {"path": str(file), "sha256": "0", "bytes": 1}}
    run = make_run("a", dataset=dataset)
    assert f"the licence of {file} is not known" in refused(run, tmp_path)["licence"].line
    assert dry_run(run, tmp_path / "a", license="cc-by-4.0")["license"] == "cc-by-4.0"
    assert "language" not in (tmp_path / "a/README.md").read_text().split("\n---\n")[0]
    dry_run(run, tmp_path / "b", license="cc-by-4.0", language=("de",))
    assert "language:\n- de" in (tmp_path / "b/README.md").read_text()


def test_secrets_are_found_in_rows_card_manifest_and_parts(
    make_run: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = "sk-" + "a1" * 12
    line = refused(make_run("fine", f"the key is {key}", name="rows"), tmp_path)["secrets"].line
    assert "data row 1" in line and key not in line
    assert (
        "README.md"
        in refused(make_run("fine", name="card", command=f"datagen rft --x {key}"), tmp_path)["secrets"].line
    )
    assert "datagen.json" in refused(make_run("fine", name="manifest", note=key), tmp_path)["secrets"].line
    run = make_run("fine", name="part")
    shutil.copytree(run / "data", run / f"fraction-{key}")
    assert "no file that the run wrote" in refused(run, tmp_path)["schema"].line
    manifest = orjson.loads((run / "manifest.json").read_bytes())
    del manifest["files"]  # as a run of an earlier version
    (run / "manifest.json").write_bytes(orjson.dumps(manifest))
    assert "the names of the parts" in refused(run, tmp_path)["secrets"].line
    run = make_run(f"no key: {key}", name="allowed")
    assert "allowed" in _line(dry_run(run, tmp_path / "ok", allow=frozenset({"secrets"})), "secrets")
    monkeypatch.setenv("OPENAI_API_KEY", "whatever-it-is")
    run = make_run("so whatever-it-is", name="mine")
    found = refused(run, tmp_path, allow=frozenset({"secrets"}))["secrets"].line
    assert "a key of your environment" in found and "replace the key" in found and "whatever-it-is" not in found


def test_paths_that_name_a_person_stay_here(gsm8k: Callable[..., Path], tmp_path: Path, run: Path) -> None:
    dry_run(gsm8k(), tmp_path / "a")
    for file in ("README.md", "datagen.json"):
        text = (tmp_path / "a" / file).read_text()
        assert "home-of-bob" not in text
        assert "train.jsonl" in text


def test_a_path_that_names_a_person_in_a_row_is_refused(make_run: Callable[..., Path], tmp_path: Path) -> None:
    line = refused(make_run("see " + "/home/" + "bob/x"), tmp_path)["secrets"].line
    assert line.startswith("path that names a person in data row 0")


def test_ones_own_words_stand_in_the_card(run: Path, tmp_path: Path) -> None:
    about = tmp_path / "about.md"
    about.write_text("Made for **my thesis**.\n", encoding="utf-8")
    dry_run(run, tmp_path / "a", about=about)
    assert "## About\n\nMade for **my thesis**.\n" in (tmp_path / "a/README.md").read_text()


def test_words_that_are_no_text_are_one_line(run: Path, tmp_path: Path) -> None:
    (tmp_path / "about.md").write_bytes(b"\xff\xfe")
    with pytest.raises(DataError, match=r"--about .*about\.md: not a text in UTF-8"):
        dry_run(run, tmp_path / "a", about=tmp_path / "about.md")


def test_what_killed_tries_left_goes_and_what_others_do_stays(
    hub_server: LoopbackHub, run: Path, tmp_path: Path
) -> None:
    home = tmp_path / "home" / "publish"
    dead, alive, foreign = home / "4194400", home / "1", home / "notes"
    for folder in (dead, alive, foreign):
        folder.mkdir(parents=True)
    run_publish(PublishJob(run=run, repo="me/data"), confirm=lambda _: True)
    assert {path.name for path in home.iterdir()} == {"1", "notes"}
