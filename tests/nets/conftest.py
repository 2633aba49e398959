"""Fixtures of the networks' tests."""

from pathlib import Path

import pytest


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
