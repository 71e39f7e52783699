"""The worker process of `latex.py`: JSON lines in, JSON lines out, Math-Verify in between. Run as a script.

It imports nothing of datagen, so that it starts wherever Math-Verify is installed.
"""

import faulthandler
import json
import sys
from pathlib import Path
from typing import Any

# SymPy can fill the memory as well as the time (10^10^10). Windows has no such limit.
MAX_BYTES = 4 << 30


def main() -> None:
    """Answer one request a line until standard input ends."""
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MAX_BYTES, MAX_BYTES))
    except (ImportError, ValueError, OSError):
        pass
    from math_verify import parse, verify

    def span(text: str) -> Any:  # Any: SymPy expressions or text
        text = text.strip().strip("$").strip()
        # Its own time-outs use SIGALRM and a BaseException; the parent's kill replaces them. 0 turns them off.
        return parse(f"${text}$", parsing_timeout=0)

    print(json.dumps("ready"), flush=True)  # noqa: T201 - the protocol
    with Path("/dev/null" if sys.platform != "win32" else "NUL").open("w") as nowhere:
        for line in sys.stdin:
            request = json.loads(line)
            # Ends this process even if the parent is gone and SymPy never returns.
            faulthandler.dump_traceback_later(request["timeout_s"] + 5, exit=True, file=nowhere)
            try:
                gold, answer = span(request["gold"]), span(request["answer"])
                equal = bool(gold) and bool(answer) and bool(verify(gold, answer, timeout_seconds=None))
                readable = bool(gold) and bool(answer)
            except (Exception, MemoryError, RecursionError) as error:  # whatever SymPy raises on model text
                print(json.dumps({"error": repr(error)[:200]}), flush=True)  # noqa: T201
            else:
                print(json.dumps({"equal": equal if readable else None}), flush=True)  # noqa: T201
            faulthandler.cancel_dump_traceback_later()


if __name__ == "__main__":
    main()
