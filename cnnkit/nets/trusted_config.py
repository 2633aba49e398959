"""Which configurations of a `.keras` file are built: those that name Keras's own parts alone.

`safe_mode=True` keeps Keras from running what a file brings along, and its way around has been
found more than once (CVE-2025-1550, CVE-2025-8747, CVE-2025-9906). So that nothing hangs on it,
each name in the file has to stand in a list here: what reads files, runs the code of others or
holds a function is in none.
"""

import json
from collections.abc import Iterator
from typing import Any

from keras.src import activations

# NASNet Large, the largest of keras.applications, has 1,041 layers, ten levels of JSON deep.
_MOST_LAYERS, _DEEPEST = 2000, 64
# What a Normalization computes while it is built: the mean of each pixel of a large picture.
_MOST_MEANS = 1 << 24
_MODELS = {
    ("keras", "Functional"),
    ("keras", "Sequential"),
    ("keras.models", "Functional"),
    ("keras.models", "Sequential"),
    ("keras.src.models.functional", "Functional"),
    ("keras.src.models.sequential", "Sequential"),
}
# fmt: off
_LAYERS = frozenset((
    "Activation", "ActivityRegularization", "Add", "AlphaDropout", "Average",
    "BatchNormalization", "CenterCrop", "Concatenate", "Conv1D", "Conv2D", "Conv2DTranspose",
    "Cropping2D", "Dense", "DepthwiseConv1D", "DepthwiseConv2D", "Dot", "Dropout", "ELU",
    "EinsumDense", "Flatten", "GaussianDropout", "GaussianNoise", "GroupNormalization",
    "Identity", "InputLayer", "LayerNormalization", "LeakyReLU", "Maximum", "Minimum",
    "MultiHeadAttention", "Multiply", "Normalization", "PReLU", "Permute", "RMSNormalization",
    "ReLU", "RepeatVector", "Rescaling", "Reshape", "Resizing", "SeparableConv1D",
    "SeparableConv2D", "Softmax", "SpatialDropout1D", "SpatialDropout2D", "Subtract",
    "UnitNormalization", "UpSampling2D", "ZeroPadding2D",
    "RandomBrightness", "RandomContrast", "RandomCrop", "RandomErasing", "RandomFlip",
    "RandomGrayscale", "RandomHue", "RandomRotation", "RandomSaturation", "RandomShear",
    "RandomTranslation", "RandomZoom",
    "AdaptiveAveragePooling1D", "AdaptiveAveragePooling2D", "AdaptiveMaxPooling1D",
    "AdaptiveMaxPooling2D", "AveragePooling1D", "AveragePooling2D", "GlobalAveragePooling1D",
    "GlobalAveragePooling2D", "GlobalMaxPooling1D", "GlobalMaxPooling2D", "MaxPooling1D",
    "MaxPooling2D",
))
# fmt: on
# Module → its operations that take no function; "" stands for all of them.
_OPERATIONS = {
    # Two layers that keras.applications keeps to itself.
    "keras.src.applications.convnext": {"LayerScale", "StochasticDepth"},
    "keras.src.ops.core": {"Cast", "SaturateCast", "Slice", "StopGradient", "Unstack"},
    "keras.src.ops.einops": {"Rearrange"},
    "keras.src.ops.image": {"Resize", "RGBToGrayscale", "PadImages", "CropImages"},
    "keras.src.ops.linalg": {"Norm"},
    "keras.src.ops.math": {"Logsumexp", "Rsqrt", "Erf", "TopK"},
    "keras.src.ops.nn": {""},
    "keras.src.ops.numpy": {""},
}
# Module → what lies there and holds neither layers nor functions.
_PARTS = {
    "keras": {"DTypePolicy", "FloatDTypePolicy"},
    "keras.dtype_policies": {"DTypePolicy", "FloatDTypePolicy"},
    "keras.random": {"SeedGenerator"},
    "keras.src.random.seed_generator": {"SeedGenerator"},
    "keras.initializers": {""},
    "keras.regularizers": {""},
    "keras.constraints": {""},
}
_ARRAYS = {"__numpy__", "__tensor__"}
_VALUES = {"__keras_tensor__", "__slice__", "__ellipsis__", "__bytes__", *_ARRAYS}
_TYPES = {
    *("bool", "bfloat16", "float16", "float32", "float64"),
    *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)),
}


def checked_config(text: bytes) -> str:
    """The configuration, JSON, as it may be built, with nothing in it on how to compile.

    Raises `ValueError`, whose message goes on after "it": that it contains what is in no list.
    """
    try:
        config = json.loads(text.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"has a config.json that is no JSON: {error}") from error
    for value, depth in _values(config):
        if depth > _DEEPEST:
            raise ValueError(f"has a config.json more than {_DEEPEST} levels deep")
        if isinstance(value, dict):
            # The optimizer and its like, at the top and in networks within the network.
            value.pop("compile_config", None)
    if not isinstance(config, dict) or _kind(config) not in _MODELS:
        raise ValueError(f"is no network, but {_told(config)}")
    layers = 0
    for value, _ in _values(config):
        if isinstance(value, dict):
            _check(value)
            layers += "inbound_nodes" in value
    if layers > _MOST_LAYERS:
        raise ValueError(f"has {layers:,} layers, more than {_MOST_LAYERS:,}")
    return json.dumps(config)


def _values(config: Any) -> Iterator[tuple[Any, int]]:
    """Each dict and list in the configuration, and its depth; a dict before what is in it."""
    waiting = [(config, 0)]
    while waiting:
        value, depth = waiting.pop()
        yield value, depth
        inner = value.values() if isinstance(value, dict) else value
        if isinstance(value, dict | list):
            waiting += [(each, depth + 1) for each in inner if isinstance(each, dict | list)]


def _kind(value: dict[str, Any]) -> tuple[Any, Any]:
    module, name = value.get("module"), value.get("class_name")
    return (module, name) if isinstance(module, str) and isinstance(name, str) else (None, None)


def _check(value: dict[str, Any]) -> None:
    """Raise `ValueError` unless what this names is in a list."""
    if "inbound_nodes" in value:
        _check_nodes(value)
    if "class_name" not in value:
        return
    name, config = value["class_name"], value.get("config")
    if isinstance(name, str) and name in _VALUES:
        _check_value(name, config)
    elif not _is_known(value):
        raise ValueError(f"contains {_told(value)}")
    elif not isinstance(config, dict):
        return
    elif _kind(value) in _MODELS:
        _check_model(value, config)
    elif name == "Normalization":
        _check_normalization(value, config)


def _is_known(value: dict[str, Any]) -> bool:
    module, name = _kind(value)
    config, registered = value.get("config"), value.get("registered_name")
    if name == "function":
        own = module in ("builtins", "keras.activations") and isinstance(config, str)
        return own and config in _ACTIVATIONS and registered in (None, config)
    if module is None or registered not in (None, name) or not isinstance(config, dict):
        return False
    if (module, name) in _MODELS or (module == "keras.layers" and name in _LAYERS):
        return True
    known = _OPERATIONS.get(module) or _PARTS.get(module) or set()
    # Names in small letters are functions.
    return name in known or ("" in known and name[:1].isupper())


_ACTIVATIONS = frozenset(each.__name__ for each in activations.ALL_OBJECTS)


def _check_value(name: str, config: Any) -> None:
    """A type may make numbers of any size: "S1000000000" has as many bytes for each."""
    if not isinstance(config, dict):
        raise ValueError(f"contains a {name} that holds nothing")
    if name in _ARRAYS and str(config.get("dtype")) not in _TYPES:
        raise ValueError(f"contains an array of {config.get('dtype')!r:.40}")


def _check_model(value: dict[str, Any], config: dict[str, Any]) -> None:
    layers = config.get("layers")
    if not isinstance(layers, list) or not all(
        isinstance(each, dict) and "class_name" in each for each in layers
    ):
        # Without a module, older ways of reading it would be tried.
        raise ValueError(f"contains {_told(value)} with something else than layers")
    if len(layers) > _MOST_LAYERS:
        raise ValueError(f"has {len(layers):,} layers, more than {_MOST_LAYERS:,}")


def _check_normalization(value: dict[str, Any], config: dict[str, Any]) -> None:
    """Of all layers, this one computes while it is built: a mean for every place along its axes."""
    axes = config.get("axis", -1)
    try:
        shape = value["build_config"]["input_shape"]
        means = 1
        for axis in [axes] if isinstance(axes, int) else axes or []:
            means *= abs(int(shape[axis]))
    except (TypeError, ValueError, IndexError, KeyError) as error:
        raise ValueError(f"contains {_told(value)} of no shape") from error
    if means > _MOST_MEANS:
        raise ValueError(f"contains {_told(value)} of {means:,} means, over {_MOST_MEANS:,}")


def _check_nodes(value: dict[str, Any]) -> None:
    """Each call of a layer has to take a tensor of the graph.

    Without one, Keras would not add it to the graph but run it, there and then.
    """
    nodes = value["inbound_nodes"]
    if not isinstance(nodes, list):
        raise ValueError(f"contains {_told(value)} that is called in an unknown way")
    for node in nodes:
        if not isinstance(node, dict) or set(node) != {"args", "kwargs"}:
            raise ValueError(f"contains {_told(value)} that is called in an unknown way")
        if not _takes_tensor(node, value):
            raise ValueError(f"contains {_told(value)} that computes at once, of constants")


def _takes_tensor(node: dict[str, Any], layer: dict[str, Any]) -> bool:
    waiting: list[Any] = [node["args"], node["kwargs"]]
    found = False
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict) and "class_name" in value:
            if str(value["class_name"]) not in _VALUES:
                raise ValueError(f"contains {_told(layer)} that is given {_told(value)}")
            found = found or value["class_name"] == "__keras_tensor__"
        elif isinstance(value, dict):
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
    return found


def _told(value: Any) -> str:
    """What a part is, in a few words: "a Lambda layer ('lambda_3')"."""
    if not isinstance(value, dict) or not isinstance(value.get("class_name"), str):
        return f"a {type(value).__name__} in the place of a layer"
    kind, config = value["class_name"], value.get("config")
    if kind == "__lambda__":
        return "a Python lambda"
    if kind == "function":
        return f"the function {value.get('module')!r:.60}, {config!r:.60}"
    named = value.get("name") or (config.get("name") if isinstance(config, dict) else None)
    name = f" ({named!r:.60})" if named else ""
    if value.get("module") == "keras.layers":
        return f"a {kind:.60} layer{name}"
    registered = value.get("registered_name")
    custom = f", registered as {registered!r:.60}" if registered not in (None, kind) else ""
    return f"{kind!r:.60} of {value.get('module')!r:.60}{custom}{name}"
