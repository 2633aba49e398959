"""Backbone + head → a classifier that takes pixels, flat from end to end."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cnnkit.errors import OutputError
from cnnkit.zoo.catalog import find
from tests.conftest import ROOT

pytestmark = pytest.mark.network


def pixels(side: int, count: int = 2) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, side, side, 3), np.uint8)


def softmax(logits: Any) -> np.ndarray:
    powers = np.exp(np.asarray(logits, np.float64) - np.max(logits, axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def test_a_linear_head_is_a_line_through_standardised_features() -> None:
    from cnnkit.nets.classifier import head

    rng = np.random.default_rng(1)
    x = (3 + 2 * rng.normal(size=(9, 4))).astype(np.float32)
    model = head("linear", 4, 3, mean=x.mean(0), variance=x.var(0))
    assert not np.asarray(model(x)).any()
    kernel, bias = rng.normal(size=(4, 3)).astype(np.float32), np.array([1, 2, 3], np.float32)
    model.get_layer("logits").set_weights([kernel, bias])
    expected = (x - x.mean(0)) / x.std(0) @ kernel + bias
    np.testing.assert_allclose(model(x), expected, rtol=1e-4, atol=1e-5)
    assert [layer.name for layer in model.layers] == ["embedding_input", "standardise", "logits"]


@pytest.mark.parametrize("constant", [0.0, 7.0])
def test_a_feature_that_never_varies_says_nothing(constant: float) -> None:
    from cnnkit.nets.classifier import head

    x = np.random.default_rng(1).normal(size=(9, 4)).astype(np.float32)
    x[:, 0] = constant
    for rows in (x, np.full_like(x, constant)):
        model = head("mlp", 4, 3, mean=rows.mean(0), variance=rows.var(0))
        near = rows.copy()
        near[:, 0] += 1e-6
        assert np.isfinite(model(rows)).all()
        np.testing.assert_allclose(model(near), model(rows), atol=1e-3)


def test_the_first_values_of_a_head_are_a_function_of_the_seed() -> None:
    from cnnkit.nets.classifier import head

    once, again, other = (head("mlp", 4, 3, seed=seed).get_weights() for seed in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(once, again, strict=True))
    assert not np.array_equal(once[0], other[0])
    assert not np.array_equal(once[2], other[2])


# One recipe that turns RGB round and takes a mean off, one that scales to -1 and 1.
@pytest.mark.parametrize("name", ["resnet50", "mobilenet_0.25", "patternnet"])
@pytest.mark.parametrize("kind", ["linear", "mlp"])
def test_it_answers_as_the_network_with_its_recipe_and_the_head_do(name: str, kind: Any) -> None:
    from cnnkit.nets.build import build, with_recipe
    from cnnkit.nets.classifier import backbone, classifier, head

    network = find(name)
    packaged = ROOT / "cnnkit" / "zoo" / "patternnet" / network.top.name
    weights = packaged if network.top.packaged else None
    top = head(kind, network.features, 3, seed=1)
    model = classifier(backbone(network, weights, top=True), network.recipe, top)
    shown = pixels(network.recipe.height)
    layer = (network.embedding,)
    embedding = with_recipe(build(network, weights), network.recipe, layer)(shown)
    vectors = np.reshape(embedding, (len(shown), -1))
    assert vectors.shape[1] == network.features
    expected = np.asarray(top(vectors))
    assert kind == "linear" or expected.any()
    np.testing.assert_allclose(model(shown.astype(np.float32)), expected, rtol=1e-5, atol=1e-6)


def test_it_is_flat_and_layers_keep_their_names() -> None:
    import keras

    from cnnkit.nets.build import build
    from cnnkit.nets.classifier import backbone, classifier, head

    network = find("mobilenet_0.25")
    trunk = backbone(network, None, top=True)
    top = head("mlp", network.features, 3)
    model = classifier(trunk, network.recipe, top)
    assert not any(isinstance(layer, keras.Model) for layer in model.layers)
    names = [layer.name for layer in model.layers]
    assert names[:2] == ["pixels", "recipe_scaling"]
    assert names[-4:] == ["embedding_row", "hidden", "dropout", "logits"]
    own = {layer.name for layer in build(network).layers[1:]}
    assert len(set(names)) == len(names)
    assert own - set(names) == {"dropout", "conv_preds", "reshape_2", "predictions"} - set(names)
    assert all(len(layer._inbound_nodes) == 1 for layer in model.layers)
    # They are copies: to train the classifier leaves the network as it was.
    assert not {id(weight) for weight in model.weights} & {id(weight) for weight in trunk.weights}
    assert len(model.get_layer(network.embedding).output.shape) == 4


def test_weights_without_top_are_pooled() -> None:
    from cnnkit.nets.classifier import backbone, classifier

    network = find("mobilenet_0.25")
    model = classifier(backbone(network, None, top=False), network.recipe)
    assert model.output.shape == (None, 256)
    assert model.name == "mobilenet_0.25_224"


@pytest.fixture(scope="module")
def trained() -> Any:
    from cnnkit.nets.classifier import backbone, classifier, head

    network = find("patternnet")
    rng = np.random.default_rng(3)
    mean, variance = rng.normal(size=(2, network.features)).astype(np.float32)
    top = head("mlp", network.features, 3, mean=mean, variance=variance**2, seed=1)
    return classifier(backbone(network, None, top=True, seed=1), network.recipe, top)


def test_what_is_saved_is_what_is_loaded(trained: Any, tmp_path: Path) -> None:
    import keras

    from cnnkit.nets.classifier import save, with_probabilities
    from cnnkit.nets.trusted import load_model

    model = with_probabilities(trained, 1.7)
    save(model, tmp_path / "model.keras")
    assert [path.name for path in tmp_path.iterdir()] == ["model.keras"]
    shown = pixels(112).astype(np.float32)
    for loaded in (
        keras.models.load_model(tmp_path / "model.keras"),
        load_model(tmp_path / "model.keras"),
    ):
        np.testing.assert_array_equal(loaded(shown), model(shown))
        assert [layer.name for layer in loaded.layers] == [layer.name for layer in model.layers]
        assert loaded.get_layer("embedding").output.shape == (None, 1104)


def test_a_flipped_recipe_is_loaded_by_those_who_trust_nobody(tmp_path: Path) -> None:
    import keras

    from cnnkit.images.recipes import scaled
    from cnnkit.nets.classifier import classifier, save
    from cnnkit.nets.trusted import load_model
    from cnnkit.zoo.catalog import PIXELS

    recipe = replace(PIXELS["caffe"], height=5, width=4)
    inputs = keras.Input((recipe.height, recipe.width, 3))
    trunk = keras.Model(inputs, keras.layers.Flatten()(inputs))
    model = classifier(trunk, recipe)
    save(model, tmp_path / "model.keras")
    shown = np.random.default_rng(0).integers(0, 256, (2, *inputs.shape[1:])).astype(np.float32)
    expected = scaled(shown.copy(), recipe).reshape(2, -1)
    assert expected.shape == (2, 60)
    np.testing.assert_allclose(model(shown), expected, atol=1e-4)
    np.testing.assert_array_equal(load_model(tmp_path / "model.keras")(shown), model(shown))


def test_the_temperature_divides_the_logits(trained: Any) -> None:
    from cnnkit.nets.classifier import with_probabilities

    shown = pixels(112).astype(np.float32)
    logits = np.asarray(trained(shown), np.float64)
    for temperature in (0.5, 1.0, 20.0):
        scores = np.asarray(with_probabilities(trained, temperature)(shown))
        np.testing.assert_allclose(scores, softmax(logits / temperature), rtol=1e-5, atol=1e-7)


def test_a_disk_that_refuses(trained: Any, tmp_path: Path) -> None:
    from cnnkit.nets.classifier import save

    with pytest.raises(OutputError, match="cannot be written"):
        save(trained, tmp_path / "absent" / "model.keras")
    (tmp_path / "model.keras").mkdir()
    with pytest.raises(OutputError, match="cannot be written"):
        save(trained, tmp_path / "model.keras")
    assert [path.name for path in tmp_path.iterdir()] == ["model.keras"]
