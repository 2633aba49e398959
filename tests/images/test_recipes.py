"""The recipe's scaling is Keras's own, and its hash tells any two recipes apart."""

import importlib
from dataclasses import fields, replace
from typing import Any, ClassVar

import numpy as np
import pytest

from cnnkit.images.recipes import affine, scaled
from cnnkit.records import Recipe
from cnnkit.zoo.catalog import PIXELS, catalog

# The module of keras.applications that holds each builder's preprocess_input.
MODULES = {
    "VGG16": "vgg16",
    "VGG19": "vgg19",
    "ResNet": "resnet",
    "ResNetV2": "resnet_v2",
    "InceptionV3": "inception_v3",
    "InceptionResNetV2": "inception_resnet_v2",
    "Xception": "xception",
    "DenseNet": "densenet",
    "MobileNet": "mobilenet",
    "MobileNetV2": "mobilenet_v2",
    "MobileNetV3": "mobilenet_v3",
    "NASNet": "nasnet",
    "EfficientNetB": "efficientnet",
    "EfficientNetV2": "efficientnet_v2",
    "ConvNeXt": "convnext",
}
PIXELS_HERE = np.random.default_rng(3).integers(0, 256, (2, 5, 7, 3)).astype(np.float32)
FULL = Recipe(2, 3, channels="bgr", scale=0.5, mean=(1.0, 2.0, 3.0), std=(4.0, 5.0, 6.0))


def module_of(builder: str) -> str:
    """The longest known beginning decides, but V2 at the end goes before the size."""
    if builder.startswith("ResNet"):
        return MODULES["ResNetV2" if builder.endswith("V2") else "ResNet"]
    return MODULES[max((m for m in MODULES if builder.startswith(m)), key=len)]


class TestScaled:
    def test_by_hand(self) -> None:
        pixel = np.array([[10.0, 20.0, 30.0]], np.float32)
        # (30·0.5 − 1)/4, (20·0.5 − 2)/5, (10·0.5 − 3)/6
        assert np.allclose(scaled(pixel, FULL), [[3.5, 1.6, 2 / 6]])

    def test_the_input_is_not_written_into(self) -> None:
        for recipe in (*PIXELS.values(), FULL):
            pixels = PIXELS_HERE.copy()
            out = scaled(pixels, recipe)
            assert (pixels == PIXELS_HERE).all()
            assert out.shape == pixels.shape
            assert out.dtype == np.float32
            assert not np.shares_memory(out, pixels)

    def test_bytes_are_not_wrapped(self) -> None:
        whole = np.array([[250, 128, 3]], np.uint8)
        for recipe in PIXELS.values():
            assert (scaled(whole, recipe) == scaled(whole.astype(np.float32), recipe)).all()

    def test_affine_is_in_the_recipes_channel_order(self) -> None:
        factor, offset = affine(FULL)
        assert np.allclose(factor, [0.5 / 4, 0.5 / 5, 0.5 / 6])
        assert np.allclose(offset, [-1 / 4, -2 / 5, -3 / 6])
        assert factor.dtype == offset.dtype == np.float32

    @pytest.mark.network
    @pytest.mark.parametrize("name", PIXELS)
    def test_it_works_inside_a_graph(self, name: str) -> None:
        import keras

        inside = keras.ops.convert_to_numpy(
            scaled(keras.ops.convert_to_tensor(PIXELS_HERE), PIXELS[name])
        )
        assert np.allclose(inside, scaled(PIXELS_HERE, PIXELS[name]), atol=1e-5)

    @pytest.mark.network
    def test_every_network_is_scaled_as_keras_does(self) -> None:
        wrong = {}
        for network in catalog().values():
            if network.top.packaged:
                continue
            module = importlib.import_module(f"keras.applications.{module_of(network.builder)}")
            theirs: Any = module.preprocess_input(PIXELS_HERE.copy())
            error = float(np.abs(scaled(PIXELS_HERE, network.recipe) - theirs).max())
            if error > 1e-5 * max(1.0, float(np.abs(theirs).max())):
                wrong[network.name] = error
        assert wrong == {}
        assert len(catalog()) > 30


class TestHash:
    OTHERS: ClassVar[dict[str, Any]] = {
        "height": 3,
        "width": 4,
        "fit": "pad",
        "interpolation": "nearest",
        "margin": (8, 7),
        "channels": "rgb",
        "scale": 0.25,
        "mean": (1.0, 2.0, 3.5),
        "std": (4.0, 6.0, 5.0),
        "decoder": "another",
    }

    def test_it_changes_with_every_field(self) -> None:
        names = {field.name for field in fields(Recipe)}
        assert names == set(self.OTHERS)
        hashes = {replace(FULL, **{name: self.OTHERS[name]}).hash for name in names}
        assert len(hashes | {FULL.hash}) == len(names) + 1

    def test_equal_recipes_have_equal_hashes(self) -> None:
        assert FULL.hash == replace(FULL).hash
        assert len(FULL.hash) == 64

    def test_it_is_the_same_in_every_run(self) -> None:
        """Files store it: a change of this number orphans them."""
        expected = "6de08e148416ae7405f0ea4ee0fad29e7271b7237006061fad7c3e81ddd64efd"
        assert Recipe(224, 224).hash == expected
