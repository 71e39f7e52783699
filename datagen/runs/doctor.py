"""The `doctor` job: what can work on this machine."""

import importlib.util
import os
import sqlite3
import sys
from typing import Any

from datagen.requests.store import default_store_path
from datagen.store.run_directory import versions

PACKAGES = (
    "datagen",
    "aiohttp",
    "datasets",
    "math-verify",
    "openai",
    "pyarrow",
    "rapidfuzz",
    "torch",
    "transformers",
    "peft",
    "accelerate",
    "vllm",
)
KEYS = ("OPENAI_API_KEY", "HF_TOKEN")


def examine() -> dict[str, Any]:  # Any: JSON
    """Packages with versions, backends and devices with what they lack, and which keys are set."""
    installed = versions(PACKAGES)
    return {
        "packages": {name: installed.get(name, "not installed") for name in ("python", *PACKAGES)},
        "backends": {
            "openai": "ready" if os.environ.get("OPENAI_API_KEY") else "ready for servers without a key",
            "transformers": _needs("train", "torch", "transformers"),
            "vllm": _needs("vllm", "vllm"),
        },
        "devices": _devices(),
        "keys": {name: "set" if os.environ.get(name) else "not set" for name in KEYS},
        "places": {
            "reply store": f"{default_store_path()} ({_size()})",
            "sqlite": sqlite3.sqlite_version,
            "python": sys.executable,
        },
    }


def _needs(extra: str, *modules: str) -> str:
    missing = [module for module in modules if importlib.util.find_spec(module) is None]
    return f"needs pip install 'datagen[{extra}]' ({', '.join(missing)})" if missing else "ready"


def _devices() -> dict[str, str]:
    found = {"cpu": f"{os.cpu_count()} cores"}
    if importlib.util.find_spec("torch") is None:
        return found | {"gpu": "unknown: torch is not installed"}
    import torch

    if not torch.cuda.is_available():
        return found | {"gpu": "mps" if torch.backends.mps.is_available() else "none that torch can use"}
    names = (torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count()))
    return found | {f"gpu {i}": name for i, name in enumerate(names)}


def _size() -> str:
    path = default_store_path()
    return f"{path.stat().st_size / 1e6:,.1f} MB" if path.exists() else "not there yet"
