"""Keras's own ImageDataGenerator, loaded once, and pictures to compare on."""

import warnings
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cnnkit.images.augment import Augmentation, Drawn

BLOG = {
    "rotation_range": 40,
    "width_shift_range": 0.2,
    "height_shift_range": 0.2,
    "shear_range": 0.2,
    "zoom_range": 0.2,
    "horizontal_flip": True,
    "channel_shift_range": 9,
}
SIZES = ((224, 224), (150, 150), (375, 500), (97, 61), (33, 240))


def generator(augmentation: Augmentation) -> Any:
    with warnings.catch_warnings():
        # Keras still takes the function from scipy's old namespace.
        warnings.simplefilter("ignore")
        from keras.src.legacy.preprocessing.image import ImageDataGenerator
    return ImageDataGenerator(**asdict(augmentation))


def reference(pixels: NDArray, drawn: Drawn, augmentation: Augmentation) -> NDArray[np.float32]:
    """What ImageDataGenerator.apply_transform gives, float32 (H, W, 3)."""
    keras = generator(augmentation)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        out = keras.apply_transform(pixels.astype(np.float32), asdict(drawn))
    return np.asarray(out, np.float32)


def photographs(folder: Path, count: int) -> list[NDArray[np.uint8]]:
    """Real pictures at several sizes, square and not."""
    files = sorted(folder.glob("*.*"))[:count]
    return [
        np.asarray(Image.open(file).convert("RGB").resize(SIZES[i % len(SIZES)][::-1]))
        for i, file in enumerate(files)
    ]
