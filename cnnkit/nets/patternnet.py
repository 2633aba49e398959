"""patternnet: a small plain network for textures and shapes, trained on drawn pictures alone.

Six 3x3 convolutions with batch normalisation and ReLU, stride 16 in all. The embedding is the
mean and the standard deviation over the picture of *every* layer's output, so that fine texture
(early layers) and form (late layers) both count; a batch normalisation without scale or shift
puts all of them on one footing, which a cosine needs.

Pixels: RGB in [-1, 1], that is x / 127.5 - 1 outside of the model. Any input of at least 32
pixels will do; 112 is what it was trained on.
"""

from pathlib import Path

import keras
from keras import layers, ops

from cnnkit.images.drawn import CLASSES

# Filters and stride of each convolution.
STAGES: tuple[tuple[int, int], ...] = ((24, 2), (48, 2), (64, 1), (96, 2), (128, 2), (192, 1))
EMBEDDING_WIDTH: int = 2 * sum(filters for filters, _ in STAGES)


def _mean_and_deviation(x: keras.KerasTensor, name: str) -> list[keras.KerasTensor]:
    """Return the mean and standard deviation over the picture of (N, H, W, C), each (N, C)."""
    mean = layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_mean")(x)
    # Centred before it is squared: E[x^2] - E[x]^2 would cancel in a runtime's half precision.
    off = layers.Subtract(name=f"{name}_off")([x, mean])
    square = layers.Multiply(name=f"{name}_square")([off, off])
    variance = layers.GlobalAveragePooling2D(name=f"{name}_variance")(square)
    return [layers.Flatten(name=f"{name}_flat")(mean), ops.sqrt(variance + 1e-4)]


def PatternNet(  # noqa: N802 - named as the builders of keras.applications are
    include_top: bool = True,
    weights: str | Path | None = None,
    input_shape: tuple[int | None, int | None, int] = (112, 112, 3),
    classes: int = len(CLASSES),
    classifier_activation: str | None = "softmax",
) -> keras.Model:
    """Build patternnet.

    Args:
        include_top: end in class scores; else in the layer ``embedding``, (N, 1104).
        weights: a weight file's path, or None for random values.
        input_shape: (height, width, 3); None for a side that may vary.
        classes: number of class scores.
        classifier_activation: activation of the class scores, None for logits.

    Returns:
        a flat functional model of standard layers.
    """
    image = layers.Input(input_shape, name="image")
    x, pooled = image, []
    for number, (filters, stride) in enumerate(STAGES, start=1):
        name = f"conv{number}"
        x = layers.Conv2D(
            filters, 3, stride, padding="same", use_bias=False, name=name,
            kernel_initializer="he_normal",
        )(x)  # fmt: skip
        x = layers.BatchNormalization(momentum=0.97, name=f"{name}_bn")(x)
        x = layers.ReLU(name=f"{name}_relu")(x)
        pooled += _mean_and_deviation(x, name)
    x = layers.Concatenate(name="pooled")(pooled)
    x = layers.BatchNormalization(center=False, scale=False, momentum=0.97, name="embedding")(x)
    if include_top:
        x = layers.Dense(classes, activation=classifier_activation, name="predictions")(x)
    model = keras.Model(image, x, name="patternnet")
    if weights is not None:
        model.load_weights(weights)
    return model
