"""Catalog record + weights → `keras.Model`."""

from pathlib import Path

import numpy as np
import pytest

from cnnkit.errors import WeightsError
from cnnkit.images.recipes import scaled
from cnnkit.zoo.catalog import find

pytestmark = pytest.mark.network


def test_random_values_are_a_function_of_the_seed() -> None:
    from cnnkit.nets.build import build

    network = find("mobilenet_0.25")
    once, again, other = (build(network, seed=seed).get_weights() for seed in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(once, again, strict=True))
    assert not np.array_equal(once[0], other[0])


def test_the_recipe_in_the_graph_is_the_recipe_in_numpy() -> None:
    from cnnkit.nets.build import build, with_recipe

    network = find("resnet50")
    model = build(network)
    pixels = np.random.default_rng(0).integers(0, 256, (2, 224, 224, 3), np.uint8)
    inside = with_recipe(model, network.recipe)(pixels)
    outside = model(scaled(pixels.astype(np.float32), network.recipe))
    np.testing.assert_allclose(inside, outside, atol=1e-6)


def test_a_networks_own_layers_are_not_nested() -> None:
    """Saliency maps need the graph in one piece."""
    import keras

    from cnnkit.nets.build import build

    assert not any(isinstance(e, keras.Model) for e in build(find("mobilenetv2_0.35")).layers)


@pytest.mark.real
def test_weights_of_another_network_are_refused_by_name(keras_home: Path) -> None:
    from cnnkit.nets.build import build

    file = keras_home / "models" / "mobilenet_2_5_224_tf.h5"
    with pytest.raises(WeightsError, match=r"mobilenet_0\.5 cannot be read .* another network"):
        build(find("mobilenet_0.5"), file)
