"""What passes for a truth."""

import numpy as np
import pytest

from cnnkit.metrics.truth import indices, table, unknown


@pytest.mark.parametrize("kind", [np.int8, np.uint16, np.int64])
def test_whole_numbers_of_any_width_are_truths(kind: type) -> None:
    found = indices(np.array([0, 2, 1], kind), 3, 3)
    assert found.tolist() == [0, 2, 1] and found.dtype == np.int64


def test_the_caller_keeps_its_own_array() -> None:
    mine = np.array([0, 1])
    indices(mine, 2)[:] = 0
    assert mine.tolist() == [0, 1]


def test_unknown_classes_are_counted() -> None:
    assert unknown([-1, 0, -1]) == 2
    assert indices([-1], 0).tolist() == [-1]


@pytest.mark.parametrize("truth", [[True], [0.0], ["0"], [None], 0, [[0]], [1], [-2]], ids=repr)
def test_anything_else_is_refused(truth: object) -> None:
    with pytest.raises(ValueError, match=r"Expected .* Received: "):
        indices(truth, 1)  # type: ignore[arg-type]


def test_a_table_keeps_its_width() -> None:
    assert table(np.ones((1, 2), np.float16), "scores").dtype == np.float16
    assert table([[1, 2]], "scores").dtype == np.float64
    with pytest.raises(ValueError, match=r"Expected scores \(n, classes\)"):
        table([1.0], "scores")
