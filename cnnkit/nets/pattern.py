"""Pattern → `keras.Model`: what `cnnkit.zoo.patterns` has read and counted, built."""

import keras

from cnnkit.zoo import patterns
from cnnkit.zoo.patterns import Layer

# Nothing here hangs on what keras.json or the calling program has set.
_FLOAT = {"dtype": "float32"}
_LAST = {**_FLOAT, "data_format": "channels_last"}


def build_pattern(
    text: str,
    *,
    height: int,
    width: int,
    classes: int,
    activation: str | None = None,
    seed: int = 0,
) -> keras.Model:
    """The network of a pattern, flat, from scaled float32 (n, H, W, 3) to (n, classes).

    Args:
        text: the pattern, in the grammar of `cnnkit.zoo.patterns`.
        height: H in pixels, unless INPUT fixes it; so is `width`.
        width: W in pixels.
        classes: number of scores.
        activation: None for logits, "softmax" for probabilities.
        seed: of the first values (He et al. 2015 before each nonlinearity, Glorot and Bengio 2010
            in the last layer) and of the dropout; nothing else has a say in them.

    Raises:
        UsageError: for a pattern that is none, or cannot take such pictures. Nothing is built then.
    """
    first, *rest = patterns.layers(text, height, width, classes)
    picture = tensor = keras.Input(first.shape, name=first.name, dtype="float32")
    for number, layer in enumerate(rest):
        final = layer is rest[-1]
        tensor = _made(layer, 1000 * seed + number, activation if final else None, final)(tensor)
    return keras.Model(picture, tensor, name="pattern")


def _made(layer: Layer, seed: int, activation: str | None, final: bool) -> keras.layers.Layer:
    if layer.name == patterns.FLATTEN:
        return keras.layers.Flatten(name=layer.name, **_LAST)
    step, name = layer.step, layer.name
    if step.kind == "fc":
        first = keras.initializers.GlorotUniform if final else keras.initializers.HeNormal
        return keras.layers.Dense(
            layer.shape[0], activation, kernel_initializer=first(seed=seed), name=name, **_FLOAT
        )
    if step.kind == "conv":
        return keras.layers.Conv2D(
            step.units, step.size, step.stride, padding="valid" if step.valid else "same",
            kernel_initializer=keras.initializers.HeNormal(seed=seed), name=name, **_LAST,
        )  # fmt: skip
    if step.kind == "relu":
        return keras.layers.ReLU(name=name, **_FLOAT)
    if step.kind == "bn":
        return keras.layers.BatchNormalization(name=name, **_FLOAT)
    if step.kind == "gap":
        return keras.layers.GlobalAveragePooling2D(name=name, **_LAST)
    if step.kind == "drop":
        return keras.layers.Dropout(step.rate, seed=seed, name=name, **_FLOAT)
    kinds = {"pool": keras.layers.MaxPooling2D, "avgpool": keras.layers.AveragePooling2D}
    return kinds[step.kind](step.size, step.stride, name=name, **_LAST)
