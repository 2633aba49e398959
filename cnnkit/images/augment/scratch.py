"""Memory that a thread computes transforms in, picture after picture."""

import math
import threading

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Values = NDArray[np.float32]
Places = NDArray[np.float64]

# Output pixels a side that are computed together. Counted from the corner of what a piece needs,
# places keep their precision in float32 however large the picture is, and little memory is taken.
TILE = 256


class _Scratch(threading.local):
    """What a thread computes places in, tile after tile: new memory takes longer than the sums."""

    def __init__(self) -> None:
        self._places = np.empty((3, TILE * TILE), np.float64)
        self._maps = np.empty((2, TILE * TILE), np.float32)
        self._picture = np.empty(0, np.float32)
        self._result = np.empty(0, np.float32)

    def places(self, shape: tuple[int, ...]) -> Places:
        """Three arrays of this shape, float64."""
        return self._places[:, : math.prod(shape)].reshape(3, *shape)

    def maps(self, shape: tuple[int, ...]) -> Values:
        """Two arrays of this shape, float32."""
        return self._maps[:, : math.prod(shape)].reshape(2, *shape)

    def picture(self, pixels: Pixels) -> Values:
        """The picture in float32."""
        if self._picture.size < pixels.size:
            self._picture = np.empty(pixels.size, np.float32)
        values = self._picture[: pixels.size].reshape(pixels.shape)
        values[:] = pixels
        return values

    def result(self, shape: tuple[int, ...]) -> Values:
        """An array of this shape, float32."""
        size = math.prod(shape)
        if self._result.size < size:
            self._result = np.empty(size, np.float32)
        return self._result[:size].reshape(shape)


scratch = _Scratch()
