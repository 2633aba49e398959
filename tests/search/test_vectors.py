"""The matrix gives the same rows, however it is cut."""

import numpy as np
import pytest

from cnnkit.search.vectors import Block, Matrix
from tests.search.oracle import cut

ROWS = np.arange(60, dtype=np.float32).reshape(20, 3)


@pytest.mark.parametrize("places", [(), (5,), (1, 2, 3, 19), range(20)])
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_rows_are_found_in_any_block(places: tuple[int, ...], dtype: type) -> None:
    matrix = cut(ROWS.astype(dtype), *places)
    assert (matrix.rows, matrix.features) == (20, 3)
    wanted = [19, 0, 7, 7, 3]
    assert matrix.gather(wanted).dtype == np.float32
    np.testing.assert_array_equal(matrix.gather(wanted), ROWS[wanted])
    np.testing.assert_array_equal(matrix.vector(13), ROWS[13])
    np.testing.assert_allclose(matrix.norms(2, 17), np.linalg.norm(ROWS[2:17], axis=1), rtol=1e-6)
    for parts in (matrix.parts(4), matrix.joined(4)):
        joined = [(part.first, part.vectors) for part in parts]
        np.testing.assert_array_equal(np.concatenate([v for _, v in joined]), ROWS)
        assert [first for first, _ in joined] == np.cumsum([0, *(len(v) for _, v in joined)])[
            :-1
        ].tolist()
        assert max(len(v) for _, v in joined) <= 4
    some = np.concatenate([part.vectors for part in matrix.parts(4, 3, 11)])
    np.testing.assert_array_equal(some, ROWS[3:11])


def test_small_blocks_are_put_together() -> None:
    assert len(list(cut(ROWS, *range(20)).joined(7))) == 3


def test_a_row_is_a_copy() -> None:
    held = ROWS.copy()
    matrix = Matrix.of(held)
    matrix.vector(0)[:] = 99
    matrix.gather([0, 1])[:] = 99
    np.testing.assert_array_equal(held, ROWS)


def test_norms_that_are_known_are_not_computed() -> None:
    known = np.full(20, 7, np.float32)
    np.testing.assert_array_equal(Matrix.of(ROWS, known).norms(0, 20), known)


@pytest.mark.parametrize(
    "blocks, norms",
    [
        ([Block(1, ROWS)], None),
        ([Block(0, ROWS), Block(19, ROWS)], None),
        ([Block(0, ROWS), Block(20, ROWS[:, :2])], None),
        ([Block(0, ROWS.astype(np.float64))], None),  # type: ignore[arg-type]
        ([Block(0, ROWS)], np.ones(19, np.float32)),
    ],
)
def test_blocks_that_do_not_fit(blocks: list[Block], norms: np.ndarray | None) -> None:
    with pytest.raises(ValueError, match="Expected"):
        Matrix(blocks, norms)
