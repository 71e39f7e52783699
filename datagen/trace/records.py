"""From a row to what it was made from, record by record, until the reply and the problem.

Where a record names its origin (a candidate's sample, a reply's key, a mixture's row), that is followed. Where it does
not (a response of a group, a row that a split kept), it is looked for by its content. What is gone is noted, and the
rest is followed.
"""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from datagen.recipes.metamath import styled
from datagen.requests.store import default_store_path
from datagen.store.lineage import config_of, run_of
from datagen.trace.ends import (
    embedded_votes,
    gold_link,
    meta_of,
    note_lost,
    probe_link,
    problem_facts,
    problem_link,
    reply_link,
    rewrite_link,
)
from datagen.trace.foreign import Matches
from datagen.trace.link import Facts, Link, Trace, equation_facts, run_facts, verdict_facts, vote_facts
from datagen.trace.search import Hit, Search, place_of
from datagen.trace.tables import Numbered, Values, files_of, is_about, n_rows, record_name, row_at, rows_where
from datagen_schemas.errors import DataError, DatagenError

GOLD = "gold"
MIXED = ("mixed-example", "mixed-group", "mixed-preference")
PROBES = ("probes", "probe-ratings")  # folders of a ranking


class _Parts(NamedTuple):
    """What is said of a row, and what it was made from."""

    facts: Facts
    made_from: list[Link | None]


def trace(dataset: Path, row: int, *, store: Path | None = None) -> Trace:
    """Follow a row of a data set to the end.

    Args:
        dataset: a run, a folder of it, or a user's file.
        row: index in it.
        store: reply store to look in first; by default that of $DATAGEN_HOME.

    Raises:
        DataError: there is no such data set or row.
    """
    files = files_of(dataset)
    values = row_at(files, row)
    if values is None:
        n = n_rows(files)
        raise DataError(f"{dataset}: no row {row}, it has {n:,}. Rows are counted from 0.")
    follow = _Follow(store or default_store_path())
    link = follow.row(place_of(files), Numbered(row, values), found="as named")
    return Trace(link, follow.problem, follow.search.notes)


class _Follow:
    """One trace: what was found so far, and the problem that all of it is about."""

    def __init__(self, store: Path) -> None:
        self.search = Search(store)
        self.problem: Link | None = None
        self._links: dict[tuple[Path, int], Link] = {}
        self._voted: set[tuple[str, str]] = set()

    def row(self, place: Path, row: Numbered, *, found: str) -> Link:
        """A row of a data set and all that it was made from."""
        at = (place, row.row)
        if at in self._links:
            return replace(self._links[at], found=found)
        run = self.search.met(place)
        kind = record_name(list(row.values)) or "row"
        written_by = None if run is None else run_facts(run)
        self._links[at] = Link(kind, {}, str(place), row.row, found, written_by, row.values)
        # The link without facts stands for this row while it is followed: inputs may name each other.
        folder = place.parent if place.is_file() else place
        parts = self._probes(run, row.values) if folder.name in PROBES else self._parts(kind, run, row.values)
        made_from = tuple(link for link in parts.made_from if link is not None)
        self._links[at] = replace(self._links[at], facts=parts.facts, made_from=made_from)
        return self._links[at]

    def _parts(self, kind: str, run: Path | None, values: Values) -> _Parts:
        facts = {name: value for name, value in values.items() if isinstance(value, str | int | float)}
        stage = None if run is None else (config_of(run) or {}).get("stage")
        if kind in MIXED and stage == "mix":
            origin = self._origin(run, values)
            if origin is not None or kind == "mixed-example":
                return _Parts(facts, [origin])
        if run is not None and any(of.role == "input" for of, _ in self.search.inputs_of_run(run)):
            if (hit := self.search.equal_row(run, values)) is not None:
                return _Parts(facts, [self._link(hit)])
            if kind == "problem" and self._find_problem(run, values["id"]) is not None:
                return _Parts(facts, [])  # a split of a problem set that a reader read
            self.search.note(f"this row of {run}: no input that is there has it")
        by_record: dict[str, Callable[[Path | None, Values], _Parts]] = {
            "example": self._example,
            "candidate": self._candidate,
            "ranked-group": self._ranked_group,
            "rating": self._rating,
            "alignment-group": self._alignment_group,
            "preference": self._preference,
            "augmented": self._augmented,
            "rejected-question": self._rejected_question,
            "problem": self._problem,
            "mixed-example": lambda run, values: _Parts(facts, [self._origin(run, values)]),
            "mixed-group": self._alignment_group,
            "mixed-preference": self._preference,
        }
        if kind in by_record:
            return by_record[kind](run, values)
        if isinstance(values.get("problem_id"), str):
            self._find_problem(run, values["problem_id"])
        return _Parts(facts, [])

    def _link(self, hit: Hit) -> Link:
        """What was found, followed further."""
        if hit.is_foreign:
            return Link("reply made elsewhere", hit.values, str(hit.place), hit.row, hit.how)
        if hit.sample is None:
            return self.row(hit.place, Numbered(hit.row, hit.values), found=hit.how)
        run = self.search.met(hit.place)
        of_group = (of for name in ("candidates", "missing") for of in hit.values[name])
        candidate = next(of for of in of_group if of["sample"] == hit.sample)
        return self._ranked(run, hit.values["problem"]["id"], candidate, place=hit.place, row=hit.row, how=hit.how)

    def _example(self, run: Path | None, values: Values) -> _Parts:
        problem = self._find_problem(run, values["problem_id"])
        facts = {name: values[name] for name in ("prompt", "completion", "problem_id", "source", "answer")}
        facts["equations"] = equation_facts(values["completion"])
        if values["source"] == GOLD:
            return _Parts(facts, [gold_link(problem, values["completion"])])
        if run is not None and (found := self._by_sample(run, values["problem_id"], values["sample"])) is not None:
            return _Parts(facts, [found])
        where = "no run is known that has it" if run is None else f"not in {run}/candidates"
        self.search.note(f"candidate {values['sample']} of {values['problem_id']}: {where}")
        return _Parts(facts, [reply_link(self.search, values["provenance"], values["completion"])])

    def _by_sample(self, run: Path, problem_id: str, sample: int) -> Link | None:
        """The candidate of that number in the run's own candidates."""
        try:
            files = files_of(run / "candidates")
            rows = rows_where(files, "problem_id", problem_id)
            found = next((row for row in rows if row.values["sample"] == sample), None)
        except DatagenError as error:
            self.search.note(str(error))
            return None
        return None if found is None else self.row(place_of(files), found, found="by its sample")

    def _candidate(self, run: Path | None, values: Values) -> _Parts:
        problem_id, text, corruption = values["problem_id"], values["response"], values["corruption"]
        self._find_problem(run, problem_id)
        stage = None if run is None else (config_of(run) or {}).get("stage")
        facts: Facts = {
            "response": text,
            "problem_id": problem_id,
            "sample": values["sample"],
            **verdict_facts(values),
        }
        facts |= {"model": values["model"], "votes": []}
        if run is not None and stage == "rank" and (problem_id, text) not in self._voted:
            facts["votes"] = vote_facts(self.search.votes(run, problem_id, values["sample"]))
        is_voted = (problem_id, text) in self._voted
        self._voted.add((problem_id, text))
        if corruption is not None:
            facts["corruption"] = corruption
        made_from: Link | None
        if values["provenance"]["reply_key"] is not None and corruption is None:
            made_from = reply_link(self.search, values["provenance"], text)
        elif stage == "corrupt" and corruption is not None:
            made_from = self._parent(run, values)
        elif (hit := self.search.text(run, problem_id, _is(text))) is not None:
            made_from = self._link(hit)
        elif corruption is not None:
            made_from = self._parent(run, values)
        else:
            note_lost(self.search, run, f"reply {values['sample']} to {problem_id}", values["provenance"])
            made_from = reply_link(self.search, values["provenance"], text)
        if stage != "rank" and not is_voted:
            facts["judged beside"] = {
                name: vote_facts(votes) for name, votes in self.search.judged_beside(problem_id, text).items()
            }
        return _Parts(facts, [made_from])

    def _parent(self, run: Path | None, values: Values) -> Link | None:
        """The solution that was corrupted, known by its hash."""
        digest, problem_id = values["corruption"]["parent"], values["problem_id"]

        def is_parent(text: str) -> bool:
            return hashlib.sha256(text.encode()).hexdigest() == str(digest)

        problem = self._find_problem(run, problem_id)
        gold = None if problem is None else (problem.values or {}).get("rationale")
        if isinstance(gold, str) and is_parent(gold):
            return gold_link(problem, gold)
        if (hit := self.search.text(run, problem_id, is_parent)) is not None:
            return self._link(hit)
        key = values["provenance"]["reply_key"]
        stored = None if key is None else self.search.reply(key)
        if stored is not None and is_parent(stored.text):
            return reply_link(self.search, values["provenance"], stored.text)
        note_lost(self.search, run, f"parent of a corrupted solution of {problem_id}", values["provenance"])
        return None

    def _probes(self, run: Path | None, values: Values) -> _Parts:
        """The probes of a ranking, or a vote on one: their samples are not those of its candidates."""
        if "problem" not in values:
            self._find_problem(run, values["problem_id"])
            return _Parts({"problem_id": values["problem_id"], "votes": vote_facts([values])}, [])
        problem = self._find_problem(run, values["problem"]["id"], given=values["problem"])
        candidates = [*values["candidates"], *values["missing"]]
        return _Parts({"problem_id": values["problem"]["id"]}, [probe_link(problem, of) for of in candidates])

    def _ranked_group(self, run: Path | None, values: Values) -> _Parts:
        problem_id = values["problem"]["id"]
        self._find_problem(run, problem_id, given=values["problem"])
        candidates = [*values["candidates"], *values["missing"]]
        facts = {"problem_id": problem_id, "candidates": len(candidates), "missing": len(values["missing"])}
        return _Parts(facts, [self._ranked(run, problem_id, candidate) for candidate in candidates])

    def _ranked(
        self,
        run: Path | None,
        problem_id: str,
        candidate: Values,
        *,
        place: Path | None = None,
        row: int | None = None,
        how: str = "in it",
    ) -> Link:
        """One candidate of a ranked group, with its votes, and what it was before."""
        facts: Facts = {"response": candidate["response"], "sample": candidate["sample"]}
        facts |= {name: candidate[name] for name in ("score", "rank", "reason", "source") if name in candidate}
        votes = [] if run is None else self.search.votes(run, problem_id, candidate["sample"])
        facts["votes"] = vote_facts(votes) or embedded_votes(candidate)
        self._voted.add((problem_id, candidate["response"]))
        before = None if run is None else self._by_sample(run, problem_id, candidate["sample"])
        if before is None or before.facts.get("response") != candidate["response"]:
            parts = self._candidate(None, {**candidate, "problem_id": problem_id, "model": None})
            facts, made_from = {**parts.facts, **facts}, parts.made_from
        else:
            made_from = [before]
        written_by = None if run is None or place is None else run_facts(run)
        where = None if place is None else str(place)
        return Link("ranked candidate", facts, where, row, how, written_by, candidate, tuple(filter(None, made_from)))

    def _rating(self, run: Path | None, values: Values) -> _Parts:
        facts = {name: values[name] for name in ("problem_id", "sample", "judge", "vote", "rating", "parse_error")}
        facts["votes"] = vote_facts([values])
        found = None if run is None else self._by_sample(run, values["problem_id"], values["sample"])
        return _Parts(facts, [found])

    def _alignment_group(self, run: Path | None, values: Values) -> _Parts:
        problem = self._find_problem(run, values["problem_id"])
        facts = {"prompt": values["prompt"], "problem_id": values["problem_id"], "responses": len(values["responses"])}
        given = zip(values["responses"], values["scores"], values["sources"], strict=True)
        made_from = [
            self._response(run, problem, values["problem_id"], text, {"score": score, "source": source})
            for text, score, source in given
        ]
        return _Parts(facts, [*made_from])

    def _preference(self, run: Path | None, values: Values) -> _Parts:
        problem = self._find_problem(run, values["problem_id"])
        facts = {"prompt": values["prompt"], "problem_id": values["problem_id"]}
        made_from = [
            self._response(
                run,
                problem,
                values["problem_id"],
                values[side],
                {"side": side, "score": values[f"{side}_score"], "source": values[f"{side}_source"]},
            )
            for side in ("chosen", "rejected")
        ]
        return _Parts(facts, [*made_from])

    def _response(self, run: Path | None, problem: Link | None, problem_id: str, text: str, facts: Facts) -> Link:
        """A response of a group: the gold path, or found by its text in what the group was made from."""
        is_corrupted = facts["source"].startswith("corrupted")
        roles = ("negatives", "ranked", "candidates") if is_corrupted else ("ranked", "candidates", "negatives")
        found: Link | None
        if facts["source"] == GOLD:
            found = gold_link(problem, text)
        elif (hit := self.search.text(run, problem_id, _is(text), text=text, roles=roles)) is not None:
            found = self._link(hit)
        else:
            found = None
            note_lost(self.search, run, f"response of {problem_id}", None)
        return Link("response", {**facts, "response": text}, made_from=() if found is None else (found,))

    def _augmented(self, run: Path | None, values: Values) -> _Parts:
        self._find_problem(run, values["problem_id"])
        facts = {name: values[name] for name in ("type", "query", "response", "original_question", "answer")}
        facts |= {"problem_id": values["problem_id"], "equations": equation_facts(values["response"])}
        provenance = values["provenance"]
        question_id, *keys = provenance["parents"] or ("",)
        question = self._question(run, question_id)
        options = {} if run is None else (config_of(run) or {}).get("options", {})
        style = options.get("style", "metamath")

        def is_solution(text: str) -> bool:
            made: str = values["response"]
            return styled(text, answer=values["answer"], style=style) == made

        if provenance["reply_key"] is not None:
            reply: Link | None = reply_link(self.search, provenance, None)
        elif (hit := self.search.text(run, question_id, is_solution)) is not None:
            reply = self._link(hit)
        else:
            note_lost(self.search, run, f"solution of {question_id}", provenance)
            reply = reply_link(self.search, provenance, None)
        rewrites = [] if question is not None else [rewrite_link(self.search, key) for key in keys]
        return _Parts(facts, [reply, question, *rewrites])

    def _question(self, run: Path | None, question_id: str) -> Link | None:
        """The question that a method made, where the run still has it."""
        if run is None:
            return None
        try:
            files = files_of(run / "questions")
            found = next(rows_where(files, "id", question_id), None)
        except DatagenError as error:
            self.search.note(str(error))
            return None
        return None if found is None else self.row(place_of(files), found, found="by its id")

    def _rejected_question(self, run: Path | None, values: Values) -> _Parts:
        self._find_problem(run, values["problem_id"])
        facts = {name: values[name] for name in ("type", "query", "reason", "evidence", "original_question")}
        return _Parts(facts, [rewrite_link(self.search, key) for key in values["reply_keys"]])

    def _problem(self, run: Path | None, values: Values) -> _Parts:
        """A problem of our own: a question that `augment` made, or one that was only copied."""
        facts = {name: values[name] for name in ("id", "question", "answer", "rationale", "source", "split")}
        meta = meta_of(values)
        original = meta.get("original_id")
        if not isinstance(original, str):
            return _Parts(facts, [])
        facts |= {"method": meta.get("method"), "original_question": meta.get("original_question")}
        self._find_problem(run, original)
        keys = meta.get("parents")
        return _Parts(
            facts,
            [rewrite_link(self.search, key) for key in keys if isinstance(key, str)] if isinstance(keys, list) else [],
        )

    def _origin(self, run: Path | None, values: Values) -> Link | None:
        """The row that a mixture took: by the number that it says, or by content if another row stands there."""
        for of, path in self.search.inputs(run, ("input",)):
            if of.name != values["origin"]:
                continue
            try:
                files = files_of(path)
                found = row_at(files, values["origin_row"])
            except DatagenError as error:
                self.search.note(str(error))
                continue
            if found is not None and is_about(found, values["problem_id"]):
                if run_of(path) is None:
                    self._find_problem(run, values["problem_id"])
                return self.row(place_of(files), Numbered(values["origin_row"], found), found="by its index")
            self.search.note(
                f"{path} row {values['origin_row']}: not the row that was mixed, the data set has changed"
            )
        self._find_problem(run, values["problem_id"])
        named = [] if run is None else [of for of, _ in self.search.inputs_of_run(run) if of.name == values["origin"]]
        if any(of.path is None for of in named) and "kind" in values:
            return gold_link(self.problem, values["completion"]) if values["kind"] == GOLD else None
        if not any(of.name == values["origin"] for of, _ in self.search.inputs(run, ("input",))):
            self.search.note(f"input {values['origin']}: not there, so row {values['origin_row']} cannot be looked at")
        return reply_link(self.search, values["provenance"], None) if "provenance" in values else None

    def _find_problem(self, run: Path | None, problem_id: str, *, given: Values | None = None) -> Link | None:
        """The problem, followed to where it was made; the last one that is met is the one at the root."""
        found = None if run is None else self.search.problem_of(run, problem_id)
        if found is None and given is None:
            return None
        if found is None:
            link = Link("problem", problem_facts(given or {}), values=given)
        elif found.is_row and found.row is not None:
            link = self.row(Path(found.place), Numbered(found.row, found.values), found="by its id")
        else:
            link = problem_link(found)
        if self.problem is None or meta_of(self.problem.values or {}).get("original_id") == problem_id:
            self.problem = link
        return link


def _is(text: str) -> Matches:
    return lambda other: other == text
