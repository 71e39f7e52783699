import pytest

from datagen.parallel import ordered_map


def square(n: int) -> int:
    if n == 13:
        raise ValueError("thirteen")
    return n * n


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_results_come_in_the_inputs_order_whatever_the_number_of_workers(workers: int) -> None:
    assert list(ordered_map(square, range(13), workers=workers)) == [n * n for n in range(13)]


def test_an_error_in_a_worker_reaches_the_caller() -> None:
    with pytest.raises(ValueError, match="thirteen"):
        list(ordered_map(square, range(20), workers=2))
