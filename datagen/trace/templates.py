"""Where the prompt template of a row is now: built in, or a file that a command line named."""

import hashlib
import shlex
from collections.abc import Iterable, Iterator
from importlib import resources
from pathlib import Path
from typing import NamedTuple

from datagen.store.lineage import Input, find_input

MOST_BYTES = 1_000_000


class Template(NamedTuple):
    """A template by its name and hash."""

    id: str
    sha256: str
    path: str | None  # 'built in', or of the file; None if it is not found
    state: str  # unchanged, changed, missing
    text: str | None


def find_template(name: str, sha256: str, *, commands: Iterable[tuple[str, Path]] = ()) -> Template:
    """The template of that name with that hash, or the word that there is another one, or none.

    Only a text with the hash is shown: a manifest from elsewhere may name any file of this machine.

    Args:
        name: as provenance says it: of a built-in one, or a file's name without its folder.
        sha256: its hash when it was used.
        commands: command lines that may name the file, each with the folder of its run.
    """
    changed: Template | None = None
    for path, content in _candidates(name, commands):
        if hashlib.sha256(content).hexdigest() == sha256:
            return Template(name, sha256, path, "unchanged", content.decode(errors="replace"))
        changed = changed or Template(name, sha256, path, "changed", None)
    return changed or Template(name, sha256, None, "missing", None)


def _candidates(name: str, commands: Iterable[tuple[str, Path]]) -> Iterator[tuple[str, bytes]]:
    if name.replace("-", "").replace("_", "").isalnum():
        built_in = resources.files("datagen_prompts") / "templates" / f"{name}.jinja"
        if built_in.is_file():
            yield "built in", built_in.read_bytes()
    for command, run in commands:
        for word in _words(command):
            if Path(word).name != name:
                continue
            path = find_input(Input("prompt", word, Path(word), None, None, None), run=run).path
            if path is None or not path.is_file() or path.stat().st_size > MOST_BYTES:
                continue
            try:
                yield str(path), path.read_bytes()
            except OSError:
                continue


def _words(command: str) -> list[str]:
    try:
        words = shlex.split(command)
    except ValueError:  # no command line
        return []
    return sorted({word.partition("=")[2] if word.startswith("--") else word for word in words})
