"""A causal language model of the transformers library, loaded into this process, or refused quickly."""

import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, NamedTuple

from datagen_schemas.errors import DataError, MissingExtraError

_HUB_TIMEOUT_S = 5.0


class LocalModel(NamedTuple):
    """A model in evaluation mode on its device, and its tokenizer."""

    model: Any  # Any, twice: the auto classes return whatever class the folder names
    tokenizer: Any


_Key = tuple[str, str, str]  # path, device, type
_kept: ContextVar[dict[_Key, LocalModel] | None] = ContextVar("kept", default=None)


@contextmanager
def one_model_kept() -> Iterator[None]:
    """Within, the last model that `load_local` loaded stays in memory, and is not loaded again while it is asked for.

    For jobs that use one model for several things one after another; a second model takes the place of the first.
    """
    token = _kept.set({})
    try:
        yield
    finally:
        _kept.reset(token)


def load_local(path: str, *, device: str | None = None, dtype: str | None = None) -> LocalModel:
    """The model of a folder or Hub id, on its device.

    Args:
        path: folder or Hub id that `AutoModelForCausalLM` loads.
        device: 'cpu', 'cuda', 'cuda:1', 'mps'; None takes a GPU if there is one.
        dtype: 'float32', 'bfloat16', ...; None is the model's own on a GPU and float32 on a CPU.

    Raises:
        MissingExtraError: torch or transformers is not installed.
        DataError: there is no such model, or it cannot be loaded.
    """
    try:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer
    except ImportError as error:
        raise MissingExtraError("train", needed_for="the transformers backend") from error
    if device is None:
        device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    dtype = dtype or ("float32" if device == "cpu" else "auto")
    kept = _kept.get()
    if kept is not None and (path, device, dtype) in kept:
        return kept[path, device, dtype]
    if kept is not None:
        kept.clear()  # first: two models may not fit
    unreachable = None if Path(path).is_dir() else unreachable_hub()
    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(path, local_files_only=unreachable is not None)
        model: Any = AutoModelForCausalLM.from_pretrained(path, dtype=dtype, local_files_only=unreachable is not None)
    except (OSError, ValueError) as error:
        if unreachable is not None:
            raise DataError(
                f"model {path}: no such folder, not among the downloaded models, and {unreachable} does not answer. "
                "Name the folder of a model, or download it where there is a network."
            ) from error
        reason = str(error).strip().split("\n")[0]
        raise DataError(f"model {path}: {reason} Name the folder or the Hub id of a model.") from error
    loaded = LocalModel(model.to(device).eval(), tokenizer)
    if kept is not None:
        kept[path, device, dtype] = loaded
    return loaded


def unreachable_hub() -> str | None:
    """The Hub's address if no connection to it can be made; None if one can.

    The Hub's own client tries five times for every file it looks for, 51 s in all, before it says so.
    """
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return None  # then it asks nobody
    try:
        with urllib.request.urlopen(urllib.request.Request(constants.ENDPOINT, method="HEAD"), timeout=_HUB_TIMEOUT_S):
            return None
    except urllib.error.HTTPError:
        return None  # it answers
    except urllib.error.URLError as error:
        # A certificate that this client does not know may be known to the Hub's.
        is_network = isinstance(error.reason, OSError) and not isinstance(error.reason, ssl.SSLError)
        return constants.ENDPOINT if is_network else None
    except TimeoutError:
        return constants.ENDPOINT
