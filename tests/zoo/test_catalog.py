"""The catalog against Keras itself: its facts are read off the builders again."""

import importlib
import pkgutil
import re
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import pytest

from cnnkit.errors import UnknownName
from cnnkit.zoo.catalog import DEFAULT_MODEL, Network, catalog, find, matching, weight_files

# A small member of families that differ in how the embedding is named and the top is made.
SMALL = ["mobilenet_0.25", "mobilenetv2_0.35", "mobilenetv3small_0.75", "convnexttiny"]
ALL = [name for name, network in catalog().items() if not network.top.packaged]


class Anything:
    """Stands in for tensors and layers: whatever is done with it gives it back."""

    def __call__(self, *_: Any, **__: Any) -> "Anything":
        return self

    __getitem__ = __add__ = __sub__ = __mul__ = __mod__ = __floordiv__ = __call__
    __radd__ = __rsub__ = __rmul__ = __call__

    def __getattr__(self, name: str) -> "Anything":
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __int__(self) -> int:
        return 8

    __index__ = __int__

    def __lt__(self, other: object) -> bool:
        return False

    __gt__ = __lt__

    def __iter__(self) -> Iterator["Anything"]:
        return iter([self, self])


class Asked(Exception):
    """Carries what a builder asked `get_file` for."""


@pytest.fixture
def asked_by_keras(monkeypatch: pytest.MonkeyPatch) -> Callable[[Network, bool], tuple[str, ...]]:
    """What Keras's builder of a network would fetch: (name, URL, hash). No graph is built.

    Everything that the builders make layers of is replaced, so that only their choice of a file
    is left; it runs for all networks in seconds.
    """
    applications = importlib.import_module("keras.src.applications")
    keras = importlib.import_module("keras")
    layer = keras.layers.Layer
    for found in pkgutil.iter_modules(applications.__path__):
        if found.name.endswith("_test") or found.name == "imagenet_utils":
            continue
        module = importlib.import_module(f"keras.src.applications.{found.name}")
        for name, value in list(vars(module).items()):
            made = name in (
                "layers",
                "ops",
                "operation_utils",
                "Functional",
                "Sequential",
                "_depth",
            )
            if made or (isinstance(value, type) and issubclass(value, layer)):
                monkeypatch.setattr(module, name, Anything())

    def get_file(fname: str, origin: str, file_hash: str | None = None, **_: Any) -> NoReturn:
        raise Asked(fname, origin, file_hash or "")

    monkeypatch.setattr("keras.src.utils.file_utils.get_file", get_file)

    def asked(network: Network, top: bool) -> tuple[str, ...]:
        shape = (network.recipe.height, network.recipe.width, 3)
        builder = getattr(keras.applications, network.builder)
        with pytest.raises(Asked) as caught:
            builder(weights="imagenet", include_top=top, input_shape=shape, **network.arguments)
        return caught.value.args

    return asked


@pytest.mark.network
@pytest.mark.parametrize("top", [True, False])
def test_files_are_those_that_keras_fetches(
    asked_by_keras: Callable[[Network, bool], tuple[str, ...]], top: bool
) -> None:
    different = []
    for network in map(find, ALL):
        file = network.top if top else network.no_top
        asked = asked_by_keras(network, top)
        if asked != (file.name, file.url, file.hash):
            different.append((network.name, asked, file))
    assert not different


@pytest.mark.network
@pytest.mark.parametrize("name", SMALL)
def test_facts_of_a_small_network_of_each_kind(name: str) -> None:
    _facts_hold(find(name))


@pytest.mark.soak
@pytest.mark.network
@pytest.mark.parametrize("name", ALL)
def test_facts_of_every_network(name: str) -> None:
    _facts_hold(find(name))


def _facts_hold(network: Network) -> None:
    """Parameters, input side, embedding, and the sizes of both files, off the built network."""
    import keras

    keras.backend.clear_session()
    builder = getattr(keras.applications, network.builder)
    shape = (network.recipe.height, network.recipe.width, 3)
    full = builder(weights=None, include_top=True, **network.arguments)
    # MobileNetV3 takes any side by default.
    assert full.input_shape[1:] in (shape, (None, None, 3)), "not Keras's own side"
    assert full.count_params() == network.parameters
    # Keras numbers the layers that its builders leave unnamed.
    layers = {re.sub(r"_\d+$", "", layer.name): layer for layer in full.layers}
    embedding = {layer.name: layer for layer in full.layers} | layers
    width = embedding[network.embedding].output.shape
    assert width[-1] == network.features
    assert all(side in (None, 1) for side in width[:-1]), "a map, not a vector"
    assert network.top.size == 4 * full.count_params()
    bare = builder(weights=None, include_top=False, input_shape=shape, **network.arguments)
    assert network.no_top.size == 4 * bare.count_params()


@pytest.mark.network
def test_the_names_are_all_that_keras_has() -> None:
    """No builder of keras.applications is missing, and each is a function."""
    import keras

    builders = {name for name in dir(keras.applications) if name[0].isupper()}
    assert {find(name).builder for name in ALL} == builders


def test_names_and_files_are_unique_and_plain() -> None:
    assert len(ALL) == 52
    assert len(weight_files()) == 2 * len(ALL)
    assert all(re.fullmatch(r"[\w.-]+\.h5", name) for name in weight_files())
    assert all(name == name.lower() for name in ALL)
    assert DEFAULT_MODEL in catalog()


def test_hashes_are_md5_or_sha256_or_absent_for_mobilenets_only() -> None:
    for network, file in weight_files().values():
        if re.match(r"mobilenet(v2)?_", network.name):
            assert file.hash == ""
        else:
            assert re.fullmatch(r"[0-9a-f]{32}|[0-9a-f]{64}", file.hash), file


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        ("resnet50", "resnet50"),
        ("ResNet50", "resnet50"),
        ("RESNET-50", "resnet50"),
        ("VGG-16", "vgg16"),
        ("vgg_16", "vgg16"),
        ("vgg 19", "vgg19"),
        ("mobilenet", "mobilenet_1.0"),
        ("MobileNet 0.25", "mobilenet_0.25"),
        ("MobileNetV2", "mobilenetv2_1.0"),
        ("mobilenetv3small", "mobilenetv3small_1.0"),
        ("Inception", "inceptionv3"),
        ("inception-resnet-v2", "inceptionresnetv2"),
        ("efficientnetv2-b0", "efficientnetv2b0"),
        ("EfficientNetB7", "efficientnetb7"),
        ("ConvNeXtTiny", "convnexttiny"),
        ("NASNetMobile", "nasnetmobile"),
    ],
)
def test_spellings(spelling: str, name: str) -> None:
    assert find(spelling).name == name


@pytest.mark.parametrize("name", ALL)
def test_every_name_finds_itself(name: str) -> None:
    assert find(name) is catalog()[name]
    assert find(find(name).builder.upper()).builder == find(name).builder


@pytest.mark.parametrize(
    ("name", "near"),
    [("resnet51", "resnet50"), ("vgg15", "vgg16"), ("mobilenet_0.24", "mobilenet_0.25"),
     ("EfficentNetB0", "efficientnetb0")],
)  # fmt: skip
def test_unknown_names_offer_near_ones(name: str, near: str) -> None:
    with pytest.raises(UnknownName, match=re.escape(near)) as caught:
        find(name)
    assert repr(name) in str(caught.value)
    assert "cnnkit models" in str(caught.value)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("name", ["", "alexnet9000xyz", "*", "../resnet50", "résnet50 \n"])
def test_what_is_no_name_at_all(name: str) -> None:
    with pytest.raises(UnknownName, match="No model is called"):
        find(name)


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("vgg*", ["vgg16", "vgg19"]),
        ("VGG*", ["vgg16", "vgg19"]),
        ("resnet50", ["resnet50"]),
        ("resnet??", ["resnet50"]),
        ("resnet*v2", ["resnet50v2", "resnet101v2", "resnet152v2"]),
        ("mobilenet_0.[25]*", ["mobilenet_0.25", "mobilenet_0.5"]),
        ("convnext[!tsx]*", ["convnextbase", "convnextlarge"]),
        ("*", list(catalog())),
        ("nothing*", []),
        ("", []),
    ],
)
def test_globs(pattern: str, names: list[str]) -> None:
    assert [network.name for network in matching(pattern)] == names


def test_records_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        catalog()["mine"] = find("vgg16")  # type: ignore[index]
    with pytest.raises(AttributeError):
        find("vgg16").name = "vgg"  # type: ignore[misc]
