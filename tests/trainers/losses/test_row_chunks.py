import itertools

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen_trainers.losses.row_chunks import by_sequence, row_chunks

OWN = "a_users:loss"


@given(data=st.data())
@settings(deadline=None, max_examples=40)
def test_chunks_hold_each_row_once_and_sequences_that_fit_whole(data: st.DataObject) -> None:
    lengths = data.draw(st.lists(st.integers(0, 25), min_size=1, max_size=7))
    losses = [data.draw(st.sampled_from(["lovasz", "focal", OWN])) for _ in lengths[1:]]
    chunk_rows = data.draw(st.integers(1, 12))
    sequence = torch.tensor(
        data.draw(st.permutations([s - 1 for s, n in enumerate(lengths) for _ in range(n)])), dtype=torch.int64
    )
    chunks = row_chunks(by_sequence(sequence, n_sequences=len(losses)), losses=losses, chunk_rows=chunk_rows)
    assert sorted(itertools.chain.from_iterable(chunk.rows.tolist() for chunk in chunks)) == list(range(len(sequence)))
    seen: dict[int, list[int]] = {}
    for i, chunk in enumerate(chunks):
        names = sequence[chunk.rows].tolist()
        assert len(chunk.rows) <= chunk_rows or chunk.own is not None
        if chunk.own is not None:
            assert names == [chunk.own] * lengths[chunk.own + 1]
            continue
        for part in chunk.parts:
            assert names[part.rows] == [part.sequence] * (part.rows.stop - part.rows.start)
            where = (sequence == part.sequence).nonzero()[:, 0]
            assert chunk.rows[part.rows].tolist() == where[part.place].tolist()
            seen.setdefault(part.sequence, []).append(i)
            assert part.is_last == (part.place.stop == lengths[part.sequence + 1])
        assert all(s == -1 or losses[s] == "focal" for s in names[chunk.n_region :])
        assert chunk.is_complete or (len(chunk.parts) == 1 and chunk.n_region == len(names))
    for s, its in seen.items():
        assert its == list(range(its[0], its[0] + len(its)))
        assert len(its) == -(-lengths[s + 1] // chunk_rows)
