"""The contamination page: what it marks, and that text from anywhere stays text, in a real browser."""

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from datagen.mix.contamination_page import MAX_CHARACTERS, MAX_ENTRIES, contamination_page, shared_words

HOSTILE = (
    "<script>window.owned=1</script><img src=x onerror=\"window.owned=2\"><svg/onload='window.owned=3'>"
    "</div></article></main></style></title></script><style>body{display:none}</style>"
    "&lt;b&gt; &amp; \"quoted\" 'single' `tick` --> ]]> \u202eright\u202c \u2028 \x00\x1b[31m "
    "javascript:window.owned=4"
)
Json = dict[str, Any]  # Any: JSON


def match(row: int = 0, **changed: object) -> Json:
    found: Json = {"row": row, "problem_id": "p", "text": "How many eggs?", "how": "exact", "score": 100.0}
    return found | {"test_set": "test.jsonl", "test_problem_id": "t-1", "test_text": "How many eggs"} | changed


def report(*matches: Json, **changed: object) -> Json:
    hows = [of["how"] for of in matches]
    found: Json = {
        "data": "train.jsonl",
        "against": [{"name": "test.jsonl", "split": None, "n_problems": 1319, "sha256": "0" * 64}],
        "rows": 1000,
        "overlapping": len(matches),
        "by_how": {how: hows.count(how) for how in ("exact", "13-gram", "fuzzy")},
        "test_problems": 1,
        "problems": 1,
        "variants": 3,
        "without_question": 0,
        "removed": True,
        "n_removed": len(matches),
        "settings": {"methods": ["exact", "13-gram", "fuzzy"], "ngram": 13, "fuzzy": 90.0},
        "matches": list(matches),
    }
    return found | changed


class Marks(HTMLParser):
    """The marked texts of a page, and the text of its articles."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.marked: list[str] = []
        self.text = ""
        self._stack: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in ("meta",):
            self._stack.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._stack.pop() == tag  # nothing in the data opened or closed an element

    def handle_data(self, data: str) -> None:
        if "mark" in self._stack:
            self.marked.append(data)
        if "article" in self._stack:
            self.text += data


def test_words_in_common_are_marked_on_both_sides() -> None:
    ours, theirs = "A hen, lays 1,000 eggs here", "a HEN lays 1000 big eggs"
    marked = Marks(contamination_page(report(match(how="fuzzy", score=91.2, text=ours, test_text=theirs)))).marked
    assert marked == [
        "A hen, lays 1,000 eggs",
        "a HEN lays 1000",
        "eggs",
    ]


def test_of_words_in_a_row_only_those_in_the_runs_are_marked() -> None:
    assert shared_words("x a b c d y a", "a b c d a b z", how="3-gram") == ({1, 2, 3, 4}, {0, 1, 2, 3})
    assert shared_words("a b", "a b", how="3-gram") == (set(), set())


def test_rows_of_one_question_are_one_entry() -> None:
    page = contamination_page(report(*(match(i) for i in range(20)), match(30, test_problem_id="t-2")))
    assert page.count("<article>") == 2
    assert "rows 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and 8 more" in page


def test_what_is_cut_is_said() -> None:
    many = [match(i, text=f"question {i}") for i in range(MAX_ENTRIES + 5)]
    page = contamination_page(report(*many))
    assert page.count("<article>") == MAX_ENTRIES
    assert f"{MAX_ENTRIES} of {MAX_ENTRIES + 5} pairs are shown" in page
    assert "lists the first 1 rows" in contamination_page(report(match(), overlapping=7))
    assert "1,234 more characters" in contamination_page(report(match(text="x" * (MAX_CHARACTERS + 1234))))


def test_no_overlap_says_so() -> None:
    page = contamination_page(report())
    assert "No row overlaps" in page
    assert "0 of 1,000 rows overlap (0.00 %)" in page
    assert "0 of 0 rows" in contamination_page(report(rows=0))


def hostile() -> Json:
    names = ("text", "test_text", "how", "test_set", "test_problem_id", "problem_id")
    return report(
        match() | dict.fromkeys(names, HOSTILE),
        match(how="fuzzy", text=HOSTILE, test_text=HOSTILE + " and more"),
        data=HOSTILE,
        against=[{"name": HOSTILE, "split": HOSTILE, "n_problems": 1, "sha256": HOSTILE}],
        by_how={HOSTILE: 2},
        settings={"methods": [HOSTILE], "ngram": 13, "fuzzy": 90.0},
    )


def test_hostile_text_opens_and_closes_nothing() -> None:
    page = contamination_page(hostile())
    marks = Marks(page)
    assert "<script>window.owned=1</script>" in marks.text
    assert re.findall(r"<(?:script|img|svg)", page) == []
    assert "\x00" not in page
    assert "\x1b" not in page


def test_nothing_of_hostile_text_runs_in_a_browser(browser: Browser, tmp_path: Path) -> None:
    file = tmp_path / "contamination.html"
    file.write_bytes(contamination_page(hostile()).encode())
    page = browser.new_page()
    dialogs: list[str] = []
    asked: list[str] = []
    page.on("dialog", lambda dialog: dialogs.append(dialog.message))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(file.as_uri())
    expect(page.locator("article")).to_have_count(2)
    assert page.evaluate("window.owned") is None
    assert page.evaluate("document.querySelectorAll('script, img, svg, article style').length") == 0
    shown = page.locator(".text").first.evaluate("of => of.textContent")
    assert shown == HOSTILE.replace("\x00", "\ufffd").replace("\x1b", "\ufffd")
    assert page.locator("body").is_visible()
    assert (dialogs, asked) == ([], [file.as_uri()])
    page.close()


@pytest.mark.parametrize("width", [360, 1200])
def test_both_sides_fit_the_screen(width: int, browser: Browser, tmp_path: Path) -> None:
    file = tmp_path / "contamination.html"
    long = "word " * 40 + "x" * 500
    file.write_bytes(contamination_page(report(match(how="fuzzy", text=long, test_text=long))).encode())
    page = browser.new_page(viewport={"width": width, "height": 800})
    page.goto(file.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    left, right = (page.locator(".pair > div").nth(i).bounding_box() for i in (0, 1))
    assert left is not None
    assert right is not None
    assert (left["y"] == right["y"]) == (width == 1200)
    page.close()
