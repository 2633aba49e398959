"""The true classes of pictures, checked once for all figures."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Indices = NDArray[np.int64]

# The truth of a picture whose class the model does not know.
UNKNOWN = -1


def unknown(truth: ArrayLike) -> int:
    """How many pictures are of a class that the model does not know."""
    return int(np.count_nonzero(np.asarray(truth) == UNKNOWN))


def indices(truth: ArrayLike, classes: int, rows: int | None = None) -> Indices:
    """The truths as int64 (n,), each in −1…classes − 1; n is `rows` where that is given.

    Raises `ValueError` for anything else.
    """
    array = np.asarray(truth)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
        raise ValueError(
            f"Expected whole numbers (n,) as truths. Received: {array.dtype} {array.shape}."
        )
    if rows is not None and len(array) != rows:
        raise ValueError(f"Expected {rows} truths, one per row. Received: {len(array)}.")
    if array.size and not UNKNOWN <= array.min() <= array.max() < classes:
        raise ValueError(
            f"Expected truths from {UNKNOWN} to {classes - 1}. "
            f"Received: {array.min()} to {array.max()}."
        )
    return array.astype(np.int64)


def table(values: ArrayLike, name: str) -> NDArray[np.floating]:
    """Values (n, classes) of one row per picture, as floats of their own width.

    Raises `ValueError` for another shape.
    """
    array = np.asarray(values)
    if array.ndim != 2:
        raise ValueError(f"Expected {name} (n, classes). Received: shape {array.shape}.")
    return array if array.dtype.kind == "f" else array.astype(np.float64)
