"""The log of the Hub's library: off the terminal, but for the waits that a user should know of."""

import logging
from collections.abc import Callable


class _Waits(logging.Handler):
    """The waits between the library's own tries, as progress."""

    def __init__(self, say: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._say = say

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if text.startswith(("Retrying", "Rate limited")):
            self._say(text)


def log_waits(say: Callable[[str], None]) -> None:
    """Tell the waits; the rest is not shown, for it has addresses in it, and their signatures are keys."""
    logger = logging.getLogger("huggingface_hub")
    logger.setLevel(logging.WARNING)
    logger.propagate = False
    logger.handlers = [_Waits(say)]
