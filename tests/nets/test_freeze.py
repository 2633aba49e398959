"""Which layers train, and where a classifier can be cut below them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnnkit.errors import UnknownName, UsageError
from cnnkit.zoo.catalog import find

pytestmark = pytest.mark.network
HEAD = {"logits"}


def branched() -> Any:
    """Two stages of a stem, a residual block, two branches that meet, and a gate on channels."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(1)
    pixels = keras.Input((8, 8, 3), name="pixels")
    x = layers.Conv2D(4, 3, padding="same", name="stem")(pixels)
    x = layers.BatchNormalization(name="stem_bn")(x)
    x = stem = layers.ReLU(name="stem_relu")(x)
    x = layers.Conv2D(4, 3, padding="same", name="block1_conv")(x)
    x = layers.BatchNormalization(name="block1_bn")(x)
    x = layers.Add(name="block1_add")([x, stem])
    one = layers.Conv2D(3, 3, 2, padding="same", name="block2_left")(x)
    two = layers.Conv2D(3, 1, 2, padding="same", name="block2_right")(x)
    x = layers.Concatenate(name="block2_mixed")([one, two])
    gate = layers.GlobalAveragePooling2D(keepdims=True, name="block3_squeeze")(x)
    gate = layers.Conv2D(6, 1, activation="sigmoid", name="block3_excite")(gate)
    x = layers.Multiply(name="block3_gated")([x, gate])
    x = layers.Conv2D(5, 3, padding="same", name="block3_conv")(x)
    x = layers.BatchNormalization(name="block3_bn")(x)
    x = layers.GlobalAveragePooling2D(name="embedding")(x)
    return keras.Model(pixels, layers.Dense(3, name="logits")(x))


def free_of(model: Any) -> list[str]:
    return [layer.name for layer in model.layers if layer.trainable_weights]


LAST = ["block3_conv"]
GATED = ["block3_excite", *LAST]
SECOND = ["block2_left", "block2_right", *GATED]
ALL = ["stem", "block1_conv", *SECOND]


@pytest.mark.parametrize(
    ("what", "chosen"),
    [
        ("1", LAST),
        ("2", GATED),
        ("6", ALL),
        ("all", ALL),
        ("stage", SECOND),
        ("block3", GATED),
        ("block2_left", SECOND),
        ("block1", ["block1_conv", *SECOND]),
        ("s", ALL),
    ],
)
def test_what_is_unfrozen(what: str, chosen: list[str]) -> None:
    from cnnkit.nets.freeze import unfreeze

    model = branched()
    assert unfreeze(model, what, HEAD) == chosen
    assert free_of(model) == [*chosen, "logits"]


def test_batch_normalisation_trains_on_request() -> None:
    from cnnkit.nets.freeze import unfreeze

    model = branched()
    expected = ["block3_excite", "block3_conv", "block3_bn"]
    assert unfreeze(model, "block3", HEAD, batchnorm=True) == expected
    assert free_of(model) == [*expected, "logits"]
    assert unfreeze(model, "1", HEAD, batchnorm=True) == ["block3_bn"]
    # Once more, with less: nothing is left over from before.
    assert unfreeze(model, "1", HEAD) == LAST
    assert free_of(model) == [*LAST, "logits"]


@pytest.mark.parametrize("what", ["0", "7", "999999999999999999999"])
def test_more_layers_than_there_are(what: str) -> None:
    from cnnkit.nets.freeze import unfreeze

    with pytest.raises(UsageError, match=f"from 1 to 6.*Received: {what}"):
        unfreeze(branched(), what, HEAD)


@pytest.mark.parametrize("what", ["block9", "-1", "1.5", "²", "logits", "block1_add", "Stem"])
def test_layers_that_are_not_there(what: str) -> None:
    from cnnkit.nets.freeze import unfreeze

    with pytest.raises(UnknownName, match="No layer"):
        unfreeze(branched(), what, HEAD)


def test_a_frozen_batch_normalisation_keeps_its_statistics(tmp_path: Path) -> None:
    from cnnkit.nets.freeze import unfreeze
    from cnnkit.nets.train import Trainer
    from cnnkit.records import Fitting
    from tests.nets import fits

    made = fits.Made(pixels=True)
    fitting = Fitting(epochs=2, batch_size=4, learning_rate=0.1, arithmetic="float32")
    for batchnorm in (False, True):
        model = branched()
        unfreeze(model, "block3", HEAD, batchnorm=batchnorm)
        before = {layer.name: layer.get_weights() for layer in model.layers}
        trainer = Trainer(model, fitting, "finetune")
        trainer.fit(made.feed(fitting), None)
        model(made.inputs, training=True)
        moved = {
            layer.name
            for layer in model.layers
            if any(
                not np.array_equal(one, two)
                for one, two in zip(layer.get_weights(), before[layer.name], strict=True)
            )
        }
        expected = {"block3_excite", "block3_conv", "logits"}
        assert moved == expected | ({"block3_bn"} if batchnorm else set())


@pytest.mark.parametrize(
    ("what", "cut"),
    [
        ("1", "block3_gated"),
        ("2", "block2_mixed"),
        ("block2", "block1_add"),
        ("block1", "stem_relu"),
        ("all", "pixels"),
    ],
)
def test_the_cut_is_the_last_layer_below_all_that_trains(what: str, cut: str) -> None:
    from cnnkit.nets.freeze import above, cut_below, unfreeze

    model = branched()
    unfreeze(model, what, HEAD)
    found = cut_below(model, [layer.name for layer in model.layers])
    assert found is not None
    assert found.name == cut
    _check_the_part_above(model, above(model, found), found)


def _check_the_part_above(model: Any, top: Any, cut: Any) -> None:
    """It answers as the whole does, and is made of the whole's own layers."""
    import keras

    pixels = np.random.default_rng(0).random((2, *model.input.shape[1:]), np.float32)
    below = keras.Model(model.input, cut.output)
    np.testing.assert_array_equal(top(below(pixels)), model(pixels))
    assert {id(weight) for weight in top.trainable_weights} == {
        id(weight) for weight in model.trainable_weights
    }


def test_a_cut_at_layers_that_are_possible_alone() -> None:
    from cnnkit.nets.freeze import cut_below, unfreeze

    model = branched()
    unfreeze(model, "1", HEAD)
    # Of the two branches, neither is all that flows; what follows a gate needs more than the gate.
    assert cut_below(model, ["block2_left", "block3_excite", "block3_squeeze"]) is None
    found = cut_below(model, ["stem", "block1_conv", "block2_left", "block3_squeeze"])
    assert found is not None
    assert found.name == "stem"
    assert cut_below(model, []) is None
    assert cut_below(model, ["logits", "embedding", "block3_bn", "block3_conv"]) is None


def test_nothing_trains_but_the_head() -> None:
    from cnnkit.nets.freeze import above, cut_below

    model = branched()
    for layer in model.layers[:-1]:
        layer.trainable = False
    found = cut_below(model, [layer.name for layer in model.layers])
    assert found is not None
    assert found.name == "embedding"
    assert [layer.name for layer in above(model, found).layers[1:]] == ["logits"]


# For each dense layer, which of the earlier outputs (0 for the pixels) it takes; and who trains.
GRAPHS = st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=2), min_size=1, max_size=7)
FREE = st.sets(st.integers(0, 6), max_size=2)


def graph(parents: list[list[int]], free: set[int]) -> Any:
    import keras
    from keras import layers

    tensors = [keras.Input((2,), name="pixels")]
    for number, wished in enumerate(parents):
        joined = [tensors[place] for place in sorted({each % len(tensors) for each in wished})]
        x = layers.Add(name=f"add{number}")(joined) if len(joined) > 1 else joined[0]
        tensors.append(layers.Dense(2, name=f"dense{number}")(x))
    model = keras.Model(tensors[0], layers.Dense(2, name="logits")(tensors[-1]))
    for layer in model.layers:
        layer.trainable = layer.name in {"logits", *(f"dense{number}" for number in free)}
    return model


def _paths(model: Any) -> list[list[str]]:
    """Every way from the pixels to the answers, by the names of layers."""
    ways: list[list[str]] = []

    def walk(operation: Any, above: list[str]) -> None:
        here = [operation.name, *above]
        parents = {
            id(parent.operation): parent.operation
            for node in operation._inbound_nodes
            for parent in node.parent_nodes
        }
        for parent in parents.values():
            walk(parent, here)
        if not parents:
            ways.append(here)

    walk(model.layers[-1], [])
    return ways


@settings(max_examples=60, deadline=None)
@given(GRAPHS, FREE)
def test_the_cut_in_any_graph(parents: list[list[int]], free: set[int]) -> None:
    """It lies on every way, below all that trains, and no other such layer lies above it."""
    from cnnkit.nets.freeze import above, cut_below

    model = graph(parents, free)
    ways = _paths(model)
    training = {layer.name for layer in model.layers if layer.trainable_weights}
    good = [
        layer.name
        for layer in model.layers[:-1]
        if all(
            layer.name in way and not training & set(way[: way.index(layer.name) + 1])
            for way in ways
        )
    ]
    found = cut_below(model, [layer.name for layer in model.layers])
    assert found is not None
    assert found.name == max(good, key=ways[0].index)
    _check_the_part_above(model, above(model, found), found)


# The last stage's first layer, and the cut below it.
NETWORKS = {
    "mobilenet_0.25": ("conv_dw_12", "conv_pad_12"),
    "resnet50": ("conv5_block1_1_conv", "conv4_block6_out"),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_of_the_catalog_is_cut_below_its_last_stage(name: str) -> None:
    from cnnkit.nets.classifier import backbone, classifier, head
    from cnnkit.nets.freeze import above, cut_below, unfreeze

    network = find(name)
    top = head("linear", network.features, 3)
    model = classifier(backbone(network, None, top=True), network.recipe, top)
    names = {layer.name for layer in top.layers}
    first, expected = NETWORKS[name]
    assert unfreeze(model, "stage", names)[0] == first
    possible = {layer.name for layer in model.layers} - {"pixels"}
    found = cut_below(model, possible)
    assert found is not None
    assert found.name == expected
    _check_the_part_above(model, above(model, found), found)
