import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.store.line_file import LineFile


@given(st.lists(st.binary(max_size=20).filter(lambda line: b"\n" not in line), min_size=1, max_size=20))
@settings(deadline=None, max_examples=50)
def test_every_line_is_found_again_by_its_offset(lines: list[bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder, LineFile(Path(folder) / "lines") as file:
        offsets = [file.add(line) for line in lines]
        assert [file.line(at) for at in reversed(offsets)] == lines[::-1]
        assert file.line(offsets[0]) == lines[0]


def test_a_file_that_was_left_behind_is_written_anew(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    path.write_bytes(b"old\n" * 100)
    with LineFile(path) as file:
        assert file.line(file.add(b"new")) == b"new"
    assert path.read_bytes() == b"new\n"
