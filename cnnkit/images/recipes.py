"""The recipe: its scaling of grey levels, and all of it in words."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnkit.images.geometry import PADDING, wanted_size
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


def in_words(recipe: Recipe) -> list[str]:
    """The recipe, step by step, in words that need no cnnkit."""
    size = f"{recipe.width} × {recipe.height}"
    width, height = wanted_size(replace(recipe, interpolation="bicubic")) or (0, 0)
    fitted = {
        "stretch": f"Resize it to {size} pixels, whatever its proportions.",
        "crop": f"Resize it, keeping its proportions, until it just covers {width} × {height} "
        f"pixels; cut {size} out of the centre.",
        "pad": f"Resize it, keeping its proportions, until it just fits into {size} pixels; put it "
        f"into the centre, on the colour {PADDING}.",
    }
    return [
        "Decode the file to RGB, 8 bits a channel, the first frame where there are several; turn "
        "it as its EXIF orientation says; lay what is transparent over white. (A JPEG may be "
        "decoded at a half, a quarter or an eighth of its size where twice the pixels remain that "
        "the next step asks for.)",
        f"{fitted[recipe.fit]} Interpolate {recipe.interpolation}, with antialiasing, as Pillow's "
        "Image.resize does.",
        "Hand the values over as they are, and scale nothing: the graph itself puts the channels "
        f"into the order {recipe.channels} and computes (value · {recipe.scale:g} − "
        f"{list(recipe.mean)}) / {list(recipe.std)}.",
    ]
