"""The configuration of a run, as its run.json has it: whose it is, and whether another one is the same."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from datagen_schemas.errors import StoreError

Json = Mapping[str, Any]  # Any: whatever JSON holds


def stored_config(marker: Path) -> dict[str, Any]:  # Any: JSON
    """The configuration in a run.json.

    Raises:
        StoreError: it is damaged, or none of ours.
    """
    found = read_object(marker, remedy=f"Choose another --out, or delete {marker.parent}; replies that came are kept.")
    if not isinstance(found.get("stage"), str) or not ("datagen" in found or "models" in found):
        raise StoreError(f"{marker} was not written by a run of datagen. Choose another --out.")
    return found


def read_object(file: Path, *, remedy: str) -> dict[str, Any]:  # Any: JSON
    """A file that holds one JSON object.

    Raises:
        StoreError: it does not, which `remedy` says what to do about.
    """
    try:
        found = orjson.loads(file.read_bytes())
    except orjson.JSONDecodeError as error:
        raise StoreError(f"{file} is damaged ({error}). {remedy}") from error
    if not isinstance(found, dict):
        raise StoreError(f"{file} is no JSON object. {remedy}")
    return found


def is_same(one: Json, other: Json) -> bool:
    """Whether two configurations decide the same output: the same file at another place is the same input."""
    return bool(_placeless(one) == _placeless(other))


def _placeless(config: Any) -> Any:  # Any: JSON
    """A configuration with the names of local files instead of their paths.

    What files hold is in their hashes. Their names stay: rows say the name of the file that they came from.
    """
    if isinstance(config, list):
        return [_placeless(of) for of in config]
    if not isinstance(config, dict):
        return config
    found = {name: _placeless(of) for name, of in config.items()}
    file = config if "sha256" in config else config.get("file")
    if isinstance(file, dict) and isinstance(path := file.get("path"), str):
        for name in ("path", "name"):
            if isinstance(of := config.get(name), str) and Path(of) == Path(path):
                found[name] = Path(of).name
    if isinstance(dataset := config.get("dataset"), dict) and isinstance(file := config.get("dataset_file"), dict):
        found["dataset"] = _placeless({**dataset, "file": file})
    return found
