"""The page as a file."""

import base64
import hashlib
import re

from datagen.report.charts import Bar, bar_table
from datagen.report.figure import Figure
from datagen.report.page import Across, RunSection, Sampled, content_security_policy, fill, page

HOSTILE = "</script><script>window.owned=1</script>{{rows}}\"'<!--\u202e"


def page_of(*, name: str = "run", texts: int = 2, figures: tuple[Figure, ...] = ()) -> str:
    manifest = {"command": name, "created_at": name, "config": {"stage": name}, "counts": {name: 5, "rows": 0}}
    return page(
        [RunSection(name, manifest, figures, 2)],
        across=Across(None, None),
        rows="QUJD",
        sampled=[Sampled(name, 1, 1, texts, 2)],
        seed=7,
        title=name,
    )


def test_the_policy_allows_the_one_script_and_the_one_sheet_that_are_there() -> None:
    text = page_of()
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)
    allowed = dict(part.replace("&#x27;", "'").split(" ", 1) for part in policy.split("; "))
    assert allowed["default-src"] == "'none'"
    assert allowed["base-uri"] == allowed["form-action"] == "'none'"
    for tag, rule in (("script", "script-src"), ("style", "style-src")):
        contents = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        hashes = [base64.b64encode(hashlib.sha256(of.encode()).digest()).decode() for of in contents]
        assert allowed[rule] == " ".join(f"'sha256-{of}'" for of in hashes)
    assert "unsafe" not in policy


def test_no_address_is_in_the_page() -> None:
    text = page_of()
    assert not re.search(r"https?:|//[a-z]|\burl\(|@import|<iframe|<img", text)
    assert set(re.findall(r'(?:href|src)="([^"]*)"', text)) == {"data:,", "#browse", "#run-0"}


def test_hostile_names_stay_text_in_every_place() -> None:
    figure = Figure(HOSTILE, bar_table([Bar(HOSTILE, 1, "1")], header=("a", "b"), caption=HOSTILE), HOSTILE)
    hostile, plain = page_of(name=HOSTILE, figures=(figure,)), page_of(name="run")
    assert hostile.count("<script") == plain.count("<script") == 2
    assert hostile.count("QUJD") == 1  # a place for rows in a name is no place
    assert "\u202e" not in hostile
    assert "<!--" not in hostile


def test_a_sample_is_said_to_be_one() -> None:
    assert "all 2 texts of 1 problem." in page_of()
    sampled = page_of(texts=1)
    assert "a sample of 1 of 1 problem (1 of 2 texts), drawn with seed 7" in sampled
    assert "Numbers and charts are of all rows." in sampled


def test_parts_are_not_looked_through_for_places() -> None:
    assert fill("{{a}}-{{b}}", {"a": "{{b}}", "b": "{{a}}"}) == "{{b}}-{{a}}"


def test_another_script_is_another_policy() -> None:
    assert content_security_policy(script="a", style="b") != content_security_policy(script="c", style="b")
