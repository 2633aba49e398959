"""Batch normalisation in fits of few steps."""

import keras


def keep_pace(model: keras.Model, steps: int) -> None:
    """Let the statistics by which a network answers follow within an epoch of so many steps.

    They are a moving average over about 1 / (1 - momentum) steps (Ioffe and Szegedy 2015, section
    3.1), a hundred in Keras. With a dozen steps in an epoch they would for long be those of the
    random weights that it began with, and validation would see nothing of what is learnt.
    """
    slowest = 1 - 1 / max(steps, 2)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = min(layer.momentum, slowest)
