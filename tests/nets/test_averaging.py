import keras
import numpy as np
import pytest

from cnnkit.nets.averaging import between, settle_between

pytestmark = pytest.mark.network


def test_between_two_weights() -> None:
    one, two = [np.array([0.0, 8.0], np.float32)], [np.array([4.0, 0.0], np.float32)]
    np.testing.assert_array_equal(between(one, two, 0.0)[0], one[0])
    np.testing.assert_array_equal(between(one, two, 1.0)[0], two[0])
    np.testing.assert_array_equal(between(one, two, 0.25)[0], [1.0, 6.0])
    assert between(one, two, 0.25)[0].dtype == np.float32


@pytest.mark.parametrize(("best", "share"), [(0.1, 0.0), (1.6, 0.5), (4.4, 1.0)])
def test_the_share_that_is_judged_best_is_kept(best: float, share: float) -> None:
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    model.set_weights([np.array([[4.0]], np.float32)])

    def far() -> float:
        return abs(float(model.get_weights()[0][0, 0]) - best)

    assert settle_between(model, [np.zeros((1, 1), np.float32)], far) == share
    assert model.get_weights()[0][0, 0] == 4.0 * share


def test_without_a_judge_it_is_the_middle() -> None:
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    model.set_weights([np.array([[4.0]], np.float32)])
    assert settle_between(model, [np.zeros((1, 1), np.float32)], None) == 0.5
    assert model.get_weights()[0][0, 0] == 2.0


def test_a_share_that_is_known_is_taken() -> None:
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    model.set_weights([np.array([[4.0]], np.float32)])
    assert settle_between(model, [np.zeros((1, 1), np.float32)], 0.75) == 0.75
    assert model.get_weights()[0][0, 0] == 3.0
