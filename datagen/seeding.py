"""Random generators and seeds that do not depend on order, parallelism or resuming."""

import hashlib
import random


def rng_for(seed: int, *key: str) -> random.Random:
    """Generator that depends on the seed and the record, not on what ran before it."""
    return random.Random("\x1f".join((str(seed), *key)))


def seed_for(seed: int, *key: str) -> int:
    """Seed in [0, 2**31) for somebody else's generator; servers and torch take no more than that everywhere."""
    digest = hashlib.sha256("\x1f".join((str(seed), *key)).encode()).digest()
    return int.from_bytes(digest[:4], "big") & 0x7FFFFFFF
