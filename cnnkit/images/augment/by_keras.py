"""The reference: the same transform, computed by ImageDataGenerator itself."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnkit.images.augment.draw import Drawn
from cnnkit.images.augment.parameters import Augmentation

Transform = Callable[[NDArray[np.uint8], Drawn, Augmentation], NDArray[np.uint8]]


def open_keras() -> Transform:
    """Load TensorFlow, and answer with what does as `transform.transformed` does, by Keras.

    `ImageDataGenerator.apply_transform` on float32, rounded once to whole grey levels. Whole
    levels differ from those of `transformed` by at most one, and only where rounding decides.
    """
    import tensorflow as tf

    # Keras still takes scipy's function from a namespace that scipy has given up.
    warnings.filterwarnings("ignore", category=DeprecationWarning, module=r"keras\.")
    generator: Any = tf.keras.preprocessing.image.ImageDataGenerator

    def transform(
        pixels: NDArray[np.uint8], drawn: Drawn, augmentation: Augmentation
    ) -> NDArray[np.uint8]:
        keras = generator(**asdict(augmentation))
        values = keras.apply_transform(pixels.astype(np.float32), drawn.parameters())
        return np.asarray(np.rint(np.clip(values, 0.0, 255.0)), np.uint8)

    return transform
