"""The arrows of the architecture, as a test."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ALLOWED = {
    "schemas/datagen_schemas": {"datagen_schemas"},
    "prompts/datagen_prompts": {"datagen_prompts", "datagen_schemas"},
    "trainers/datagen_trainers": {"datagen_trainers", "datagen_schemas"},
    "datagen": {"datagen", "datagen_prompts", "datagen_schemas"},
}
CLI = ROOT / "datagen" / "cli"
VAGUE = {"utils", "util", "helpers", "common", "misc", "base", "manager"}


def files_of(folder: str) -> list[Path]:
    files = sorted((ROOT / folder).rglob("*.py"))
    assert files, folder
    return files


def imports_of(file: Path) -> set[str]:
    """Dotted names of ours that a file imports, however deep inside a function."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in names if name.split(".")[0].startswith("datagen")}


def is_cli(file: Path) -> bool:
    """The CLI may import everything; `python -m datagen` is the CLI."""
    return file.is_relative_to(CLI) or file.name == "__main__.py"


@pytest.mark.parametrize("folder", ALLOWED)
def test_imports_point_one_way(folder: str) -> None:
    for file in files_of(folder):
        packages = {name.split(".")[0] for name in imports_of(file)}
        assert is_cli(file) or packages <= ALLOWED[folder], file


def test_nothing_imports_the_cli() -> None:
    for file in (f for folder in ALLOWED for f in files_of(folder)):
        assert is_cli(file) or not any(name.startswith("datagen.cli") for name in imports_of(file)), file


def test_file_names_say_what_is_inside() -> None:
    for file in (f for folder in ALLOWED for f in files_of(folder)):
        assert file.stem not in VAGUE, file
