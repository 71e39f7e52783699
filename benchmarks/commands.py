"""Many commands of `datagen` from one script, each in a process of its own, and what is said of their numbers."""

import json
import multiprocessing
import os
import sys
import threading
from collections.abc import Iterable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from statistics import mean, stdev
from typing import Any

PRELOADED = ("torch", "transformers", "accelerate", "datasets", "datagen.cli.main", "datagen_trainers.aft")
_used = threading.local()  # seconds of the processor, of the commands of each thread
T_975 = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365, 8: 2.306, 9: 2.262}  # Student's t


def use_one_thread_each() -> None:
    """Before the first command: its process has the libraries loaded already, and computes on one core."""
    os.environ["OMP_NUM_THREADS"] = "1"
    multiprocessing.get_context("forkserver").set_forkserver_preload(list(PRELOADED))


def datagen(*arguments: object, home: Path) -> str:
    """Standard output of a command that must succeed."""
    context = multiprocessing.get_context("forkserver")
    texts = [home / f"{kind}-{threading.get_ident()}.txt" for kind in ("stdout", "stderr", "seconds")]
    process = context.Process(target=_command, args=([str(argument) for argument in arguments], home, *texts))
    process.start()
    process.join()
    if process.exitcode:
        raise SystemExit(f"datagen {' '.join(map(str, arguments))}\n{texts[1].read_text()}")
    _used.seconds = cpu_seconds() + float(texts[2].read_text())
    return texts[0].read_text()


def cpu_seconds() -> float:
    """What the commands of this thread have taken of the processor; other work on the machine does not count."""
    return float(getattr(_used, "seconds", 0.0))


def _command(arguments: list[str], home: Path, stdout: Path, stderr: Path, seconds: Path) -> None:
    from datagen.cli.main import main as command

    os.environ["DATAGEN_HOME"] = str(home)
    sys.argv = ["datagen", *arguments]
    try:
        with stdout.open("w") as out, stderr.open("w") as err, redirect_stdout(out), redirect_stderr(err):
            command()
    finally:
        used = os.times()
        seconds.write_text(str(used.user + used.system + used.children_user + used.children_system))


def spread(values: list[float], scale: float, digits: int) -> str:
    """Mean and, of several, standard deviation."""
    sd = f" ± {scale * stdev(values):.{digits}f}" if len(values) > 1 else ""
    return f"{scale * mean(values):.{digits}f}{sd}"


def interval(differences: list[float]) -> str:
    """Mean of paired differences in points, and its 95 % t interval over seeds."""
    if len(differences) < 2 or not any(differences):
        return f"{100 * mean(differences):+.1f}" if differences and any(differences) else ""
    half = T_975[len(differences) - 1] * stdev(differences) / len(differences) ** 0.5
    middle = mean(differences)
    return f"{100 * middle:+.1f} ({100 * (middle - half):+.1f} to {100 * (middle + half):+.1f})"


def write_once(path: Path, rows: Iterable[dict[str, Any]]) -> None:  # Any: JSON
    """Rows as JSON lines, unless they are there."""
    if not path.exists():
        partial = path.with_suffix(".partial")
        partial.write_text("".join(json.dumps(row) + "\n" for row in rows))
        partial.replace(path)
