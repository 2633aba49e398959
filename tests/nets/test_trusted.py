"""Networks from strangers: honest ones are loaded as they are, and hostile ones do nothing."""

import io
import json
import random
import stat
import subprocess
import sys
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cnnkit.errors import WeightsError
from tests.conftest import ROOT

pytestmark = pytest.mark.network

Config = dict[str, Any]
CONFIG, METADATA, WEIGHTS = "config.json", "metadata.json", "model.weights.h5"


def load(path: Path) -> Any:
    from cnnkit.nets.trusted import load_model

    return load_model(path)


def refusal(path: Path) -> str:
    """What is said of a file that is not loaded; one line, with the advice at its end."""
    with pytest.raises(WeightsError) as caught:
        load(path)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert 'model.save("NAME.keras").' in message
    assert "\n" not in message
    return message


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Input, Conv2D, Dropout, Flatten, Dense: what the hostile files are made from."""
    import keras

    path = tmp_path_factory.mktemp("honest") / "model.keras"
    layers = keras.layers
    picture = keras.Input((8, 8, 3), name="pixels")
    x = layers.Conv2D(4, 3, activation="relu", name="conv")(picture)
    x = layers.Flatten(name="flat")(layers.Dropout(0.5, name="drop")(x))
    keras.Model(picture, layers.Dense(2, name="dense")(x), name="net").save(path)
    return path


def members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zipped(path: Path, content: dict[str, bytes], kind: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", kind) as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return path


def with_config(honest: Path, path: Path, change: Callable[[Config], object]) -> Path:
    content = members(honest)
    config = json.loads(content[CONFIG])
    change(config)
    return zipped(path, content | {CONFIG: json.dumps(config).encode()})


def with_weights(honest: Path, path: Path, change: Callable[[Any], object]) -> Path:
    content = members(honest)
    file = io.BytesIO(content[WEIGHTS])
    with h5py.File(file, "r+") as weights:
        change(weights)
    return zipped(path, content | {WEIGHTS: file.getvalue()})


def layer(config: Config, name: str) -> Config:
    return next(each for each in config["config"]["layers"] if each["name"] == name)


# ---- honest networks


def plain() -> Any:
    import keras

    return keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            keras.layers.Rescaling(1 / 127.5, offset=-1),
            keras.layers.RandomFlip(),
            keras.layers.Conv2D(3, 3, kernel_regularizer="l2", kernel_constraint="max_norm"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(2, "softmax", kernel_initializer=keras.initializers.HeNormal(1)),
        ]
    )


def compiled() -> Any:
    model = plain()
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(np.ones((4, 8, 8, 3), "f4"), np.zeros(4, "i4"), verbose=0)
    return model


def with_operations() -> Any:
    import keras

    picture = keras.Input((8, 8, 3), dtype="uint8")
    x = keras.ops.cast(picture, "float32")[..., ::-1]
    x = (x - np.array([103.9, 116.8, 123.7], "f4")) * 0.5 / keras.ops.convert_to_tensor([1.0, 2, 3])
    x = keras.layers.Normalization(mean=[1.0, 2, 3], variance=[4.0, 5, 6])(x)
    x = keras.ops.concatenate([keras.ops.relu(x), keras.ops.sqrt(keras.ops.square(x) + 1e-4)])
    x = keras.ops.mean(keras.ops.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]]), axis=(1, 2))
    return keras.Model(picture, keras.ops.softmax(keras.layers.Dense(2)(x)))


def adapted() -> Any:
    import keras

    normal = keras.layers.Normalization()
    normal.adapt(np.random.default_rng(0).random((9, 8, 8, 3), np.float32))
    layers = [keras.Input((8, 8, 3)), normal, keras.layers.Flatten(), keras.layers.Dense(2)]
    return keras.Sequential(layers)


def nested() -> Any:
    import keras

    picture = keras.Input((8, 8, 3))
    head = keras.Sequential([keras.Input((192,)), keras.layers.Dense(2)])
    flat = keras.Model(picture, keras.layers.Flatten()(picture))
    again = keras.Input((8, 8, 3))
    return keras.Model(again, head(flat(again)))


def mobilenet() -> Any:
    import keras

    return keras.applications.MobileNet((32, 32, 3), 0.25, weights=None, classes=2)


def attention() -> Any:
    import keras

    picture = keras.Input((8, 8, 3))
    x = keras.layers.Reshape((16, 12))(picture)
    x = keras.layers.MultiHeadAttention(2, 4)(x, x)
    return keras.Model(picture, keras.layers.Dense(2)(keras.layers.Flatten()(x)))


def in_type(policy: str) -> Any:
    import keras

    keras.config.set_dtype_policy(policy)
    try:
        return plain()
    finally:
        keras.config.set_dtype_policy("float32")


@pytest.mark.parametrize(
    "make",
    [
        *(plain, compiled, with_operations, adapted, nested, mobilenet, attention),
        *(partial(in_type, each) for each in ("mixed_float16", "bfloat16", "float64")),
    ],
)
def test_honest_networks_are_loaded_as_they_are(make: Callable[[], Any], tmp_path: Path) -> None:
    from cnnkit.nets.trusted import check_classifier

    path = tmp_path / "model.keras"
    made = make()
    made.save(path)
    before = path.read_bytes()
    loaded = load(path)
    _, height, width, _ = made.input_shape
    pictures = np.random.default_rng(1).integers(0, 256, (3, height, width, 3))
    once, again = (
        np.asarray(each(pictures.astype("f4"), training=False), "f4") for each in (made, loaded)
    )
    np.testing.assert_array_equal(once, again)
    assert not loaded.compiled
    check_classifier(loaded, 2, height, width)
    assert path.read_bytes() == before


def test_random_numbers_and_names_of_the_caller_go_on(honest: Path) -> None:
    import keras

    first = keras.layers.Dense(1).name
    random.seed(1)
    load(honest)
    assert random.random() == random.Random(1).random()
    second = keras.layers.Dense(1).name
    assert int(second.split("_")[1]) == int((first + "_0").split("_")[1]) + 1


def test_no_variable_waits_for_values(honest: Path, tmp_path: Path) -> None:
    """Keras would make them, a bomb's too, when the next of its scopes ends."""
    import keras
    from keras.src.backend.common import global_state

    bomb = with_config(honest, tmp_path / "bomb.keras", set_argument("dense", units=10**8))
    assert "model.weights.h5 holds 402" in refusal(bomb)
    bomb = with_config(honest, tmp_path / "bomb.keras", giant_dense)
    assert "an activation of (None, 1000000000)" in refusal(bomb)
    with keras.StatelessScope():
        pass
    assert not global_state.get_global_attribute("uninitialized_variables")


# ---- no such zip file


def test_no_file(tmp_path: Path) -> None:
    assert "No such file" in refusal(tmp_path / "nothing.keras")
    assert "is no file" in refusal(tmp_path)


@pytest.mark.parametrize("content", [b"", b"PK", b"garbage" * 999, b"PK\5\6" + bytes(18)])
def test_garbage(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.keras"
    path.write_bytes(content)
    refusal(path)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_cut_short(share: float, honest: Path, tmp_path: Path) -> None:
    path = tmp_path / "model.keras"
    whole = honest.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    assert "no zip file" in refusal(path)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_any_byte_wrong(honest: Path, tmp_path: Path, data: st.DataObject) -> None:
    whole = bytearray(honest.read_bytes())
    # Half of them in the directory at the end, where zip files are most easily hurt.
    first = data.draw(st.sampled_from([0, len(whole) - 220]))
    place = data.draw(st.integers(first, len(whole) - 1))
    whole[place] ^= data.draw(st.integers(1, 255))
    path = tmp_path / "model.keras"
    path.write_bytes(whole)
    try:
        model = load(path)
    except WeightsError as error:
        assert str(path) in str(error)
    else:
        assert model.output_shape == (None, 2)


@pytest.mark.parametrize(
    "name", ["../../evil", "/tmp/evil", "assets/x", "assets/", "model.weights.npz", "CONFIG.JSON"]
)
def test_another_member(name: str, honest: Path, tmp_path: Path) -> None:
    path = zipped(tmp_path / "model.keras", members(honest) | {name: b"evil"})
    assert name in refusal(path)
    assert sorted(each.name for each in tmp_path.rglob("*")) == ["model.keras"]


def test_a_member_is_missing(honest: Path, tmp_path: Path) -> None:
    for name in (CONFIG, METADATA, WEIGHTS):
        content = members(honest)
        del content[name]
        assert name in refusal(zipped(tmp_path / "model.keras", content))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_member_twice(honest: Path, tmp_path: Path) -> None:
    path = zipped(tmp_path / "model.keras", members(honest))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(CONFIG, b"{}")
    assert "4 members" in refusal(path)


def test_links_and_encryption(honest: Path, tmp_path: Path) -> None:
    content = members(honest)
    path = tmp_path / "model.keras"
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in content.items():
            info = zipfile.ZipInfo(name)
            link = name == METADATA
            info.external_attr = (stat.S_IFLNK | 0o777) << 16 if link else 0
            archive.writestr(info, b"/etc/passwd" if link else data)
    assert "'metadata.json' as a link" in refusal(path)
    raw = bytearray(zipped(path, content).read_bytes())
    raw[raw.rindex(b"PK\1\2") + 8] |= 1
    path.write_bytes(raw)
    assert "encrypted" in refusal(path)
    assert "in an unknown way" in refusal(zipped(path, content, zipfile.ZIP_LZMA))


def test_a_compressed_file_is_as_good(honest: Path, tmp_path: Path) -> None:
    path = zipped(tmp_path / "model.keras", members(honest), zipfile.ZIP_DEFLATED)
    assert load(path).name == "net"


@pytest.mark.parametrize("name", [CONFIG, METADATA, WEIGHTS])
def test_compression_bombs(name: str, honest: Path, tmp_path: Path) -> None:
    content = members(honest) | {name: bytes(200 << 20)}
    path = zipped(tmp_path / "model.keras", content, zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 1 << 20
    assert f"claims 209,715,200 bytes of {name}" in refusal(path)


def test_a_directory_of_a_million_names(tmp_path: Path) -> None:
    path = tmp_path / "model.keras"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(3000):
            archive.writestr(f"{number:0100}", b"")
    assert "too many members" in refusal(path)


# ---- configurations


def giant_dense(config: Config) -> None:
    layer(config, "dense")["config"]["units"] = 10**9


def set_layer(name: str, /, **values: Any) -> Callable[[Config], None]:
    return lambda config: layer(config, name).update(values)


def set_argument(name: str, /, **values: Any) -> Callable[[Config], None]:
    return lambda config: layer(config, name)["config"].update(values)


def part(module: str, name: str, /, config: Any = None, **more: Any) -> Config:
    return {"module": module, "class_name": name, "config": config or {}, **more}


LAMBDA = {"class_name": "__lambda__", "config": {"value": ["4wAAAA==", None, None]}}
EAGER = [{"args": [{"class_name": "__numpy__", "config": {"value": [1], "dtype": "float32"}}],
          "kwargs": {}}]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (set_layer("dense", class_name="Lambda", name="lambda_3"), "a Lambda layer ('lambda_3')"),
        (set_layer("dense", class_name="TFSMLayer"), "a TFSMLayer layer ('dense')"),
        (set_layer("dense", class_name="TorchModuleWrapper"), "a TorchModuleWrapper layer"),
        (set_layer("dense", class_name="JaxLayer"), "a JaxLayer layer"),
        (set_layer("dense", class_name="StringLookup"), "a StringLookup layer"),
        (set_layer("dense", class_name="TextVectorization"), "a TextVectorization layer"),
        (set_layer("dense", class_name="deserialize"), "a deserialize layer"),
        (set_layer("dense", module="os", class_name="system"), "'system' of 'os'"),
        (set_layer("dense", module="keras_hub.layers"), "'Dense' of 'keras_hub.layers'"),
        (set_layer("dense", module="keras.src.layers.core.lambda_layer", class_name="Lambda"),
         "'Lambda' of 'keras.src"),
        (set_layer("dense", module=None), "'Dense' of None"),
        (set_layer("dense", module=["keras.layers"]), "'Dense' of ['keras.layers']"),
        (set_layer("dense", registered_name="evil>Dense"), "a Dense layer ('dense')"),
        (set_layer("dense", registered_name="evil>It", module="evil"), "registered as 'evil>It'"),
        (set_layer("dense", config="dense"), "a Dense layer"),
        (set_layer("dense", class_name=["Dense"]), "a dict in the place of a layer"),
        (set_argument("dense", activation=LAMBDA), "a Python lambda"),
        (set_argument("dense", activation=part("keras.utils", "function", "get_file")),
         "the function 'keras.utils', 'get_file'"),
        (set_argument("dense", activation=part("builtins", "function", "deserialize")),
         "the function 'builtins', 'deserialize'"),
        (set_argument("dense", kernel_initializer=part("keras.config", "enable_unsafe")),
         "'enable_unsafe' of 'keras.config'"),
        (set_argument("dense", kernel_initializer=part("keras.initializers", "deserialize")),
         "'deserialize' of 'keras.initializers'"),
        (set_argument("dense", kernel_initializer={"class_name": "Zeros", "config": {}}),
         "'Zeros' of None"),
        (set_argument("dense", kernel_initializer={"class_name": "__typespec__", "config": []}),
         "'__typespec__'"),
        (set_argument("dense", kernel_initializer=part("", "__numpy__", {"value": [1], "dtype":
         "S999999999"})), "an array of 'S999999999'"),
        (set_argument("dense", kernel_initializer={"class_name": "__tensor__", "config": 1}),
         "holds nothing"),
        (set_argument("dense", activation=part("builtins", "function", ["relu"])), "['relu']"),
        (set_argument("dense", kernel_initializer={"class_name": "__numpy__", "config":
         {"value": 1, "dtype": ["float32"]}}), "an array of ['float32']"),
        (set_layer("flat", inbound_nodes=[{"args": [{"class_name": []}], "kwargs": {}}]),
         "that is given a dict"),
        (set_layer("flat", inbound_nodes=EAGER), "that computes at once"),
        (set_layer("flat", inbound_nodes=[[["drop", 0, 0, {}]]]), "in an unknown way"),
        (set_layer("flat", inbound_nodes={}), "in an unknown way"),
        (set_layer("flat", inbound_nodes=[{"args": [part("keras.layers", "Dense")], "kwargs": {}}]),
         "that is given a Dense layer"),
        (set_layer("flat", module="keras.src.ops.core", class_name="Map"), "'Map' of 'keras.src"),
        (set_layer("flat", class_name="Normalization", build_config={}), "of no shape"),
        (set_layer("flat", class_name="Normalization", config={"axis": [1, 2, 3], "mean": 0.0},
         build_config={"input_shape": [None, 10**5, 10**5, 3]}), "30,000,000,000 means"),
        (lambda c: c.update(class_name="Model"), "is no network, but 'Model' of"),
        (lambda c: c.update(module="keras.layers", class_name="Dense"), "is no network"),
        (lambda c: c["config"].update(layers=[{"name": "x"}]), "something else than layers"),
        (lambda c: c["config"].update(layers=c["config"]["layers"] * 999), "4,995 layers"),
        (lambda c: c["config"].update(layers=[]), "cannot be built"),
        (lambda c: c["config"].update(input_layers=["nothing", 0, 0]), "cannot be built"),
        (set_argument("dense", units=-1), "cannot be built"),
        (set_argument("dense", units="many"), "cannot be built"),
    ],
)  # fmt: skip
def test_what_no_configuration_may_name(
    change: Callable[[Config], None], said: str, honest: Path, tmp_path: Path
) -> None:
    assert said in refusal(with_config(honest, tmp_path / "model.keras", change))


def test_activations_by_name_are_known(honest: Path, tmp_path: Path) -> None:
    import keras

    relu = part("keras.activations", "function", "relu", registered_name="relu")
    change = set_argument("dense", activation=relu)
    model = load(with_config(honest, tmp_path / "model.keras", change))
    assert model.get_layer("dense").activation is keras.activations.relu


def test_a_network_that_takes_nothing(tmp_path: Path) -> None:
    import keras

    path = tmp_path / "model.keras"
    keras.Sequential([keras.Input((4,)), keras.layers.ReLU()]).save(path)
    content = members(path)
    config = json.loads(content[CONFIG])
    config["config"].update(layers=config["config"]["layers"][1:], build_input_shape=None)
    config["build_config"] = None
    zipped(path, content | {CONFIG: json.dumps(config).encode()})
    assert "takes no input of a known shape" in refusal(path)


def test_layers_of_networks_within_are_counted_too(tmp_path: Path) -> None:
    import keras

    picture = keras.Input((4,))
    x = keras.ops.relu(picture)
    for _ in range(60):
        x = keras.ops.relu(x)
    inner, outer = keras.Model(picture, x), keras.Input((4,))
    path = tmp_path / "model.keras"
    keras.Model(outer, inner(outer)).save(path)
    content = members(path)
    config = json.loads(content[CONFIG])
    config["config"]["layers"] += config["config"]["layers"][1:] * 40
    zipped(path, content | {CONFIG: json.dumps(config).encode()})
    assert "layers, more than 2,000" in refusal(path)


def places(value: Any) -> list[tuple[Any, Any]]:
    """Each container in a configuration, with each of its keys or indices."""
    keys = value if isinstance(value, dict) else range(len(value))
    found = [(value, key) for key in keys]
    inner = [value[key] for key in keys if isinstance(value[key], dict | list)]
    return found + [place for each in inner for place in places(each)]


ODD_VALUES: list[Any] = [
    None,
    [],
    {},
    -1,
    0,
    1e308,
    True,
    "",
    "x",
    "relu",
    [None],
    [2, 2],
    10**9,
    [10**6] * 2,
]
ODD = st.sampled_from([*ODD_VALUES, LAMBDA])


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_any_value_wrong(honest: Path, tmp_path: Path, data: st.DataObject) -> None:
    def change(config: Config) -> None:
        everywhere = places(config)
        container, key = everywhere[data.draw(st.integers(0, len(everywhere) - 1))]
        container[key] = data.draw(ODD)

    path = with_config(honest, tmp_path / "model.keras", change)
    try:
        model = load(path)
    except WeightsError as error:
        assert str(path) in str(error)
    else:
        assert model.count_params() == 402


def test_what_keras_saved_with_a_lambda_and_a_custom_layer(tmp_path: Path) -> None:
    import keras

    @keras.saving.register_keras_serializable("evil")
    class Evil(keras.layers.Layer):  # type: ignore[misc]
        def call(self, inputs: Any) -> Any:
            return inputs

    for number, odd in enumerate((keras.layers.Lambda(abs, name="lambda_3"), Evil(name="it"))):
        path = tmp_path / f"{number}.keras"
        keras.Sequential([keras.Input((8, 8, 3)), odd, keras.layers.Flatten()]).save(path)
        said = refusal(path)
        assert ("a Lambda layer ('lambda_3')", "registered as 'evil>Evil' ('it')")[number] in said


def test_what_is_not_compiled_is_not_looked_at(honest: Path, tmp_path: Path) -> None:
    """The optimizer and the loss are left out, of what module they may be."""
    change = set_layer("dense", compile_config={"optimizer": "adam", "loss": "mse"})
    path = with_config(honest, tmp_path / "a.keras", change)
    assert not load(path).compiled
    evil = {"optimizer": part("evil", "Evil"), "loss": LAMBDA}
    path = with_config(honest, tmp_path / "b.keras", lambda c: c.update(compile_config=evil))
    assert not load(path).compiled


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"", "no JSON"),
        (b"\xff", "no JSON"),
        (b"[1", "no JSON"),
        (b"1" * 9999, "no JSON"),
        (b"[" * 10**6, "no JSON"),
        (b"[" * 500 + b"]" * 500, "64 levels deep"),
        (b"[]", "a list in the place of a layer"),
        (b"null", "a NoneType in the place"),
        (b"{}", "a dict in the place"),
    ],
)
def test_what_is_no_configuration(text: bytes, said: str, honest: Path, tmp_path: Path) -> None:
    path = zipped(tmp_path / "model.keras", members(honest) | {CONFIG: text})
    assert said in refusal(path)


# ---- weights


def external(weights: Any) -> None:
    del weights["layers/dense/vars/0"]
    weights["layers/dense/vars/0"] = h5py.ExternalLink("/etc/hostname", "/")


def soft(weights: Any) -> None:
    weights["layers/dense/vars/9"] = h5py.SoftLink("/layers/conv/vars/0")


def in_other_files(weights: Any) -> None:
    weights.create_dataset("x", (4,), "u1", external=[("/etc/hostname", 0, 4)])


def virtual(weights: Any) -> None:
    layout = h5py.VirtualLayout((2,), "f4")
    layout[:] = h5py.VirtualSource("/tmp/other.h5", "kernel", (2,))
    weights.create_virtual_dataset("x", layout)


def giant(weights: Any) -> None:
    weights.create_dataset("x", (1 << 40,), "f4", chunks=(1,))


def packed(weights: Any) -> None:
    weights.create_dataset("x", data=np.zeros(9, "f4"), compression="gzip")


def in_chunks(weights: Any) -> None:
    weights.create_dataset("x", (2,), "f4", chunks=(1 << 20,), maxshape=(None,))


def never_written(weights: Any) -> None:
    weights.create_dataset("x", (99,), "f4")


def texts(weights: Any) -> None:
    weights["x"] = ["a", "b"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (external, "links elsewhere"),
        (soft, "links elsewhere"),
        (in_other_files, "in other files"),
        (virtual, "in other files"),
        (giant, "claims tensors of 4,398,0"),
        (packed, "'x' is no plain tensor"),
        (in_chunks, "'x' is no plain tensor"),
        (texts, "'x' is no plain tensor"),
        (never_written, "'x' is not all there"),
    ],
)
def test_what_no_weight_file_may_hold(
    change: Callable[[Any], None], said: str, honest: Path, tmp_path: Path
) -> None:
    message = refusal(with_weights(honest, tmp_path / "model.keras", change))
    assert said in message
    assert "cnnkit-" not in message, "the private copy is named"


def test_weights_of_another_network(honest: Path, tmp_path: Path) -> None:
    def smaller(weights: Any) -> None:
        del weights["layers/dense/vars/0"]
        weights["layers/dense/vars/0"] = np.ones((3, 2), "f4")

    said = refusal(with_weights(honest, tmp_path / "model.keras", smaller))
    assert "cannot be loaded" in said
    path = zipped(tmp_path / "model.keras", members(honest) | {WEIGHTS: b"garbage"})
    assert "cannot be opened as an HDF5 weight file" in refusal(path)


# ---- bombs


def without_shapes(change: Callable[[Config], object]) -> Callable[[Config], None]:
    """Nothing says beforehand what comes out of the changed layer, and any of it is pooled."""

    def changed(config: Config) -> None:
        for each in config["config"]["layers"]:
            each.pop("build_config", None)
        pooling = {"name": "flat", "data_format": "channels_last"}
        layer(config, "flat").update(class_name="GlobalMaxPooling2D", config=pooling)
        change(config)

    return changed


BOMBS: dict[str, tuple[Callable[[Config], object], str]] = {
    "units": (giant_dense, "an activation of (None, 1000000000) in 'dense'"),
    "filters": (
        without_shapes(set_argument("conv", filters=10**8)),
        "an activation of (None, 6, 6, 100000000) in 'conv'",
    ),
    "kernel": (
        set_argument("dense", units=10**8),
        "14,400,000,000 of them in 'dense/kernel', and model.weights.h5 holds 402",
    ),
    "built": (set_layer("dense", build_config={"input_shape": [None, 10**12]}), "cannot be built"),
    "orthogonal": (
        lambda c: layer(c, "dense")["config"].update(
            units=10**6, kernel_initializer=part("keras.initializers", "Orthogonal")
        ),
        "and model.weights.h5 holds",
    ),
    "picture": (
        without_shapes(set_argument("pixels", batch_shape=[None, 10**6, 10**6, 3])),
        "an activation of (None, 1000000, 1000000, 3) in 'pixels'",
    ),
    "upsampling": (
        without_shapes(set_layer("drop", class_name="UpSampling2D", config={"size": 10**6})),
        "an activation of (None, 6000000, 6000000, 4) in 'up_sampling2d', more than 268,435,456",
    ),
    "padding": (
        without_shapes(set_layer("drop", class_name="ZeroPadding2D", config={"padding": 10**7})),
        "in 'zero_padding2d', more than",
    ),
    "overflow": (
        without_shapes(set_argument("pixels", batch_shape=[None, 10**30, 10**30, 3])),
        "more than 268,435,456",
    ),
}


def test_bombs_take_no_memory(honest: Path, tmp_path: Path) -> None:
    """They are refused in a process of its own, whose memory is looked at before and after."""
    for name, (change, _) in BOMBS.items():
        with_config(honest, tmp_path / f"{name}.keras", change)
    script = f"""
import resource, sys, json
from pathlib import Path
from cnnkit.errors import WeightsError
from cnnkit.nets.trusted import load_model
load_model(Path({str(honest)!r}))
said, before = {{}}, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for name in {list(BOMBS)!r}:
    try:
        load_model(Path({str(tmp_path)!r}, name + ".keras"))
    except WeightsError as error:
        said[name] = str(error)
grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
print(json.dumps([said, grown]))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, cwd=ROOT, check=True, timeout=240
    )
    said, grown = json.loads(done.stdout.splitlines()[-1])
    assert set(said) == set(BOMBS)
    for name, (_, wanted) in BOMBS.items():
        assert wanted in said[name], said[name]
    # In kilobytes; each of the bombs would be 4 GB or more.
    assert grown < 200_000


# ---- classifiers


def test_what_is_no_classifier(honest: Path) -> None:
    import keras

    from cnnkit.nets.trusted import check_classifier

    model = load(honest)
    check_classifier(model, 2, 8, 8)
    for classes, height, width, said in (
        (3, 8, 8, r"answers with \(None, 2\).*\(None, 3\)"),
        (2, 9, 8, r"takes \(None, 8, 8, 3\).*\(None, 9, 8, 3\)"),
        (2, 8, 7, r"Expected one batch of pictures"),
    ):
        with pytest.raises(WeightsError, match=said):
            check_classifier(model, classes, height, width)
    one, two = keras.Input((8, 8, 3)), keras.Input((8, 8, 3))
    flat = keras.layers.Flatten()
    for odd in (
        keras.Model([one, two], flat(one + two)),
        keras.Model(one, [flat(one), flat(one)]),
        keras.Model(one, one),
    ):
        with pytest.raises(WeightsError, match="Expected one"):
            check_classifier(odd, 192, 8, 8)


def test_open_sides_are_checked_for_the_size_that_is_used() -> None:
    import keras

    from cnnkit.nets.trusted import check_classifier

    def network(size: int) -> Any:
        picture = keras.Input((None, None, 3))
        inner = keras.Sequential([keras.layers.UpSampling2D(size, name="larger")])
        x = keras.layers.GlobalAveragePooling2D()(inner(picture))
        return keras.Model(picture, keras.layers.Dense(2)(x))

    check_classifier(network(4), 2, 32, 48)
    with pytest.raises(WeightsError, match=r"activation of \(None, 32000, 48000, 3\) in 'larger'"):
        check_classifier(network(1000), 2, 32, 48)


def test_a_picture_too_small_for_the_network() -> None:
    import keras

    from cnnkit.nets.trusted import check_classifier

    picture = keras.Input((None, None, 3))
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(2, 9)(picture))
    with pytest.raises(WeightsError, match="cannot take pictures of 4 × 5"):
        check_classifier(keras.Model(picture, x), 2, 4, 5)
