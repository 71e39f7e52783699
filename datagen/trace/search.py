"""Looks for what a row was made from in the inputs of its run, in the rankings beside it and in the reply store."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from datagen.groups.members import text_key
from datagen.store.lineage import Input, config_of, find_input, inputs_of, run_of
from datagen.trace.foreign import Matches, find_reply
from datagen.trace.link import Facts
from datagen.trace.problem import FoundProblem, find_problem
from datagen.trace.replies import StoredReply, stored_reply, stores
from datagen.trace.tables import Values, files_of, key_of, record_name, row_at, rows_where
from datagen_schemas.errors import DatagenError

MOST_NEIGHBOURS = 200  # folders beside a run in which a ranking of its rows is looked for
WITH_PROBLEMS = ("dataset", "problems", "ranked", "input")
REPLIES = ("candidates", "negatives", "ranked")


class Hit(NamedTuple):
    """Where something was found."""

    place: Path
    row: int
    values: Values
    how: str
    is_foreign: bool = False  # a user's file: `values` are what it says of the reply
    sample: int | None = None  # in ranked groups: which candidate


class Search:
    """What one trace has looked for: every place is opened once, and every lack is noted."""

    def __init__(self, store: Path) -> None:
        """Nothing yet; `store` is the reply store to look in first."""
        self.store = store
        self.notes: list[str] = []
        self.runs: dict[Path, None] = {}  # in the order in which they were met
        self.inputs_of_run = cache(self._inputs_of_run)
        self.problem_of = cache(self._problem_of)
        self.rankings_beside = cache(_rankings_beside)

    def met(self, place: Path) -> Path | None:
        """The run that wrote a place."""
        run = run_of(place)
        if run is not None:
            self.runs.setdefault(run)
        return run

    def note(self, text: str) -> None:
        """Say once that something is missing."""
        if text not in self.notes:
            self.notes.append(text)

    def _inputs_of_run(self, run: Path) -> list[tuple[Input, Path | None]]:
        """The inputs with where they are now; what is gone or changed is noted."""
        found = []
        for of in inputs_of(config_of(run) or {}):
            path, state = find_input(of, run=run)
            if state == "missing":
                self.note(f"{of.role} {of.path} of {run}: missing")
            elif state == "changed":
                self.note(f"{of.role} {path} of {run}: changed since, so what stands there may be something else")
            found.append((of, path))
        return found

    def inputs(self, run: Path | None, roles: Sequence[str]) -> Iterator[tuple[Input, Path]]:
        """Those inputs of a run that are there, role by role."""
        found = [] if run is None else self.inputs_of_run(run)
        for role in roles:
            for of, path in found:
                if of.role == role and path is not None:
                    yield of, path

    def text(
        self,
        run: Path | None,
        problem_id: str,
        matches: Matches,
        *,
        text: str | None = None,
        roles: Sequence[str] = REPLIES,
    ) -> Hit | None:
        """The row of an input that has this text, among those of the problem.

        Args:
            run: whose inputs.
            problem_id: whose replies.
            matches: tells the text.
            text: the text itself, if white space may differ.
            roles: of the inputs to look in, the likeliest first.
        """
        tests = [(matches, "by its text")]
        if text is not None:
            tests.append((_same(text_key(text)), "by its text, white space aside"))
        for test, how in tests:
            for _, path in self.inputs(run, roles):
                try:
                    hit = self._text_in(path, run, problem_id, test, how)
                except DatagenError as error:
                    self.note(str(error))
                    continue
                if hit is not None:
                    return hit
        return None

    def _text_in(self, path: Path, run: Path | None, problem_id: str, matches: Matches, how: str) -> Hit | None:
        files = files_of(path)
        first = row_at(files, 0)
        kind = None if first is None else record_name(list(first))
        if kind == "ranked-group":
            for group in rows_where(files, "problem", problem_id):
                for candidate in [*group.values["candidates"], *group.values["missing"]]:
                    if matches(candidate["response"]):
                        return Hit(files[0].parent, group.row, group.values, how, sample=candidate["sample"])
        elif kind == "candidate":
            for row in rows_where(files, "problem_id", problem_id):
                if matches(row.values["response"]):
                    return Hit(files[0].parent, row.row, row.values, how)
        else:
            problem = self.problem_of(run, problem_id) if run is not None else None
            found = find_reply(path, problem_id, None if problem is None else problem.values["question"], matches)
            if found is not None:
                return Hit(path, found.row, {"response": found.text, **found.facts}, how, is_foreign=True)
        return None

    def equal_row(self, run: Path | None, values: Values, *, roles: Sequence[str] = ("input",)) -> Hit | None:
        """The first row of an input that is the same; columns that only one of them has are passed over."""
        key = key_of(values)
        if key is None:
            return None
        for _, path in self.inputs(run, roles):
            try:
                files = files_of(path)
                for row in rows_where(files, *key):
                    if all(row.values[name] == values[name] for name in row.values.keys() & values.keys()):
                        return Hit(place_of(files), row.row, row.values, "by its content")
            except DatagenError as error:
                self.note(str(error))
        return None

    def _problem_of(self, run: Path, problem_id: str) -> FoundProblem | None:
        config = config_of(run) or {}
        for of, path in self.inputs_of_run(run):
            if of.role not in WITH_PROBLEMS or (of.path is not None and path is None):
                continue
            if of.role == "input" and path is not None and run_of(path) is not None:
                continue  # its rows lead there themselves
            try:
                found = find_problem(problem_id, of, path, config)
            except DatagenError as error:
                self.note(str(error))
                continue
            if found is None:
                continue
            ranking = None if path is None or of.role != "ranked" else self.met(path)
            return (None if ranking is None else self.problem_of(ranking, problem_id)) or found
        return None

    def reply(self, key: str) -> StoredReply | None:
        """The stored reply of a key."""
        found = stored_reply(key, stores(self.runs, default=self.store))
        if found is None:
            self.note(f"reply {key[:12]}…: in none of the reply stores looked in, first of all {self.store}")
        return found

    def votes(self, run: Path, problem_id: str, sample: int) -> list[Mapping[str, Any]]:  # Any: rows of Rating
        """Every vote of a ranking on one candidate."""
        try:
            rows = [row.values for row in rows_where(files_of(run / "ratings"), "problem_id", problem_id)]
        except DatagenError as error:
            self.note(str(error))
            return []
        return [row for row in rows if row["sample"] == sample]

    def judged_beside(self, problem_id: str, text: str) -> Facts:
        """Votes on the same text in rankings that lie beside the runs met so far: run -> votes."""
        found: Facts = {}
        for run in list(self.runs):
            folder = run.absolute().parent if run.name in ("", "..") else run.parent
            for ranking in self.rankings_beside(folder):
                try:
                    rows = rows_where(files_of(ranking / "candidates"), "problem_id", problem_id)
                    same = next((row for row in rows if row.values["response"] == text), None)
                except DatagenError:  # an unfinished ranking has nothing to say
                    continue
                if same is not None and str(ranking) not in found:
                    found[str(ranking)] = self.votes(ranking, problem_id, same.values["sample"])
        return found


def place_of(files: Sequence[Path]) -> Path:
    """What to call the files: the data set's folder, or the one file of a user."""
    return files[0] if len(files) == 1 and not files[0].name.startswith("data-") else files[0].parent


def _same(key: str) -> Matches:
    return lambda text: text_key(text) == key


def _rankings_beside(folder: Path) -> list[Path]:
    try:
        neighbours = sorted(folder.iterdir())[:MOST_NEIGHBOURS]
    except OSError:
        return []
    return [run for run in neighbours if (config_of(run) or {}).get("stage") == "rank"]
