"""The page in a real browser: it works, it asks nobody for anything, and nothing that it shows ever runs."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Dialog, Page, expect

from datagen.rank.reliability import Reliability
from datagen.runs.report_page import ReportOptions, write_report
from datagen_schemas.alignment import AlignmentGroup
from datagen_schemas.candidate import Candidate
from datagen_schemas.corruption import Corruption
from datagen_schemas.problem import Problem
from datagen_schemas.provenance import Provenance
from datagen_schemas.rating import JudgeVotes, MissingCandidate, RankedCandidate, RankedGroup

MakeRun = Callable[..., Path]
MADE = Provenance.of_stage("rank", package_version="0")
HOSTILE = (
    "<script>window.owned=1</script></script><img src=http://127.0.0.1:9/x onerror=window.owned=2>"
    "<!-- <svg onload=window.owned=3> \"'`&lt;{{rows}} \u202eevil\u2066 \u2028 \u2029 \x00\x1b[31m </textarea>"
    "<iframe src=javascript:window.owned=4></iframe><style>*{display:none}</style><a href=javascript:window.owned=5>"
)


class Watched:
    """A page, and everything that it did beyond showing itself."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.said: list[str] = []
        self.requests: list[str] = []
        page.on("console", lambda message: self.said.append(message.text))
        page.on("pageerror", lambda error: self.said.append(str(error)))
        page.on("dialog", self.refuse)
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("popup", lambda popup: self.said.append(popup.url))

    def refuse(self, dialog: Dialog) -> None:
        self.said.append(dialog.message)
        dialog.dismiss()

    def open(self, file: Path) -> None:
        self.page.goto(file.as_uri())
        expect(self.page.locator("body[data-ready]")).to_be_attached()

    def assert_quiet(self, file: Path) -> None:
        assert self.said == []
        # The page, its empty icon, and nothing else. Chromium hands its own unpacked data on as a blob of the page.
        asked = [url for url in self.requests if not url.startswith(("data:", "blob:null"))]
        assert asked == [file.as_uri()]
        assert self.page.evaluate("window.owned") is None


@pytest.fixture
def watched(page: Page) -> Watched:
    return Watched(page)


def ranked(text: str, *, sample: int, score: float, verdict: str, votes: tuple[float, ...] = ()) -> RankedCandidate:
    given = votes or (score,)
    judge = JudgeVotes(judge="judge", votes=given, evidence=tuple(f"evidence {v:g}" for v in given), mean=score)
    return RankedCandidate.model_validate(
        {
            "sample": sample,
            "response": text,
            "score": score,
            "votes": given,
            "deviation": 0.5 if len(given) > 1 else 0.0,
            "rank": 1,
            "judges": (judge,),
            "verdict": verdict,
            "source": "sampled",
            "corruption": None,
            "provenance": MADE.model_copy(update={"model": f"m{sample % 2}"}),
        }
    )


def group(i: int, *candidates: RankedCandidate, question: str | None = None) -> RankedGroup:
    problem = Problem(
        id=f"p-{i}",
        question=question or f"How much is {i} and {i}?",
        answer=str(2 * i),
        rationale=f"{i}+{i}={2 * i}",
        choices=None,
        source="test",
        split="train",
    )
    return RankedGroup(problem=problem, candidates=candidates, missing=())


@pytest.fixture
def thirty(make_run: MakeRun, tmp_path: Path) -> Path:
    """Thirty problems with a right and a wrong text each; every third one has a false equation."""
    groups = []
    reliability = Reliability()
    for i in range(30):
        false = f"{i}+{i}={2 * i + 1}" if i % 3 == 0 else f"{i}-{i}=0"
        right = ranked(f"So {i}+{i}={2 * i} apples", sample=0, score=9, verdict="correct", votes=(8, 10))
        wrong = ranked(f"So {false} pears", sample=1, score=1 + i % 5, verdict="wrong")
        groups.append(group(i, right, wrong))
        reliability.add(groups[-1])
    run = make_run("ranked", "rank", data={"data": groups}, reliability=reliability.as_json())
    out = tmp_path / "page.html"
    write_report([run], out=out, options=ReportOptions())
    return out


def found(page: Page) -> str:
    return page.locator("#found").inner_text().split(",")[0]


def test_search_filters_order_and_paging_work(watched: Watched, thirty: Path) -> None:
    watched.open(thirty)
    page = watched.page
    assert found(page) == "60 texts of 30 problems"
    expect(page.locator(".entry")).to_have_count(20)
    expect(page.locator("#place")).to_have_text("1 of 2")
    page.locator("#next").click()
    expect(page.locator(".entry")).to_have_count(10)
    expect(page.locator("#next")).to_be_disabled()

    page.keyboard.press("/")
    expect(page.locator("#query")).to_be_focused()
    page.keyboard.type("pears")
    expect(page.locator("#found")).to_contain_text("30 texts of 30 problems")
    page.locator("#query").fill('"how much is 7" PEARS')  # of the problem and of the text, whatever the case
    expect(page.locator("#found")).to_contain_text("1 text of 1 problem,")
    page.locator("#query").fill('"evidence 10"')  # what judges wrote
    expect(page.locator("#found")).to_contain_text("30 texts")
    page.locator("#query").fill("p-12")
    expect(page.locator("#found")).to_contain_text("2 texts of 1 problem,")
    page.locator("#query").fill("nowhere to be found")
    expect(page.locator("#found")).to_contain_text("Nothing matches")
    expect(page.locator(".entry")).to_have_count(0)
    page.locator("#query").fill("")

    page.locator("#by-verdict").select_option(label="wrong (30)")
    assert found(page) == "30 texts of 30 problems"
    page.locator("#low").fill("4")
    expect(page.locator("#found")).to_contain_text("12 texts of 12 problems")  # scores 4 and 5
    page.locator("#high").fill("4")
    expect(page.locator("#found")).to_contain_text("6 texts of 6 problems")
    page.locator("#only-false").check()
    assert found(page) == "2 texts of 2 problems"  # i % 5 == 3 and i % 3 == 0: 3 and 18
    expect(page.locator(".card")).to_have_count(1)
    page.get_by_role("button", name="Show 1 other text of this problem").click()
    expect(page.locator(".card")).to_have_count(2)
    page.locator("#only-false").uncheck()
    page.locator("#low").fill("")
    page.locator("#high").fill("")
    page.locator("#sort").select_option("high")
    expect(page.locator(".entry").first.locator(".card .score")).to_have_text("score 5, rank 1")
    page.locator("#sort").select_option("low")
    expect(page.locator(".entry").first.locator(".card .score")).to_have_text("score 1, rank 1")
    watched.assert_quiet(thirty)


def test_equations_are_checked_inline_and_evidence_is_folded(watched: Watched, thirty: Path) -> None:
    watched.open(thirty)
    page = watched.page
    first = page.locator(".entry").first
    expect(first.locator(".toggle")).to_have_attribute("aria-expanded", "true")
    cards = first.locator(".card")
    expect(cards).to_have_count(2)
    boxes = [cards.nth(i).bounding_box() for i in range(2)]
    assert boxes[0] is not None
    assert boxes[1] is not None
    assert boxes[0]["y"] == boxes[1]["y"]  # side by side
    expect(cards.nth(0).locator(".eq.good")).to_have_text("0+0=0")
    expect(cards.nth(1).locator(".eq.bad")).to_have_text("0+0=1")
    expect(cards.nth(1).locator(".value")).to_have_text("✗ 0")
    expect(cards.nth(1).locator(".value")).to_have_attribute("aria-label", "does not hold: the left side is 0")
    evidence = cards.nth(0).get_by_text("evidence 10")
    expect(evidence).to_be_hidden()
    cards.nth(0).get_by_text("judge: 9 from 2 votes (8, 10)").click()
    expect(evidence).to_be_visible()
    reference = first.get_by_text("0+0=0", exact=True).first
    expect(reference).to_be_hidden()
    first.get_by_text("Reference solution").click()
    expect(reference).to_be_visible()
    first.locator(".toggle").focus()
    page.keyboard.press("Enter")
    expect(first.locator(".body")).to_be_hidden()
    page.keyboard.press("Enter")
    expect(first.locator(".body")).to_be_visible()
    watched.assert_quiet(thirty)


def test_every_chart_has_its_numbers_and_every_field_its_name(watched: Watched, thirty: Path) -> None:
    watched.open(thirty)
    page = watched.page
    titles = page.locator("figure h3").all_inner_texts()
    assert {"Judge scores", "Pairs of known order", "Agreement", "Deviation of votes"} <= set(titles)
    for figure in page.locator("figure").all():
        assert figure.locator("table").count() == 1, figure.inner_text()
        for chart in figure.locator("svg.chart").all():
            assert (chart.get_attribute("aria-label") or "").strip()
            assert chart.get_attribute("role") == "img"
            box = chart.bounding_box()
            assert box is not None
            assert box["height"] > 100
    page.get_by_text("Numbers", exact=True).first.click()
    expect(page.locator("figure details table").first).to_be_visible()
    named = page.evaluate(
        "[...document.querySelectorAll('input, select, button')].filter((of) =>"
        " !(of.labels && of.labels.length) && !of.ariaLabel && !of.textContent.trim()).map((of) => of.outerHTML)"
    )
    assert named == []
    assert page.evaluate("new Set([...document.querySelectorAll('[id]')].map((of) => of.id)).size") == page.evaluate(
        "document.querySelectorAll('[id]').length"
    )
    assert page.locator("h1").count() == 1


CONTRAST = """
() => {
  const channel = (of) => (of <= 10 ? of / 255 / 12.92 : ((of / 255 + .055) / 1.055) ** 2.4);
  const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => .2126 * channel(r) + .7152 * channel(g) + .0722 * channel(b);
  const ground = (element) => {
    for (; element; element = element.parentElement) {
      const colour = rgb(getComputedStyle(element).backgroundColor);
      if (colour.length === 3 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  const low = new Set();
  for (const element of document.querySelectorAll('body *')) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!own || !element.checkVisibility() || element.closest(':disabled')) continue;
    const style = getComputedStyle(element);
    const text = element instanceof SVGElement ? style.fill : style.color;
    const [a, b] = [light(rgb(text)), light(ground(element))].sort((x, y) => y - x);
    const ratio = (a + .05) / (b + .05);
    if (ratio < 4.5) low.add(`${ratio.toFixed(2)} ${element.tagName}.${element.getAttribute('class')}`);
  }
  return [...low];
}
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_can_be_read_in_light_and_in_dark(browser: Browser, thirty: Path, scheme: Any) -> None:
    context = browser.new_context(color_scheme=scheme)
    watched = Watched(context.new_page())
    watched.open(thirty)
    assert watched.page.evaluate(CONTRAST) == []
    background = watched.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (min(map(int, background[4:-1].split(","))) > 200) == (scheme == "light")
    context.close()


@pytest.fixture
def hostile(make_run: MakeRun, tmp_path: Path) -> Path:
    """Everything that a run may hold of what others wrote is hostile; names are long besides."""
    text = HOSTILE.replace("\x00", "")  # Arrow holds it; a file name and a command line do not
    edit = Corruption(
        method="numbers",
        kind=HOSTILE,
        alpha=None,
        realised_alpha=None,
        positions=(0,),
        where=HOSTILE,
        before=HOSTILE,
        after=HOSTILE,
        parent="0" * 64,
    )
    made = MADE.model_copy(update={"model": HOSTILE + "x" * 300})
    common = {"verdict": "wrong", "source": HOSTILE, "provenance": made}
    judge = JudgeVotes(judge=HOSTILE, votes=(2, 3), evidence=(HOSTILE, HOSTILE), mean=2.5)
    candidate = RankedCandidate.model_validate(
        {
            **common,
            **{"sample": 0, "response": HOSTILE + " 2+2=5 " + "y" * 3000, "score": 2.5, "votes": (2, 3)},
            **{"deviation": 0.7, "rank": 1, "judges": (judge,), "corruption": edit},
        }
    )
    missing = MissingCandidate.model_validate(
        {**common, "sample": 1, "response": HOSTILE, "reason": HOSTILE, "votes": (), "corruption": None}
    )
    problem = Problem(
        id=HOSTILE + "z" * 300,
        question=HOSTILE,
        answer=HOSTILE,
        rationale=HOSTILE,
        choices=(HOSTILE, HOSTILE),
        source=HOSTILE,
        split=HOSTILE,
    )
    group = RankedGroup(problem=problem, candidates=(candidate,), missing=(missing,))
    reliability = Reliability()
    reliability.add(group)
    ranked = make_run(
        "<img src=x onerror=window.owned=6>'\"&",
        "rank",
        data={"data": [group]},
        command=HOSTILE,
        config={"note": text},
        reliability=reliability.as_json(),
        counts={"rows": 1, HOSTILE: 3, "dropped": {HOSTILE: 2, "wrong": 1}},
    )
    answer = Candidate(
        problem_id=HOSTILE,
        sample=0,
        response=HOSTILE,
        answer=HOSTILE,
        verdict="wrong",
        verdict_method=HOSTILE,
        equations=(),
        equations_hold=True,
        model=HOSTILE,
        provenance=made,
    )
    sampled = make_run("sampled", "sample", data={"data": [answer]})
    grouped = make_run(
        "grouped",
        "groups",
        data={
            "data": [
                AlignmentGroup(
                    prompt=HOSTILE,
                    responses=(HOSTILE, "b"),
                    scores=(1, 0),
                    problem_id=HOSTILE,
                    sources=(HOSTILE, "gold"),
                    reference=HOSTILE,
                )
            ]
        },
    )
    out = tmp_path / "hostile.html"
    write_report([ranked, sampled, grouped], out=out, options=ReportOptions(title=HOSTILE))
    return out


def open_everything(page: Page) -> None:
    page.evaluate("document.querySelectorAll('.toggle[aria-expanded=false]').forEach((of) => of.click())")
    page.evaluate("document.querySelectorAll('details').forEach((of) => { of.open = true; })")
    page.evaluate("document.querySelectorAll('.body button.link').forEach((of) => of.click())")


def test_nothing_hostile_runs_and_no_request_leaves_the_page(watched: Watched, hostile: Path) -> None:
    watched.open(hostile)
    page = watched.page
    open_everything(page)
    page.locator("#query").fill("<script>")
    expect(page.locator("#found")).to_contain_text("texts of 3")
    page.locator("#query").fill("")
    for select in page.locator("select").all():
        for value in select.locator("option").all():
            select.select_option(value.get_attribute("value"))
        select.select_option("")
    # As it was written, but for what cannot be seen, which is shown by its code.
    expect(page.locator(".entry").first).to_contain_text("<script>window.owned=1</script></script><img src=http:")
    expect(page.locator(".entry").first).to_contain_text("U+202Eevil")
    expect(page.locator(".entry").first).to_contain_text("U+2028")
    assert page.locator("img, iframe, script:not(:last-of-type), main style, main a[href^=javascript]").count() == 0
    assert page.evaluate("document.scripts.length") == 1  # that of the rows is gone once they are unpacked
    watched.assert_quiet(hostile)


@pytest.mark.parametrize("name", ["hostile", "thirty"])
def test_a_phone_needs_no_scrolling_sideways(browser: Browser, request: pytest.FixtureRequest, name: str) -> None:
    file = request.getfixturevalue(name)
    context = browser.new_context(viewport={"width": 375, "height": 720}, has_touch=True, is_mobile=True)
    watched = Watched(context.new_page())
    watched.open(file)
    page = watched.page
    open_everything(page)
    assert page.evaluate("document.documentElement.scrollWidth") == 375
    assert page.evaluate("visualViewport.scale") == 1
    watched.assert_quiet(file)
    context.close()


def test_the_policy_itself_stops_a_script_that_got_in(watched: Watched, thirty: Path) -> None:
    """The second wall: were a text ever parsed as HTML, it could still not run, nor call home."""
    text = thirty.read_text()
    broken = thirty.with_name("broken.html")
    planted = "<script>window.owned=1</script><img src=http://127.0.0.1:9/x onerror=window.owned=2>"
    broken.write_text(text.replace("</main>", f"{planted}</main>"))
    watched.page.goto(broken.as_uri())
    expect(watched.page.locator("body[data-ready]")).to_be_attached()
    assert watched.page.evaluate("window.owned") is None
    assert any("Content Security Policy" in said for said in watched.said)
    blocked = watched.page.evaluate(
        "fetch('http://127.0.0.1:9/').then(() => 'sent', (error) => String(error)).catch(String)"
    )
    assert blocked != "sent"


def test_many_texts_of_a_problem_are_shown_a_few_at_a_time(
    watched: Watched, make_run: MakeRun, tmp_path: Path
) -> None:
    candidates = [ranked(f"text {i}", sample=i, score=5, verdict="wrong") for i in range(25)]
    run = make_run("many", "rank", data={"data": [group(1, *candidates)]})
    out = tmp_path / "many.html"
    write_report([run], out=out, options=ReportOptions())
    watched.open(out)
    expect(watched.page.locator(".card")).to_have_count(9)
    watched.page.get_by_role("button", name="Show 16 more").click()
    expect(watched.page.locator(".card")).to_have_count(25)
    watched.assert_quiet(out)


def test_what_is_searched_for_is_marked(watched: Watched, thirty: Path) -> None:
    watched.open(thirty)
    watched.page.locator("#query").fill("pears")
    expect(watched.page.locator("#found")).to_contain_text("30 texts")
    marked = watched.page.evaluate("[...CSS.highlights.get('found')].map((range) => range.toString())")
    assert marked
    assert set(marked) == {"pears"}


def test_a_run_without_rows_says_so(watched: Watched, make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run("none", "sample", data={})
    out = tmp_path / "none.html"
    said = write_report([run], out=out, options=ReportOptions())
    assert (said["texts"], said["figures"]) == (0, 0)
    watched.page.goto(out.as_uri())
    expect(watched.page.locator("#state")).to_have_text("There are no rows to look through.")
    expect(watched.page.locator("#controls")).to_be_hidden()
    assert watched.page.locator("figure").count() == 0
    watched.assert_quiet(out)


def test_places_are_right_beyond_the_basic_plane(watched: Watched, make_run: MakeRun, tmp_path: Path) -> None:
    text = "🦆🦆 so 2+2=5 🦆"
    run = make_run("ducks", "rank", data={"data": [group(1, ranked(text, sample=0, score=5, verdict="wrong"))]})
    out = tmp_path / "ducks.html"
    write_report([run], out=out, options=ReportOptions())
    watched.open(out)
    expect(watched.page.locator(".entry .eq.bad")).to_have_text("2+2=5")
    expect(watched.page.locator(".card .text").first).to_have_text("🦆🦆 so 2+2=5✗ 4 🦆")


def test_without_scripts_the_charts_are_there_and_no_control_that_does_nothing(browser: Browser, thirty: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(thirty.as_uri())
    for place in ("#state", "#controls", "#results"):
        expect(page.locator(place)).to_be_hidden()
    assert page.locator("svg.chart").count() >= 2
    context.close()
