"""Standardisation as layers: ImageDataGenerator.standardize is the oracle."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from cnnkit.images.augment import Standardisation
from cnnkit.images.augment.standardise import statistics
from cnnkit.nets.standardise import standardised
from cnnkit.nets.trusted import load_model

pytestmark = pytest.mark.network
PICTURES = np.random.default_rng(4).uniform(0, 255, (90, 5, 4, 3)).astype(np.float32)


def as_layers(parameters: dict[str, Any], pictures: Any = PICTURES) -> keras.Model:
    wanted = Standardisation.of(parameters)
    assert wanted
    known = statistics(lambda: np.array_split(pictures, 4), wanted)
    pixels = keras.Input(PICTURES.shape[1:])
    return keras.Model(pixels, standardised(pixels, wanted, known))


@pytest.mark.filterwarnings("ignore::UserWarning")  # Keras says that it takes the mean too
@pytest.mark.parametrize(
    "parameters",
    [
        {"rescale": 1 / 255},
        {"samplewise_center": True},
        {"samplewise_std_normalization": True},
        {"rescale": 1 / 255, "samplewise_std_normalization": True},
        {"featurewise_center": True},
        {"featurewise_std_normalization": True},
        {"featurewise_center": True, "zca_whitening": True, "zca_epsilon": 1e-3},
        {"featurewise_std_normalization": True, "zca_whitening": True, "zca_epsilon": 1e-4},
    ],
    ids=lambda parameters: "+".join(parameters),
)
def test_as_image_data_generator_does(parameters: dict[str, Any]) -> None:
    from tensorflow.keras.preprocessing.image import ImageDataGenerator

    generator = ImageDataGenerator(**parameters)
    generator.fit(PICTURES)
    expected = np.stack([generator.standardize(each.copy()) for each in PICTURES])
    got = as_layers(parameters).predict_on_batch(PICTURES)
    scale = np.abs(expected).max()
    np.testing.assert_allclose(got / scale, expected / scale, atol=3e-4)


def test_fewer_pictures_than_values_are_whitened_as_keras_does() -> None:
    from tensorflow.keras.preprocessing.image import ImageDataGenerator

    few = PICTURES[:20]
    generator = ImageDataGenerator(featurewise_center=True, zca_whitening=True)
    generator.fit(few)
    expected = np.stack([generator.standardize(each.copy()) for each in PICTURES])
    got = as_layers({"zca_whitening": True}, few).predict_on_batch(PICTURES)
    np.testing.assert_allclose(got, expected, atol=1e-3)


def test_statistics_are_of_what_rescaling_leaves() -> None:
    model = as_layers({"rescale": 1 / 255, "featurewise_std_normalization": True})
    got = model.predict_on_batch(PICTURES)
    np.testing.assert_allclose(got.mean(axis=(0, 1, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(got.std(axis=(0, 1, 2)), 1, atol=1e-4)


def test_it_is_saved_with_the_network_and_never_trains(tmp_path: Path) -> None:
    model = as_layers({"rescale": 1 / 255, "samplewise_center": True, "zca_whitening": True})
    assert model.trainable_variables == []
    model.save(tmp_path / "m.keras")
    again = load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(
        again.predict_on_batch(PICTURES), model.predict_on_batch(PICTURES)
    )
