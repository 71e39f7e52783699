"""JSON lines, read line by line, and JSON arrays; every bad line is named with what is wrong with it."""

from collections.abc import Iterator
from pathlib import Path

import orjson

from datagen.readers.compressed import open_bytes
from datagen.readers.dropped import Dropped
from datagen.readers.row import Row, place
from datagen_schemas.errors import DataError

BOM = b"\xef\xbb\xbf"
UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")


def read_json_lines(file: Path) -> Iterator[Row | Dropped]:
    """One JSON object a line; blank lines, a byte order mark and Windows line ends are nobody's fault."""
    name = str(file)
    loads = orjson.loads
    index = 0
    # Split at b"\n" only: str.splitlines also splits at U+2028, which GSM8K's train set has inside a question.
    with open_bytes(file) as lines:
        for number, line in enumerate(lines, 1):
            if number == 1:
                line = line.removeprefix(BOM)
            try:
                values = loads(line)
            except orjson.JSONDecodeError as error:
                if not line.strip():
                    continue
                yield Dropped(place(name, number, is_line=True), *what_is_wrong(line, error))
            else:
                if type(values) is dict:
                    yield Row(name, number, True, index, values)
                else:
                    yield not_an_object(place(name, number, is_line=True), values)
            index += 1


def read_json(file: Path) -> Iterator[Row | Dropped]:
    """A `.json` file: an array of objects (read whole), one object, or JSON lines under that name."""
    if not is_one_document(file):
        yield from read_json_lines(file)
        return
    with open_bytes(file) as whole:
        content = whole.read().removeprefix(BOM)
    try:
        document = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        reason, detail = what_is_wrong(content, error)
        reason = "torn file" if reason == "torn line" else reason
        raise DataError(f"{file}:{error.lineno}: {reason}: {detail}. Download or write the file again.") from error
    for index, values in enumerate(document if isinstance(document, list) else [document]):
        if isinstance(values, dict):
            yield Row(str(file), index + 1, False, index, values)
        else:
            yield not_an_object(place(str(file), index + 1, is_line=False), values)


def is_one_document(file: Path) -> bool:
    """Whether the file is one JSON value spread over lines; otherwise each line stands for itself."""
    with open_bytes(file) as lines:
        for line in lines:
            line = line.removeprefix(BOM).strip()
            if line:
                # A line that is just '{' is the head of a printed object; no JSON line looks like that.
                return line.startswith(b"[") or line == b"{"
    return False


def what_is_wrong(line: bytes, error: orjson.JSONDecodeError) -> tuple[str, str]:
    """Category and description of a text that is not JSON."""
    is_torn = not line.endswith(b"\n")
    if line.startswith(UTF16_BOMS):
        return "wrong encoding", "the text is UTF-16, convert it with: iconv -f UTF-16 -t UTF-8"
    if b"\0" in line:
        return "NUL byte", f"at byte {line.index(0) + 1} of the line"
    try:
        line.decode()
    except UnicodeDecodeError as undecodable:
        if not (is_torn and undecodable.reason == "unexpected end of data"):
            byte = f"byte 0x{line[undecodable.start]:02x} at position {undecodable.start + 1} is not UTF-8"
            return "wrong encoding", f"{byte}, convert the file with: iconv -f LATIN1 -t UTF-8"
    start = line[:40].decode(errors="replace").strip()
    if is_torn:
        return "torn line", f"the file ends in the middle of a row that starts with {start!r}"
    return "not JSON", f"{error.msg} in {start!r}"


def not_an_object(where: str, values: object) -> Dropped:
    """The drop for a JSON value that has no columns."""
    kind = {list: "a list", str: "a text", type(None): "null", bool: "a boolean"}.get(type(values), "a number")
    return Dropped(where, "not an object", f"the row is {kind}, not {{column: value}}")
