"""Which layer is meant: one by its name, or the last feature map of whatever network."""

from typing import Any

import numpy as np
import pytest

from cnnkit.errors import UnknownName, UsageError
from cnnkit.zoo.catalog import FEATURE_MAP, Network, catalog, find
from cnnkit.zoo.weights import path_of

pytestmark = pytest.mark.network
# One of each kind of head, the small ones: 1×1 convolutions, poolings that keep their axes, …
SMALL = ("mobilenet_0.25", "mobilenetv2_0.35", "mobilenetv3small_0.75", "efficientnetb0")
PATTERNNET = find("patternnet")


def answers(network: Network, layer: str, pixels: Any, **options: Any) -> Any:
    from cnnkit.nets.build import build, with_recipe

    model = build(network, seed=3, **options)
    return np.asarray(with_recipe(model, network.recipe, (layer,))(pixels))


def noise(network: Network, number: int = 1) -> Any:
    shape = (number, network.recipe.height, network.recipe.width, 3)
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def map_is_what_keras_ends_in_without_top(name: str) -> None:
    network = find(name)
    pixels = noise(network)
    found = answers(network, FEATURE_MAP, pixels)
    bare = answers(network, FEATURE_MAP, pixels, top=False, pooling="avg")
    assert found.ndim == 4
    assert np.isfinite(found).all()
    np.testing.assert_allclose(bare, found, rtol=1e-4, atol=1e-4 * np.abs(found).max())
    if name.startswith("convnext"):  # Keras normalises the map where nothing pools it
        return
    plain = answers(network, "", pixels, top=False)
    np.testing.assert_allclose(plain, found, rtol=1e-4, atol=1e-4 * np.abs(found).max())
    if network.pooled:
        embedding = answers(network, network.embedding, pixels).reshape(1, -1)
        mean = found.mean(axis=(1, 2), dtype=np.float64)
        np.testing.assert_allclose(embedding, mean, rtol=1e-3, atol=1e-4 * np.abs(mean).max())


@pytest.mark.parametrize("name", SMALL)
def test_the_feature_map_is_what_keras_ends_in_without_top(name: str) -> None:
    map_is_what_keras_ends_in_without_top(name)


@pytest.mark.soak
@pytest.mark.parametrize("name", [n for n in catalog() if n not in (*SMALL, "patternnet")])
def test_the_feature_map_of_every_network(name: str) -> None:
    map_is_what_keras_ends_in_without_top(name)


def test_vggs_map_is_what_it_flattens() -> None:
    network = find("vgg16")
    found = answers(network, FEATURE_MAP, noise(network), top=False, pooling="avg")
    pooled = answers(network, "", noise(network), top=False, pooling="max")
    assert found.shape == (1, 7, 7, 512)
    np.testing.assert_allclose(found.max(axis=(1, 2)), pooled, rtol=1e-5)


def test_convnexts_map_comes_before_its_normalisation() -> None:
    import keras

    from cnnkit.nets.build import build, with_recipe

    network = find("convnexttiny")
    assert not network.pooled
    model = build(network)
    found = with_recipe(model, network.recipe, (FEATURE_MAP,))(noise(network))
    pooled = keras.Model(model.input, model.get_layer("convnext_tiny_head_gap").output)
    np.testing.assert_allclose(
        np.asarray(found).mean(axis=(1, 2)), pooled(noise(network).astype("float32")), atol=1e-5
    )


def test_patternnets_map_is_its_last_convolutions() -> None:
    from cnnkit.nets.build import build, with_recipe

    model = build(PATTERNNET, path_of(PATTERNNET.top))
    layers = (FEATURE_MAP, "conv6_relu", "conv6_mean")
    found, last, mean = with_recipe(model, PATTERNNET.recipe, layers)(noise(PATTERNNET))
    assert found.shape == (1, 7, 7, 192)
    assert np.array_equal(found, last)
    np.testing.assert_allclose(np.mean(found, axis=(1, 2)), mean[:, 0, 0], atol=1e-5)


def test_random_values_are_the_same_with_top_and_without() -> None:
    from cnnkit.nets.build import build

    network = find("mobilenet_0.25")
    bare = build(network, top=False, seed=7).get_weights()
    whole = build(network, seed=7).get_weights()
    assert len(bare) < len(whole)
    assert all(np.array_equal(a, b) for a, b in zip(bare, whole, strict=False))


def test_a_layer_that_is_none_gets_near_misses() -> None:
    with pytest.raises(UnknownName, match=r"No layer is called 'conv6_rel'\. Did you mean conv6_r"):
        answers(PATTERNNET, "conv6_rel", noise(PATTERNNET))


def test_layers_that_answer_with_several_tensors_or_no_floats_are_refused() -> None:
    import keras

    from cnnkit.nets.build import with_recipe

    class Two(keras.layers.Layer):  # type: ignore[misc]
        def call(self, x: Any) -> Any:
            return x, x

    class Whole(keras.layers.Layer):  # type: ignore[misc]
        def call(self, x: Any) -> Any:
            return keras.ops.cast(x, "int32")

    image = keras.Input((8, 8, 3))
    one, _ = Two(name="two")(image)
    model = keras.Model(image, Whole(name="whole")(one), name="strange")
    recipe = PATTERNNET.recipe
    for name, kind in (("two", "list"), ("whole", "int32")):
        with pytest.raises(UsageError, match=rf"floats\. Received: '{name}', which .* {kind}"):
            with_recipe(model, recipe, (name,))


def test_a_network_without_a_feature_map_says_so() -> None:
    import keras

    from cnnkit.nets.build import with_recipe

    row = keras.Input((5,))
    model = keras.Model(row, keras.layers.Dense(2)(row), name="flat")
    with pytest.raises(UsageError, match="flat has no feature map"):
        with_recipe(model, PATTERNNET.recipe, (FEATURE_MAP,))
