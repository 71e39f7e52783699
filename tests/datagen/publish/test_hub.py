import hashlib
from pathlib import Path
from typing import Any

import pytest

from datagen.publish import hub_errors
from datagen.publish.hub import Hub, Pushed, check_names
from datagen.publish.shards import Shard, shard_of
from datagen_schemas.errors import DataError, ServerError

# What the Hub's library asks of its own HTTP client; the warning is not about us.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")

LoopbackHub = Any  # the fixture's type is in the conftest, which cannot be imported


@pytest.fixture(autouse=True)
def _no_long_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_errors, "FIRST_WAIT_S", 0.01)
    monkeypatch.setattr(hub_errors, "LONGEST_WAIT_S", 0.02)


def write(folder: Path, files: dict[str, bytes]) -> list[Shard]:
    made = []
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
        made.append(shard_of(folder / path, path=path, rows=1 if path.endswith(".parquet") else None))
    return made


README = b"---\nlicense: mit\n---\n\n# x\n"
FILES = {"data/train-00000-of-00001.parquet": b"PAR1" * 500, "README.md": README}


def publish(
    folder: Path, files: dict[str, bytes], *, repo: str = "me/data", revision: str | None = None, private: bool = False
) -> Pushed:
    shards = write(folder, files)
    hub = Hub(repo, revision=revision)
    remote = hub.look()
    if not remote.exists:
        hub.create(private=private)
        remote = hub.look()
    if not remote.has_branch:
        hub.create_branch()
        remote = hub.look()
    return hub.push(remote, shards, folder, message="Publish")


def test_files_arrive_in_one_commit(hub_server: LoopbackHub, tmp_path: Path) -> None:
    pushed = publish(tmp_path / "a", FILES)
    assert set(pushed.changes.new) == set(FILES)
    assert len(hub_server.calls("POST", "/commit/main")) == 1
    there = Hub("me/data", revision=None).look()
    assert there.head == pushed.commit
    large = there.files["data/train-00000-of-00001.parquet"]
    assert large.sha256 == hashlib.sha256(b"PAR1" * 500).hexdigest()


def test_what_is_there_is_not_sent_again(hub_server: LoopbackHub, tmp_path: Path) -> None:
    first = publish(tmp_path / "a", FILES)
    again = publish(tmp_path / "b", FILES)
    assert not again.changes
    assert again.commit == first.commit
    assert len(hub_server.calls("POST", "/commit/main")) == 1
    assert len(hub_server.calls("PUT", "/lfs/")) == 1
    other = publish(tmp_path / "c", {**FILES, "README.md": README + b"more\n"})
    assert other.changes.changed == ("README.md",)
    assert len(hub_server.calls("PUT", "/lfs/")) == 1


def test_shards_that_are_not_there_any_more_are_removed_and_others_stay(
    hub_server: LoopbackHub, tmp_path: Path
) -> None:
    hub_server.control("repos", [{"id": "me/data", "files": {"notes.txt": "mine", "other/x.parquet": "mine too"}}])
    two = {f"data/train-{i:05d}-of-00002.parquet": bytes([i]) * 100 for i in range(2)}
    index = b'{"files": [{"path": "candidates/train-00000-of-00001.parquet"}]}'
    old = {**two, "candidates/train-00000-of-00001.parquet": b"c" * 50, "datagen.json": index, "README.md": README}
    publish(tmp_path / "a", old)
    pushed = publish(tmp_path / "b", {**FILES, "datagen.json": b'{"files": []}'})
    assert set(pushed.changes.removed) == {*two, "candidates/train-00000-of-00001.parquet"}
    assert set(Hub("me/data", revision=None).look().files) == {
        "notes.txt",
        "other/x.parquet",
        "datagen.json",
        *FILES,
    }


def test_too_many_calls_are_waited_for(hub_server: LoopbackHub, tmp_path: Path) -> None:
    wait = {"status": 429, "headers": {"Retry-After": "0"}}
    hub_server.control(
        "faults",
        [{"path": path, **wait} for path in ("whoami", "repos/create", "revision/main", "preupload", "commit/main")],
    )
    publish(tmp_path / "a", FILES)
    assert [call["status"] for call in hub_server.calls("POST", "/commit/main")] == [429, 200]
    assert [call["status"] for call in hub_server.calls("GET", "/whoami")] == [429, 200]


def test_a_limit_that_stays_is_one_line(hub_server: LoopbackHub, tmp_path: Path) -> None:
    hub_server.control("faults", [{"path": "commit/main", "status": 429, "times": 99}])
    with pytest.raises(ServerError, match="fewer calls, even after 6 tries.*same command again"):
        publish(tmp_path / "a", FILES)
    assert len(hub_server.calls("POST", "/commit/main")) == hub_errors.MAX_TRIES


def test_a_wait_of_hours_is_not_waited_for(hub_server: LoopbackHub, tmp_path: Path) -> None:
    hub_server.control("faults", [{"path": "commit/main", "status": 429, "headers": {"Retry-After": "7200"}}])
    with pytest.raises(ServerError, match="fewer calls"):
        publish(tmp_path / "a", FILES)


def test_an_upload_that_is_cut_is_sent_again_and_what_arrived_is_not(hub_server: LoopbackHub, tmp_path: Path) -> None:
    files = {f"data/train-{i:05d}-of-00002.parquet": bytes([i]) * 300_000 for i in range(2)} | {"README.md": README}
    second = hashlib.sha256(files["data/train-00001-of-00002.parquet"]).hexdigest()
    hub_server.control("faults", [{"path": second, "method": "PUT", "cut": 20_000}])
    publish(tmp_path / "a", files)
    calls = hub_server.calls("PUT", "/lfs/")
    assert [call["status"] for call in calls if second in call["path"]] == ["cut", 200]
    assert [call["status"] for call in calls if second not in call["path"]] == [200]


def test_a_commit_whose_answer_is_lost_is_not_made_twice(hub_server: LoopbackHub, tmp_path: Path) -> None:
    hub_server.control("faults", [{"path": "commit/main", "late": True}])
    pushed = publish(tmp_path / "a", FILES)
    assert [call["status"] for call in hub_server.calls("POST", "/commit/main")] == ["cut late", 412]
    assert pushed.commit == Hub("me/data", revision=None).look().head


def test_a_commit_of_somebody_else_to_other_files_stays(hub_server: LoopbackHub, tmp_path: Path) -> None:
    hub_server.control("repos", [{"id": "me/data", "files": {}}])
    hub_server.control("faults", [{"path": "commit/main", "race": {"LICENSE": "theirs"}}])
    publish(tmp_path / "a", FILES)
    assert [call["status"] for call in hub_server.calls("POST", "/commit/main")] == [412, 200]
    assert set(Hub("me/data", revision=None).look().files) == {"LICENSE", *FILES}


def test_a_commit_of_somebody_else_to_the_same_files_is_not_undone(hub_server: LoopbackHub, tmp_path: Path) -> None:
    hub_server.control("repos", [{"id": "me/data", "files": {"README.md": "old"}}])
    hub_server.control("faults", [{"path": "commit/main", "race": {"README.md": "theirs"}}])
    with pytest.raises(ServerError, match=r"somebody else changed README\.md meanwhile, so nothing was committed"):
        publish(tmp_path / "a", FILES)
    there = Hub("me/data", revision=None).look()
    assert there.files["README.md"].bytes == len("theirs")


def test_a_branch_is_made_from_main(hub_server: LoopbackHub, tmp_path: Path) -> None:
    pushed = publish(tmp_path / "a", FILES, revision="v1")
    assert pushed.url.endswith("/datasets/me/data/tree/v1")
    assert set(Hub("me/data", revision=None).look().files) == {".gitattributes"}
    assert set(Hub("me/data", revision="v1").look().files) == {".gitattributes", *FILES}


def test_a_reference_that_is_no_branch_must_be_there(hub_server: LoopbackHub) -> None:
    hub_server.control("repos", [{"id": "me/data", "files": {}}])
    with pytest.raises(ServerError, match="no revision 'refs/pr/3'"):
        Hub("me/data", revision="refs/pr/3").look()


def test_a_private_repository_is_private_before_anything_is_sent(hub_server: LoopbackHub, tmp_path: Path) -> None:
    publish(tmp_path / "a", FILES, private=True)
    assert Hub("me/data", revision=None).look().private is True


def test_a_new_repository_that_is_public_though_private_was_asked_for_gets_nothing(hub_server: LoopbackHub) -> None:
    hub_server.control("repos", [{"id": "me/data", "private": False}])
    with pytest.raises(ServerError, match="made it public, so nothing was sent"):
        Hub("me/data", revision=None).create(private=True)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ({"path": "commit", "status": 401}, "does not accept the token"),
        ({"path": "preupload", "status": 403, "body": "read-only token"}, "may not write there.*read-only token"),
        (
            {"path": "batch", "status": 403, "body": "Private repository storage limit reached"},
            "storage of me is used up",
        ),
        ({"path": "commit", "status": 413}, "storage of me is used up"),
        ({"path": "commit", "status": 422, "body": "Bearer hf_" + "t" * 34}, r"refuses it with 422 \(Bearer \*\*\*\)"),
        ({"path": "commit", "status": 500, "times": 99}, "answers 500 even after 6 tries.*same command again"),
        ({"path": "whoami", "cut": 0, "times": 99}, "cannot be reached.*Check the network"),
        ({"path": "validate-yaml", "status": 400}, "me/data: "),
    ],
)
def test_what_the_hub_refuses_is_one_line_without_a_token(
    hub_server: LoopbackHub, tmp_path: Path, fault: dict[str, object], said: str
) -> None:
    hub_server.control("faults", [fault])
    with pytest.raises(ServerError, match=said) as found:
        publish(tmp_path / "a", FILES)
    text = str(found.value)
    assert "\n" not in text
    assert hub_server.token not in text
    assert "Signature" not in text
    assert found.value.__cause__ is None


def test_a_wrong_token_is_said_to_be_one(hub_server: LoopbackHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_" + "w" * 34)
    with pytest.raises(ServerError, match=r"does not accept the token\. Make one with write access"):
        Hub("me/data", revision=None).look()


def test_no_token_is_said_before_any_call(
    hub_server: LoopbackHub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from huggingface_hub import constants

    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "none"))
    with pytest.raises(ServerError, match="no token of the Hub.*HF_TOKEN.*hf auth login"):
        Hub("me/data", revision=None)
    assert hub_server.control("log") == []


def test_offline_is_said_before_any_call(hub_server: LoopbackHub, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ServerError, match="HF_HUB_OFFLINE is set.*--dry-run"):
        Hub("me/data", revision=None)


def test_another_ones_name_is_refused_by_name(hub_server: LoopbackHub, tmp_path: Path) -> None:
    with pytest.raises(ServerError, match="somebody/data: the token of me may not write there"):
        publish(tmp_path / "a", FILES, repo="somebody/data")
    publish(tmp_path / "b", FILES, repo="team/data")


def test_a_model_of_that_name_is_no_place_for_a_data_set(hub_server: LoopbackHub, tmp_path: Path) -> None:
    hub_server.control("repos", [{"id": "me/data", "type": "model"}])
    with pytest.raises(ServerError, match=r"me/data exists, but is not a data set\. Choose another --repo"):
        publish(tmp_path / "a", FILES)


def test_a_hub_without_xet_says_what_to_set(
    hub_server: LoopbackHub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from huggingface_hub import constants

    pytest.importorskip("hf_xet")
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", False)
    with pytest.raises(ServerError, match="refuses the files.*404.*HF_HUB_DISABLE_XET=1"):
        publish(tmp_path / "a", FILES)


def test_a_hub_that_is_not_there_is_one_line(hub_server: LoopbackHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # nothing listens there
    with pytest.raises(ServerError, match=r"cannot be reached \(.*refused.*\)"):
        Hub("me/data", revision=None).look()


@pytest.mark.parametrize(
    "repo", ["data", "me/data/x", "/data", "me/", "me/a b", "me/../x", "https://x/me/data", "me/a--b"]
)
def test_a_name_that_can_be_no_repository_is_refused(repo: str) -> None:
    with pytest.raises(DataError, match="OWNER/NAME"):
        check_names(repo, None)


def test_a_commit_is_no_branch() -> None:
    with pytest.raises(DataError, match="Name a branch"):
        check_names("me/data", "a" * 40)
