"""Standardisation of training tensors as layers, so that a network that was trained has it inside.

The numbers are those of `images.augment.standardise`.
"""

import keras
from keras import layers
from keras.src.ops.numpy import Mean

from cnnkit.images.augment.standardise import LEAST_DEVIATION, Standardisation, Statistics


def standardised(
    pixels: keras.KerasTensor, wanted: Standardisation, known: Statistics | None
) -> keras.KerasTensor:
    """float32 (n, H, W, 3) from 0 to 255 → what the network's first layer is given."""
    values = pixels
    if wanted.rescale is not None:
        values = layers.Rescaling(wanted.rescale, name="rescale")(values)
    if wanted.samplewise_std_normalization:
        values = layers.LayerNormalization(
            axis=(1, 2, 3), epsilon=LEAST_DEVIATION**2, center=False, scale=False,
            name="samplewise_std_normalization",
        )(values)  # fmt: skip
    elif wanted.samplewise_center:
        mean = Mean(axis=(1, 2, 3), keepdims=True, name="samplewise_mean")(values)
        values = layers.Subtract(name="samplewise_center")([values, mean])
    if known is None:
        return values
    values = layers.Normalization(
        mean=known.mean, variance=known.deviation**2, name="featurewise_normalization"
    )(values)
    if known.whitening is None:
        return values
    shape, size = values.shape[1:], len(known.whitening)
    rows = layers.Reshape((size,), name="zca_rows")(values)
    matrix = layers.Dense(
        size, use_bias=False, kernel_initializer="zeros", trainable=False, name="zca_whitening"
    )
    rows = matrix(rows)
    matrix.set_weights([known.whitening])
    return layers.Reshape(shape, name="zca_pictures")(rows)
