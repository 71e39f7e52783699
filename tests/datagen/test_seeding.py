import subprocess
import sys

from datagen.seeding import rng_for, seed_for


def test_generator_is_the_same_in_another_process() -> None:
    code = "from datagen.seeding import rng_for, seed_for; print(rng_for(7, 'a').random(), seed_for(7, 'a'))"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert (float(printed[0]), int(printed[1])) == (rng_for(7, "a").random(), seed_for(7, "a"))


def test_keys_are_kept_apart() -> None:
    assert rng_for(7, "a", "b").random() != rng_for(7, "ab").random()
    assert seed_for(7, "a", "b") != seed_for(7, "ab")


def test_seeds_fit_where_servers_and_torch_take_them() -> None:
    assert all(0 <= seed_for(i, "x") < 2**31 for i in range(1000))
