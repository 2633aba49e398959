"""Catalog record + weights → `keras.Model`."""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import keras
import numpy as np
from keras.src.backend.common import global_state

from cnnkit.errors import UnknownName, UsageError, WeightsError
from cnnkit.images.recipes import scaled
from cnnkit.nets.patternnet import PatternNet
from cnnkit.nets.trusted import check_classifier, load_model
from cnnkit.records import Recipe
from cnnkit.zoo.bundles import is_bundle
from cnnkit.zoo.catalog import FEATURE_MAP, Network
from cnnkit.zoo.tensors import tensor_shapes

# What is not one of Keras's own.
_BUILDERS: dict[str, Callable[..., keras.Model]] = {"PatternNet": PatternNet}
# Model → the layer of its last feature map, where several maps are pooled.
_LAST_OF_SEVERAL = {"patternnet": "conv6_relu"}


def build(
    network: Network,
    weights: Path | None = None,
    *,
    top: bool = True,
    pooling: str | None = None,
    seed: int = 0,
) -> keras.Model:
    """The network, flat, from scaled float32 (n, H, W, 3) to probabilities or a feature map.

    `pooling`, "avg" or "max", is what Keras does with that map at the end of a network of its own
    without `top`: (n, C). Without `weights` the values are random, a function of `seed` alone.
    Raises `WeightsError` where the file cannot be read or belongs to another network.
    """
    if is_bundle(network):
        return _trained(network, weights)
    builder = _BUILDERS.get(network.builder) or getattr(keras.applications, network.builder)
    shape = (network.recipe.height, network.recipe.width, 3)
    arguments = {**network.arguments, **({"pooling": pooling} if pooling and not top else {})}
    with _settings_of_published_weights():
        if weights is None:
            keras.utils.set_random_seed(seed)
        model = builder(weights=None, include_top=top, input_shape=shape, **arguments)
    if weights is not None:
        # Far too large a file would fill the memory before it turned out not to fit.
        tensor_shapes(weights, most=8 * network.parameters + (1 << 20))
        _load(model, weights, network)
        if network.extra_stddev:
            _divide_by_root(model, network.extra_stddev)
    return model


def _trained(network: Network, model: Path | None) -> keras.Model:
    """What a training run wrote, which may come from anybody."""
    if model is None:
        raise WeightsError(f"{network.name} is a training run. Expected its {network.top.name}.")
    with _settings_of_published_weights():
        trained = load_model(model)
    check_classifier(trained, network.classes, network.recipe.height, network.recipe.width)
    return trained


def with_recipe(model: keras.Model, recipe: Recipe, layers: tuple[str, ...] = ("",)) -> keras.Model:
    """The same network eating uint8 RGB (n, H, W, 3): the recipe's scaling is in the graph.

    It answers with the outputs of `layers`, in a list if they are several; "" is the last layer
    and `FEATURE_MAP` the last feature map. Raises `UnknownName` for a layer that the network has
    not, and `UsageError` for one whose output is no tensor of floats.
    """
    with _settings_of_published_weights():
        outputs = [_output(model, name) for name in layers]
        pixels = keras.Input((recipe.height, recipe.width, 3), dtype="uint8", name="pixels")
        values = scaled(keras.ops.cast(pixels, "float32"), recipe)
        answers = keras.Model(model.inputs, outputs)(values)
        return keras.Model(pixels, answers, name=model.name)


def _output(model: keras.Model, name: str) -> keras.KerasTensor:
    if not name:
        return model.output
    if name == FEATURE_MAP:
        return _feature_map(model)
    known = {layer.name: layer for layer in model.layers}
    if name not in known:
        raise UnknownName("layer", name, known)
    output = known[name].output
    if not isinstance(output, keras.KerasTensor) or not keras.backend.is_float_dtype(output.dtype):
        kind = getattr(output, "dtype", type(output).__name__)
        raise UsageError(
            f"Expected a layer of {model.name} that answers with one tensor of floats. "
            f"Received: {name!r}, which answers with {kind}."
        )
    return output


def _feature_map(model: keras.Model) -> keras.KerasTensor:
    """What flows into the global pooling, or is flattened: (n, h, w, C), upstream of the output."""
    if model.name in _LAST_OF_SEVERAL:
        return model.get_layer(_LAST_OF_SEVERAL[model.name]).output
    tensor = model.output
    # A pooling may keep its axes, and a classifier of 1×1 convolutions work on them.
    while len(tensor.shape) != 4 or tensor.shape[1:3] == (1, 1):
        operation, node, _ = tensor._keras_history
        inputs = operation._inbound_nodes[node].input_tensors
        if not inputs:
            raise UsageError(f"{model.name} has no feature map. Expected the name of a layer.")
        tensor = inputs[0]
    return tensor


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
