"""The search for beta: which model is kept, and what an interruption costs."""

from functools import partial
from pathlib import Path

import pytest

from datagen.runs.beta_search import beta_search, betas
from datagen_schemas.errors import DataError


def test_the_papers_range_is_its_eleven_values() -> None:
    assert betas("0:0.5:0.05") == tuple(f"{i / 20:.2f}" for i in range(11))
    assert betas("-0.8:0.8:0.4") == ("-0.8", "-0.4", "0.0", "0.4", "0.8")  # as in Figure 2c


@pytest.mark.parametrize("text", ["0.1", "0:0.5:0", "0.5:0:0.1", "a:b:c", "0:1:0.001", "0:1:x"])
def test_no_range_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="range|needs"):
        betas(text)


class Trained:
    """Models that are files with their beta in them."""

    def __init__(self, accuracies: dict[str, float]) -> None:
        self.accuracies = accuracies
        self.trained: list[float] = []

    def train(self, beta: float, out: Path) -> None:
        self.trained.append(beta)
        out.mkdir(parents=True)
        (out / "model").write_text(str(beta))

    def accuracy(self, folder: Path) -> float:
        return self.accuracies[(folder / "model").read_text()]


def test_the_best_model_is_left_and_the_smaller_beta_wins_a_tie(tmp_path: Path) -> None:
    models = Trained({"0.0": 0.3, "0.1": 0.5, "0.2": 0.5})
    found = beta_search(("0", "0.1", "0.2"), train=models.train, accuracy=models.accuracy, out=tmp_path)
    assert found.best == "0.1"
    assert found.accuracy == {"0": 0.3, "0.1": 0.5, "0.2": 0.5}
    assert (tmp_path / "model").read_text() == "0.1"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["beta-search.json", "model"]


def test_an_interrupted_search_goes_on_after_what_it_measured(tmp_path: Path) -> None:
    models = Trained({"0.0": 0.6, "0.1": 0.5, "0.2": 0.7})

    def cut(folder: Path) -> float:
        if len(models.trained) == 2:
            raise KeyboardInterrupt
        return models.accuracy(folder)

    values = ("0", "0.1", "0.2")
    with pytest.raises(KeyboardInterrupt):
        beta_search(values, train=models.train, accuracy=cut, out=tmp_path)

    def train(beta: float, out: Path) -> None:
        if not out.exists():  # a trainer goes on in the folder that it began
            models.train(beta, out)

    found = beta_search(values, train=train, accuracy=models.accuracy, out=tmp_path)
    assert models.trained == [0.0, 0.1, 0.2]
    assert (found.best, (tmp_path / "model").read_text()) == ("0.2", "0.2")
    assert beta_search(values, train=train, accuracy=models.accuracy, out=tmp_path) == found
    assert len(models.trained) == 3


def test_a_search_over_other_values_is_not_mixed_in(tmp_path: Path) -> None:
    models = Trained({"0.0": 0.6, "0.1": 0.5})
    beta_search(("0", "0.1"), train=models.train, accuracy=models.accuracy, out=tmp_path)
    with pytest.raises(DataError, match=r"tried beta 0\.1"):
        beta_search(("0", "0.2"), train=models.train, accuracy=models.accuracy, out=tmp_path)


def test_a_search_of_something_else_is_not_mixed_in(tmp_path: Path) -> None:
    models = Trained({"0.0": 0.6, "0.1": 0.5})
    search = partial(beta_search, ("0", "0.1"), train=models.train, accuracy=models.accuracy, out=tmp_path)
    search(fingerprint="a")
    with pytest.raises(DataError, match="other data, settings, model or validation set"):
        search(fingerprint="b")
    assert search(fingerprint="a").best == "0"


def test_a_finished_search_is_extended_and_a_better_model_takes_the_place(tmp_path: Path) -> None:
    models = Trained({"0.0": 0.6, "0.1": 0.5, "0.2": 0.7})

    def train(beta: float, out: Path) -> None:
        models.train(beta, out)
        (out / "validation").mkdir()
        (out / "validation" / "data").write_text(str(beta))

    beta_search(("0", "0.1"), train=train, accuracy=models.accuracy, out=tmp_path)
    assert (tmp_path / "model").read_text() == "0.0"
    found = beta_search(("0", "0.1", "0.2"), train=train, accuracy=models.accuracy, out=tmp_path)
    assert (found.best, (tmp_path / "model").read_text()) == ("0.2", "0.2")
    assert (tmp_path / "validation" / "data").read_text() == "0.2"
