import json
import os
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.augment.sentences import Split, sentences, split_question

DATA = Path(os.environ.get("DATAGEN_TEST_DATA", Path(__file__).parents[4] / "shared" / "data")) / "gsm8k"
WHOLE_NUMBER = re.compile(r"(?<![\w.,:/])[0-9]+(?![\w,:/]|\.[0-9])")
PIECES = st.sampled_from(
    [
        "Mr. ",
        "Tom",
        " has ",
        "2.5",
        "$x",
        ". ",
        "? ",
        "! ",
        '"',
        "...",
        "\n",
        "\n\n",
        "a.m. ",
        "U.S. ",
        "No. 5",
        "How",
        " ",
    ]
)


@pytest.mark.parametrize(
    "pieces",
    [
        ("Tom has 2.5 kg. ", "Mrs. Lee and Dr. May have $3.50. ", "How much?"),
        ("He works from 7 a.m. to 3 p.m. every day. ", "He left at 5 p.m. ", "How long is that?"),
        ("He left at 5 p.m. Monday. ", "Why?"),
        ("The U.S. Army bought 5. ", "She lives in the U.S. ", "How old is she?"),
        ("J. K. Rowling wrote 7 books in plan B. ", "They sold."),
        ("Bus No. 5 stops, e.g. at St. Paul St. ", "It is full vs. Bus No. 6."),
        ("He said no. ", "She said yes."),
        ("Well... he had 5. ", "So... ", "What now?"),
        ('"Is it 5?" he asked. ', '"It is 6." ', "She left."),
        ("1. Fill 5 cups. ", "2. Drain 3."),
        ("A board is 5 ft. long and 3 in. wide. ", "It weighs 5 lbs. ", "How thick is it?"),
        ("It costs $x. ", "how much is left?"),
        ("A text that is\nwrapped here. ", "And a list:\n", "- 5 pens\n", "- 3 cups\n\n", "How many?\n"),
        ("Wow!  ", "It rose 5%. ", "5 more came.",),
        ("no stop",),
        (),
    ],
)  # fmt: skip
def test_sentences_end_where_a_reader_ends_them(pieces: tuple[str, ...]) -> None:
    assert sentences("".join(pieces)) == pieces


@given(st.lists(PIECES, max_size=25).map("".join) | st.text(max_size=60))
@settings(deadline=None, max_examples=200)
def test_sentences_joined_are_the_text(text: str) -> None:
    pieces = sentences(text)
    assert "".join(pieces) == text
    assert all(pieces)


@pytest.mark.parametrize(
    ("question", "statement", "final"),
    [
        ("Tom has 5. He buys 2.5 more. How many?", "Tom has 5. He buys 2.5 more.", "How many?"),
        ("How many has Tom? He had 5 and lost 2.", "He had 5 and lost 2.", "How many has Tom?"),
        ("Tom has 5. How many ounces left? (A cup is 8.)", "Tom has 5. (A cup is 8.)", "How many ounces left?"),
        ("Tom has 5. Has he more? How many?", "Tom has 5. Has he more?", "How many?"),
        ("If Tom has 5 and eats 2, how many are left?", "", "If Tom has 5 and eats 2, how many are left?"),
        ("Tom has 5. Find the cost.", "Tom has 5.", "Find the cost."),
        ("Tom has 5. If he eats 2, calculate the rest.", "Tom has 5.", "If he eats 2, calculate the rest."),
        ("Tom has 5. How many are left", "Tom has 5.", "How many are left"),
        ('How many are left? She said "Why?" to Al.', 'She said "Why?" to Al.', "How many are left?"),
        (
            'There are 15 "Where is Al?" books. Find 2 of them.',
            'There are 15 "Where is Al?" books.',
            "Find 2 of them.",
        ),
    ],
)
def test_the_question_is_the_last_sentence_that_asks(question: str, statement: str, final: str) -> None:
    assert split_question(question) == Split(statement, final)


@pytest.mark.parametrize("text", ["", " ", "Tom has 5.", "Tom went out, which took 5 minutes, and they find 3 coins."])
def test_a_text_that_asks_nothing_is_not_split(text: str) -> None:
    assert split_question(text) is None


@pytest.mark.skipif(not DATA.is_dir(), reason=f"no GSM8K at {DATA}: set DATAGEN_TEST_DATA")
def test_all_of_gsm8k_is_split_without_losing_a_sentence() -> None:
    questions = [json.loads(line)["question"] for line in (DATA / "train.jsonl").read_text().splitlines()]
    n_split = n_marked = 0
    for question in questions:
        pieces = sentences(question)
        assert "".join(pieces) == question
        split = split_question(question)
        if split is None:
            continue
        n_split += 1
        n_marked += "?" in split.question
        bare = [piece.strip() for piece in pieces]
        i = len(bare) - 1 - bare[::-1].index(split.question)
        del bare[i]
        assert " ".join(" ".join(bare).split()) == " ".join(split.statement.split())
        # A number masked by x moves no boundary.
        assert len(sentences(WHOLE_NUMBER.sub("x", question))) == len(pieces), question
    assert len(questions) == 7473
    assert n_split >= 0.99 * len(questions)
    assert n_marked >= 7196
