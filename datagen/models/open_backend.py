"""A backend by its name on the command line, and what names it in reply keys and provenance."""

import hashlib
from pathlib import Path
from typing import Literal

from datagen.requests.endpoint import normalised_base_url
from datagen.requests.limits import Limits
from datagen.requests.request import Backend

BackendName = Literal["openai", "vllm", "transformers"]
DEFAULT_BASE_URL = "https://api.openai.com/v1"
# What makes a model folder answer as it does; logs, cards and checkpoints beside them do not.
_MODEL_FILES = ("*.safetensors", "*.bin", "config.json", "generation_config.json", "tokenizer*", "*.jinja", "*.model")


def endpoint_name(backend: BackendName, base_url: str | None) -> str:
    """What stands for the server in keys, provenance and the manifest."""
    return normalised_base_url(base_url or DEFAULT_BASE_URL) if backend == "openai" else backend


def model_name(backend: BackendName, model: str) -> str:
    """What stands for the model: its name, and for a local folder the hash of its weights too.

    A folder that was trained again is another model: without the hash, its replies of before would be taken for its
    own. Where the folder lies does not matter.
    """
    folder = Path(model)
    if backend == "openai" or not folder.is_dir():
        return model
    digest = hashlib.sha256()
    for file in sorted({file for pattern in _MODEL_FILES for file in folder.glob(pattern)}):
        digest.update(file.name.encode())
        with file.open("rb") as source:
            digest.update(hashlib.file_digest(source, "sha256").digest())
    return f"{folder.resolve().name}@{digest.hexdigest()[:16]}"


def open_backend(
    backend: BackendName,
    *,
    model: str,
    base_url: str | None,
    api_key: str | None,
    limits: Limits,
    samples_per_call: int | None,
) -> Backend:
    """Connect to a server, or load a model into this process.

    Raises:
        DatagenError: an extra is not installed, or the model cannot be loaded.
    """
    if backend == "openai":
        from datagen.models.openai_http import OpenAIHttp

        return OpenAIHttp(base_url or DEFAULT_BASE_URL, api_key=api_key, limits=limits, max_n=samples_per_call)
    if backend == "vllm":
        from datagen.models.vllm_engine import VllmEngine

        return VllmEngine(model)
    from datagen.models.transformers_local import TransformersLocal

    return TransformersLocal(model)
