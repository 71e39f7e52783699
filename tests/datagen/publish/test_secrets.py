import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.publish.secrets import SHAPES, Finding, hidden, in_batch, in_text

LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789ABCD"
# Made up, and put together here so that no scanner takes this file for a leak.
SECRETS = {
    "API key (sk-...)": "sk-" + LETTERS[:24],
    "Stripe key": "sk_" + "live_" + LETTERS[:20],
    "Hugging Face token": "hf" + "_" + LETTERS[:34],
    "GitHub token": "ghp" + "_" + LETTERS[:36],
    "GitLab token": "glpat" + "-" + LETTERS[:20],
    "AWS access key": "AKIA" + "ABCDEFGHIJKLMNOP",
    "Google API key": "AIza" + LETTERS[:35],
    "Slack token": "xoxb" + "-1234567890-abc",
    "private key": "-----BEGIN RSA " + "PRIVATE KEY-----",
    "bearer token": "Authorization: Bearer " + LETTERS[:24],
    "JSON web token": "eyJ" + LETTERS[:12] + ".eyJ" + LETTERS[:12] + "." + LETTERS[:12],
    "password in a URL": "https://bob:" + "hunter2@example.org/v1",
    "password or key": 'api_key = "' + LETTERS[:24] + '"',
    "path that names a person": "/home/" + "bob/data/train.jsonl",
}
HARMLESS = (
    "Natalia sold 48/2 = <<48/2=24>>24 clips in May.",
    "The task-force of risk-averse desk-workers met at 10:30.",
    "She said: the password is a secret. Tokens: 3, keys: 12",
    "https://example.org:8000/v1 and a@b.org",
    "hf_short, ghp_, AKIA, sk-1, Bearer of bad news",
    "home/work balance: 40/home, /homes/",
    "3" * 200,
    "x" * 200,
)


@pytest.mark.parametrize("what", list(SHAPES))
def test_a_secret_is_found_by_its_shape_and_never_shown(what: str) -> None:
    found = list(in_text(f"first line\nthen {SECRETS[what]} here", where="data row 3"))
    assert what in {of.what for of in found}
    for of in found:
        assert SECRETS[what] not in str(of)
        assert len(of.begins) <= 6
    assert SECRETS[what] not in hidden(f"said {SECRETS[what]}.", keys=())


@pytest.mark.parametrize("text", HARMLESS)
def test_words_and_numbers_are_no_secrets(text: str) -> None:
    assert list(in_text(text, where="x")) == []


@pytest.mark.parametrize("what", list(SHAPES))
def test_a_secret_is_found_however_deep_it_lies_in_a_row(what: str) -> None:
    rows = [{"a": "fine", "b": [{"c": ["fine"], "d": None}]} for _ in range(50)]
    rows[37] = {"a": "fine", "b": [{"c": ["fine", f"so {SECRETS[what]}"], "d": None}]}
    batch = pa.RecordBatch.from_pylist(rows)
    found = list(in_batch(batch, part="candidates", first_row=1000))
    assert what in {of.what for of in found}
    assert {of.where.split(",")[0] for of in found} == {"candidates row 1037"}


def test_a_key_that_is_in_use_is_found_whatever_its_shape() -> None:
    batch = pa.RecordBatch.from_pylist([{"a": "plain"}, {"a": "this is Correct-Horse indeed"}])
    found = list(in_batch(batch, part="data", first_row=0, keys=("Correct-Horse",)))
    assert found == [Finding("a key of your environment", "data row 1, a", "Correc")]
    assert "Horse" not in hidden("Correct-Horse", keys=("Correct-Horse",))


@settings(deadline=None, max_examples=60)
@given(st.lists(st.text(max_size=60), min_size=1, max_size=8), st.sampled_from(list(SECRETS)), st.integers(0, 7))
def test_columns_and_rows_are_searched_alike(texts: list[str], what: str, at: int) -> None:
    texts = [text.encode("utf-8", "ignore").decode() for text in texts]
    texts[at % len(texts)] += f" {SECRETS[what]}"
    slow = [of._replace(where="") for text in texts for of in in_text(text, where="")]
    batch = pa.RecordBatch.from_pylist([{"a": text} for text in texts])
    assert [of._replace(where="") for of in in_batch(batch, part="", first_row=0)] == slow


@pytest.mark.timeout(20)
@pytest.mark.parametrize("text", ["a://", "password", "eyJ-", "bearer ", "-", "/home/", "sk-", "a:a@", "a.a-"])
def test_text_that_is_made_to_be_slow_to_search_is_not(text: str) -> None:
    long = text * (1_000_000 // len(text))  # in quadratic time, hours
    batch = pa.RecordBatch.from_pylist([{"a": long}])
    assert [of.what for of in in_batch(batch, part="x", first_row=0)] == [of.what for of in in_text(long, where="x")]
