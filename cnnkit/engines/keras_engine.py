"""The reference engine: Keras on TensorFlow, in float32."""

import logging
import os

import numpy as np
from numpy.typing import NDArray

from cnnkit.engines.base import Answers, Engine, Source
from cnnkit.engines.quiet import quiet
from cnnkit.errors import UsageError

log = logging.getLogger(__name__)


class KerasEngine(Engine):
    """Runs the network as one TensorFlow graph."""

    name = "keras"

    def __init__(self, source: Source, *, batch_size: int, threads: int) -> None:
        """Build the network and load its weights; TensorFlow is imported here."""
        # TensorFlow shares the cores out itself: one batch at a time, and the next one waiting.
        super().__init__(precision="float32", batch_size=batch_size, in_flight=1)
        start(threads)
        with quiet(log.isEnabledFor(logging.DEBUG)):
            import keras
            import tensorflow as tf

            from cnnkit.nets.build import build, with_recipe

            pooling = None if source.top else "avg"
            model = build(
                source.network, source.weights, top=source.top, pooling=pooling, seed=source.seed
            )
            self.model = with_recipe(model, source.recipe, source.layers)
            shape = (None, source.recipe.height, source.recipe.width, 3)
            self._graph = tf.function(
                lambda pixels: tuple(keras.tree.flatten(self.model(pixels, training=False))),
                input_signature=[tf.TensorSpec(shape, tf.uint8)],
            ).get_concrete_function()

    def run(self, pixels: NDArray[np.uint8]) -> Answers:
        """One batch: uint8 RGB (n, H, W, 3) → float32 (n, …) per layer."""
        import tensorflow as tf

        return tuple(array.numpy() for array in self._graph(tf.constant(pixels)))


def start(threads: int) -> None:
    """Import Keras on TensorFlow without its chatter, on so many cores.

    Raises `UsageError` where the environment asks for another backend.
    """
    verbose = log.isEnabledFor(logging.DEBUG)
    _refuse_other_backend(os.environ.setdefault("KERAS_BACKEND", "tensorflow"))
    if not verbose:
        os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
        logging.getLogger("tensorflow").setLevel(logging.ERROR)
    with quiet(verbose):
        import keras

        _refuse_other_backend(keras.backend.backend())
        _limit_threads(threads)


def _refuse_other_backend(backend: str) -> None:
    if backend != "tensorflow":
        raise UsageError(
            f"Expected Keras on TensorFlow. Received: KERAS_BACKEND={backend}. Unset it."
        )


def _limit_threads(threads: int) -> None:
    import tensorflow as tf

    # TensorFlow takes this only before its first operation; a later engine keeps the first's.
    try:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(min(2, threads))
    except RuntimeError:
        return
