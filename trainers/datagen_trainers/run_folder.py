"""The folder of one training run: whose run it is, whether it is finished, and where it goes on."""

import hashlib
import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from transformers import PreTrainedModel

from datagen_schemas.errors import DataError

_RESULT = "training.json"  # written last: a folder without it holds no finished run
_OWNER = "fingerprint"
SAMPLED = 4096  # numbers of a weight matrix
CHECKPOINTS = "checkpoints"  # a folder in the run's


def run_fingerprint(
    rows: Iterable[Sequence[object]], *, model: PreTrainedModel, settings: Mapping[str, object]
) -> str:
    """SHA-256 of what decides a run's result: the rows in order, as JSON, the settings and the weights at the start.

    Of each weight matrix some thousands of numbers, from all over it, tell one model from another. Not a sum: the
    number of threads decides how that is rounded.
    """
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for row in rows:
        digest.update(json.dumps(row).encode())
    for name, weight in sorted(model.state_dict().items()):
        some = weight.flatten()[:: max(1, weight.numel() // SAMPLED)].float()
        digest.update(name.encode() + str(tuple(weight.shape)).encode() + some.cpu().numpy().tobytes())
    return digest.hexdigest()


def finished_run(out: Path, *, fingerprint: str) -> dict[str, object] | None:
    """What `finish_run` wrote of this very run; None if the run has still to be finished.

    Raises:
        DataError: the folder holds the finished run of something else.
    """
    file = out / _RESULT
    if not file.exists():
        return None
    record: dict[str, object] = json.loads(file.read_text(encoding="utf-8"))
    if record.get(_OWNER) != fingerprint:
        raise DataError(
            f"{out}: holds a model trained on other examples, from another model or with other settings."
            " Name another folder, or delete this one."
        )
    return record


def open_run(out: Path, *, fingerprint: str, resume: bool) -> Path:
    """Folder for the checkpoints; those of another run, or all of them without `resume`, are removed."""
    checkpoints = out / CHECKPOINTS
    owner = checkpoints / _OWNER
    if not (resume and owner.exists() and owner.read_text(encoding="utf-8") == fingerprint):
        shutil.rmtree(checkpoints, ignore_errors=True)
        (out / _RESULT).unlink(missing_ok=True)
        checkpoints.mkdir(parents=True)
        owner.write_text(fingerprint, encoding="utf-8")
    return checkpoints


def last_checkpoint(checkpoints: Path) -> Path | None:
    """The newest checkpoint that was written to its end; the trainer writes `trainer_state.json` last."""
    complete = [folder.parent for folder in checkpoints.glob("checkpoint-*/trainer_state.json")]
    return max(complete, key=lambda folder: int(folder.name.removeprefix("checkpoint-")), default=None)


def finish_run(out: Path, *, fingerprint: str, result: Mapping[str, object]) -> None:
    """Mark the run as finished, then drop its checkpoints."""
    temporary = out / f"{_RESULT}.tmp"
    temporary.write_text(json.dumps({_OWNER: fingerprint, **result}, indent=2) + "\n", encoding="utf-8")
    temporary.replace(out / _RESULT)
    shutil.rmtree(out / CHECKPOINTS)
