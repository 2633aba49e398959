"""Configurations from strangers: what they may not name, and any value of theirs wrong."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cnnkit.errors import WeightsError
from tests.nets.stranger_files import (
    CONFIG,
    LAMBDA,
    Config,
    load,
    members,
    part,
    refusal,
    set_argument,
    set_layer,
    with_config,
    zipped,
)

pytestmark = pytest.mark.network

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
