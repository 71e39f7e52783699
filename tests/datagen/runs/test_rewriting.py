"""The first half of the `augment` job, where it reads what the reply store has."""

import json
import os
import subprocess
import sys
from pathlib import Path

COUNTS = """
import sys
opened = 0
def count(event, _):
    global opened
    opened += event == "sqlite3.connect"
sys.addaudithook(count)
from pathlib import Path
from datagen.readers.read import DatasetSpec
from datagen.recipes.metamath import AugmentOptions
from datagen.runs.replies import Generator, Job, load_problems
from datagen.runs.rewriting import Rewriting, written
job = Job(DatasetSpec(sys.argv[1]), Path("out"), generator=Generator("m", 1, base_url="http://127.0.0.1:9"))
found = list(written(job, load_problems(job.dataset).problems, AugmentOptions(("rephrase",)), Rewriting()))
print(len(found), opened)
"""


def test_the_reply_store_is_opened_as_often_for_many_problems_as_for_one(tmp_path: Path) -> None:
    said: list[tuple[int, int]] = []
    for n in (1, 40):
        file = tmp_path / f"{n}.jsonl"
        rows = ({"question": f"What is {i} + 1?", "answer": f"{i}+1\n#### {i + 1}"} for i in range(n))
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
        environment = {**os.environ, "DATAGEN_HOME": str(tmp_path / "home")}
        command = [sys.executable, "-c", COUNTS, str(file)]
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
        problems, opened = map(int, done.stdout.split())
        said.append((problems, opened))
    assert [problems for problems, _ in said] == [1, 40]
    assert said[0][1] == said[1][1] > 0
