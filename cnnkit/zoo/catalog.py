"""Every network by name: one frozen record with all that is known of it before it is built.

The facts per network stand in `keras_networks.py`; what a whole family shares stands here.
"""

import fnmatch
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from types import MappingProxyType

from cnnkit.errors import UnknownName
from cnnkit.records import Recipe
from cnnkit.zoo.keras_networks import ROWS, Row

DEFAULT_MODEL = "resnet50"
# What works with nothing but this package.
PACKAGED_MODEL = "patternnet"
# Stands for a network's last feature map among the names of layers. Keras allows no "/" in one.
FEATURE_MAP = "/feature map"
_KERAS = "https://storage.googleapis.com/tensorflow/keras-applications/"
_USUAL_TOP = "{name}_weights_tf_dim_ordering_tf_kernels.h5"
_USUAL_NO_TOP = "{name}_weights_tf_dim_ordering_tf_kernels_notop.h5"
# The mean pixel of ImageNet and its standard deviation, as the networks' authors state them.
_CAFFE_MEAN = (103.939, 116.779, 123.68)
_TORCH_MEAN, _TORCH_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True, slots=True)
class WeightFile:
    """A file that Keras publishes, that comes with this package, or that a training run wrote.

    `hash` is "" where none is published; `size` in bytes is an estimate where it is Keras's.
    `folder` is where a run's file lies, "" for the others.
    """

    name: str
    url: str
    hash: str
    size: int
    packaged: bool = False
    folder: str = ""

    @property
    def fetched(self) -> bool:
        """Whether it comes from the network, if it is not here."""
        return not (self.packaged or self.folder)


CLASS_INDEX = WeightFile(
    name="imagenet_class_index.json",
    url="https://storage.googleapis.com/download.tensorflow.org/data/imagenet_class_index.json",
    hash="c2c37ea517e94d9795004a39431a14cb",
    size=35_363,
)


@dataclass(frozen=True, slots=True)
class Network:
    """One network.

    `builder` and `arguments` call a function of keras.applications. `embedding` names the layer
    whose output, `features` numbers, describes a picture. `parameters` counts them with top.
    `labels` is the file that names its `classes`. `macs` are the multiplications that one picture
    takes in convolutions and dense layers, 0 where nobody has counted them.
    """

    name: str
    builder: str
    arguments: Mapping[str, float | bool]
    recipe: Recipe
    embedding: str
    features: int
    parameters: int
    top: WeightFile
    no_top: WeightFile
    labels: WeightFile
    classes: int = 1000
    macs: int = 0
    # EfficientNet v1's published weights want their input divided once more, by the root of this:
    # the graph that Keras builds for "imagenet" differs from the one that it builds for a file.
    extra_stddev: tuple[float, float, float] | None = None

    @property
    def pooled(self) -> bool:
        """Whether the embedding is the mean of the last feature map, and no weight comes after it.

        Then a file without top gives the same. VGG's embedding is a layer of its top, and what
        ConvNeXt normalises with after pooling was never put into its files without top: there it
        is ones and zeros (`convert.py` of sayakpaul/keras-convnext-conversion, which made them).
        """
        return self.embedding in ("avg_pool", _POOL)


@dataclass(frozen=True, slots=True)
class _Family:
    """What the networks of one family share. `{…}` in file names are filled from the row."""

    pattern: str
    folder: str
    pixels: str = "torch"
    embedding: str = "avg_pool"
    top: str = _USUAL_TOP
    no_top: str = _USUAL_NO_TOP
    url_top: str = ""
    url_no_top: str = ""
    base: str = _KERAS


# How pixels from 0 to 255 are scaled, by the names that Keras uses for it.
PIXELS: Mapping[str, Recipe] = MappingProxyType(
    {
        "caffe": Recipe(0, 0, channels="bgr", mean=_CAFFE_MEAN),
        "tf": Recipe(0, 0, scale=1 / 127.5, mean=(1.0, 1.0, 1.0)),
        "torch": Recipe(0, 0, scale=1 / 255, mean=_TORCH_MEAN, std=_TORCH_STD),
        "inside": Recipe(0, 0),  # the network's own first layers do it
    }
)

_POOL = "global_average_pooling2d"
_FAMILIES = (
    _Family(r"vgg1[69]", "{name}/", "caffe", "fc2"),
    _Family(r"resnet\d+", "resnet/", "caffe"),
    _Family(r"resnet\d+v2", "resnet/", "tf"),
    _Family(r"inceptionv3", "inception_v3/", "tf", top="inception_v3" + _USUAL_TOP[6:],
            no_top="inception_v3" + _USUAL_NO_TOP[6:]),
    _Family(r"inceptionresnetv2", "inception_resnet_v2/", "tf",
            top="inception_resnet_v2" + _USUAL_TOP[6:],
            no_top="inception_resnet_v2" + _USUAL_NO_TOP[6:]),
    _Family(r"xception", "xception/", "tf"),
    _Family(r"densenet\d+", "densenet/", "torch"),
    _Family(r"mobilenet_.*", "mobilenet/", "tf", _POOL, "mobilenet_{tenths}_224_tf.h5",
            "mobilenet_{tenths}_224_tf_no_top.h5"),
    _Family(r"mobilenetv2_.*", "mobilenet_v2/", "tf", _POOL,
            "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_{width}_224.h5",
            "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_{width}_224_no_top.h5"),
    _Family(r"mobilenetv3.*", "mobilenet_v3/", "inside", _POOL,
            "weights_mobilenet_v3_{kind}_224_{width}_float.h5",
            "weights_mobilenet_v3_{kind}_224_{width}_float_no_top_v2.h5"),
    _Family(r"nasnet.*", "nasnet/", "tf", _POOL, "nasnet_{kind}.h5", "nasnet_{kind}_no_top.h5",
            "NASNet-{kind}.h5", "NASNet-{kind}-no-top.h5"),
    _Family(r"efficientnetb\d", "", "inside", top="{name}.h5", no_top="{name}_notop.h5",
            base="https://storage.googleapis.com/keras-applications/"),
    _Family(r"efficientnetv2.*", "efficientnet_v2/", "inside", top="efficientnetv2-{kind}.h5",
            no_top="efficientnetv2-{kind}_notop.h5"),
    _Family(r"convnext.*", "convnext/", "inside", "convnext_{kind}_head_layernorm",
            "convnext_{kind}.h5", "convnext_{kind}_notop.h5"),
)  # fmt: skip


@cache
def catalog() -> Mapping[str, Network]:
    """Every network by its name, in the order in which they are listed."""
    networks = (_patternnet(), *map(_network, ROWS))
    return MappingProxyType({network.name: network for network in networks})


def find(name: str) -> Network:
    """The network called `name`; case, hyphens, a missing width of 1.0 or `v3` are forgiven.

    Raises `UnknownName` with the nearest names.
    """
    wanted = _plain(name)
    known = {_plain(known): network for known, network in catalog().items()}
    for spelling in (wanted, wanted + "1.0", wanted + "v3"):
        if spelling in known:
            return known[spelling]
    raise UnknownName("model", name, catalog(), "cnnkit models")


def matching(pattern: str = "*") -> list[Network]:
    """The networks whose names match a glob, in the catalog's order."""
    return [n for n in catalog().values() if fnmatch.fnmatchcase(n.name, pattern.lower())]


def weight_files() -> dict[str, tuple[Network, WeightFile]]:
    """Every file that Keras publishes, by its name."""
    files = ((network, file) for network in catalog().values() for file in network_files(network))
    return {file.name: (network, file) for network, file in files if file.fetched}


def network_files(network: Network) -> tuple[WeightFile, ...]:
    """The network's weight files: with top and without; patternnet has one for both."""
    return tuple(dict.fromkeys((network.top, network.no_top)))


def pixels_name(recipe: Recipe) -> str:
    """The name in `PIXELS` of a recipe's scaling."""
    scaling = (recipe.channels, recipe.scale, recipe.mean, recipe.std)
    return next(
        name for name, r in PIXELS.items() if (r.channels, r.scale, r.mean, r.std) == scaling
    )


def _patternnet() -> Network:
    """The network that comes with the package; `patternnet/MODEL_CARD.md` tells its story."""
    weights = WeightFile(
        name="patternnet.weights.h5",
        url="",
        hash="baa22c13b1e6a5e8d014a4cbbee6312dfea486262e57722c4b607d292d961eb6",
        size=1_092_112,
        packaged=True,
    )
    labels = WeightFile(
        name="labels.json",
        url="",
        hash="28b84846182fad7ca73afc29afbbbac2e59a0ebc5a0aa0a4087e887319b486bb",
        size=1_805,
        packaged=True,
    )
    return Network(
        name=PACKAGED_MODEL,
        builder="PatternNet",
        arguments=MappingProxyType({}),
        recipe=replace(
            PIXELS["tf"], height=112, width=112, fit="stretch", interpolation="bilinear"
        ),
        embedding="embedding",
        features=1104,
        parameters=484_297,
        macs=58_985_808,
        top=weights,
        no_top=weights,
        labels=labels,
        classes=49,
    )


def _plain(name: str) -> str:
    return re.sub(r"[-_ ]", "", name.lower())


def _network(row: Row) -> Network:
    family = next(f for f in _FAMILIES if re.fullmatch(f.pattern, row.name))
    arguments, facts = _variant(row.name)
    b_series = row.name.startswith("efficientnetb")
    return Network(
        name=row.name,
        builder=row.builder,
        arguments=MappingProxyType(arguments),
        recipe=replace(PIXELS[family.pixels], height=row.side, width=row.side),
        embedding=family.embedding.format(**facts),
        features=row.features,
        parameters=row.parameters,
        macs=row.macs,
        top=_file(family, facts, row, top=True),
        no_top=_file(family, facts, row, top=False),
        labels=CLASS_INDEX,
        extra_stddev=_TORCH_STD if b_series else None,
    )


def _variant(name: str) -> tuple[dict[str, float | bool], dict[str, str]]:
    """What a name says of its variant: the builder's arguments, and what file names are made of."""
    facts = {"name": name, "kind": re.sub(r"^(nasnet|efficientnetv2|convnext)", "", name)}
    if not name.startswith("mobilenet"):
        return {}, facts
    stem, _, variant = name.partition("_")
    width = "1.0" if variant == "minimalistic" else variant
    facts |= {"width": width, "tenths": _TENTHS.get(width, ""), "kind": stem[len("mobilenetv3") :]}
    arguments: dict[str, float | bool] = {"alpha": float(width)}
    if variant == "minimalistic":
        arguments["minimalistic"] = True
        facts["kind"] += "_minimalistic"
    return arguments, facts


# MobileNet's files spell their width so.
_TENTHS = {"0.25": "2_5", "0.5": "5_0", "0.75": "7_5", "1.0": "1_0"}


def _file(family: _Family, facts: dict[str, str], row: Row, *, top: bool) -> WeightFile:
    name = (family.top if top else family.no_top).format(**facts)
    remote = (family.url_top if top else family.url_no_top).format(**facts) or name
    url = family.base + family.folder.format(**facts) + remote
    # A classifier of 1,000 classes on the embedding is what a file without top lacks (VGG lacks
    # its three dense layers, MobileNetV3 one more before its classifier); four bytes a number.
    lacking = 123_642_856 if family.embedding == "fc2" else (row.features + 1) * 1000
    if row.builder.startswith("MobileNetV3"):
        hidden = 1280 if "Large" in row.builder else 1024
        lacking = (row.features + 1) * hidden + (hidden + 1) * 1000
    size = 4 * (row.parameters - (0 if top else lacking))
    return WeightFile(name, url, row.top_hash if top else row.no_top_hash, size)
