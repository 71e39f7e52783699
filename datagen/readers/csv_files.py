"""CSV and TSV with a header line, read as a stream."""

import csv
import io
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from datagen.readers.compressed import open_bytes
from datagen.readers.dropped import Dropped
from datagen.readers.row import Row, place
from datagen_schemas.errors import DataError


def read_csv(file: Path, *, delimiter: str) -> Iterator[Row | Dropped]:
    """Rows as text; an empty field is an empty text, as CSV cannot say that there is none.

    The place of a row is the line it ends on: fields may hold line breaks.

    Raises:
        DataError: the header repeats a column, or is not text.
    """
    name = str(file)
    # surrogateescape: a byte that is not UTF-8 spoils its own row, and the stream goes on behind it.
    text = partial(io.TextIOWrapper, encoding="utf-8-sig", errors="surrogateescape", newline="")
    with open_bytes(file) as content, text(content) as lines:
        # strict: a lone quote would otherwise swallow the rest of the file into one field without a word.
        reader = csv.reader(lines, delimiter=delimiter, strict=True)
        try:
            header = next(reader, [])
        except csv.Error as error:
            raise DataError(f"{name}:1: broken header ({error}). Export the file again.") from error
        if not is_utf8("".join(header)) or "\0" in "".join(header):
            raise DataError(f"{name}:1: the header is no UTF-8 text. Convert it with: iconv -f LATIN1 -t UTF-8")
        if repeated := sorted({column for column in header if header.count(column) > 1}):
            raise DataError(f"{name}:1: column {repeated[0]!r} appears twice. Rename one of the two.")
        index = 0
        while True:
            try:
                fields = next(reader, None)
            except csv.Error as error:
                where = place(name, reader.line_num, is_line=True)
                is_torn = "unexpected end of data" in str(error)
                yield Dropped(where, "torn line" if is_torn else "not CSV", str(error))
                index += 1
                continue
            if fields is None:
                return
            if fields:
                yield row_of(name, reader.line_num, index, header, fields)
                index += 1


def row_of(name: str, line: int, index: int, header: list[str], fields: list[str]) -> Row | Dropped:
    """The row, if it is one."""
    where = place(name, line, is_line=True)
    if len(fields) != len(header):
        return Dropped(where, "ragged row", f"{len(fields)} fields under {len(header)} columns")
    text = "".join(fields)
    if "\0" in text:
        return Dropped(where, "NUL byte", "in one of its fields")
    if not is_utf8(text):
        return Dropped(where, "wrong encoding", "not UTF-8, convert the file with: iconv -f LATIN1 -t UTF-8")
    return Row(name, line, True, index, dict(zip(header, fields, strict=True)))


def is_utf8(text: str) -> bool:
    """False if the text holds bytes that could not be decoded."""
    return text.isascii() or not any("\udc80" <= character <= "\udcff" for character in text)
