"""Optimizers by name, and the arithmetic that a model is trained in."""

from collections.abc import Iterator
from contextlib import contextmanager

import keras
import tensorflow as tf

from cnnkit.errors import UsageError
from cnnkit.records import Arithmetic, Fitting

_MOMENTUM = 0.9


def make_optimizer(fitting: Fitting, policy: str) -> keras.optimizers.Optimizer:
    """Adam (Kingma and Ba 2015), AdamW (Loshchilov and Hutter 2019) or SGD with momentum."""
    rate, decay = fitting.learning_rate, fitting.weight_decay
    if fitting.optimizer == "sgd":
        made = keras.optimizers.SGD(rate, momentum=_MOMENTUM, weight_decay=decay or None)
    elif fitting.optimizer == "adam":
        made = keras.optimizers.Adam(rate)
    else:
        made = keras.optimizers.AdamW(rate, weight_decay=decay)
        # As ever: what shifts or scales a whole channel is not pulled towards nothing.
        made.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    if policy == "mixed_float16":  # small gradients would be lost without it
        return keras.optimizers.LossScaleOptimizer(made)
    return made


def policy_of(arithmetic: Arithmetic) -> str:
    """The dtype policy for this machine: float32 on a processor, mixed on a graphics card.

    Raises `UsageError` for float16 on a processor, where it is slower than float32 and less exact.
    """
    cards = tf.config.list_physical_devices("GPU")
    if arithmetic == "mixed_float16" and not cards:
        raise UsageError(
            "Expected float32 or mixed_bfloat16 on a processor. Received: mixed_float16, "
            "which it computes more slowly than float32."
        )
    if arithmetic != "auto":
        return arithmetic
    if not cards:
        return "float32"
    ability = tf.config.experimental.get_device_details(cards[0]).get("compute_capability", (0, 0))
    return "mixed_bfloat16" if ability >= (8, 0) else "mixed_float16"


@contextmanager
def using(model: keras.Model, policy: str) -> Iterator[None]:
    """Let every layer compute by a dtype policy; its variables stay as they are.

    The last layer stays in float32, for its answers are what the loss is computed of.
    """
    inner = [] if policy == "float32" else model.layers[:-1]
    before = [layer.dtype_policy for layer in inner]
    try:
        for layer in inner:
            layer.dtype_policy = policy
        yield
    finally:
        for layer, own in zip(inner, before, strict=True):
            layer.dtype_policy = own
