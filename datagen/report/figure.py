"""A chart with its title, what it says, and its numbers."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from datagen.report.charts import table, text_of

Json = dict[str, Any]  # Any: of a manifest


class Figure(NamedTuple):
    """A chart; `header` and `rows` are its numbers where the chart is not itself a table."""

    title: str
    body: str  # HTML that `charts` made
    note: str = ""
    header: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    is_wide: bool = False

    def html(self) -> str:
        """The figure as it stands on the page."""
        note = f"<p>{text_of(self.note)}</p>" if self.note else ""
        numbers = ""
        if self.rows:
            listed = table(self.header, self.rows, caption=f"{self.title}: numbers")
            numbers = f"<details><summary>Numbers</summary>{listed}</details>"
        kind = ' class="span"' if self.is_wide else ""
        return (
            f"<figure{kind}><figcaption><h3>{text_of(self.title)}</h3>{note}</figcaption>{self.body}{numbers}</figure>"
        )


def count(value: object) -> int:
    """A count of a manifest; 0 where there is none."""
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def at(content: object, *path: str) -> Any:  # Any: JSON
    """What stands at a path of nested objects; None if there is nothing."""
    for name in path:
        content = content.get(name) if isinstance(content, dict) else None
    return content
