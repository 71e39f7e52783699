"""The page: figures and rows in one HTML file that asks nobody for anything.

Its policy allows the one script and the one style sheet that it carries, by their hashes, and no connection at all.
"""

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any, NamedTuple

from datagen.report.charts import number, percent, text_of
from datagen.report.figure import Figure, at

Json = dict[str, Any]  # Any: JSON
GENERATOR = "datagen report"
MOST_TILES = 10
SCRIPTS = ("page_rows.js", "page_draw.js")
_PLACE = re.compile(r"\{\{(\w+)\}\}")


class Sampled(NamedTuple):
    """How much of a run the page carries."""

    run: str
    problems: int
    problems_in_all: int
    texts: int
    texts_in_all: int
    unit: str = "problems"  # what the texts are grouped by


class Across(NamedTuple):
    """Figures of all runs together."""

    cost: Figure | None  # None: no model was asked
    tokens: Figure | None
    is_told: bool = True  # every run has a manifest, so that no cost means that there was none

    @property
    def asks_models(self) -> bool:
        """Whether there is a cost to show."""
        return self.cost is not None

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to say."""
        return self.cost is None and self.tokens is None

    @property
    def title(self) -> str:
        """What it is about."""
        return "Cost and tokens" if self.tokens is not None else "Cost"


@dataclass(frozen=True)
class RunSection:
    """What the page says of a run."""

    name: str
    manifest: Json
    figures: Sequence[Figure]
    rows: int  # of its data sets, as they were read


def page(
    sections: Sequence[RunSection],
    *,
    across: Across,
    rows: str,
    sampled: Sequence[Sampled],
    seed: int,
    title: str,
) -> str:
    """The whole page.

    Args:
        sections: the runs, in order.
        across: figures of all runs together.
        rows: what `embed` made, in base64.
        sampled: how much of each run that is.
        seed: by which it was drawn, if it is not all.
        title: of the page.
    """
    css, js = _file("page.css"), script()
    parts = {
        "generator": GENERATOR,
        "policy": text_of(content_security_policy(script=js, style=css)),
        "title": text_of(title, longest=120),
        "css": css,
        "js": js,
        "nav": _nav(sections, across),
        "runs": "\n".join(_run(section, i) for i, section in enumerate(sections)),
        "across": _across(across),
        "sampled": _sampled(sampled, seed=seed),
        "footer": "Made by datagen from the runs’ own records and manifests. Nothing is loaded from anywhere.",
        "rows": rows,
    }
    return fill(_file("page.html"), parts)


def script() -> str:
    """The page's one script, with names of its own."""
    parts = "\n".join(_file(name) for name in SCRIPTS)
    return f'"use strict";\n(() => {{\n{parts}}})();\n'


def fill(template: str, parts: Mapping[str, str]) -> str:
    """Put each part in its place, once: what a part holds is never looked through for places."""
    return _PLACE.sub(lambda match: parts[match[1]], template)


def content_security_policy(*, script: str, style: str) -> str:
    """This script and this style sheet, and nothing else: no connection, no image, no frame, no form."""
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src '{_hash(script)}'",
            f"style-src '{_hash(style)}'",
            "img-src data:",  # the empty icon, or a browser would ask for one
            "base-uri 'none'",
            "form-action 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        )
    )


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _file(name: str) -> str:
    return (resources.files("datagen.report") / name).read_text(encoding="utf-8")


def _nav(sections: Sequence[RunSection], across: Across) -> str:
    links = [(f"run-{i}", section.name) for i, section in enumerate(sections)]
    links += [] if across.is_empty else [("across", across.title)]
    links += [("browse", "Rows")]
    return "".join(f'<li><a href="#{place}"><bdi>{text_of(name, longest=60)}</bdi></a></li>' for place, name in links)


def _run(section: RunSection, i: int) -> str:
    figures = "".join(figure.html() for figure in section.figures)
    return (
        f'<section id="run-{i}" aria-labelledby="run-{i}-title"><div class="head">'
        f'<h2 id="run-{i}-title"><bdi>{text_of(section.name, longest=120)}</bdi></h2>{_made(section.manifest)}</div>'
        f'{_command(section.manifest)}{_tiles(section)}<div class="grid">{figures}</div></section>'
    )


def _made(manifest: Json) -> str:
    if not manifest:
        return "<p>a data set without a manifest</p>"
    facts = [
        str(at(manifest, "config", "stage") or ""),
        str(manifest.get("created_at") or "").replace("T", " ").replace("+00:00", " UTC"),
        f"datagen {at(manifest, 'versions', 'datagen')}" if at(manifest, "versions", "datagen") else "",
        f"seed {seed}" if isinstance(seed := at(manifest, "config", "seed"), int) else "",
    ]
    return f"<p>{text_of(' · '.join(fact for fact in facts if fact))}</p>"


def _command(manifest: Json) -> str:
    command = manifest.get("command")
    if not isinstance(command, str) or not command:
        return ""
    return f'<details class="command"><summary>Command</summary><code>{text_of(command)}</code></details>'


def _tiles(section: RunSection) -> str:
    """The counts of the manifest, in its order; of candidates also how many are correct."""
    counts = section.manifest.get("counts")
    tiles: list[tuple[str, str]] = []
    if isinstance(counts, dict):
        for name, n in counts.items():
            if isinstance(n, int) and not isinstance(n, bool) and (n or name == "rows"):
                tiles.append((name.replace("_", " "), number(n)))
    else:
        tiles.append(("rows", number(section.rows)))
    statistics = section.manifest.get("statistics")
    if isinstance(statistics, dict) and statistics.get("candidates"):
        share = statistics["correct"] / statistics["candidates"]
        after = next((i + 1 for i, tile in enumerate(tiles) if tile[0] == "candidates"), len(tiles))
        tiles.insert(after, (f"verified correct, {percent(share)}", number(statistics["correct"])))
    listed = "".join(f"<div><dt>{text_of(name)}</dt><dd>{text_of(n)}</dd></div>" for name, n in tiles[:MOST_TILES])
    return f'<dl class="tiles">{listed}</dl>'


def _across(across: Across) -> str:
    """What all runs cost, and the tokens that they are made of."""
    if across.is_empty:
        return ""
    body = "".join(figure.html() for figure in (across.cost, across.tokens) if figure is not None)
    spent = "" if across.asks_models or not across.is_told else "<p>No model was asked: nothing was spent.</p>"
    return (
        f'<section id="across" aria-labelledby="across-title"><div class="head"><h2 id="across-title">{across.title}'
        f'</h2>{spent}</div><div class="grid">{body}</div></section>'
    )


def _sampled(sampled: Sequence[Sampled], *, seed: int) -> str:
    """What the browser holds: all, or a sample, and then by which seed."""
    said = []
    for of in sampled:
        if of.texts == of.texts_in_all:
            said.append(f"{of.run}: all {_many(of.texts, 'texts')} of {_many(of.problems, of.unit)}.")
        else:
            said.append(
                f"{of.run}: a sample of {number(of.problems)} of {_many(of.problems_in_all, of.unit)} "
                f"({number(of.texts)} of {_many(of.texts_in_all, 'texts')}), drawn with seed {seed}."
            )
    if any(of.texts < of.texts_in_all for of in sampled):
        said.append("Numbers and charts are of all rows.")
    return f'<p class="sampled">{" ".join(text_of(sentence) for sentence in said)}</p>'


def _many(n: int, plural: str) -> str:
    return f"{number(n)} {plural.removesuffix('s') if n == 1 else plural}"
