"""The contamination report as a page of its own: no script, no network, every text escaped.

Rows with the same question that overlap the same test question are one entry, the words that both have in common
marked.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from difflib import SequenceMatcher
from html import escape
from typing import Any, NamedTuple

from datagen.mix.contamination import places_in_runs

MAX_ENTRIES = 500
MAX_CHARACTERS = 4000  # of a text; what is cut is said
MAX_ROWS_NAMED = 12
_WORD = re.compile(r"\d{1,3}(?:,\d{3})+(?!,?\d)[^\W_]*|\d+\.\d+|[^\W_]+")
_HEX_OF_SHA = 12

_STYLE = """
:root { --page: #f6f6f4; --card: #fff; --text: #1d1f21; --faint: #63686e; --line: #dcdcd8; --mark: #ffe28a; }
@media (prefers-color-scheme: dark) {
  :root { --page: #16181b; --card: #1f2226; --text: #e6e6e3; --faint: #9aa0a6; --line: #34383d; --mark: #6b5410; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--text); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 76rem; margin: 0 auto; padding: 1rem 1.25rem 3rem; }
h1 { font-size: 1.35rem; margin: .4rem 0; overflow-wrap: anywhere; }
h2 { font-size: 1.05rem; margin: 1.6rem 0 .6rem; }
p { margin: .3rem 0; overflow-wrap: anywhere; }
.tables { display: flex; flex-wrap: wrap; align-items: start; gap: .6rem 2.5rem; }
table { border-collapse: collapse; margin: .6rem 0; display: block; max-width: 100%; overflow-x: auto; }
th { font-weight: 600; color: var(--faint); font-size: .85rem; white-space: nowrap; }
th, td { text-align: left; padding: .2rem 1rem .2rem 0; vertical-align: top; }
td:first-child { overflow-wrap: anywhere; min-width: 5rem; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; }
article { background: var(--card); border: 1px solid var(--line); border-radius: .6rem; margin: 0 0 .8rem; }
article > header { padding: .5rem 1rem; border-bottom: 1px solid var(--line); overflow-wrap: anywhere; }
article > header b { margin-right: .6rem; }
.pair { display: grid; grid-template-columns: minmax(0, 1fr); }
.pair > div { padding: .6rem 1rem; }
.pair > div + div { border-top: 1px solid var(--line); }
@media (min-width: 48rem) {
  .pair { grid-template-columns: repeat(2, minmax(0, 1fr)); }
  .pair > div + div { border-top: 0; border-left: 1px solid var(--line); }
}
h3 { font-size: .8rem; font-weight: 600; color: var(--faint); margin: 0 0 .3rem; }
.text { white-space: pre-wrap; overflow-wrap: anywhere; unicode-bidi: isolate; }
mark { background: var(--mark); color: inherit; border-radius: .15rem; }
.faint { color: var(--faint); }
"""


class _Entry(NamedTuple):
    """One question of the data beside one of a test set."""

    match: Mapping[str, Any]  # Any: JSON
    rows: Sequence[int]


def contamination_page(found: Mapping[str, Any]) -> str:  # Any: JSON
    """The page of a report, as `contamination.json` holds it."""
    entries = _entries(found["matches"])
    shown = entries[:MAX_ENTRIES]
    parts = [_head(found)]
    if len(found["matches"]) < found["overlapping"]:
        parts.append(f"<p>The report lists the first {len(found['matches']):,} rows that overlap.</p>")
    if len(shown) < len(entries):
        parts.append(f"<p>{len(shown):,} of {len(entries):,} pairs are shown; contamination.json has more.</p>")
    parts += [_article(entry) for entry in shown]
    if not entries:
        parts.append("<p>No row overlaps.</p>")
    title = f"Overlap of {found['data']} with test sets"
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        f"<title>{_escaped(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n"
        f"<h1>{_escaped(title)}</h1>\n" + "\n".join(parts) + "\n</main>\n</body>\n</html>\n"
    )


def _entries(matches: Iterable[Mapping[str, Any]]) -> list[_Entry]:  # Any: JSON
    """Pairs of questions, in the order of the methods, the closest first."""
    rows: dict[tuple[str, ...], list[int]] = {}
    first: dict[tuple[str, ...], Mapping[str, Any]] = {}  # Any: JSON
    for match in matches:
        key = (match["text"], match["how"], match["test_set"], match["test_problem_id"])
        rows.setdefault(key, []).append(match["row"])
        first.setdefault(key, match)
    order = {"exact": 0, "fuzzy": 2}
    found = [_Entry(first[key], rows[key]) for key in first]
    return sorted(found, key=lambda of: (order.get(of.match["how"], 1), -of.match["score"], of.rows[0]))


def _head(found: Mapping[str, Any]) -> str:  # Any: JSON
    against = "".join(
        f"<tr><td>{_escaped(of['name'])}</td><td>{_escaped(of['split'] or 'all')}</td>"
        f'<td class="n">{of["n_problems"]:,}</td><td>{_escaped(of["sha256"][:_HEX_OF_SHA])}</td></tr>'
        for of in found["against"]
    )
    by_how = "".join(
        f'<tr><td>{_escaped(how)}</td><td class="n">{n:,}</td></tr>' for how, n in found["by_how"].items()
    )
    share = 100 * found["overlapping"] / found["rows"] if found["rows"] else 0.0
    notes = [
        f"{found['overlapping']:,} of {found['rows']:,} rows overlap ({share:.2f} %), "
        f"with {found['test_problems']:,} questions of the test sets.",
        f"{found['variants']:,} other rows belong to the same problems.",
        f"{found['n_removed']:,} rows were removed." if found["removed"] else "No row was removed.",
    ]
    if found["without_question"]:
        notes.append(f"{found['without_question']:,} rows have no question, and were not compared.")
    if unread := sum(of.get("unread", 0) for of in found["against"]):
        notes.append(f"{unread:,} rows of the test sets have no question that could be read.")
    return (
        "".join(f"<p>{_escaped(note)}</p>" for note in notes)
        + '<div class="tables"><table><tr><th>found by</th><th class="n">rows</th></tr>'
        + by_how
        + '</table><table><tr><th>test set</th><th>split</th><th class="n">questions</th><th>SHA-256</th></tr>'
        + against
        + f'</table></div>\n<p class="faint">{_escaped(_explained(found["settings"]))}</p>\n<h2>Side by side</h2>'
    )


def _explained(settings: Mapping[str, Any]) -> str:  # Any: JSON
    said = {
        "exact": "equal but for case, spaces and the marks at the end",
        f"{settings.get('ngram')}-gram": f"{settings.get('ngram')} words in a row in common",
        "fuzzy": f"similar by a ratio of {settings.get('fuzzy')} or more, of 100",
    }
    text = "; ".join(f"{how}: {said.get(how, how)}" for how in settings["methods"])
    return f"{text}. A row counts once, for the first of these that finds it."


def _article(entry: _Entry) -> str:
    match = entry.match
    ours, theirs = str(match["text"])[:MAX_CHARACTERS], str(match["test_text"])[:MAX_CHARACTERS]
    marked = shared_words(ours, theirs, how=match["how"])
    named = ", ".join(f"{row:,}" for row in entry.rows[:MAX_ROWS_NAMED])
    more = f" and {len(entry.rows) - MAX_ROWS_NAMED:,} more" if len(entry.rows) > MAX_ROWS_NAMED else ""
    unit = "ratio" if match["how"] == "fuzzy" else "of the test question" if match["how"] != "exact" else ""
    score = f"{match['score']:.1f} {'' if unit == 'ratio' else '% '}{unit}" if unit else ""
    problem = f", problem {match['problem_id']}" if match["problem_id"] else ""
    row = "row" if len(entry.rows) == 1 else "rows"
    return (
        f'<article><header><b>{_escaped(match["how"])}</b><span class="faint">{_escaped(score)}</span></header>'
        f'<div class="pair"><div><h3>{row} {named}{more}{_escaped(problem)}</h3>'
        f"{_marked(ours, marked[0], whole=match['text'])}</div>"
        f"<div><h3>{_escaped(match['test_set'])}, {_escaped(match['test_problem_id'])}</h3>"
        f"{_marked(theirs, marked[1], whole=match['test_text'])}</div></div></article>"
    )


def shared_words(ours: str, theirs: str, *, how: str) -> tuple[set[int], set[int]]:
    """Which words of each text, by their place, the other has too: in the runs that were found, or in its order."""
    a, b = ([word.replace(",", "").casefold() for word in _WORD.findall(text)] for text in (ours, theirs))
    n = how.removesuffix("-gram")
    if n.isdecimal() and n != how:
        return tuple(  # type: ignore[return-value]  # two texts, two sets
            places_in_runs(words, [" ".join(other[i : i + int(n)]) for i in range(len(other) - int(n) + 1)], n=int(n))
            for words, other in ((a, b), (b, a))
        )
    blocks = SequenceMatcher(None, a, b, autojunk=False).get_matching_blocks()
    return (
        {place for block in blocks for place in range(block.a, block.a + block.size)},
        {place for block in blocks for place in range(block.b, block.b + block.size)},
    )


def _marked(text: str, places: Collection[int], *, whole: str) -> str:
    """A text with the words at these places marked, neighbours in one mark."""
    spans: list[list[int]] = []
    last = -2
    for i, word in enumerate(_WORD.finditer(text)):
        if i not in places:
            continue
        if i == last + 1:
            spans[-1][1] = word.end()
        else:
            spans.append([word.start(), word.end()])
        last = i
    parts, at = [], 0
    for start, end in spans:
        parts += [_escaped(text[at:start]), "<mark>", _escaped(text[start:end]), "</mark>"]
        at = end
    cut = f'<span class="faint"> … {len(whole) - len(text):,} more characters</span>' if len(whole) > len(text) else ""
    return f'<div class="text">{"".join(parts)}{_escaped(text[at:])}{cut}</div>'


def _escaped(text: object) -> str:
    """For HTML; what no page may hold is shown as a replacement character."""
    return escape(re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", "\ufffd", str(text)))
