"""What a user installs: the wheel, built here, in an environment of its own, run outside the repository.

Beside it stands what the wheel says that it needs, and nothing else: linked from this environment and not fetched once
more, at the versions that are installed here.
"""

import json
import os
import subprocess
import sys
import venv
from importlib.metadata import Distribution, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check"]


@pytest.fixture(scope="module")
def console_script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True, text=True)
    (wheel,) = folder.glob("*.whl")
    venv.create(folder / "venv", with_pip=False)
    python = folder / "venv" / "bin" / "python"
    install = [*PIP, "--python", str(python), "install", "--quiet", "--no-deps", "--no-index", str(wheel)]
    subprocess.run(install, check=True, capture_output=True, text=True)
    (packages,) = folder.glob("venv/lib/python*/site-packages")
    (installed,) = Distribution.discover(name="datagen", path=[str(packages)])
    for needed in all_needed(installed):
        files = needed.files or []
        for name in {file.parts[0] for file in files if file.parts[0] not in ("..", "__pycache__")}:
            if not (packages / name).exists():  # two may share a folder
                (packages / name).symlink_to(Path(str(needed.locate_file(name))))
    return folder / "venv" / "bin" / "datagen"


def all_needed(package: Distribution) -> list[Distribution]:
    """What pip would install with it, without an extra: its requirements, theirs, and so on."""
    found: dict[tuple[str, str], Distribution] = {}
    waiting = [(package, "")]
    while waiting:
        of, extra = waiting.pop()
        for requirement in map(Requirement, of.requires or []):
            if requirement.marker is not None and not requirement.marker.evaluate({"extra": extra}):
                continue
            needed = distribution(requirement.name)
            assert requirement.specifier.contains(needed.version, prereleases=True), requirement
            for key in ((canonicalize_name(requirement.name), asked) for asked in ("", *requirement.extras)):
                if key not in found:
                    found[key] = needed
                    waiting.append((needed, key[1]))
    return list({name: needed for (name, _), needed in found.items()}.values())


def run(script: Path, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "DATAGEN"))}
    return subprocess.run([script, *arguments], capture_output=True, text=True, check=False, cwd=cwd, env=environment)


def test_the_main_job_works_from_the_wheel(console_script: Path, tmp_path: Path) -> None:
    question = "Mia has 5 pens and buys 7. How many has she?"
    (tmp_path / "p.jsonl").write_text(json.dumps({"question": question, "answer": "5+7 = <<5+7=12>>12\n#### 12"}))
    (tmp_path / "r.jsonl").write_text(json.dumps({"question": question, "response": "7+5 = <<7+5=12>>12\n#### 12"}))
    arguments = ("rft", "--dataset", "p.jsonl", "--candidates", "r.jsonl", "--out", "o", "--json")
    result = run(console_script, *arguments, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    assert (found["correct"], found["distinct"], found["rows"]) == (1, 1, 2)
    ranking = ("rank", "--judge", "steps", "--dataset", "p.jsonl", "--candidates", "r.jsonl", "--out", "ranked")
    result = run(console_script, *ranking, "--json", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["groups"] == 1


def test_files_that_are_not_python_are_in_the_wheel(console_script: Path, tmp_path: Path) -> None:
    code = (
        "from importlib import resources as r; from datagen_prompts.template import load_prompt;"
        "print(len((r.files('datagen.review') / 'page.html').read_text()) > 1000);"
        "print(load_prompt('judge', fields=('question', 'reference', 'candidate')).id);"
        "from datagen.report.page import Across, page;"
        "text = page([], across=Across(None, None), rows='', sampled=[], seed=0, title='t');"
        "print(text.count('<script') == 2 and '<style>:root' in text)"
    )
    python = console_script.with_name("python")
    printed = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path).stdout
    assert printed.split() == ["True", "judge", "True"]


def test_a_missing_extra_is_one_line_that_names_it(console_script: Path, tmp_path: Path) -> None:
    for arguments in (
        ("train", "vft", "synthetic:5", "--model", "m", "--out", "o"),
        ("sample", "--dataset", "synthetic:5", "--backend", "transformers", "--model", "m", "--out", "o", "--quiet"),
    ):
        result = run(console_script, *arguments, cwd=tmp_path)
        assert result.returncode == 1, result.stderr
        assert result.stderr.strip().splitlines()[-1].endswith("pip install 'datagen[train]'")
        assert "Traceback" not in result.stderr


def test_nothing_stands_beside_the_wheel_that_it_does_not_need(console_script: Path) -> None:
    """Else the tests above could pass with a requirement that the wheel does not name."""
    names = ("pydantic", "pyarrow", "datasets", "torch", "transformers", "sklearn", "pytest", "hatchling", "pip")
    code = f"from importlib.util import find_spec; print(*(name for name in {names} if find_spec(name)))"
    python = console_script.with_name("python")
    printed = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.split() == ["pydantic", "pyarrow", "datasets"]
