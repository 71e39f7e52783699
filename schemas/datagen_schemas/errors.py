"""What can go wrong in the world, as opposed to in the code: each message says what, where, and what to do."""


class DatagenError(Exception):
    """A user's problem with a remedy; the command line shows it as one line and exits with 1."""


class DataError(DatagenError):
    """A file, row or dataset is not what it must be."""


class ServerError(DatagenError):
    """A model server refused, or cannot be reached at all."""


class StoreError(DatagenError):
    """A directory or database cannot be read or written."""


class MissingExtraError(DatagenError):
    """An optional part of datagen is not installed."""

    def __init__(self, extra: str, *, needed_for: str) -> None:
        """Name the extra and the command that installs it."""
        super().__init__(f"{needed_for} needs the extra '{extra}'. Install it with: pip install 'datagen[{extra}]'")
