from collections.abc import Callable
from pathlib import Path

import pytest
from huggingface_hub import DatasetCard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from datagen.publish.card import CardFacts, card, size_category
from datagen.publish.citations import citations
from datagen.publish.history import History, Run, history_of
from datagen.publish.licences import KnownSource, Source, known_sources
from datagen.publish.overlap import Compared
from datagen.publish.parts import Part, parts_of
from datagen.publish.survey import Survey, survey

HEADINGS = {
    "What is in it",
    "Overlap with test sets",
    "How it was made",
    "Sources and licence",
    "Models and prompts",
    "Verification",
    "Limits",
    "Examples",
    "Citations",
}
EVIL = (
    "```\n# Out of the fence\n[click](javascript:alert(1))\n<script>alert(1)</script>\n````\n"
    "---\nlicense: unlicense\n---\n| a | b |\n\u202eabc</details>"
)


def facts_of(run: Path, **others: object) -> CardFacts:
    gsm8k = next(known for known in known_sources() if known.key == "gsm8k")
    values: dict[str, object] = {
        "repo": "me/data",
        "surveys": [survey(part) for part in parts_of(run).published],
        "history": history_of(run),
        "sources": (Source("train.jsonl", "train", gsm8k, gsm8k),),
        "license": "mit",
        "language": ("en",),
    }
    return CardFacts(**(values | others))  # type: ignore[arg-type]  # the values are of the fields' types


def headings(text: str) -> list[str]:
    tokens = MarkdownIt().enable("table").parse(text.split("\n---\n", 1)[1])
    return [tokens[i + 1].content for i, token in enumerate(tokens) if token.type == "heading_open"]


def test_the_header_says_what_the_hub_and_datasets_need(run: Path) -> None:
    data = DatasetCard(card(facts_of(run))).data.to_dict()  # type: ignore[no-untyped-call]  # theirs
    assert data["license"] == "mit"
    assert data["language"] == ["en"]
    assert data["size_categories"] == ["n<1K"]
    assert data["configs"] == [
        {"config_name": "data", "default": True, "data_files": [{"split": "train", "path": "data/train-*.parquet"}]}
    ]
    assert {"datagen", "examples", "math"} <= set(data["tags"])


def test_text_of_models_cannot_leave_its_place(make_run: Callable[..., Path]) -> None:
    tame = card(facts_of(make_run("tame", name="a")))
    run = make_run(EVIL, name="b", command=f"datagen rft --model '{EVIL}'")
    facts = facts_of(run)
    evil = Source(EVIL, EVIL, None, None)
    wild = card(
        facts_of(
            run,
            sources=(evil,),
            made_from=(EVIL,),
            without_test_set=(EVIL,),
            compared=[Compared(EVIL, (EVIL,), 3, 1, {EVIL: 1}, 0, False)],
            surveys=[*facts.surveys, *(_hostile(of) for of in facts.surveys)],
            history=History((*facts.history.runs, _hostile_run(run)), (EVIL,)),
        )
    )
    assert DatasetCard(wild).data.to_dict()["license"] == "mit"  # type: ignore[no-untyped-call]  # theirs
    assert set(headings(wild)) <= set(headings(tame)) | HEADINGS | {"Judges", "Costs"}
    tokens = MarkdownIt().enable("table").parse(wild.split("\n---\n", 1)[1])
    assert not [token for token in tokens if token.type == "html_block"]
    inline = [child for token in tokens for child in token.children or ()]
    assert not [child for child in inline if child.type in ("html_inline", "image")]
    links = [child.attrs["href"] for child in inline if child.type == "link_open"]
    assert all(str(link).startswith("https://") for link in links)
    assert "\u202e" not in wild


def _hostile(of: Survey) -> Survey:
    made = Survey(Part("other", "train", of.part.folder), (EVIL,), rows=3, kind_column="kind")
    made.kinds[EVIL] = 3
    made.examples[EVIL] = {EVIL: EVIL, "list": [EVIL]}
    return made


def _hostile_run(folder: Path) -> Run:
    account = {"model": EVIL, "endpoint": EVIL, "calls": 2, "prompt_tokens": EVIL, "completion_tokens": None}
    ledger = {"by_model": [account | {"cost_usd": "0.5"}, account | {"cost_usd": EVIL}, EVIL]}
    config = {"stage": EVIL, "generator": {"model": EVIL, "prompt": EVIL}, "judges": [{"judge": EVIL}]}
    counts = {"rows": 3, "dropped": {EVIL: 2}}
    reliability = {
        "pair_accuracy": {"n": 4, "right": 3, "tied": 0, "accuracy": 0.75, "interval": [0.5, 1.0]},
        "corrupted_pairs": {EVIL: {"n": 4, "right": 3, "tied": 0, "accuracy": 0.75}},
        "votes": {EVIL: {"krippendorff_alpha": 0.5}},
    }
    manifest = {"config": config, "counts": counts, "failures": {"ledger": ledger}, "reliability": reliability}
    return Run(folder, manifest | {"command": EVIL, "versions": {EVIL: EVIL}})


@pytest.fixture
def facts(run: Path) -> CardFacts:
    return facts_of(run)


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(max_size=200))
def test_any_example_leaves_the_sections_as_they_are(facts: CardFacts, text: str) -> None:
    facts.surveys[0].examples["gold"]["completion"] = text
    assert set(headings(card(facts))) == HEADINGS | {"data"}


def test_what_was_made_from_a_test_split_says_so_first(run: Path) -> None:
    made = card(facts_of(run, made_from=("test.jsonl",)))
    after_title = made.split("\n# data\n")[1]
    assert after_title.lstrip().startswith(
        "> [!WARNING]\n> **This data set was made from a test split** (`test.jsonl`)"
    )
    assert "test-set-contamination" in made


def test_overlap_is_said_with_its_numbers(run: Path) -> None:
    compared = [Compared("data", ("test.jsonl (test, 1,319 questions)",), 10, 3, {"exact": 1, "13-gram": 2}, 0, False)]
    made = card(facts_of(run, compared=compared))
    assert "**3 rows overlap a test set**" in made
    assert "3 of 10 rows overlap (1 exact, 2 13-gram)." in made


def test_the_commands_of_all_runs_stand_in_their_order(make_run: Callable[..., Path]) -> None:
    first = make_run("a", name="first", command="datagen examples --dataset /home/bob/train.jsonl --out first")
    inputs = [{"name": "first", "path": str(first), "sha256": "0", "bytes": 1}]
    second = make_run("b", name="second", command="datagen mix first --out second", inputs=inputs)
    made = card(facts_of(second))
    assert "```sh\ndatagen examples --dataset train.jsonl --out first\ndatagen mix first --out second\n```" in made
    assert "first is not what second was made from any more" in made  # its hash is not 0
    assert "bob" not in made


def test_the_costs_of_two_judges_stand_apart_and_old_manifests_still_have_theirs(run: Path) -> None:
    def account(model: str, n: int, cost: str | None) -> dict[str, object]:
        used = {"calls": n, "prompt_tokens": 1000 * n, "completion_tokens": 10 * n, "cost_usd": cost}
        return {"model": model, "endpoint": "http://h/v1", **used}

    judges = [{"judge": name, "endpoint": "http://h/v1"} for name in ("big", "small")]
    config = {"stage": "rank", "judges": judges}
    accounts = [account("big", 3, "0.25"), account("small", 4, None)]
    new = {"config": config, "failures": {"ledger": {**account("", 7, None), "by_model": accounts}}}
    old = {"config": config, "failures": {"ledger": account("", 7, "0.5")}}
    history = History((Run(run, {**new, "command": "c"}), Run(run, {**old, "command": "c"})), ())
    made = card(facts_of(run, history=history))
    assert "| `big` | judge | 3 | 3,000 | 30 | 0.2500 |" in made
    assert "| `small` | judge | 4 | 4,000 | 40 | unknown |" in made
    assert "| rank | `big, small` |  | 7 | 7,000 | 70 | 0.5000 |" in made
    assert "At least 0.7500 USD in all: the rest is not known." in made


@pytest.mark.parametrize(
    ("costs", "said"),
    [
        (("0.25", "0.5"), "\n0.7500 USD in all."),
        (("0", "0"), "\n0.0000 USD in all."),  # a model in this process
        (("0.25", None), "\nAt least 0.2500 USD in all"),
        (("0", None), "\nWhat it cost in all is not known"),
        ((None, None), "\nWhat it cost in all is not known"),
    ],
)
def test_no_sum_of_money_is_made_of_prices_that_nobody_knows(
    run: Path, costs: tuple[str | None, ...], said: str
) -> None:
    accounts = [
        {"model": f"m{i}", "endpoint": "e", "calls": 1, "prompt_tokens": 9, "completion_tokens": 9, "cost_usd": cost}
        for i, cost in enumerate(costs)
    ]
    manifest = {"config": {"stage": "sample"}, "command": "c", "failures": {"ledger": {"by_model": accounts}}}
    made = card(facts_of(run, history=History((Run(run, manifest),), ())))
    assert said in made
    assert ("USD in all" in said) == ("USD in all" in made)


def test_only_the_papers_that_were_used_are_cited() -> None:
    assert citations(sources=["svamp"], stages=["examples"]) == citations(sources=["svamp"], stages=[])
    found = "\n".join(citations(sources=["gsm8k"], stages=["rft", "augment", "rft"], methods=["fobar"]))
    assert [key in found for key in ("cobbe2021", "yuan2023", "yu2023", "jiang2023", "wang2023", "weng2022")] == [
        *(True, True, True, True),
        *(False, False),
    ]
    assert found.count("yuan2023scaling") == 1


@pytest.mark.parametrize(
    ("rows", "name"),
    [(0, "n<1K"), (999, "n<1K"), (1000, "1K<n<10K"), (10_000, "10K<n<100K"), (7_500_000, "1M<n<10M")],
)
def test_sizes_are_the_hubs(rows: int, name: str) -> None:
    assert size_category(rows) == name


def test_a_source_that_nobody_knows_is_not_given_a_licence(run: Path) -> None:
    known = KnownSource("x", "X", None, None, None, None, None, "its page says nothing", ())
    made = card(facts_of(run, sources=(Source("mine.jsonl", "all", None, None), Source("x", None, known, known))))
    assert "| mine.jsonl | all | named by the publisher |  |" in made
    assert "X: its page says nothing." in made
