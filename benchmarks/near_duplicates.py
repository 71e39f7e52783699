"""What `datagen mix` takes for duplicates, on GSM8K with changes of a known kind, and what mixing 100,000 rows costs.

    python benchmarks/near_duplicates.py [--problems 7473] [--rows 100000]

Each kind of change is made to every training problem and mixed with the original. The first ones are the same row to
anybody, and should be found; the others are other problems or other paths, and none of them may go. Then `--rows` rows
are mixed by the command: GSM8K's solutions reworded and regrouped as a model's would be, and, for the worst case, rows
without any number, which are all compared by MinHash-LSH. Seconds with two workers, peak resident memory of all
processes.
"""

import argparse
import json
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import cycle, islice
from pathlib import Path

from made_candidates import candidates, gsm8k
from memory import tree_rss
from psutil import Process

from datagen.augment.fobar import fobar_question, masks
from datagen.mix.near_duplicates import Text, comparable, near_duplicates
from datagen.seeding import rng_for
from datagen_schemas.problem import Problem

Change = Callable[[str, str, random.Random], tuple[str, str]]
_NUMBER = re.compile(r"\d+")
_WORD = re.compile(r"(?<![\w<])[a-z]{4,}(?!\w)")
_PRODUCT = re.compile(r"<<(\d+)([*+])(\d+)=")


def spaced(question: str, solution: str, _rng: random.Random) -> tuple[str, str]:
    """Upper case, other spaces, and the answer line of MetaMathQA."""
    body, _, answer = solution.rpartition("####")
    return question.upper(), f"{body.replace(' ', '  ').rstrip()}\nThe answer is:{answer}"


def typo(question: str, solution: str, rng: random.Random) -> tuple[str, str]:
    """One letter of a word doubled in the question, and one in the solution."""
    return _in_a_word(question, rng, lambda word: word[:2] + word[1:]), _in_a_word(
        solution, rng, lambda word: word[:2] + word[1:]
    )


def no_annotations(question: str, solution: str, _: random.Random) -> tuple[str, str]:
    """The solution without its equations in <<>>."""
    return question, re.sub(r"<<.*?>>", "", solution)


def other_word(question: str, solution: str, rng: random.Random) -> tuple[str, str]:
    """One word replaced in the question, and one in the solution."""
    return _in_a_word(question, rng, lambda _: "thing"), _in_a_word(solution, rng, lambda _: "thing")


def other_number(question: str, solution: str, rng: random.Random) -> tuple[str, str]:
    """One number of the question by one more, the solution as it was: another problem, wrongly solved."""
    return _one(question, _NUMBER, rng, lambda number: str(int(number) + 1)), solution


def swapped(question: str, solution: str, rng: random.Random) -> tuple[str, str]:
    """The operands of one annotated product or sum the other way round: another path, for RFT."""
    return question, _PRODUCT.sub(lambda m: f"<<{m[3]}{m[2]}{m[1]}=", solution, count=1)


SAME: dict[str, Change] = {
    "case, spaces, answer line": spaced,
    "a typo in each": typo,
    "without <<>>": no_annotations,
    "another word in each": other_word,
}
OTHER: dict[str, Change] = {"another number in the question": other_number, "operands of one <<>> swapped": swapped}


def _in_a_word(text: str, rng: random.Random, change: Callable[[str], str]) -> str:
    return _one(text, _WORD, rng, change)


def _one(text: str, pattern: re.Pattern[str], rng: random.Random, change: Callable[[str], str]) -> str:
    found = list(pattern.finditer(text))
    if not found:
        return text
    at = rng.choice(found)
    return text[: at.start()] + change(at[0]) + text[at.end() :]


def is_found(first: Text, second: Text) -> bool:
    """Whether the second row would be left out for the first."""
    if first.key() == second.key():
        return True
    return first.block() == second.block() and bool(near_duplicates([first, second]))


def changed(problems: list[Problem]) -> None:
    """Found among changed copies, kind by kind."""
    print(f"{'change':34}{'rows':>8}{'found':>8}")
    for kinds in (SAME, OTHER):
        for name, change in kinds.items():
            n = found = 0
            for problem in problems:
                solution = problem.rationale or ""
                copy = change(problem.question, solution, rng_for(0, name, problem.id))
                if copy != (problem.question, solution):
                    n += 1
                    found += is_found(comparable(problem.question, solution), comparable(*copy))
            print(f"{name:34}{n:8,}{100 * found / n:7.1f}%")


def backward(problems: list[Problem]) -> Iterator[tuple[str, str]]:
    """All FOBAR questions, under the solution of the original with another last line."""
    for problem in problems:
        body = (problem.rationale or "").rpartition("####")[0]
        for masked in masks(problem.question):
            yield fobar_question(masked, answer=problem.answer), f"{body}\nThe answer is: {masked.value}"


def mix(name: str, rows: Iterable[tuple[str, str]], n: int) -> None:
    """Mix the first n rows, given as two files, by the command."""
    rows = list(islice(rows, n))
    with tempfile.TemporaryDirectory() as folder:
        halves = [Path(folder) / f"{half}.jsonl" for half in ("a", "b")]
        for path, part in zip(halves, (rows[: len(rows) // 2], rows[len(rows) // 2 :]), strict=True):
            with path.open("w") as file:
                file.writelines(json.dumps({"question": q, "response": s}) + "\n" for q, s in part)
        command = [sys.executable, "-m", "datagen", "mix", *map(str, halves), "--out", f"{folder}/out", "--json"]
        started = time.monotonic()
        with subprocess.Popen([*command, "--workers", "2", "--quiet"], stdout=subprocess.PIPE) as process:
            peak, watched = 0, Process(process.pid)
            while process.poll() is None:
                peak = max(peak, tree_rss(watched))
                time.sleep(0.1)
            assert process.stdout is not None
            counts = json.loads(process.stdout.read())
        sources = counts["sources"].values()
        gone = (sum(of[what] for of in sources) for what in ("duplicates", "near_duplicates"))
        print(
            f"{name:34}{counts['in']:10,}{time.monotonic() - started:7.0f} s{peak / 1e6:8,.0f} MB"
            + "".join(f"{n:8,}" for n in (*gone, counts["rows"]))
        )


def without_numbers(problems: list[Problem]) -> Iterator[tuple[str, str]]:
    """Questions and solutions with their numbers taken out, each with a word of its own."""
    for i, problem in enumerate(cycle(problems)):
        word = "".join(chr(ord("b") + int(digit)) for digit in str(i))
        texts = (_NUMBER.sub("some", re.sub(r"<<.*?>>", "", t)) for t in (problem.question, problem.rationale or ""))
        question, solution = (re.sub(r"[^A-Za-z ]", " ", text) for text in texts)
        yield f"{word} {word} {question} {word}", f"{solution} {word}"


def main() -> None:
    """Quality, then cost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", type=int, default=7473)
    parser.add_argument("--rows", type=int, default=100_000)
    arguments = parser.parse_args()
    problems = gsm8k()[: arguments.problems]
    changed(problems)
    print(f"\n{'mixed':34}{'rows':>10}{'':>9}{'':>11}{'exact':>8}{'near':>8}{'out':>8}")
    mix(
        "GSM8K and all FOBAR questions",
        [*((p.question, p.rationale or "") for p in problems), *backward(problems)],
        arguments.rows,
    )
    per_problem = -(-arguments.rows // len(problems))
    made = [(p.question, text) for p in problems for text in candidates(p, per_problem, seed=0)]
    mix(f"GSM8K, {per_problem} solutions each", made, arguments.rows)
    mix("without numbers: one block", without_numbers(problems), arguments.rows // 5)


if __name__ == "__main__":
    main()
