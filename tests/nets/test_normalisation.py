import keras
import numpy as np
import pytest

from cnnkit.nets.normalisation import keep_pace

pytestmark = pytest.mark.network


@pytest.mark.parametrize(
    ("steps", "momentum"), [(1, 0.5), (2, 0.5), (10, 0.9), (50, 0.98), (100, 0.99), (10**6, 0.99)]
)
def test_the_average_is_over_an_epoch_at_most(steps: int, momentum: float) -> None:
    layers = [keras.Input((3,)), keras.layers.BatchNormalization(), keras.layers.Dense(2)]
    model = keras.Sequential(layers)
    keep_pace(model, steps)
    assert model.layers[0].momentum == pytest.approx(momentum)
    rows = np.random.default_rng(0).normal(5, 1, (64, 3)).astype(np.float32)
    for _ in range(max(steps, 2) if steps <= 100 else 0):
        model(rows, training=True)
    moved = np.asarray(model.layers[0].moving_mean) / rows.mean(axis=0)
    if steps <= 100:  # all but (1 - 1 / n) ** n, about 1 / e
        assert moved.min() > 0.6


def test_a_quicker_one_stays_as_quick() -> None:
    model = keras.Sequential([keras.Input((3,)), keras.layers.BatchNormalization(momentum=0.6)])
    keep_pace(model, 50)
    assert model.layers[0].momentum == 0.6
