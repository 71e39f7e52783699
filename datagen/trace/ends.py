"""The ends of a row's way: a stored reply and how it was asked for, a data set's own solution, the problem."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from datagen.trace.link import Facts, Link, run_facts
from datagen.trace.problem import FoundProblem
from datagen.trace.replies import StoredReply, price_usd
from datagen.trace.search import Search
from datagen.trace.templates import find_template

Values = Mapping[str, Any]  # Any: whatever a row holds
ASKED = ("model", "endpoint", "sampling", "seed", "sample", "prompt_id", "prompt_sha256")


def reply_link(search: Search, provenance: Values, text: str | None) -> Link | None:
    """The reply of a model as it is stored, and how it was asked for; None if nothing is known of it.

    Args:
        search: where to look, and to note what is missing.
        provenance: of the row.
        text: what the row has of the reply; None if it may be another text.
    """
    facts: Facts = {name: provenance[name] for name in ASKED if provenance[name] is not None}
    if provenance["prompt_id"] is not None and provenance["prompt_sha256"] is not None:
        commands = [(str(run_facts(run)["command"]), run) for run in search.runs]
        found = find_template(provenance["prompt_id"], provenance["prompt_sha256"], commands=commands)
        facts["template"] = {"path": found.path, "state": found.state, "text": found.text}
    key = provenance["reply_key"]
    if key is None:
        return Link("reply made elsewhere", facts) if facts else None
    facts["key"] = key
    stored = search.reply(key)
    if stored is None:
        return Link("reply", facts)
    if text is not None and stored.text != text:
        search.note(f"reply {key[:12]}…: the stored text is another one than the row's")
    price = price_usd(stored, endpoint=provenance["endpoint"], model=provenance["model"])
    return Link("reply", {**facts, **_stored_facts(stored), "price_usd": price}, stored.store)


def rewrite_link(search: Search, key: str) -> Link:
    """A reply of which a question was made."""
    stored = search.reply(key)
    if stored is None:
        return Link("reply that it was made of", {"key": key})
    return Link("reply that it was made of", {"key": key, **_stored_facts(stored)}, stored.store)


def gold_link(problem: Link | None, text: str) -> Link:
    """The data set's own solution."""
    own = None if problem is None else (problem.values or {}).get("rationale")
    facts: Facts = {"response": own or text}
    if problem is None:
        return Link("gold path", facts)
    if own != text:
        facts["made into"] = text
    return Link("gold path", facts, problem.place, problem.row, "of its problem")


def probe_link(problem: Link | None, candidate: Values) -> Link:
    """A probe of the judges: the gold path as a candidate, a corrupted copy of it, or an empty reply."""
    facts: Facts = {
        name: candidate[name]
        for name in ("response", "sample", "score", "rank", "source", "reason")
        if name in candidate
    }
    facts["votes"] = embedded_votes(candidate)
    if candidate["corruption"] is not None:
        facts["corruption"] = candidate["corruption"]
    own = "" if problem is None else (problem.values or {}).get("rationale") or ""
    is_of_gold = candidate["corruption"] is not None or candidate["response"] == own
    return Link("probe", facts, made_from=(gold_link(problem, own),) if own and is_of_gold else ())


def embedded_votes(candidate: Values) -> list[Facts]:
    """The votes that a ranked candidate has with it, valid ones only."""
    return [
        {"judge": of["judge"], "rating": rating, "evidence": evidence}
        for of in candidate.get("judges") or ()
        for rating, evidence in zip(of["votes"], of["evidence"], strict=True)
    ]


def problem_facts(values: Values) -> Facts:
    """What there is to say of a problem."""
    names = ("id", "question", "answer", "choices", "rationale", "source", "split")
    return {name: values[name] for name in names if values.get(name) is not None}


def problem_link(found: FoundProblem) -> Link:
    """A problem as a reader or a data set of problems has it."""
    return Link("problem", problem_facts(found.values), found.place, found.row, "by its id", None, found.values)


def meta_of(values: Values) -> dict[str, Any]:  # Any: JSON
    """What a problem's source says of it; of another row nothing."""
    try:
        found = orjson.loads(values.get("meta") or "{}")
    except (orjson.JSONDecodeError, TypeError):
        return {}
    return found if isinstance(found, dict) else {}


def note_lost(search: Search, run: Path | None, what: str, provenance: Values | None = None) -> None:
    """Note that what a row was made from is not in the inputs."""
    where = "no run is known that read it" if run is None else f"in no input of {run} that is there"
    endpoint = None if provenance is None else provenance["endpoint"]
    search.note(f"{what}: {where}" + (f" (it came from {endpoint})" if endpoint else ""))


def _stored_facts(stored: StoredReply) -> Facts:
    return {
        "response": stored.text,
        "finish_reason": stored.finish_reason,
        "prompt_tokens": stored.prompt_tokens,
        "completion_tokens": stored.completion_tokens,
        "created_at": stored.created_at,
    }
