"""Several devices that share each batch, and what of a model lives on them."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import keras
import tensorflow as tf


def distribution(devices: Sequence[str]) -> tf.distribute.Strategy:
    """The strategy for these devices by TensorFlow's names; by default for all GPUs there are."""
    cards = [each.name for each in tf.config.list_logical_devices("GPU")]
    if devices or len(cards) > 1:
        return _mirrored(tuple(devices or cards))
    return tf.distribute.get_strategy()


@cache
def _mirrored(devices: tuple[str, ...]) -> tf.distribute.Strategy:
    """One for all fits: two would number what they exchange alike, and TensorFlow mix it up."""
    return tf.distribute.MirroredStrategy(list(devices))


def placed(model: keras.Model, strategy: tf.distribute.Strategy) -> keras.Model:
    """The model, or a copy whose variables live on every device of the strategy, in its scope."""
    if not isinstance(strategy, tf.distribute.MirroredStrategy):
        return model
    copy = keras.Model.from_config(model.get_config())
    copy.set_weights(model.get_weights())
    for mine, its in zip(copy.layers, model.layers, strict=True):
        mine.trainable = its.trainable
    return copy


def share_of(*parts: tf.Tensor) -> list[tf.Tensor]:
    """Rows of each of these for the device that asks, and of each row whether it counts, 1 or 0.

    Where there are fewer rows than devices, some look at a row of another's that does not count:
    the mean of no pictures, which a batch normalisation would take, is not a number.
    """
    here = tf.distribute.get_replica_context()
    number, count = here.replica_id_in_sync_group, tf.shape(parts[0])[0]
    rows = tf.range(number, tf.maximum(count, number + 1), here.num_replicas_in_sync)
    shared = [tf.gather(part, rows % count) for part in parts]
    return [*shared, tf.cast(rows < count, tf.float32)]


def that_may_change(model: keras.Model, seed: int) -> list[Any]:
    """The variables that a fit may change: weights, moving averages, the states of draws.

    Those states begin anew, a function of the seed and of their place.
    """
    kept = {id(weight) for each in model.layers if not each.trainable for weight in each.weights}
    weights = {id(weight) for weight in model.weights}
    states = [each for each in model.variables if id(each) not in weights]
    for place, state in enumerate(states):
        state.assign((seed, place))
    return [each for each in model.weights if id(each) not in kept] + states
