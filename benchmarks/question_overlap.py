"""Overlap with a test set, near-duplicates and diversity gain on GSM8K, each beside the comparison with every text.

    python benchmarks/question_overlap.py [--data FOLDER] [--subsample 100]

Questions are GSM8K's training questions and all their FOBAR questions. CPU seconds of one core. The slow, obvious way
is timed on a subsample, where its results must be the same; the ratio is that of the seconds a question.
"""

import argparse
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

from rapidfuzz import fuzz, process

from datagen.augment.diversity import text_distance_gain
from datagen.augment.duplicates import SAME, Existing, normalised
from datagen.augment.fobar import fobar_question, masks
from datagen.mix.decontaminate import FUZZY, HeldOut
from datagen.readers.read import DatasetSpec, read_problems
from datagen.seeding import rng_for
from datagen_schemas.problem import Problem

T = TypeVar("T")


class Made(NamedTuple):
    """A question and the problem that it was made from."""

    text: str
    family: str


def backward(problems: Sequence[Problem]) -> list[Made]:
    """All FOBAR questions."""
    return [
        Made(fobar_question(masked, answer=problem.answer), problem.id)
        for problem in problems
        for masked in masks(problem.question)
    ]


def timed(run: Callable[[], T]) -> tuple[float, T]:
    """CPU time and result."""
    started = time.process_time()
    result = run()
    return time.process_time() - started, result


def line(name: str, n: int, seconds: float, n_slow: int, slow: float, found: str) -> None:
    """One row of the table."""
    ratio = (slow / n_slow) / (seconds / n)
    print(f"{name:32}{n:>10,}{seconds:>9.2f}{n_slow:>10,}{slow:>9.2f}{ratio:>9.1f}  {found}")


def decontaminate(name: str, questions: Sequence[str], test: Sequence[Problem], subsample: Sequence[str]) -> None:
    """Overlap with the test set; the slow way is the ratio with every test question, without the 13-grams."""
    seconds, found = timed(lambda: list(map(HeldOut(test).overlap, questions)))
    overlaps = [overlap for overlap in found if overlap is not None]
    fuzzy = HeldOut(test, n=10**6)  # no question has as many words
    theirs = [normalised(problem.question) for problem in test]
    slow, best = timed(lambda: [process.extractOne(normalised(text), theirs, scorer=fuzz.ratio) for text in subsample])
    for text, (_, score, i) in zip(subsample, best, strict=True):
        overlap = fuzzy.overlap(text)
        assert (None if overlap is None else overlap.text) == (test[i].question if score >= FUZZY else None)
    by_words = sum(overlap.how != "fuzzy" for overlap in overlaps)
    line(
        name,
        len(questions),
        seconds,
        len(subsample),
        slow,
        f"{by_words} by 13 words, {len(overlaps) - by_words} fuzzy",
    )


def duplicates(problems: Sequence[Problem], made: Sequence[Made], chosen: Sequence[int]) -> None:
    """Near-duplicates among all questions, found one after the other."""
    existing = Existing()
    everything = [*(Made(problem.question, problem.id) for problem in problems), *made]

    def find_and_add() -> list[str | None]:
        repeated: list[str | None] = []
        for i, (text, family) in enumerate(everything):
            found = existing.find(text, family=family)
            repeated.append(None if found is None else found.of)
            existing.add(str(i), text, family=family)
        return repeated

    seconds, found = timed(find_and_add)
    texts = [normalised(question.text) for question in everything]

    def slowly(i: int) -> str | None:
        if texts[i] in texts[:i]:
            return str(texts.index(texts[i]))
        others = [j for j in range(i) if everything[j].family != everything[i].family]
        best = process.extractOne(texts[i], [texts[j] for j in others], scorer=fuzz.ratio, score_cutoff=SAME)
        return None if best is None else str(others[best[2]])

    places = [len(problems) + i for i in chosen]
    slow, expected = timed(lambda: [slowly(i) for i in places])
    assert expected == [found[i] for i in places]
    n_found = sum(of is not None for of in found)
    line("near-duplicates", len(everything), seconds, len(places), slow, f"{n_found} repeat another")


def diversity(name: str, added: Sequence[str], originals: Sequence[str], subsample: Sequence[str]) -> None:
    """Diversity gain of 1,000 questions."""
    seconds, gain = timed(lambda: text_distance_gain(added, originals, seed=0))
    slow, best = timed(lambda: [process.extractOne(text, originals, scorer=fuzz.ratio) for text in subsample])
    ours = text_distance_gain(subsample, originals, seed=0)
    assert gain is not None
    assert ours is not None
    assert abs(ours.mean - sum(1 - score / 100 for _, score, _ in best) / len(subsample)) < 1e-9
    line(name, gain.n, seconds, len(subsample), slow, f"{gain.mean:.3f} mean distance")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = os.environ.get("DATAGEN_TEST_DATA", str(Path(__file__).parents[2] / "shared" / "data"))
    parser.add_argument("--data", type=Path, default=Path(default), help="folder that holds gsm8k/")
    parser.add_argument("--subsample", type=int, default=100, help="questions for the slow way")
    options = parser.parse_args()
    train, test = (
        list(read_problems(DatasetSpec(str(options.data / "gsm8k" / f"{split}.jsonl")))) for split in ("train", "test")
    )
    made = backward(train)
    rng = rng_for(0, "subsample")
    originals = [problem.question for problem in train]
    chosen = sorted(rng.sample(range(len(made)), options.subsample))
    backward_texts, unrelated = [question.text for question in made], [problem.question for problem in test]
    print(f"{'':32}{'questions':>10}{'s':>9}{'slow way':>10}{'s':>9}{'ratio':>9}")
    decontaminate("train against test", originals, test, rng.sample(originals, options.subsample))
    decontaminate("FOBAR against test", backward_texts, test, [backward_texts[i] for i in chosen])
    duplicates(train, made, chosen)
    diversity("diversity gain, FOBAR", backward_texts, originals, [backward_texts[i] for i in chosen])
    diversity("diversity gain, test questions", unrelated, originals, rng.sample(unrelated, options.subsample))


if __name__ == "__main__":
    main()
