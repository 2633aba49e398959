"""Products of rows and queries that may be wrong, but no more than they say."""

from typing import Protocol

import numpy as np

from cnnkit.search.vectors import Floats

# Half a unit in the last place of 1, in float32.
ROUNDING = 2.0**-24


class Product(Protocol):
    """A matrix product with a promise on its error; a faster one may be handed to a search.

    It is called from one thread at a time.
    """

    def __call__(self, left: Floats, right: Floats) -> tuple[Floats, float]:
        """Multiply left (n, D) by right (Q, D): P (n, Q) and ε.

        |P_ij − l_i·r_j| ≤ ε‖l_i‖‖r_j‖. P is written into afterwards, and may be used again by the
        next call. Nothing needs to hold for vectors that are not finite, or whose length is neither
        0 nor in 1e-15…1e15.
        """


def summing_error(features: int) -> float:
    """ε of a scalar product in float32, whatever the order of the sum.

    γ = Du / (1 − Du) for D features (Higham 2002, "Accuracy and Stability of Numerical
    Algorithms", section 3.1), with |x|·|q| ≤ ‖x‖‖q‖; infinite where that says nothing.
    """
    total = (features + 2) * ROUNDING
    return total / (1 - total) if total < 0.5 else float("inf")


class Float32Product:
    """The product as numpy's library computes it."""

    def __init__(self) -> None:
        """Have no memory for a result yet."""
        self._out = np.empty(0, np.float32)

    def __call__(self, left: Floats, right: Floats) -> tuple[Floats, float]:
        """See `Product`."""
        size = len(left) * len(right)
        if self._out.size < size:
            self._out = np.empty(size, np.float32)
        out = self._out[:size].reshape(len(left), len(right))
        with np.errstate(all="ignore"):  # rows that are not finite are looked at by themselves
            np.matmul(left, right.T, out=out)
        return out, summing_error(left.shape[1])
