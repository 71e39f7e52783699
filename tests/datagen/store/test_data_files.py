"""The hashes of data files in a manifest."""

from pathlib import Path

from datagen.store.run_directory import RunDirectory


def test_the_manifest_has_the_hashes_of_the_data_and_of_nothing_else(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "run", {"stage": "eval", "datagen": "1.0"})
    for name in ("data/data-00000-of-00001.parquet", "candidates/data.jsonl", "data/cache-1.arrow", ".spill/data-1"):
        (run.path / name).parent.mkdir(exist_ok=True)
        (run.path / name).write_bytes(b"abc")
    inner = RunDirectory(run.path / "model-a", {"stage": "sample", "datagen": "1.0"})  # it has a manifest of its own
    inner.data.mkdir()
    (inner.data / "data-00000-of-00001.arrow").write_bytes(b"abc")
    inner.finish(command="", card="", facts={})
    abc = {"bytes": 3, "sha256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"}  # FIPS 180-2
    made = run.finish(command="", card="", facts={})
    assert made["files"] == {"candidates/data.jsonl": abc, "data/data-00000-of-00001.parquet": abc}
    assert run.manifest() == made
