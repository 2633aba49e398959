"""Keras as people use it: one picture at a time, and the best that `predict` can do."""

from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.benchmarks.runners import NETWORKS, Run

BATCH = 32


def open_runner(model: str, cores: int, way: str) -> Run:
    """A function from files to probabilities (n, classes)."""
    import keras
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(cores)
    network = NETWORKS[model]
    built = getattr(keras.applications, network.builder)(weights=None)
    family = import_module(f"keras.applications.{network.family}")
    if way == "one by one":
        return lambda files: one_by_one(built, family, network.side, files)
    return lambda files: batched(built, family, network.side, files, cores)


def one_by_one(model: Any, family: Any, side: int, files: list[str]) -> NDArray[np.float32]:
    """The recipe of every tutorial."""
    import keras

    answers = []
    for file in files:
        image = keras.utils.load_img(file, target_size=(side, side))
        pixels = np.expand_dims(keras.utils.img_to_array(image), axis=0)
        answers.append(model.predict(family.preprocess_input(pixels), verbose=0))
    return np.concatenate(answers)


def batched(
    model: Any, family: Any, side: int, files: list[str], cores: int
) -> NDArray[np.float32]:
    """`predict` on a tf.data pipeline: numpy input it cuts into odd batches, and is slower."""
    import tensorflow as tf

    def load(file: Any) -> Any:
        pixels = tf.io.decode_jpeg(tf.io.read_file(file), channels=3)
        return family.preprocess_input(tf.image.resize(pixels, (side, side), antialias=True))

    # Autotune takes cores from the network to find out how many the decoding needs.
    options = tf.data.Options()
    options.autotune.enabled = False
    dataset = tf.data.Dataset.from_tensor_slices(files).map(load, num_parallel_calls=cores)
    dataset = dataset.batch(BATCH).prefetch(2).with_options(options)
    answers: NDArray[np.float32] = model.predict(dataset, verbose=0)
    return answers
