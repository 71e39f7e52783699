"""Answers checked per second: the exact path, and Math-Verify on a part of the same pairs, verdicts compared.

    python benchmarks/answer_check.py [--data FOLDER] [--math-verify N]

Pairs are GSM8K's own: 8,792 gold solutions (`#### 72`) and 5,276 real replies of four models (`A: 72`), each with its
gold answer. CPU time of one core, best of some rounds; the first round, with cold caches, is shown too.
"""

import argparse
import json
import logging
import os
import random
import time
from pathlib import Path

from datagen.answers.check import check_answer

MODELS = ("6b_finetuning", "6b_verification", "175b_finetuning", "175b_verification")
ROUNDS = 7

Pair = tuple[str, str]


def gold_pairs(folder: Path) -> list[Pair]:
    """Gold solutions with their answers."""
    answers = [
        json.loads(line)["answer"]
        for split in ("train", "test")
        for line in (folder / f"{split}.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    return [(answer, answer.rsplit("#### ", 1)[1].replace(",", "")) for answer in answers]


def reply_pairs(folder: Path) -> list[Pair]:
    """Replies of the four models with the gold answers."""
    rows = [
        json.loads(line)
        for line in (folder / "example_model_solutions.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    return [
        (row[model]["solution"], row["ground_truth"].rsplit("A: ", 1)[1].replace(",", ""))
        for row in rows
        for model in MODELS
    ]


def seconds(pairs: list[Pair]) -> list[float]:
    """CPU seconds of each round."""
    rounds: list[float] = []
    for _ in range(ROUNDS):
        started = time.process_time()
        for response, gold in pairs:
            check_answer(response, gold)
        rounds.append(time.process_time() - started)
    return rounds


def compare_with_math_verify(pairs: list[Pair]) -> None:
    """Time Math-Verify as its users call it, on the whole reply, and count where the verdicts differ."""
    from math_verify import parse, verify

    logging.disable(logging.WARNING)  # it warns at every call that its time-out is off
    started = time.process_time()
    theirs = [verify(parse(gold, parsing_timeout=0), parse(reply, parsing_timeout=0)) for reply, gold in pairs]
    rate = len(pairs) / (time.process_time() - started)
    ours = [check_answer(reply, gold).verdict == "correct" for reply, gold in pairs]
    differing = [(pair, a) for pair, a, b in zip(pairs, ours, theirs, strict=True) if a != b]
    print(f"{'Math-Verify, whole reply':34}{len(pairs):>8,}{rate:>14,.0f}")
    print(f"\nverdicts: {len(pairs) - len(differing):,} agree, {len(differing):,} differ")
    for (reply, gold), is_correct in differing[:8]:
        mine = "correct" if is_correct else "not correct"
        print(f"  gold {gold!r}, reply ends {reply[-50:]!r}: {mine} here, the opposite there")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = os.environ.get("DATAGEN_TEST_DATA", str(Path(__file__).parents[2] / "shared" / "data"))
    parser.add_argument("--data", type=Path, default=Path(default), help="folder that holds gsm8k/")
    parser.add_argument("--math-verify", type=int, default=1000, help="pairs that Math-Verify is timed on; 0: none")
    options = parser.parse_args()
    folder = options.data / "gsm8k"
    golds, replies = gold_pairs(folder), reply_pairs(folder)
    print(f"{'':34}{'pairs':>8}{'checks/s':>14}{'first round':>14}")
    for name, pairs in (("gold solutions (#### 72)", golds), ("model replies (A: 72)", replies)):
        rounds = seconds(pairs)
        print(f"{name:34}{len(pairs):>8,}{len(pairs) / min(rounds):>14,.0f}{len(pairs) / rounds[0]:>14,.0f}")
    if options.math_verify:
        compare_with_math_verify(random.Random(0).sample(golds + replies, options.math_verify))


if __name__ == "__main__":
    main()
