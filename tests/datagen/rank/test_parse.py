import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from datagen.rank.parse import (
    CUT_OFF,
    DIFFERENT,
    EMPTY,
    ERRORS,
    NO_RATING,
    NOT_A_NUMBER,
    OTHER_SCALE,
    OUT_OF_RANGE,
    UNCLOSED,
    Parsed,
    parse_rating,
)

EVIDENCE = "Step 2 should be 3 * 4 = 12, not 7; a rating of 3 would be too low for 9/10 of it."


@pytest.mark.parametrize(
    ("line", "rating"),
    [
        ("Rating: 7", 7),
        ("rating:7", 7),
        ("RATING : 7", 7),
        ("Rating: 10", 10),
        ("Rating: 1", 1),
        ("Rating: 10.", 10),
        ("Rating: 7.5", 7.5),
        ("Rating: 10.0", 10),
        ("Rating: 8/10", 8),
        ("Rating: 8 / 10.", 8),
        ("Rating: 10/10", 10),
        ("Rating: 8 out of 10", 8),
        ("Rating: 8 points", 8),
        ("**Rating:** 7", 7),
        ("**Rating: 7**", 7),
        ("**Rating**: 7", 7),
        ("__Rating:__ `7`", 7),
        ("### Rating: 7", 7),
        ("- Rating: 7", 7),
        ("  Rating:\t7  ", 7),
        ("Rating: **8**", 8),
        ("Rating: [[8]]", 8),
        ("Rating: [8]", 8),
        ("Rating: <8>", 8),
        ("Rating: (8/10)", 8),
        ("Rating：８", 8),
        ("Ｒａｔｉｎｇ：１０", 10),
        ("Rating:\n7", 7),
        ("**Rating:**\n\n**7**", 7),
        ("Final rating: 7", 7),
        ("Overall Rating: 7", 7),
        ("Score: 7", 7),
        ("8/10", 8),
        ("**8 / 10**", 8),
        ("8 out of 10.", 8),
    ],
)
def test_a_rating_is_read_in_this_form_with_the_evidence_before_it(line: str, rating: float) -> None:
    assert parse_rating(f"Evidence: {EVIDENCE}\n{line}") == Parsed(rating, EVIDENCE, None)
    assert parse_rating(line) == Parsed(rating, None, None)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", EMPTY),
        (" \n\t", EMPTY),
        ("<think>7</think>\n", EMPTY),
        ("<think>Rating: 7", UNCLOSED),
        ("Looks good.", NO_RATING),
        ("7", NO_RATING),
        ("All steps are right.\n10", NO_RATING),
        (f"Evidence: {EVIDENCE}", NO_RATING),
        ("Evidence: all right. Rating: 9", NO_RATING),
        ("8/10\nA good solution.", NO_RATING),
        ("> Rating: 9", NO_RATING),
        ("| Rating: 9", NO_RATING),
        ('"Rating: 9"', NO_RATING),
        ("Rating 9", NO_RATING),
        ("My rating is 9", NO_RATING),
        ('{"evidence": "x"}', NO_RATING),
        ('{"evidence": "x", "rating": 7', NO_RATING),
        ('[{"rating": 7}]', NO_RATING),
        ("Rating: eight", NOT_A_NUMBER),
        ("Rating: 7-8", NOT_A_NUMBER),
        ("Rating: 7, 8", NOT_A_NUMBER),
        ("Rating: 7 or 8", NOT_A_NUMBER),
        ("Rating: 7,5", NOT_A_NUMBER),
        ("Rating: N/A", NOT_A_NUMBER),
        ("Rating: NaN", NOT_A_NUMBER),
        ("Rating: inf", NOT_A_NUMBER),
        ("Rating: 1e1", NOT_A_NUMBER),
        ("Rating: 07", NOT_A_NUMBER),
        ("Rating: ~7", NOT_A_NUMBER),
        ("Rating: 7²", NOT_A_NUMBER),
        ("Rating: ⑦", NOT_A_NUMBER),
        ("Rating: ٧", NOT_A_NUMBER),
        ("Rating: 7 (one wrong step)", NOT_A_NUMBER),
        ("Rating: 8/10/10", NOT_A_NUMBER),
        ("Rating: 7." + "0" * 100, NOT_A_NUMBER),
        ("Rating:", NOT_A_NUMBER),
        ("Rating:\nThe rating is 7.", NOT_A_NUMBER),
        ("Rating: <number from 1 to 10>\nRating: 7", NOT_A_NUMBER),
        ("Rating: see below\n8/10", NOT_A_NUMBER),
        ('{"rating": true}', NOT_A_NUMBER),
        ('{"rating": null}', NOT_A_NUMBER),
        ('{"rating": [7]}', NOT_A_NUMBER),
        ('{"rating": NaN}', NOT_A_NUMBER),
        ('{"rating": Infinity}', NOT_A_NUMBER),
        ('{"rating": 1e1}', NOT_A_NUMBER),
        ('{"rating": "eight"}', NOT_A_NUMBER),
        ("Rating: 0", OUT_OF_RANGE),
        ("Rating: 0.5", OUT_OF_RANGE),
        ("Rating: 0/10", OUT_OF_RANGE),
        ("Rating: 11", OUT_OF_RANGE),
        ("Rating: 10.5", OUT_OF_RANGE),
        ("Rating: 100", OUT_OF_RANGE),
        ("Rating: -3", OUT_OF_RANGE),
        ("Rating: −3", OUT_OF_RANGE),
        ("Rating: " + "9" * 10_000, OUT_OF_RANGE),
        ('{"rating": ' + "9" * 10_000 + "}", OUT_OF_RANGE),
        ('{"rating": -3}', OUT_OF_RANGE),
        ("Rating: 8/5", OTHER_SCALE),
        ("Rating: 4/5", OTHER_SCALE),
        ("Rating: 80%", OTHER_SCALE),
        ("Rating: 8/100", OTHER_SCALE),
        ("Rating: 4 out of 5", OTHER_SCALE),
        ('{"rating": "4/5"}', OTHER_SCALE),
        ("Rating: 7\nRating: 8", DIFFERENT),
        ("Rating: 7\nso\n**Final rating: 8**", DIFFERENT),
        ('{"rating": 3, "rating": 10}', DIFFERENT),
    ],
)
def test_what_is_no_rating_has_this_reason_and_no_number(text: str, error: str) -> None:
    assert parse_rating(text) == Parsed(None, None, error)


def test_the_same_rating_twice_is_one() -> None:
    assert parse_rating("Fine.\nRating: 7\nSo it stays.\nFinal rating: 7.0") == Parsed(7, "Fine.", None)


def test_a_score_counts_only_where_no_line_says_rating() -> None:
    assert parse_rating("Score: 3\nRating: 7").rating == 7
    assert parse_rating("Score: 3\nScore: 4").error == DIFFERENT


def test_a_reply_that_was_cut_off_has_no_rating_even_if_one_stands_in_it() -> None:
    text = "Evidence: fine\nRating: 7"
    assert parse_rating(text, finish_reason="length") == Parsed(None, None, CUT_OFF)
    assert parse_rating(text, finish_reason="stop").rating == 7
    assert parse_rating("", finish_reason="length").error == CUT_OFF


@pytest.mark.parametrize(
    "label", ["Evidence:", "Evaluation Evidence:", "**Evidence:**", "## Evidence:\n", "EVIDENCE："]
)
def test_the_label_of_the_evidence_is_not_part_of_it(label: str) -> None:
    assert parse_rating(f"{label} {EVIDENCE}\nIt ends well.\n\nRating: 7").evidence == f"{EVIDENCE}\nIt ends well."


def test_what_follows_the_rating_is_no_evidence() -> None:
    assert parse_rating("Rating: 7\nEvidence: step 2 is wrong") == Parsed(7, None, None)


def test_thinking_is_neither_evidence_nor_a_rating() -> None:
    text = "<think>\nRating: 2? Evidence: hm.\nRating: 3\n</think>\n\nEvidence: fine\nRating: 9"
    assert parse_rating(text) == Parsed(9, "fine", None)


@pytest.mark.parametrize("rating", ["7", "7.0", '"7"', '"7/10"'])
@pytest.mark.parametrize(
    "wrapping",
    ["{}", "\n{}\n", "```json\n{}\n```", "```\n{}\n```", "My view:\n```json\n{}\n```\nRating: see above"],
)
def test_json_is_read_alone_or_in_the_only_fence_that_has_an_object(wrapping: str, rating: str) -> None:
    text = wrapping.replace("{}", f'{{"evidence": "Rating: 3\\nno", "rating": {rating}}}')
    assert parse_rating(text) == Parsed(7, "Rating: 3\nno", None)


def test_two_objects_in_fences_are_no_rating() -> None:
    assert parse_rating('```\n{"rating": 7}\n```\n```\n{"rating": 7}\n```').error == NO_RATING


FRAGMENTS = st.sampled_from(
    [
        "Rating:",
        "Score:",
        "\n",
        " ",
        "7",
        "10",
        "/10",
        "**",
        "#",
        "-",
        "{",
        "}",
        '"rating":',
        '"evidence":',
        ",",
        '"',
        "```",
    ]
    + ["<think>", "</think>", "[[", "]]", ".", "e", "５", "：", "Evidence:", "\x85", "\ud800", "%", "|", ">"]
)


@settings(deadline=None, max_examples=400)
@given(st.text() | st.lists(FRAGMENTS, max_size=12).map("".join), st.sampled_from([None, "stop", "length", "odd"]))
@example('{"a":' * 100_000 + "1" + "}" * 100_000, None)
@example("[" * 100_000, None)
@example('{"rating":' + "[" * 100_000 + "}", None)
def test_no_text_raises_or_gives_anything_but_a_rating_or_a_reason(text: str, reason: str | None) -> None:
    parsed = parse_rating(text, finish_reason=reason)
    if parsed.error is None:
        assert parsed.rating is not None
        assert 1 <= parsed.rating <= 10
    else:
        assert parsed.error in ERRORS
        assert (parsed.rating, parsed.evidence) == (None, None)


@settings(deadline=None, max_examples=200)
@given(st.floats(1, 10) | st.integers(1, 10), st.text(st.characters(exclude_categories=["Cs"])), st.booleans())
def test_a_rating_is_found_again_from_its_canonical_text(rating: float, evidence: str, as_json: bool) -> None:
    plain = evidence.replace(":", ";").replace("：", ";").replace("`", "'").replace("<", "(")
    text = json.dumps({"evidence": plain, "rating": rating}) if as_json else f"Evidence: {plain}\nRating: {rating}"
    assert parse_rating(text).rating == rating


@pytest.mark.parametrize(
    "piece", ["*", " ", "\n", "Rating:", "`", "```{", "{", "9", "-", "Evidence", "[", "１", "/10"]
)
def test_the_work_is_linear_in_the_length_of_a_hostile_reply(piece: str) -> None:
    # A quadratic one would need many minutes here, and run into the limit.
    text = piece * (400_000 // len(piece))
    assert parse_rating(text + "x").rating is None
