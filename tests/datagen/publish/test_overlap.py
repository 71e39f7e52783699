from pathlib import Path

import orjson

from datagen.publish.overlap import held_out_of
from datagen.store.lineage import Input


def test_a_test_file_is_compared_with_once_however_its_sources_name_it(tmp_path: Path) -> None:
    row = {"question": "How many are 2 and 3?", "answer": "2 + 3 = <<2+3=5>>5\n#### 5"}
    files = {name: tmp_path / f"{name}.jsonl" for name in ("train", "test")}
    for file in files.values():
        file.write_bytes(orjson.dumps(row) + b"\n")
    sources = [
        Input("problems", str(file), file, sha256=None, split=split, format=None)
        for split, file in (("test", files["test"]), ("train", files["train"]), ("test", files["test"]))
    ]
    held = held_out_of(sources)
    assert [spec.name for spec in held.specs] == [str(files["test"])]
    assert held.made_from == ("test.jsonl", "test.jsonl")
