"""Backbone + head → a classifier that takes pixels, flat from end to end.

Flat means that every layer stands in one graph, under the name that it has in its network: layers
can be frozen, cut at, and looked into by name, whoever opens the file.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import keras
import numpy as np
from keras import layers
from keras.src.ops.numpy import Flip
from numpy.typing import NDArray

from cnnkit.errors import OutputError
from cnnkit.images.recipes import affine
from cnnkit.nets.build import build
from cnnkit.records import Recipe
from cnnkit.zoo.catalog import Network

Scaling = Callable[[keras.KerasTensor], keras.KerasTensor]
HEADS = ("linear", "mlp")
LOGITS = "logits"
# The hidden layer and the dropout of the Keras blog's bottleneck classifier ("Building powerful
# image classification models using very little data", 2016).
_HIDDEN, _DROPOUT = 256, 0.5
# A feature that hardly varies says nothing, and would say it loudly once divided by its deviation.
_LEAST_DEVIATION = 1e-2


def head(
    kind: Literal["linear", "mlp"],
    features: int,
    classes: int,
    *,
    mean: NDArray[np.float32] | None = None,
    variance: NDArray[np.float32] | None = None,
    seed: int = 0,
) -> keras.Model:
    """A classifier of embeddings, float32 (n, features) → logits (n, classes).

    With `mean` and `variance`, each (features,), of the training pictures, its first layer
    standardises. `linear` is one dense layer; `mlp` has a hidden one before it, with dropout.
    """
    embedding = keras.Input((features,), name="embedding_input")
    x = embedding
    if mean is not None and variance is not None:
        deviation = np.sqrt(variance)
        floor = _LEAST_DEVIATION * float(deviation.mean()) or 1.0
        spread = np.maximum(deviation, floor)
        x = layers.Normalization(mean=mean, variance=spread**2, name="standardise")(x)
    if kind == "mlp":
        first = keras.initializers.GlorotUniform(seed)
        x = layers.Dense(_HIDDEN, "relu", kernel_initializer=first, name="hidden")(x)
        x = layers.Dropout(_DROPOUT, seed=seed, name="dropout")(x)
    # Zeros: the first answer is "all classes alike", and the first step is the same for all seeds.
    initial = "zeros" if kind == "linear" else keras.initializers.GlorotUniform(seed + 1)
    x = layers.Dense(classes, kernel_initializer=initial, name=LOGITS)(x)
    return keras.Model(embedding, x, name="head")


def backbone(network: Network, weights: Path | None, *, top: bool, seed: int = 0) -> keras.Model:
    """The network up to its embedding: scaled float32 (n, H, W, 3) → (n, features).

    `top` is whether the weights are those with the classifier; without `weights` they are random.
    """
    if not top:
        return build(network, weights, top=False, pooling="avg", seed=seed)
    model = build(network, weights, seed=seed)
    embedding = model.get_layer(network.embedding).output
    if len(embedding.shape) > 2:  # MobileNet's pooling keeps the axes that it averages over
        embedding = layers.Flatten(name="embedding_row")(embedding)
    return keras.Model(model.input, embedding, name=model.name)


def classifier(
    trunk: keras.Model,
    recipe: Recipe,
    top: keras.Model | None = None,
    scaling: Scaling | None = None,
) -> keras.Model:
    """float32 RGB pixels (n, H, W, 3) from 0 to 255 → what `top` answers: the recipe is inside.

    Without `top` that is what `trunk` answers. Its layers are copies of those of `trunk` and `top`.
    `scaling` takes the place of the recipe's.
    """
    pixels = keras.Input((recipe.height, recipe.width, 3), name="pixels")
    scaled = _scaled(pixels, recipe) if scaling is None else scaling(pixels)
    answers = _through(trunk, scaled)
    if top is not None:
        answers = _through(top, answers)
    return flat(keras.Model(pixels, answers, name=trunk.name))


def _through(model: keras.Model, tensor: keras.KerasTensor) -> keras.KerasTensor:
    """What the model's layers make of a tensor; to call the model would nest it in the graph."""
    outputs = model._run_through_graph([tensor], operation_fn=lambda operation: operation)
    return keras.tree.flatten(outputs)[0]


def _scaled(pixels: keras.KerasTensor, recipe: Recipe) -> keras.KerasTensor:
    """`images.recipes.scaled` by layers that have names: those of mere operations may clash."""
    factor, offset = affine(recipe)
    if recipe.channels == "bgr":
        pixels = Flip(axis=-1, name="recipe_channels")(pixels)
    return layers.Rescaling(factor.tolist(), offset.tolist(), name="recipe_scaling")(pixels)


def flat(model: keras.Model) -> keras.Model:
    """A copy in which every layer is used once, and so has one output."""
    copy = keras.Model.from_config(model.get_config())
    copy.set_weights(model.get_weights())
    return copy


def with_probabilities(model: keras.Model, temperature: float) -> keras.Model:
    """Logits → softmax(logits / temperature) (Guo et al. 2017, section 4.2): what is deployed."""
    cooled = layers.Rescaling(1.0 / temperature, name="temperature")(model.output)
    answers = layers.Softmax(name="probabilities")(cooled)
    return keras.Model(model.input, answers, name=model.name)


def save(model: keras.Model, path: Path) -> None:
    """Write it as a `.keras` file, whole or not at all. Raises `OutputError`."""
    part = path.with_name(f".part-{path.name}")
    try:
        model.save(part)
        part.replace(path)
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror or error}.") from error
    finally:
        part.unlink(missing_ok=True)
