"""Pictures → rows of numbers: patternnet's embedding, and what it is compared with."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cnnkit.images.drawn import CLASSES, draw
from cnnkit.zoo import weights as store
from cnnkit.zoo.catalog import find
from tests.conftest import DATA

SHIPPED = store.path_of(find("patternnet").top)
Array = NDArray[np.float32]
Feature = Callable[[list[Image.Image]], Array]


def stack(pictures: list[Image.Image], size: int) -> Array:
    """Return pictures stretched to a square, float32 (N, size, size, 3) in [-1, 1]."""
    small = [p.resize((size, size), Image.Resampling.BILINEAR) for p in pictures]
    return np.stack([np.asarray(p, np.float32) for p in small]) / 127.5 - 1.0


def network_feature(model: Any, size: int) -> Feature:
    """Return a feature: the output of a network that takes pixels in [-1, 1]."""

    def feature(pictures: list[Image.Image]) -> Array:
        parts = [
            np.asarray(model.predict_on_batch(stack(pictures[k : k + 50], size)))
            for k in range(0, len(pictures), 50)
        ]
        return np.concatenate(parts)

    return feature


def trained(weights: Path = SHIPPED) -> Feature:
    """Return patternnet's embedding."""
    from cnnkit.nets.patternnet import PatternNet

    return network_feature(PatternNet(include_top=False, weights=weights), 112)


def untrained(seed: int) -> Feature:
    """Return the embedding of patternnet with random weights and calibrated BatchNorm.

    Calibrated means that the moving statistics are those of drawn pictures, as training would
    leave them: else the random network is handicapped for no reason.
    """
    import keras

    from cnnkit.nets.patternnet import PatternNet

    keras.utils.set_random_seed(seed)
    model = PatternNet(include_top=False)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.8
    for k in range(30):
        batch = [draw(name, 550_000 + seed, k, 112, 1.0) for name in CLASSES]
        model(np.stack(batch).astype(np.float32) / 127.5 - 1.0, training=True)
    return network_feature(model, 112)


def mobilenet() -> Feature | None:
    """Return MobileNet 0.25's pooled feature (ImageNet weights), or None where it is not here."""
    if not (DATA / "keras_home").is_dir():
        return None
    import keras

    model = keras.applications.MobileNet(
        alpha=0.25, include_top=False, pooling="avg", input_shape=(224, 224, 3)
    )
    return network_feature(model, 224)


def raw_pixels(pictures: list[Image.Image]) -> Array:
    """Return 32 x 32 pixels, (N, 3072)."""
    return stack(pictures, 32).reshape(len(pictures), -1)


def colour_histogram(pictures: list[Image.Image]) -> Array:
    """Return the square roots of a joint histogram of 8 x 8 x 8 colours, (N, 512)."""
    rows = []
    for picture in pictures:
        bins = np.asarray(picture.resize((112, 112), Image.Resampling.BILINEAR)) // 32
        flat = bins.reshape(-1, 3) @ np.array([64, 8, 1])
        rows.append(np.sqrt(np.bincount(flat, minlength=512) / len(flat)))
    return np.array(rows, np.float32)


def phash(pictures: list[Image.Image]) -> Array:
    """Return 64-bit perceptual hashes as +-1, (N, 64): their product is 64 - 2 x Hamming."""
    from scipy.fft import dctn

    rows = []
    for picture in pictures:
        grey = np.asarray(picture.convert("L").resize((32, 32), Image.Resampling.LANCZOS), float)
        low = dctn(grey)[:8, :8].ravel()
        rows.append(np.where(low > np.median(low), 1.0, -1.0))
    return np.array(rows, np.float32)
