"""Catalog record + weights → `keras.Model`."""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import keras
import numpy as np
from keras.src.backend.common import global_state

from cnnkit.errors import WeightsError
from cnnkit.images.recipes import scaled
from cnnkit.nets.patternnet import PatternNet
from cnnkit.records import Recipe
from cnnkit.zoo.catalog import Network
from cnnkit.zoo.tensors import tensor_shapes

# What is not one of Keras's own.
_BUILDERS: dict[str, Callable[..., keras.Model]] = {"PatternNet": PatternNet}


def build(
    network: Network, weights: Path | None = None, *, top: bool = True, seed: int = 0
) -> keras.Model:
    """The network, flat, from scaled float32 (n, H, W, 3) to probabilities or a feature map.

    Without `weights` its values are random, a function of `seed` alone.
    Raises `WeightsError` where the file cannot be read or belongs to another network.
    """
    builder = _BUILDERS.get(network.builder) or getattr(keras.applications, network.builder)
    shape = (network.recipe.height, network.recipe.width, 3)
    with _settings_of_published_weights():
        if weights is None:
            keras.utils.set_random_seed(seed)
        model = builder(weights=None, include_top=top, input_shape=shape, **network.arguments)
    if weights is not None:
        # Far too large a file would fill the memory before it turned out not to fit.
        tensor_shapes(weights, most=8 * network.parameters + (1 << 20))
        _load(model, weights, network)
        if network.extra_stddev:
            _divide_by_root(model, network.extra_stddev)
    return model


def with_recipe(model: keras.Model, recipe: Recipe, layers: tuple[str, ...] = ("",)) -> keras.Model:
    """The same network eating uint8 RGB (n, H, W, 3): the recipe's scaling is in the graph.

    It answers with the outputs of `layers`, in a list if they are several; "" is the last layer.
    """
    with _settings_of_published_weights():
        outputs = [model.get_layer(name).output if name else model.output for name in layers]
        pixels = keras.Input((recipe.height, recipe.width, 3), dtype="uint8", name="pixels")
        values = scaled(keras.ops.cast(pixels, "float32"), recipe)
        answers = keras.Model(model.inputs, outputs)(values)
        return keras.Model(pixels, answers, name=model.name)


@contextmanager
def _settings_of_published_weights() -> Iterator[None]:
    """Channels last and float32, whatever keras.json or the calling program has set.

    Layers get the names that they have in a fresh process. The caller's random numbers and names
    go on afterwards as if nothing had happened.
    """
    drawn, drawn_by_numpy = random.getstate(), np.random.get_state()
    names = global_state.get_global_attribute("object_name_uids")
    global_state.set_global_attribute("object_name_uids", None)
    data_format, policy = keras.config.image_data_format(), keras.config.dtype_policy()
    keras.config.set_image_data_format("channels_last")
    keras.config.set_dtype_policy("float32")
    try:
        yield
    finally:
        random.setstate(drawn)
        np.random.set_state(drawn_by_numpy)
        global_state.set_global_attribute("object_name_uids", names)
        keras.config.set_image_data_format(data_format)
        keras.config.set_dtype_policy(policy)


def weight_shapes(model: keras.Model) -> list[tuple[int, ...]]:
    """The shapes of the model's weights: what a weight file for it holds."""
    return [tuple(map(int, variable.shape)) for variable in model.weights]


def _load(model: keras.Model, weights: Path, network: Network) -> None:
    try:
        model.load_weights(str(weights))
    except Exception as error:  # h5py and Keras raise a dozen kinds for one cause
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise WeightsError(
            f"The weights of {network.name} cannot be read from {weights} "
            f"({weights.stat().st_size:,} bytes): the file is damaged, or belongs to another "
            f"network ({reason})."
        ) from error


def _divide_by_root(model: keras.Model, stddev: tuple[float, float, float]) -> None:
    """Fold EfficientNet's second division into its Normalization layer.

    Keras adds a layer to the graph for it where it loads its own weights by name; the same
    function, with no extra layer, comes of a variance that is larger by `stddev`.
    """
    layer = next(each for each in model.layers if isinstance(each, keras.layers.Normalization))
    layer.adapt_variance.assign(layer.adapt_variance * keras.ops.convert_to_tensor(stddev))
    layer.finalize_state()
