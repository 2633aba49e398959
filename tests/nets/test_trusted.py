"""Networks from strangers: honest ones are loaded as they are, and only classifiers pass."""

import random
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cnnkit.errors import WeightsError
from tests.nets.stranger_files import load

pytestmark = pytest.mark.network


def plain() -> Any:
    import keras

    return keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            keras.layers.Rescaling(1 / 127.5, offset=-1),
            keras.layers.RandomFlip(),
            keras.layers.Conv2D(3, 3, kernel_regularizer="l2", kernel_constraint="max_norm"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(2, "softmax", kernel_initializer=keras.initializers.HeNormal(1)),
        ]
    )


def compiled() -> Any:
    model = plain()
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(np.ones((4, 8, 8, 3), "f4"), np.zeros(4, "i4"), verbose=0)
    return model


def with_operations() -> Any:
    import keras

    picture = keras.Input((8, 8, 3), dtype="uint8")
    x = keras.ops.cast(picture, "float32")[..., ::-1]
    x = (x - np.array([103.9, 116.8, 123.7], "f4")) * 0.5 / keras.ops.convert_to_tensor([1.0, 2, 3])
    x = keras.layers.Normalization(mean=[1.0, 2, 3], variance=[4.0, 5, 6])(x)
    x = keras.ops.concatenate([keras.ops.relu(x), keras.ops.sqrt(keras.ops.square(x) + 1e-4)])
    x = keras.ops.mean(keras.ops.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]]), axis=(1, 2))
    return keras.Model(picture, keras.ops.softmax(keras.layers.Dense(2)(x)))


def adapted() -> Any:
    import keras

    normal = keras.layers.Normalization()
    normal.adapt(np.random.default_rng(0).random((9, 8, 8, 3), np.float32))
    layers = [keras.Input((8, 8, 3)), normal, keras.layers.Flatten(), keras.layers.Dense(2)]
    return keras.Sequential(layers)


def nested() -> Any:
    import keras

    picture = keras.Input((8, 8, 3))
    head = keras.Sequential([keras.Input((192,)), keras.layers.Dense(2)])
    flat = keras.Model(picture, keras.layers.Flatten()(picture))
    again = keras.Input((8, 8, 3))
    return keras.Model(again, head(flat(again)))


def mobilenet() -> Any:
    import keras

    return keras.applications.MobileNet((32, 32, 3), 0.25, weights=None, classes=2)


def attention() -> Any:
    import keras

    picture = keras.Input((8, 8, 3))
    x = keras.layers.Reshape((16, 12))(picture)
    x = keras.layers.MultiHeadAttention(2, 4)(x, x)
    return keras.Model(picture, keras.layers.Dense(2)(keras.layers.Flatten()(x)))


def in_type(policy: str) -> Any:
    import keras

    keras.config.set_dtype_policy(policy)
    try:
        return plain()
    finally:
        keras.config.set_dtype_policy("float32")


@pytest.mark.parametrize(
    "make",
    [
        *(plain, compiled, with_operations, adapted, nested, mobilenet, attention),
        *(partial(in_type, each) for each in ("mixed_float16", "bfloat16", "float64")),
    ],
)
def test_honest_networks_are_loaded_as_they_are(make: Callable[[], Any], tmp_path: Path) -> None:
    from cnnkit.nets.trusted import check_classifier

    path = tmp_path / "model.keras"
    made = make()
    made.save(path)
    before = path.read_bytes()
    loaded = load(path)
    _, height, width, _ = made.input_shape
    pictures = np.random.default_rng(1).integers(0, 256, (3, height, width, 3))
    once, again = (
        np.asarray(each(pictures.astype("f4"), training=False), "f4") for each in (made, loaded)
    )
    np.testing.assert_array_equal(once, again)
    assert not loaded.compiled
    check_classifier(loaded, 2, height, width)
    assert path.read_bytes() == before


def test_random_numbers_and_names_of_the_caller_go_on(honest: Path) -> None:
    import keras

    first = keras.layers.Dense(1).name
    random.seed(1)
    load(honest)
    assert random.random() == random.Random(1).random()
    second = keras.layers.Dense(1).name
    assert int(second.split("_")[1]) == int((first + "_0").split("_")[1]) + 1


def test_what_is_no_classifier(honest: Path) -> None:
    import keras

    from cnnkit.nets.trusted import check_classifier

    model = load(honest)
    check_classifier(model, 2, 8, 8)
    for classes, height, width, said in (
        (3, 8, 8, r"answers with \(None, 2\).*\(None, 3\)"),
        (2, 9, 8, r"takes \(None, 8, 8, 3\).*\(None, 9, 8, 3\)"),
        (2, 8, 7, r"Expected one batch of pictures"),
    ):
        with pytest.raises(WeightsError, match=said):
            check_classifier(model, classes, height, width)
    one, two = keras.Input((8, 8, 3)), keras.Input((8, 8, 3))
    flat = keras.layers.Flatten()
    for odd in (
        keras.Model([one, two], flat(one + two)),
        keras.Model(one, [flat(one), flat(one)]),
        keras.Model(one, one),
    ):
        with pytest.raises(WeightsError, match="Expected one"):
            check_classifier(odd, 192, 8, 8)


def test_open_sides_are_checked_for_the_size_that_is_used() -> None:
    import keras

    from cnnkit.nets.trusted import check_classifier

    def network(size: int) -> Any:
        picture = keras.Input((None, None, 3))
        inner = keras.Sequential([keras.layers.UpSampling2D(size, name="larger")])
        x = keras.layers.GlobalAveragePooling2D()(inner(picture))
        return keras.Model(picture, keras.layers.Dense(2)(x))

    check_classifier(network(4), 2, 32, 48)
    with pytest.raises(WeightsError, match=r"activation of \(None, 32000, 48000, 3\) in 'larger'"):
        check_classifier(network(1000), 2, 32, 48)


def test_a_picture_too_small_for_the_network() -> None:
    import keras

    from cnnkit.nets.trusted import check_classifier

    picture = keras.Input((None, None, 3))
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(2, 9)(picture))
    with pytest.raises(WeightsError, match="cannot take pictures of 4 × 5"):
        check_classifier(keras.Model(picture, x), 2, 4, 5)
