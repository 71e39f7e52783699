"""A trace as lines of text: what each thing is, where it stands, what was done, and below it what it was made from."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from datagen.cli.printable import printable, shortened

if TYPE_CHECKING:  # imported late at run time, to keep --help quick
    from datagen.trace.link import Link, Trace

Facts = Mapping[str, Any]  # Any: JSON
SHORT = 160  # characters of a text
INDENT = "  "
# What stands in lines of their own, in this order; the texts are shortened.
_TEXTS = (
    "prompt",
    "completion",
    "query",
    "question",
    "response",
    "original_question",
    "rationale",
    "made into",
    "evidence",
)
_LABELS = {
    "rationale": "gold path",
    "original_question": "made from",
    "problem_id": "problem",
    "is_correct": "said to be right",
    "price_usd": "price",
}
_SAID_ELSEWHERE = frozenset(
    ("verdict", "answer", "method", "equations", "votes", "judged beside", "corruption", "template", "prompt_id")
    + ("prompt_sha256", "finish_reason", "prompt_tokens", "completion_tokens", "created_at", "price_usd", "key")
    + ("model", "endpoint", "sampling", "seed", "provenance", "responses", "candidates", "missing", "id")
)


def lines_of(trace: "Trace", *, full: bool) -> Iterator[str]:
    """All of a trace, each line without control characters."""
    yield from _of_link(trace.row, depth=0, full=full, above={}, run=None)
    if trace.problem is not None:
        yield ""
        yield from _of_link(trace.problem, depth=0, full=full, above={}, run=None)
    if trace.missing:
        yield ""
        yield "missing"
        yield from (f"{INDENT}{printable(note)}" for note in trace.missing)


def _of_link(link: "Link", *, depth: int, full: bool, above: dict[str, str], run: str | None) -> Iterator[str]:
    indent = INDENT * depth
    yield indent + _heading(link)
    inner = indent + INDENT
    folder = None if link.run is None else str(link.run["folder"])
    if link.run is not None and folder != run:
        yield f"{inner}written by: {_written_by(link.run)}"
    shown = dict(above)
    for name in _TEXTS:
        if isinstance(text := link.facts.get(name), str) and text:
            yield from _text(_LABELS.get(name, name), text, inner, full=full, shown=shown)
    said = (*_verdict(link.facts), *_votes(link.facts, full=full), *_corruption(link.facts), *_reply(link.facts))
    # Of the same text there is the same to say, stage after stage; but a judge may say twice the same in one.
    yield from (inner + line for line in said if line not in shown)
    shown = dict.fromkeys(said, "") | shown
    others = {
        name: value
        for name, value in link.facts.items()
        if name not in _SAID_ELSEWHERE and name not in _TEXTS and value not in (None, "", "{}", [], {})
    }
    if others:
        yield inner + " · ".join(
            f"{_LABELS.get(name, name)} {shortened(str(of), most=80)}" for name, of in others.items()
        )
    template = link.facts.get("template")
    if full and template and template["text"]:
        yield from _text("its template", template["text"], inner, full=True, shown=shown)
    for source in link.made_from:
        yield from _of_link(source, depth=depth + 1, full=full, above=shown, run=folder or run)


def _heading(link: "Link") -> str:
    what = str(link.facts["id"]) if link.kind == "problem" else ""
    where = "" if link.place is None else f" · {link.place}" + ("" if link.row is None else f" row {link.row}")
    how = f" ({link.found})" if link.found not in ("", "as named") else ""
    return printable(f"{link.kind.replace('-', ' ')} {what}".strip() + where + how)


def _written_by(run: Facts) -> str:
    if not run["is_finished"]:
        return printable(f"{run['stage']} in {run['folder']}, not finished")
    return printable(f"{run['command']} ({run['created_at']}, datagen {run['datagen']})")


def _text(label: str, text: str, indent: str, *, full: bool, shown: dict[str, str]) -> Iterator[str]:
    """A text once; what a link above has already shown is only named."""
    if text in shown:
        if shown[text] != label or not full:
            yield f"{indent}{label}: the same text"
        return
    shown[text] = label
    if not full:
        yield f"{indent}{label}: {shortened(text, most=SHORT)}"
        return
    first, *rest = printable(text).split("\n")
    if not rest:
        yield f"{indent}{label}: {first}"
        return
    yield f"{indent}{label}:"
    yield from (f"{indent}{INDENT}{line}" for line in (first, *rest))


def _verdict(facts: Facts) -> Iterator[str]:
    answer = facts.get("answer")
    if facts.get("verdict") is not None:
        method = f" ({facts['method']})" if facts.get("method") else ""
        found = "no answer found" if answer is None else f"answer {answer}"
        yield printable(
            f"verdict: {facts['verdict']}, {found}{method}" if "answer" in facts else f"verdict: {facts['verdict']}"
        )
    elif answer is not None:
        yield f"answer: {shortened(str(answer), most=SHORT)}"
    if facts.get("equations"):
        marks = {True: "✓", False: "✗", None: "?"}
        listed = (f"{of['text'].strip()} {marks[of['holds']]}" for of in facts["equations"])
        yield f"equations: {printable(' · '.join(' '.join(text.split()) for text in listed))}"


def _votes(facts: Facts, *, full: bool) -> Iterator[str]:
    for vote in facts.get("votes") or ():
        yield _vote(vote, "", full=full)
    for run, votes in (facts.get("judged beside") or {}).items():
        for vote in votes:
            yield _vote(vote, f" in {run}", full=full)


def _vote(vote: Facts, where: str, *, full: bool) -> str:
    said = f"no rating ({vote['parse_error']})" if vote.get("rating") is None else f"{vote['rating']:g}"
    evidence = f": {shortened(vote['evidence'], most=100_000 if full else SHORT)}" if vote.get("evidence") else ""
    return f"judged by {printable(str(vote['judge']))}{printable(where)}: {printable(said)}{evidence}"


def _corruption(facts: Facts) -> Iterator[str]:
    corruption = facts.get("corruption")
    if not corruption:
        return
    if corruption["method"] == "chars":
        yield printable(f"corrupted: α {corruption['alpha']:g}, {len(corruption['positions'])} characters became '.'")
        return
    before, after = (shortened(corruption[name], most=SHORT) for name in ("before", "after"))
    yield printable(f"corrupted: {corruption['method']}, {corruption['kind']}, {corruption['where']}: ") + (
        f"'{before}' became '{after}'" if after else f"'{before}' was dropped"
    )


def _reply(facts: Facts) -> Iterator[str]:
    """How a model was asked, and what the store knows of its reply."""
    if facts.get("model") is not None:
        asked = [f"model: {facts['model']}"]
        asked += [f"at {facts['endpoint']}"] if facts.get("endpoint") else []
        asked += [f"sampling {facts['sampling']}"] if facts.get("sampling") else []
        asked += [f"seed {facts['seed']}"] if facts.get("seed") is not None else []
        yield printable(" · ".join(asked))
    elif facts.get("endpoint") is not None:
        yield printable(f"from: {facts['endpoint']}")
    if facts.get("prompt_id") is not None:
        template = facts.get("template") or {}
        place = {"unchanged": template.get("path"), "changed": f"{template.get('path')}, which has changed since"}
        where = place.get(str(template.get("state")), "not found")
        yield printable(f"prompt: {facts['prompt_id']} {str(facts.get('prompt_sha256'))[:12]}… ({where})")
    if facts.get("key") is not None:
        stored = "not in a reply store" if facts.get("created_at") is None else _stored(facts)
        yield printable(f"reply {facts['key'][:12]}…: {stored}")


def _stored(facts: Facts) -> str:
    said = [f"{facts['prompt_tokens']} + {facts['completion_tokens']} tokens"]
    said += [f"${facts['price_usd']}"] if facts.get("price_usd") is not None else ["price unknown"]
    said += [f"ended by {facts['finish_reason']}"] if facts.get("finish_reason") else []
    return ", ".join([*said, str(facts["created_at"])])
