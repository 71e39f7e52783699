"""The README is run: every block of commands, from top to bottom, as a reader would; and its output is compared."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```sh\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
TWO_COMMANDS = "make demo\nmake test\n"
DATA = Path(os.environ.get("DATAGEN_TEST_DATA", ROOT.parent / "shared" / "data"))
CLONED = "grade-school-math/grade_school_math/data"  # where the README says GSM8K's files are
SERVERS = {
    "http://localhost:8000/v1": ("chat_server.py",),
    "http://localhost:8001/v1": ("judge_server.py",),
    "http://localhost:8002/v1": ("scripted_server.py", "--script", str(ROOT / "tests/servers/readme_script.json")),
}

HUB_TOKEN = "hf_" + "t" * 34

pytestmark = [
    pytest.mark.timeout(1500),
    pytest.mark.skipif(not (DATA / "gsm8k").is_dir(), reason="needs GSM8K's files in DATAGEN_TEST_DATA"),
]


@pytest.fixture(scope="module")
def servers(serve_script: Callable[..., str]) -> dict[str, str]:
    """The servers that the README speaks of, each a process on loopback: the README's address -> the real one."""
    hub = serve_script("hub_server.py", "--token", HUB_TOKEN, "--org", "team").removesuffix("/v1")
    return {"https://huggingface.co": hub} | {
        address: serve_script(script, *options) for address, (script, *options) in SERVERS.items()
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A reader's working folder: GSM8K's files are where the README says that a clone puts them."""
    made = tmp_path_factory.mktemp("readme")
    (made / CLONED).parent.mkdir(parents=True)
    (made / CLONED).symlink_to((DATA / "gsm8k").resolve())
    return made


def bash(block: str, cwd: Path, *, hub: str | None = None) -> str:
    """Standard output of a block that must succeed; `hub` stands for the Hub."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "DATAGEN_HOME": str(cwd / "home"), "COLUMNS": "100"}
    if hub is not None:
        environment |= {"HF_ENDPOINT": hub, "HF_TOKEN": HUB_TOKEN, "HF_HOME": str(cwd / "hf"), "HF_HUB_OFFLINE": "0"}
        environment["HF_HUB_DISABLE_XET"] = "1"  # the one upload that the server does not speak
    command = ["bash", "-euo", "pipefail", "-c", block]
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_the_two_commands_come_first() -> None:
    assert BLOCKS[0] == TWO_COMMANDS


def test_every_block_works_from_top_to_bottom(folder: Path, servers: dict[str, str]) -> None:
    """One test, because a block uses what the ones above it wrote. `make test` is what runs this."""
    printed = bash(f"make -C {ROOT} demo OUT={folder}/runs/demo", folder)
    for words in ("VFT", "RFT", "greedy %", "pass@8", "distinct paths selected", "s in all"):
        assert words in printed
    for label in ("VFT", "RFT"):  # other processors round otherwise, but the models learn: the base has 9 %
        accuracy = re.search(rf"^{label} +\d+ +([\d.]+) ", printed, re.MULTILINE)
        assert accuracy is not None, printed
        assert float(accuracy[1]) > 30, printed
    for block in BLOCKS[1:]:
        assert "make " not in block
        command = block
        for address, real in servers.items():
            command = command.replace(address, real)
        uses_hub = "datagen publish" in block or "load_dataset(" in block
        printed = bash(command, folder, hub=servers["https://huggingface.co"] if uses_hub else None)
        shown = re.search(re.escape(f"```sh\n{block}```") + r"\n\n```text\n(.*?)```", README, re.DOTALL)
        if shown is not None:
            assert without_layout(printed) == without_layout(shown[1])


def without_layout(text: str) -> list[str]:
    """Lines without trailing white space and empty lines."""
    return [line.rstrip() for line in text.splitlines() if line.strip()]


def test_every_command_is_in_the_table() -> None:
    from datagen.cli.main import COMMANDS

    for name in COMMANDS:
        assert f"| `datagen {name}" in README, name


def test_every_folder_of_the_tree_exists() -> None:
    tree = README.split("## The tree", 1)[1].split("```", 2)[1]
    folders = re.findall(r"^(\S+/)", tree, re.MULTILINE)
    assert len(folders) > 10
    for name in folders:
        assert (ROOT / name).is_dir(), name
