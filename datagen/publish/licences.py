"""Under which licence a data set may be published, given those of what it was made from. No licence is invented."""

import tomllib
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import NamedTuple

from datagen.readers.locate import data_files
from datagen.store.lineage import FILES, Input
from datagen.store.run_directory import fingerprint
from datagen_schemas.errors import DataError

PUBLIC_DOMAIN = ("cc0-1.0", "pddl", "unlicense", "wtfpl")
# Each may be published under itself or a later one here; the later ones ask for more (notices, a list of changes).
PERMISSIVE = (
    *PUBLIC_DOMAIN,
    "0bsd",
    "isc",
    "mit",
    "bsd-2-clause",
    "bsd-3-clause",
    "apache-2.0",
    "cdla-permissive-2.0",
    "cdla-permissive-1.0",
    "odc-by",
    "cc-by-2.0",
    "cc-by-2.5",
    "cc-by-3.0",
    "cc-by-4.0",
)
# Licences that what is made from the data must keep, and the later versions that they allow.
SHARE_ALIKE = {
    "cc-by-sa-3.0": ("cc-by-sa-4.0",),
    "cc-by-sa-4.0": (),
    "cdla-sharing-1.0": (),
    "odbl": (),
    "gfdl": (),
    "gpl-2.0": (),
    "gpl-3.0": (),
    "lgpl-3.0": (),
    "agpl-3.0": (),
    "cc-by-nc-2.0": ("cc-by-nc-3.0", "cc-by-nc-4.0", "cc-by-nc-sa-2.0", "cc-by-nc-sa-3.0", "cc-by-nc-sa-4.0"),
    "cc-by-nc-3.0": ("cc-by-nc-4.0", "cc-by-nc-sa-3.0", "cc-by-nc-sa-4.0"),
    "cc-by-nc-4.0": ("cc-by-nc-sa-4.0",),
    "cc-by-nc-sa-2.0": ("cc-by-nc-sa-3.0", "cc-by-nc-sa-4.0"),
    "cc-by-nc-sa-3.0": ("cc-by-nc-sa-4.0",),
    "cc-by-nc-sa-4.0": (),
    "openrail": (),
    "c-uda": (),
}
NO_DERIVATIVES = ("cc-by-nd-4.0", "cc-by-nc-nd-3.0", "cc-by-nc-nd-4.0")
KNOWN = (*PERMISSIVE, *SHARE_ALIKE, *NO_DERIVATIVES, "other")
"""The licences that --license takes, as the Hub spells them."""


class KnownSource(NamedTuple):
    """A data set of the table."""

    key: str
    title: str
    license: str | None
    stated: str | None
    hub: str | None
    about: str | None
    cite: str | None
    note: str | None
    files: tuple[str, ...]


class Source(NamedTuple):
    """Problems or replies that a data set was made from, and what is known of their licence."""

    name: str  # what the manifest calls it, without folders
    split: str | None
    known: KnownSource | None
    looks_like: KnownSource | None  # of a file that has only its shape
    typed: str | None = None  # with its folders: for whoever has them
    is_replies: bool = False
    is_lost: bool = False  # it is not where it was

    @property
    def license(self) -> str | None:
        """None if nobody said it."""
        return self.known.license if self.known is not None else None

    @property
    def title(self) -> str:
        """For people."""
        return self.known.title if self.known is not None else self.name


@cache
def known_sources() -> tuple[KnownSource, ...]:
    """The table, in its order."""
    text = files("datagen.publish").joinpath("licences.toml").read_text(encoding="utf-8")
    fields = [name for name in KnownSource._fields if name not in ("key", "files")]
    return tuple(
        KnownSource(key, **{name: row.get(name) for name in fields}, files=tuple(row.get("files", ())))
        for key, row in tomllib.loads(text).items()
    )


def source_of(of: Input) -> Source:
    """What is known of problems or replies: by their name, their id on the Hub, or the very bytes of their file."""
    name = of.name.partition(":")[0]
    by_key = {source.key: source for source in known_sources()}
    named = by_key.get(name) or next((source for source in known_sources() if source.hub == name), None)
    shape = by_key.get(of.format or "")
    if of.path is None:
        known = named
    elif shape is not None and shape.key == "synthetic":  # ids that only our generator gives
        known = shape
    else:
        known = _by_bytes(of)
    return Source(
        of.name.rstrip("/").rpartition("/")[2] if of.path is not None else of.name,
        of.split,
        known,
        shape,
        typed=of.name,
        is_replies=of.role in FILES,
        is_lost=of.path is not None and not of.path.exists(),
    )


def _by_bytes(of: Input) -> KnownSource | None:
    """The source whose published file this is, or, of a folder, all of whose data files are."""
    hashes = {of.sha256}
    if of.path is not None and of.path.is_dir():
        hashes = {str(fingerprint(file)["sha256"]) for file in data_files(of.path)}
    return next((source for source in known_sources() if hashes and hashes <= {*source.files}), None)


def may_become(source: str, result: str) -> bool:
    """Whether what was made from data under one licence may be published under another one."""
    if source in NO_DERIVATIVES:
        return False
    if source == result:
        return source != "other"
    if source in PERMISSIVE:
        if result in PERMISSIVE:
            return PERMISSIVE.index(result) > PERMISSIVE.index(source)
        return result in SHARE_ALIKE
    return result in SHARE_ALIKE.get(source, ())


def license_of(sources: Sequence[Source], *, given: str | None = None) -> str:
    """The licence of what was made from the sources: the least that keeps the terms of all of them.

    Args:
        sources: all of them.
        given: what the publisher chose. It stands for the sources that we know nothing of, and must fit the others.

    Raises:
        DataError: a source's licence is not known and none was given, or the licences exclude one another.
    """
    stated = {source.license: source for source in sources if source.license is not None}
    if given is not None:
        if given not in KNOWN:
            raise DataError(f"--license {given}: no licence that we know. Known: {', '.join(KNOWN)}.")
        for license, source in stated.items():
            if not may_become(license, given):
                raise DataError(
                    f"--license {given}: what is made from {source.title} ({license}) may not be published under it. "
                    f"Leave --license out for what follows from the sources, or publish without {source.title}."
                )
        return given
    if unknown := list(dict.fromkeys(_unknown(source) for source in sources if source.license is None)):
        raise DataError(f"the licence of {'; that of '.join(unknown)}. Find it out, and name it with --license.")
    if not stated:
        raise DataError("no problem set is known that this was made from, and so no licence. Name it with --license.")
    fitting = [license for license in stated if all(may_become(of, license) or of == license for of in stated)]
    if forbidden := next((of for of in stated if of in NO_DERIVATIVES), None):
        raise DataError(f"{stated[forbidden].title} is under {forbidden}: what is made from it may not be published.")
    if not fitting:
        listed = ", ".join(f"{source.title} ({license})" for license, source in stated.items())
        raise DataError(f"no licence fits all sources: {listed}. Publish what was made from each of them apart.")
    return fitting[0]


def _unknown(source: Source) -> str:
    if source.known is not None:
        return f"{source.title} is not clear: {source.known.note}"
    name = f"{'the replies in ' if source.is_replies else ''}{source.typed or source.name}"
    shape = source.looks_like
    if shape is not None and shape.license is not None:
        return (
            f"{name} is not known: it has the shape of {shape.title} ({shape.license}), but is not one of its "
            "published files"
        )
    return f"{name} is not known" + (": it is not there any more" if source.is_lost else "")
