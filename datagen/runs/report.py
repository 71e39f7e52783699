"""What a manifest says of the replies that a run did not get."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from datagen.requests.fetch import Fetched
from datagen.requests.ledger import Ledger

MAX_FAILURES_LISTED = 1000


def failures_json(fetched: Fetched | None) -> dict[str, Any]:  # Any: JSON
    """Failed samples by kind, the first ones with their row and message; calls, tokens and money."""
    if fetched is None:
        return {"failed": 0, "stopped": None}
    by_kind = Counter[str]()
    for failure in fetched.failed:
        by_kind[failure.kind] += len(failure.samples)
    return {
        "failed": sum(by_kind.values()),
        "by_kind": dict(sorted(by_kind.items())),
        "rows": [failure._asdict() for failure in fetched.failed[:MAX_FAILURES_LISTED]],
        "stopped": fetched.stopped,
        "skipped": fetched.skipped,
        "asked": fetched.asked,
        "cached": fetched.cached,
        "calls": fetched.calls,
        "ledger": fetched.ledger.as_dict(),
    }


def merged_failures_json(parts: Mapping[str, Fetched], ledger: Ledger) -> dict[str, Any]:  # Any: JSON
    """The same of several fetches of one run, which share a ledger; `parts` names them."""
    by_kind = Counter[str]()
    rows: list[dict[str, Any]] = []  # Any: JSON
    for name, fetched in parts.items():
        for failure in fetched.failed:
            by_kind[failure.kind] += len(failure.samples)
            rows.append({"stage": name, **failure._asdict()})
    return {
        "failed": sum(by_kind.values()),
        "by_kind": dict(sorted(by_kind.items())),
        "rows": rows[:MAX_FAILURES_LISTED],
        "stopped": next((fetched.stopped for fetched in parts.values() if fetched.stopped), None),
        "stages": {
            name: {"asked": of.asked, "cached": of.cached, "calls": of.calls, "skipped": of.skipped}
            for name, of in parts.items()
        },
        "ledger": ledger.as_dict(),
    }


def is_short(manifest: dict[str, Any]) -> bool:  # Any: JSON
    """Whether a finished run lacks replies that another try could get."""
    failures = manifest.get("failures", {})
    return bool(failures.get("failed")) or bool(failures.get("stopped"))
