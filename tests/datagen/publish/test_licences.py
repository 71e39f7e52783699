import hashlib
from pathlib import Path

import pytest

from datagen.publish.licences import (
    KNOWN,
    NO_DERIVATIVES,
    KnownSource,
    Source,
    known_sources,
    license_of,
    may_become,
    source_of,
)
from datagen.readers.hub import KNOWN as ON_THE_HUB
from datagen.store.lineage import Input
from datagen_schemas.errors import DataError


def source(license: str | None, name: str = "set") -> Source:
    known = KnownSource(name, name.upper(), license, "there", None, None, None, "its page says two things", ())
    return Source(name, "train", known, known)


def named(name: str) -> Input:
    return Input("dataset", name, None, None, "train", None)


@pytest.mark.parametrize(
    ("of", "result"),
    [
        (["mit"], "mit"),
        (["mit", "apache-2.0"], "apache-2.0"),
        (["apache-2.0", "mit", "cc0-1.0"], "apache-2.0"),
        (["mit", "cc-by-4.0"], "cc-by-4.0"),
        (["mit", "cc-by-sa-4.0"], "cc-by-sa-4.0"),
        (["cc-by-sa-3.0", "cc-by-sa-4.0"], "cc-by-sa-4.0"),
        (["apache-2.0", "cc-by-nc-4.0"], "cc-by-nc-4.0"),
        (["cc-by-nc-4.0", "cc-by-nc-sa-4.0"], "cc-by-nc-sa-4.0"),
        (["mit", "gpl-3.0"], "gpl-3.0"),
        (["cdla-sharing-1.0", "apache-2.0"], "cdla-sharing-1.0"),
    ],
)
def test_the_licence_keeps_the_terms_of_all_sources(of: list[str], result: str) -> None:
    assert license_of([source(license) for license in of]) == result
    assert license_of([source(license) for license in reversed(of)]) == result


@pytest.mark.parametrize(
    "of",
    [
        ["cc-by-sa-4.0", "cc-by-nc-4.0"],  # one forbids further terms, the other one is such a term
        ["cc-by-sa-4.0", "cc-by-nc-sa-4.0"],
        ["cc-by-sa-4.0", "gpl-3.0", "mit"],
        ["cdla-sharing-1.0", "cc-by-sa-4.0"],
    ],
)
def test_licences_that_exclude_one_another_are_refused(of: list[str]) -> None:
    with pytest.raises(
        DataError, match="no licence fits all sources: .*Publish what was made from each of them apart"
    ):
        license_of([source(license) for license in of])


def test_what_may_not_be_changed_is_not_published_in_any_mixture() -> None:
    for license in NO_DERIVATIVES:
        with pytest.raises(DataError, match="may not be published"):
            license_of([source(license)])
        assert not any(may_become(license, result) for result in KNOWN)


def test_a_licence_that_nobody_stated_is_asked_for_and_not_invented() -> None:
    with pytest.raises(DataError, match="SET is not clear: its page says two things.*--license"):
        license_of([source("mit"), source(None)])
    with pytest.raises(DataError, match="no problem set is known.*--license"):
        license_of([])
    assert license_of([source("mit"), source(None)], given="cc-by-4.0") == "cc-by-4.0"
    assert license_of([], given="mit") == "mit"


def test_a_licence_that_is_given_must_fit_the_known_sources() -> None:
    assert license_of([source("mit")], given="apache-2.0") == "apache-2.0"
    with pytest.raises(DataError, match=r"SET \(cc-by-sa-4\.0\) may not be published under it"):
        license_of([source("cc-by-sa-4.0"), source(None)], given="mit")
    with pytest.raises(DataError, match=r"SET \(apache-2\.0\) may not"):
        license_of([source("apache-2.0")], given="mit")
    with pytest.raises(DataError, match="no licence that we know"):
        license_of([source("mit")], given="free")


def test_every_data_set_that_has_a_name_is_in_the_table() -> None:
    table = {known.key: known for known in known_sources()}
    for name, hub in ON_THE_HUB.items():
        assert table[name].hub == hub.path
        assert source_of(named(name)).known == table[name]
        assert source_of(named(hub.path)).known == table[name]
    assert source_of(named("synthetic:300")).license == "apache-2.0"
    for known in table.values():
        assert known.license is None or (known.license in KNOWN and known.stated)
        assert known.license is not None or known.note


def test_a_file_is_known_by_its_bytes_and_not_by_its_shape(tmp_path: Path) -> None:
    gsm8k = next(known for known in known_sources() if known.key == "gsm8k")
    file = tmp_path / "train.jsonl"
    file.write_text("{}")
    theirs = Input("dataset", str(file), file, gsm8k.files[0], "train", "gsm8k")
    assert source_of(theirs).license == "mit"
    mine = theirs._replace(sha256=hashlib.sha256(b"{}").hexdigest())
    assert source_of(mine).license is None
    with pytest.raises(
        DataError, match=r"train\.jsonl is not known: it has the shape of GSM8K \(mit\), but is not one"
    ):
        license_of([source_of(mine)])


def replies(path: Path, sha256: str) -> Input:
    return Input("candidates", str(path), path, sha256, None, None)


def test_replies_of_others_are_known_by_their_bytes_or_asked_for(tmp_path: Path) -> None:
    """The published replies to GSM8K's test set lie in its repository, under its licence."""
    gsm8k = next(known for known in known_sources() if known.key == "gsm8k")
    one, two = tmp_path / "one" / "replies.jsonl", tmp_path / "two" / "replies.jsonl"
    for file in (one, two):
        file.parent.mkdir()
        file.write_text("{}")
    theirs = source_of(replies(one, "4bc62db838f8418365d51c627bd66294cbdca9fb7f01519cb13f0dce8c51580b"))
    assert (theirs.known, theirs.license, theirs.is_replies) == (gsm8k, "mit", True)
    assert license_of([source("mit"), theirs]) == "mit"
    mine = [source_of(replies(file, "0")) for file in (one, two)]
    with pytest.raises(DataError) as found:
        license_of([source("mit"), theirs, *mine])
    assert str(found.value) == (
        f"the licence of the replies in {one} is not known; that of the replies in {two} is not known. Find it out, "
        "and name it with --license."
    )
    assert license_of([source("mit"), *mine], given="apache-2.0") == "apache-2.0"
    with pytest.raises(DataError, match=r"gone is not known: it is not there any more\. Find"):
        license_of([source("mit"), source_of(replies(tmp_path / "gone", "0"))])


def test_a_name_on_disk_hides_no_folder_of_somebody(tmp_path: Path) -> None:
    secret = tmp_path / "bob" / "mine.jsonl"
    assert source_of(Input("dataset", str(secret), secret, "0", "train", "generic")).name == "mine.jsonl"
