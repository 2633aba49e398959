"""Near rows of bits, against the definition."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from cnnkit.errors import UsageError
from cnnkit.search import fingerprints
from cnnkit.search.fingerprints import near

Bits = NDArray[np.uint64]


def defined(bits: Bits, most: int) -> set[tuple[int, int]]:
    """Bit by bit; of equal rows the first alone speaks to others."""
    flags = np.unpackbits(bits.view(np.uint8), axis=1).astype(int)
    rows = [tuple(row) for row in flags.tolist()]
    pairs = set()
    for late, row in enumerate(rows):
        if rows.index(row) < late:
            pairs.add((rows.index(row), late))
            continue
        for early in range(late):
            if rows.index(rows[early]) == early and (flags[early] != flags[late]).sum() <= most:
                pairs.add((early, late))
    return pairs


@given(
    rows=st.integers(0, 40),
    flips=st.integers(0, 256),
    most=st.sampled_from([0, 1, 30, 64, 128, 255, 256]),
    block=st.sampled_from([(1, 1), (3, 5), (16, 4096)]),
    seed=st.integers(0, 99),
)
def test_the_definition(
    rows: int, flips: int, most: int, block: tuple[int, int], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    flags = np.zeros((rows, 256), np.uint8)
    for row in flags:
        row[rng.permutation(256)[: rng.integers(0, flips + 1)]] = 1
    bits = np.packbits(flags, axis=1).view(np.uint64)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fingerprints, "_ROWS", block[0])
        patch.setattr(fingerprints, "_COLUMNS", block[1])
        found = near(bits, most)
    assert found.shape == (len(found), 2)
    assert found.dtype == np.int64
    assert found.tolist() == sorted(map(list, defined(bits, most)))


def test_all_bits_may_differ() -> None:
    bits = np.array([[0] * 4, [2**64 - 1] * 4], np.uint64)
    assert near(bits, 255).tolist() == []
    assert near(bits, 256).tolist() == [[0, 1]]


def test_many_copies_make_as_many_pairs_and_not_their_square() -> None:
    bits = np.zeros((100_000, 4), np.uint64)
    bits[77, 0] = 1
    found = near(bits, 1)
    assert len(found) == 99_999
    assert (found[:, 0] == 0).all()
    assert sorted(found[:, 1].tolist()) == list(range(1, 100_000))


@pytest.mark.parametrize(
    "bits", [np.zeros(4, np.uint64), np.zeros((2, 3), np.uint64), np.zeros((2, 4), np.int64)]
)
def test_bits_of_another_shape_or_kind(bits: Bits) -> None:
    with pytest.raises(UsageError, match="Expected bits of shape"):
        near(bits, 5)


@pytest.mark.parametrize("most", [-1, 257])
def test_more_bits_than_there_are(most: int) -> None:
    with pytest.raises(UsageError, match=f"from 0 to 256. Received: {most}"):
        near(np.zeros((2, 4), np.uint64), most)
