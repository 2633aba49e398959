"""The recipe's scaling: grey levels → what the network was trained on."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnkit.records import Recipe


def affine(recipe: Recipe) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The recipe as `value · factor + offset`, each float32 (3,) in the recipe's channel order."""
    std = np.asarray(recipe.std, np.float64)
    factor = recipe.scale / std
    offset = -np.asarray(recipe.mean, np.float64) / std
    return factor.astype(np.float32), offset.astype(np.float32)


def scaled(pixels: Any, recipe: Recipe) -> Any:
    """Apply the scaling to float RGB pixels (…, 3) from 0 to 255.

    Works alike on numpy arrays and inside a Keras graph, so that there is one rule for every
    engine. Returns a new array or tensor; never writes into `pixels`.
    """
    factor, offset = affine(recipe)
    if recipe.channels == "bgr":
        pixels = pixels[..., ::-1]
    return pixels * factor + offset
