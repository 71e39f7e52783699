"""The review page in a real browser, served by the command in a process of its own."""

import http.client
import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from datagen_schemas.rating import RankedGroup

MakeGroup = Callable[..., RankedGroup]
MakeDataset = Callable[[Sequence[RankedGroup]], Path]

JUDGE = {"two": 2.0, "four": 4.0, "six": 6.0, "eight": 8.0}
PERSON = {"two": 1, "four": 4, "six": 8, "eight": 7}


class Review:
    """`datagen review` in its own process."""

    def __init__(self, run: Path, *options: str) -> None:
        command = [sys.executable, "-m", "datagen", "review", str(run), "--no-browser", "--resamples", "20", *options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert self.process.stderr is not None
        found = re.search(r"http://127\.0\.0\.1:\d+/[\w-]{32}/", said := self.process.stderr.readline())
        assert found, said + self.process.stderr.read()
        self.url = found.group()

    def wait(self) -> str:
        """What it prints in the end."""
        out, _ = self.process.communicate(timeout=30)
        return out

    def get(
        self, path: str, *, host: str | None = None, method: str = "GET", **headers: str
    ) -> http.client.HTTPResponse:
        """A request of a client that is no browser."""
        port = urlsplit(self.url).port
        assert port is not None
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        body = '{"rating": 5}' if method == "POST" else None
        connection.request(method, path, body=body, headers={"Host": host or f"127.0.0.1:{port}", **headers})
        response = connection.getresponse()
        response.read()
        connection.close()
        return response


@pytest.fixture
def start() -> Iterator[Callable[..., Review]]:
    started: list[Review] = []

    def start_review(run: Path, *options: str) -> Review:
        started.append(Review(run, *options))
        return started[-1]

    yield start_review
    for review in started:
        review.process.kill()
        review.process.communicate()


@pytest.fixture
def four(make_group: MakeGroup, make_dataset: MakeDataset) -> Path:
    """Four problems with one candidate each."""
    return make_dataset([make_group(name, (f"solution {name}", [score])) for name, score in JUDGE.items()])


def saved(run: Path) -> list[dict[str, Any]]:  # Any: JSON
    file = run / "review.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def name_on(page: Page) -> str:
    return page.locator("#candidate").inner_text().removeprefix("solution ")


def go_to(page: Page, i: int) -> None:
    expect(page.locator("body")).to_have_attribute("data-item", str(i))


def wait_for(page: Page, bodies: Sequence[str], text: str) -> None:
    """Until a response with this text was read: that happens beside the page, and may come after it has changed."""
    for _ in range(200):
        if any(text in body for body in bodies):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"no response has {text!r}")


def press_rating(page: Page, rating: int) -> None:
    """Rate by key, and wait until the judge's word is there."""
    page.keyboard.press(str(rating % 10))
    expect(page.locator("#judgement")).to_be_visible()
    expect(page.locator("#ratings [aria-pressed=true]")).to_have_text(str(rating))


def test_ratings_by_keyboard_are_saved_one_by_one_and_the_statistics_are_those_of_a_hand_calculation(
    page: Page, start: Callable[..., Review], four: Path
) -> None:
    review = start(four, "--json")
    page.goto(review.url)
    for i in range(4):
        go_to(page, i)
        name = name_on(page)
        press_rating(page, PERSON[name])
        rows = saved(four)
        assert len(rows) == i + 1
        assert (rows[-1]["problem_id"], rows[-1]["rating"]) == (name, PERSON[name])
        page.keyboard.press("Enter" if i % 2 else "n")
    expect(page.locator("#done")).to_contain_text("All rated")
    result = json.loads(review.wait())
    assert review.process.returncode == 0
    assert (result["n"], result["drawn"], result["revised"], result["mean_human"]) == (4, 4, 0, 5.0)
    # Squared differences: (1 + 0 + 4 + 1) / 4 = 1.5; by chance: the variances 7.5 + 5, means equal: 12.5.
    assert result["weighted_kappa"]["value"] == pytest.approx(1 - 1.5 / 12.5)
    # Ranks 1 2 4 3 against 1 2 3 4: 1 - 6 * 2 / (4 * 15); one pair of six the other way round.
    assert result["spearman"]["value"] == pytest.approx(0.8)
    assert result["kendall_tau_b"]["value"] == pytest.approx(4 / 6)
    report = [sys.executable, "-m", "datagen", "review", str(four), "--report", "--resamples", "20"]
    printed = subprocess.run(report, capture_output=True, text=True, check=True)
    assert re.search(r"weighted kappa \(quadratic\) +0\.880", printed.stdout)
    assert re.search(r"Spearman rho +0\.800", printed.stdout)
    assert re.search(r"Kendall tau-b +0\.667", printed.stdout)
    assert "4 of 4 rated" in printed.stdout


def test_what_the_judge_said_leaves_the_server_only_after_the_rating(
    page: Page, start: Callable[..., Review], make_group: MakeGroup, make_dataset: MakeDataset
) -> None:
    run = make_dataset([make_group("a", ("solution a", [6.28125, 5.0])), make_group("b", ("solution b", [6.28125]))])
    bodies: list[str] = []
    page.on("response", lambda response: bodies.append(response.text()))
    review = start(run)
    page.goto(review.url)
    go_to(page, 0)
    secrets = ("6.28125", "5.640625", "EVIDENCE", "some-judge", 'wrong"')

    def seen() -> str:
        return "".join(bodies) + page.content()

    wait_for(page, bodies, "2+2 = <<2+2=4>>4")  # the reference did come
    assert not [secret for secret in secrets if secret in seen()]
    assert page.locator("#judgement").is_hidden()
    press_rating(page, 3)
    shown = page.locator("#judgement").inner_text()
    assert "some-judge" in shown
    assert "EVIDENCE" in shown
    assert "6.28" in shown
    assert "The final answer is wrong" in shown
    wait_for(page, bodies, "some-judge")
    bodies.clear()
    page.keyboard.press("n")
    go_to(page, 1)
    wait_for(page, bodies, "2+2 = <<2+2=4>>4")
    assert not [secret for secret in secrets if secret in seen()]
    assert page.locator("#judges").inner_text() == ""
    # Nor can the page be made to ask for it.
    assert page.evaluate("fetch('items/1').then((response) => response.json())")["judgement"] is None


HOSTILE = [
    "<script>window.owned=1</script>",
    "</script><script>window.owned=1</script>",
    '--></style></textarea><img src=x onerror="window.owned=1">',
    "'\"`;window.owned=1//",
    "{{constructor.constructor('window.owned=1')()}} ${window.owned=1} NONCE-OF-THIS-RESPONSE",
    "\u202eevil\u2028<a href=javascript:window.owned=1>x</a>\u0000",
]


def test_hostile_text_is_shown_as_it_is_and_does_nothing(
    page: Page, start: Callable[..., Review], make_group: MakeGroup, make_dataset: MakeDataset
) -> None:
    run = make_dataset([make_group(f"p{i}", (text, [3]), question=text) for i, text in enumerate(HOSTILE)])
    wrong: list[str] = []
    asked: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda message: wrong.append(message.text))
    page.on("request", lambda request: asked.append(request.url))
    review = start(run)
    page.goto(review.url)
    shown = set()
    for i in range(len(HOSTILE)):
        go_to(page, i)
        press_rating(page, 10)
        for part in ("question", "candidate"):
            shown.add(page.locator(f"#{part}").text_content())
        assert "<img src=x onerror=window.owned=1>" in page.locator("#judges").inner_text()
        assert page.evaluate("window.owned") is None
        assert page.locator("main img, main script, main a, main style").count() == 0
        page.keyboard.press("n")
    assert shown == set(HOSTILE)
    assert wrong == []
    # Nothing leaves the machine: the page asks its own server alone.
    assert [url for url in asked if not url.startswith((review.url, "data:"))] == []


def test_a_killed_review_goes_on_with_what_is_not_rated(page: Page, start: Callable[..., Review], four: Path) -> None:
    review = start(four)
    page.goto(review.url)
    done = []
    for i in range(2):
        go_to(page, i)
        done.append(name_on(page))
        press_rating(page, PERSON[done[-1]])
        page.keyboard.press("ArrowRight")
    go_to(page, 2)
    review.process.send_signal(signal.SIGKILL)
    review.process.wait()
    page.keyboard.press("5")  # nobody there to save it, and the page says so
    expect(page.locator("#error")).to_contain_text("Not saved")
    assert page.locator("#ratings [aria-pressed=true]").count() == 0

    again = start(four)
    assert again.url != review.url
    page.goto(again.url)
    go_to(page, 2)
    expect(page.locator("#count")).to_have_text("3 of 4, 2 rated")
    for i in (2, 3):
        go_to(page, i)
        done.append(name_on(page))
        press_rating(page, PERSON[done[-1]])
        page.keyboard.press("n")
    expect(page.locator("#done")).to_be_visible()
    assert "4 of 4 rated" in again.wait()
    assert {row["problem_id"]: row["rating"] for row in saved(four)} == PERSON
    assert len(saved(four)) == 4
    # All rated: the same command prints the statistics and opens no page.
    command = [sys.executable, "-m", "datagen", "review", str(four), "--no-browser", "--resamples", "20"]
    third = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (third.returncode, third.stderr) == (0, "")
    assert "0.880" in third.stdout


def test_back_and_another_rating_replaces_the_first_and_is_marked_as_a_revision(
    page: Page, start: Callable[..., Review], four: Path
) -> None:
    review = start(four, "--json")
    page.goto(review.url)
    go_to(page, 0)
    name = name_on(page)
    press_rating(page, 10)
    page.keyboard.press("n")
    go_to(page, 1)
    page.keyboard.press("Backspace")
    go_to(page, 0)
    expect(page.locator("#ratings [aria-pressed=true]")).to_have_text("10")
    press_rating(page, 4)
    page.keyboard.press("4")  # the same again is no revision
    page.keyboard.press("q")
    expect(page.locator("#done")).to_contain_text("Stopped with 3 left")
    result = json.loads(review.wait())
    assert review.process.returncode == 0
    assert (result["n"], result["drawn_and_rated"], result["revised"]) == (1, 1, 1)
    assert [(row["problem_id"], row["rating"], row["revised"]) for row in saved(four)] == [
        (name, 10, False),
        (name, 4, True),
    ]


def test_skipped_candidates_come_back_before_the_end(page: Page, start: Callable[..., Review], four: Path) -> None:
    review = start(four)
    page.goto(review.url)
    for i in range(4):
        go_to(page, i)
        if i != 1:
            press_rating(page, 7)
        page.keyboard.press("Enter")
    go_to(page, 1)
    assert page.locator("#judgement").is_hidden()
    press_rating(page, 7)
    for i in (2, 3):
        page.keyboard.press("Enter")
        go_to(page, i)
    expect(page.locator("#next")).to_have_text("Finish")
    page.keyboard.press("Enter")
    assert "4 of 4 rated" in review.wait()


def test_keys_of_the_browser_and_of_the_open_help_rate_nothing(
    page: Page, start: Callable[..., Review], four: Path
) -> None:
    page.goto(start(four).url)
    go_to(page, 0)
    page.keyboard.press("?")
    expect(page.locator("#help")).to_be_visible()
    page.keyboard.press("7")
    page.keyboard.press("Escape")
    expect(page.locator("#help")).to_be_hidden()
    page.keyboard.press("Control+5")
    page.keyboard.press("Alt+6")
    press_rating(page, 9)
    assert [row["rating"] for row in saved(four)] == [9]


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_a_phone_rates_by_touch_without_scrolling_sideways(
    colours: Any,  # playwright's literal
    browser: Browser,
    start: Callable[..., Review],
    make_group: MakeGroup,
    make_dataset: MakeDataset,
) -> None:
    run = make_dataset([make_group("p", ("word " * 80 + "x" * 400, [3, 4]), question="long " * 60)])
    review = start(run)
    context = browser.new_context(
        viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True, color_scheme=colours
    )
    page = context.new_page()
    page.goto(review.url)
    go_to(page, 0)
    page.get_by_role("button", name="10", exact=True).tap()
    expect(page.locator("#judgement")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    sizes = page.evaluate("[...document.querySelectorAll('#bar button')].map((b) => b.getBoundingClientRect().height)")
    assert min(sizes) >= 44  # what a finger needs
    page.get_by_role("button", name="Finish").tap()
    expect(page.locator("#done")).to_be_visible()
    context.close()
    assert "1 of 1 rated" in review.wait()


def test_only_the_reader_is_answered(start: Callable[..., Review], four: Path) -> None:
    review = start(four)
    url = urlsplit(review.url)
    path, port = url.path, url.port
    assert review.get(path).status == 200
    assert review.get(path, host=f"localhost:{port}").status == 200
    refused = [
        review.get("/"),
        review.get("/progress"),
        review.get("//"),
        review.get("/" + "x" * 32 + "/items/0"),
        review.get(path.upper() + "items/0"),
        review.get(path + "items/0", host="evil.example"),
        review.get(path + "items/0", host=f"evil.example:{port}"),
        review.get(path + "items/0", host="127.0.0.1"),
        review.get(path + "items/0", Origin="http://evil.example"),
        review.get(path + "items/0", Origin="null"),
        review.get("/items/0", method="POST"),
        review.get(path + "items/0", method="POST", host="evil.example"),
        review.get(path + "finish", method="POST", Origin="https://evil.example"),
    ]
    assert [response.status for response in refused] == [403] * len(refused)
    assert saved(four) == []
    assert review.process.poll() is None


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("items/0", {"rating": 0}, 400),
        ("items/0", {"rating": 11}, 400),
        ("items/0", {"rating": 7.5}, 400),
        ("items/0", {"rating": True}, 400),
        ("items/0", {"rating": "7"}, 400),
        ("items/0", [7], 400),
        ("items/4", {"rating": 7}, 404),
        ("items/-1", {"rating": 7}, 404),
        ("items/²", {"rating": 7}, 404),
        ("items/0/x", {"rating": 7}, 404),
    ],
)
def test_what_is_no_rating_is_refused_and_not_saved(
    path: str, body: object, status: int, page: Page, start: Callable[..., Review], four: Path
) -> None:
    page.goto(start(four).url)
    found = page.evaluate(
        "([path, body]) => fetch(path, {method: 'POST', body: JSON.stringify(body)}).then((r) => r.status)",
        [path, body],
    )
    assert found == status
    assert saved(four) == []


def test_the_page_may_load_nothing_from_elsewhere(start: Callable[..., Review], four: Path) -> None:
    review = start(four)
    policies = [review.get(urlsplit(review.url).path).headers["Content-Security-Policy"] for _ in range(2)]
    directives = dict(part.strip().split(" ", 1) for part in policies[0].split(";"))
    assert directives["default-src"] == "'none'"
    assert directives["connect-src"] == "'self'"
    assert directives["frame-ancestors"] == directives["base-uri"] == directives["form-action"] == "'none'"
    assert re.fullmatch(r"'nonce-[\w-]{22}'", directives["script-src"])
    assert policies[0] != policies[1]  # a nonce is used once
