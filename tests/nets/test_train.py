"""One loop that fits, and can be killed at any moment."""

import json
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cnnkit.errors import InputError, UsageError
from cnnkit.nets.schedules import learning_rate
from cnnkit.records import EpochRow, Fitting

pytestmark = pytest.mark.network

PLAIN = Fitting(epochs=3, batch_size=4, arithmetic="float32", seed=3)
# name → (on pixels, the fit, balanced sampler, class weights, group size)
RUNS: dict[str, tuple[bool, Fitting, bool, Any, int]] = {
    "linear cosine": (False, replace(PLAIN, warmup=0.5), False, None, 64),
    "linear step sgd": (
        False,
        replace(PLAIN, schedule="step", optimizer="sgd", weight_decay=0.1),
        True,
        None,
        1,
    ),
    "linear plateau adam": (
        False,
        replace(PLAIN, epochs=6, schedule="plateau", optimizer="adam", learning_rate=0.5),
        False,
        None,
        2,
    ),
    "pixels mixed": (
        True,
        replace(PLAIN, mixup=0.2, cutmix=1.0, weight_decay=0.05, label_smoothing=0.1),
        False,
        np.array([0.5, 1, 2], np.float32),
        1,
    ),
    "pixels stopping": (
        True,
        replace(PLAIN, epochs=9, learning_rate=0.3, schedule="constant", patience=2),
        True,
        None,
        3,
    ),
    "pixels bfloat16": (True, replace(PLAIN, arithmetic="mixed_bfloat16"), False, None, 2),
}


@pytest.mark.parametrize("name", RUNS)
def test_a_fit_killed_anywhere_ends_as_if_it_had_not_been(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cnnkit.nets import checkpoint
    from cnnkit.tasks import feeding
    from tests.nets import fits

    pixels, fitting, balanced, class_weights, at_once = RUNS[name]
    monkeypatch.setattr(feeding, "_MOST_BATCHES", at_once)
    made = fits.Made(pixels=pixels)
    feed = made.feed(fitting, balanced=balanced, weights=class_weights)
    assert feed.steps == 6
    moments: list[checkpoint.Checkpoint] = []
    whole = fits.trainer(made.model(), fitting)
    history = whole.fit(feed, made.kept(), fits.keeping(moments))
    expected = fits.weights(whole)
    places = [(each.progress.epoch, each.progress.step) for each in moments]
    assert len(places) >= 3 * len(history)
    assert all(one <= two for one, two in pairwise(places))
    used = fits.trainer(made.model(), fitting)
    for number, moment in enumerate(moments):
        checkpoint.save(moment, tmp_path / "fit.npz")
        # A fresh one is what a resumed run has; one that has trained must forget all that it did.
        fresh = number in (2, len(moments) // 2)
        resumed = fits.trainer(made.model(), fitting) if fresh else used
        resumed.restore(checkpoint.load(tmp_path / "fit.npz"))
        again = resumed.fit(feed, made.kept())
        assert fits.told(again) == fits.told(history), places[number]
        for one, two in zip(fits.weights(resumed), expected, strict=True):
            np.testing.assert_array_equal(one, two)
    if fitting.patience:
        assert len(history) < fitting.epochs


def test_equal_fits_are_equal_and_other_seeds_are_not() -> None:
    from tests.nets import fits

    made = fits.Made(pixels=True, held=0)

    def fitted(seed: int) -> tuple[Any, ...]:
        fitting = replace(PLAIN, epochs=1, seed=seed)
        trainer = fits.trainer(made.model(), fitting)
        return fits.told(trainer.fit(made.feed(fitting), None))[0]

    assert fitted(1) == fitted(1) != fitted(2)


def test_the_draws_of_dropout_are_a_function_of_the_seed() -> None:
    """Whatever the caller has drawn before, and though the layer was given no seed."""
    import random

    import keras

    from tests.nets import fits

    made = fits.Made(held=0)

    def fitted(before: int) -> list[Any]:
        random.seed(before)
        inputs = keras.Input((6,))
        dropped = keras.layers.Dropout(0.5)(inputs)
        dense = keras.layers.Dense(fits.CLASSES, kernel_initializer="zeros")(dropped)
        trainer = fits.trainer(keras.Model(inputs, dense), PLAIN)
        trainer.fit(made.feed(PLAIN), None)
        return trainer.model.get_weights()

    for one, two in zip(fitted(1), fitted(2), strict=True):
        np.testing.assert_array_equal(one, two)


def test_the_caller_goes_on_drawing_what_it_would_have_drawn() -> None:
    import random

    from tests.nets import fits

    made = fits.Made(held=0)
    random.seed(7)
    np.random.seed(7)
    fits.trainer(made.model("mlp"), PLAIN).fit(made.feed(PLAIN), None)
    drawn = (random.random(), float(np.random.random()))
    random.seed(7)
    np.random.seed(7)
    assert drawn == (random.random(), float(np.random.random()))


def test_the_best_epochs_weights_are_given_back() -> None:
    from tests.nets import fits

    made = fits.Made(pictures=12, noise=6.0)
    fitting = replace(PLAIN, epochs=12, learning_rate=0.5, schedule="constant", patience=3)
    trainer = fits.trainer(made.model(), fitting)
    kept = made.kept()
    assert kept is not None
    history = trainer.fit(made.feed(fitting), kept)
    losses = [row.val_loss for row in history if row.val_loss is not None]
    assert len(losses) == len(history) < 12
    best = max((row.epoch for row in history if row.best), default=0)
    assert best == len(history) - 3
    told = losses[best - 1] if best else np.log(fits.CLASSES)
    assert _cross_entropy(trainer.logits(kept), kept.truth) == pytest.approx(told, rel=1e-6)
    assert told == pytest.approx(min([*losses, np.log(fits.CLASSES)]))


def test_a_fit_that_only_harms_gives_back_what_it_started_from() -> None:
    from tests.nets import fits

    made = fits.Made(noise=50.0)
    made.truth[made.pictures :] = (made.truth[: made.held] + 1) % fits.CLASSES
    made.inputs[made.pictures :] = made.inputs[: made.held]
    fitting = replace(PLAIN, epochs=4, learning_rate=0.1, patience=2)
    trainer = fits.trainer(made.model(), fitting)
    before = trainer.model.get_weights()
    history = trainer.fit(made.feed(fitting), made.kept())
    assert [row.best for row in history] == [False, False]
    for one, two in zip(trainer.model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(one, two)


def test_with_nothing_held_out_the_last_epoch_is_the_best() -> None:
    from tests.nets import fits

    made = fits.Made(held=0)
    fitting = replace(PLAIN, patience=1, schedule="plateau")
    moments: list[Any] = []
    trainer = fits.trainer(made.model(), fitting)
    history = trainer.fit(made.feed(fitting), None, fits.keeping(moments))
    assert [(row.val_loss, row.val_accuracy, row.best) for row in history] == [
        (None, None, True)
    ] * 3
    for one, two in zip(moments[-1].now, moments[-1].best, strict=True):
        np.testing.assert_array_equal(one, two)


def _cross_entropy(logits: Any, truth: Any) -> float:
    shifted = np.exp(logits.astype(np.float64) - logits.max(1, keepdims=True))
    scores = shifted / shifted.sum(1, keepdims=True)
    return float(-np.log(scores[np.arange(len(truth)), truth]).mean())


def test_the_loss_and_one_step_by_hand() -> None:
    """Softmax regression with plain descent: label smoothing, class weights, clipping."""
    from tests.nets import fits

    made = fits.Made(held=0, pictures=8)
    class_weights = np.array([0.5, 1, 3], np.float32)
    fitting = replace(
        PLAIN, epochs=1, batch_size=8, optimizer="sgd", schedule="constant", learning_rate=0.1,
        label_smoothing=0.2, clip_norm=0.05,
    )  # fmt: skip
    trainer = fits.trainer(made.model(), fitting)
    rows = trainer.fit(made.feed(fitting, weights=class_weights), None)
    kernel, bias = trainer.model.get_layer("logits").get_weights()

    x = made.inputs.astype(np.float64)
    deviation = x.std(0)
    x = (x - x.mean(0)) / np.maximum(deviation, 1e-2 * deviation.mean())
    wanted = np.eye(3)[made.truth] * 0.8 + 0.2 / 3
    scores = np.full((8, 3), 1 / 3)  # of zeros
    assert rows[0].loss == pytest.approx(np.log(3), rel=1e-6)
    error = (scores - wanted) * class_weights[made.truth][:, None] / 8
    gradients = [x.T @ error, error.sum(0)]
    length = np.sqrt(sum((each**2).sum() for each in gradients))
    assert length > 0.05
    np.testing.assert_allclose(kernel, -0.1 * gradients[0] * 0.05 / length, rtol=1e-4, atol=1e-8)
    np.testing.assert_allclose(bias, -0.1 * gradients[1] * 0.05 / length, rtol=1e-4, atol=1e-8)


def test_without_a_bound_gradients_are_taken_as_they_are() -> None:
    from tests.nets import fits

    made = fits.Made(held=0, pictures=8)
    made.inputs *= 30
    fitting = replace(
        PLAIN, epochs=1, batch_size=8, optimizer="sgd", schedule="constant", clip_norm=0.0
    )
    free, bound = (
        fits.trainer(made.model(), each) for each in (fitting, replace(fitting, clip_norm=1e-3))
    )
    for trainer in (free, bound):
        trainer.fit(made.feed(fitting), None)
    moved = [
        np.sqrt(sum((weight**2).sum() for weight in each.model.get_layer("logits").get_weights()))
        for each in (free, bound)
    ]
    assert moved[1] == pytest.approx(1e-3 * fitting.learning_rate, rel=1e-4)
    assert moved[0] > 10 * moved[1]


def test_what_is_told_of_an_epoch() -> None:
    """The mean over all pictures as they were shown, the short last batch by its size."""
    from cnnkit.nets.train import Watch
    from tests.nets import fits

    made = fits.Made()
    fitting = replace(PLAIN, epochs=2, learning_rate=1e-12)
    steps: list[tuple[int, float, float]] = []
    rows: list[EpochRow] = []
    trainer = fits.trainer(made.model(), fitting)
    watch = Watch(rows.append, lambda *each: steps.append(each))
    history = trainer.fit(made.feed(fitting), made.kept(), watch)
    assert rows == history
    assert [row.epoch for row in rows] == [1, 2]
    assert steps[-1][0] == made.pictures
    assert steps[-1][1:] == pytest.approx((rows[1].loss, rows[1].accuracy))
    assert rows[1].loss == pytest.approx(np.log(3), rel=1e-5)
    assert rows[1].val_loss == pytest.approx(np.log(3), rel=1e-5)
    assert all(row.seconds > 0 for row in rows)
    assert [row.learning_rate for row in rows] == pytest.approx(
        [learning_rate(fitting, step, 6) for step in (5, 11)]
    )


def test_the_rate_of_every_step_is_the_schedules() -> None:
    """With descent on a constant gradient, each step is as long as its rate."""
    import keras

    from cnnkit.nets.train import Shown
    from tests.nets import fits

    inputs = keras.Input((1,))
    # Its gradient is that of the cross-entropy of (w, 0) for the first class: 1 / (1 + e^w) each.
    dense = keras.layers.Dense(2, use_bias=False, kernel_initializer="zeros")(inputs)

    class Feed:
        steps = 5

        def shown(self, epoch: int, first: int) -> Any:
            for _ in range(first, self.steps):
                ones = np.ones((1, 1, 1), np.float32)
                yield Shown(1e-3 * ones, np.array([[[1, 0]]], np.float32), ones[0])

    fitting = Fitting(
        epochs=4, batch_size=1, optimizer="sgd", learning_rate=0.1, warmup=1.5,
        clip_norm=1e-9, arithmetic="float32",
    )  # fmt: skip
    moments: list[Any] = []
    trainer = fits.trainer(keras.Model(inputs, dense), fitting)
    trainer.fit(Feed(), None, fits.keeping(moments))
    moments = [each for each in moments if each.progress.step]
    kernels = [np.zeros((1, 2)), *(each.now[0].astype(np.float64) for each in moments)]
    velocity, expected = 0.0, []
    for step in range(20):
        velocity = 0.9 * velocity + learning_rate(fitting, step, 5) * 1e-9
        expected.append(velocity)
    lengths = [np.linalg.norm(two - one) for one, two in pairwise(kernels)]
    np.testing.assert_allclose(lengths, expected, rtol=1e-3)


def test_a_plateau_halves_the_rate() -> None:
    from tests.nets import fits

    made = fits.Made(noise=50.0)
    made.truth[made.pictures :] = (made.truth[: made.held] + 1) % fits.CLASSES
    made.inputs[made.pictures :] = made.inputs[: made.held]
    fitting = replace(PLAIN, epochs=8, schedule="plateau", learning_rate=0.08)
    history = fits.trainer(made.model(), fitting).fit(made.feed(fitting), made.kept())
    assert not any(row.best for row in history)
    assert [row.learning_rate for row in history] == pytest.approx(
        [0.08] * 3 + [0.04] * 3 + [0.02] * 2
    )


@pytest.mark.parametrize("held", [0, 9])
def test_a_fit_that_diverges_says_what_to_type(held: int) -> None:
    from tests.nets import fits

    made = fits.Made(pixels=True, held=held)
    fitting = replace(
        PLAIN, learning_rate=1e30, schedule="constant", optimizer="sgd", clip_norm=0.0
    )
    trainer = fits.trainer(made.model(), fitting)
    with pytest.raises(InputError, match=r"--lr"):
        trainer.fit(made.feed(fitting), made.kept())


def test_weights_that_break_in_the_last_step_are_not_given_back() -> None:
    from tests.nets import fits

    made = fits.Made(held=0)
    fitting = replace(
        PLAIN, epochs=1, batch_size=23, learning_rate=3e38, schedule="constant", optimizer="sgd",
        clip_norm=0.0,
    )  # fmt: skip
    made.inputs *= 1e8
    with pytest.raises(InputError, match=r"--lr"):
        fits.trainer(_plain_dense(), fitting).fit(made.feed(fitting), None)


def _plain_dense() -> Any:
    import keras

    inputs = keras.Input((6,))
    dense = keras.layers.Dense(3, kernel_initializer="zeros", name="logits")(inputs)
    return keras.Model(inputs, dense)


@pytest.mark.parametrize("held", [False, True])
def test_inputs_that_are_no_numbers_end_the_fit(held: bool) -> None:
    from tests.nets import fits

    made = fits.Made()
    model = made.model()
    made.inputs[-1 if held else 0] = np.nan
    with pytest.raises(InputError, match="nan"):
        fits.trainer(model, PLAIN).fit(made.feed(PLAIN), made.kept())


def test_bfloat16_leaves_no_trace() -> None:
    from tests.nets import fits

    made = fits.Made(pixels=True)
    fitting = replace(PLAIN, epochs=6, arithmetic="mixed_bfloat16", learning_rate=0.03)
    trainer = fits.trainer(made.model(), fitting)
    kept = made.kept()
    assert kept is not None
    history = trainer.fit(made.feed(fitting), kept)
    assert history[-1].loss < history[0].loss
    assert {layer.dtype_policy.name for layer in trainer.model.layers} == {"float32"}
    assert {str(weight.dtype) for weight in trainer.model.weights} == {"float32"}
    outside = np.asarray(trainer.model(made.inputs[made.pictures :], training=False))
    np.testing.assert_allclose(trainer.logits(kept), outside, rtol=1e-5, atol=1e-6)
    best = min(row.val_loss for row in history if row.val_loss is not None)
    assert _cross_entropy(outside, kept.truth) == pytest.approx(best, rel=1e-5)
    # And it did compute in it.
    plain = fits.trainer(made.model(), replace(fitting, arithmetic="float32"))
    assert plain.fit(made.feed(fitting), kept)[0].loss != history[0].loss


def test_float16_wants_a_graphics_card() -> None:
    import tensorflow as tf

    from tests.nets import fits

    if tf.config.list_physical_devices("GPU"):
        pytest.skip("this machine has one")
    with pytest.raises(UsageError, match="mixed_bfloat16"):
        fits.trainer(fits.Made().model(), replace(PLAIN, arithmetic="mixed_float16"))


@pytest.mark.parametrize("after", [0, 1, 6, 8, 18])
def test_stop_ends_at_a_step_from_which_it_goes_on(
    after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cnnkit.nets.checkpoint import Checkpoint
    from cnnkit.nets.train import Watch
    from cnnkit.tasks import feeding
    from tests.nets import fits

    monkeypatch.setattr(feeding, "_MOST_BATCHES", 1)
    made = fits.Made()
    whole = fits.trainer(made.model(), PLAIN)
    expected = whole.fit(made.feed(PLAIN), made.kept())
    done: list[int] = []
    moments: list[Checkpoint] = []
    watch = Watch(
        step=lambda pictures, loss, accuracy: done.append(pictures),
        checkpoint=moments.append,
        every=1e9,
        stop=lambda: len(done) >= after,
    )
    stopped = fits.trainer(made.model(), PLAIN)
    history = stopped.fit(made.feed(PLAIN), made.kept(), watch)
    assert len(done) == after
    assert len(moments) == 1
    assert fits.told(history) == fits.told(expected)[: after // 6]
    assert moments[0].progress.epoch * 6 + moments[0].progress.step == after
    resumed = fits.trainer(made.model(), PLAIN)
    resumed.restore(moments[0])
    assert fits.told(resumed.fit(made.feed(PLAIN), made.kept())) == fits.told(expected)
    for one, two in zip(fits.weights(resumed), fits.weights(whole), strict=True):
        np.testing.assert_array_equal(one, two)


def test_what_is_frozen_is_in_no_checkpoint() -> None:
    """A large backbone would make each of them a file of its size."""
    from tests.nets import fits

    made = fits.Made(pixels=True)
    model = made.model()
    for layer in model.layers[:-1]:
        layer.trainable = False
    moments: list[Any] = []
    trainer = fits.trainer(model, PLAIN)
    before = [weight.copy() for weight in model.get_weights()]
    trainer.fit(made.feed(PLAIN), made.kept(), fits.keeping(moments))
    # The last layer's two, and the state of dropout.
    assert [each.shape for each in moments[0].now] == [(4, 3), (3,), (2,)]
    for one, two in zip(model.get_weights()[:-2], before[:-2], strict=True):
        np.testing.assert_array_equal(one, two)
    assert not np.array_equal(model.get_weights()[-2], before[-2])


def test_a_checkpoint_of_another_network_is_refused() -> None:
    from tests.nets import fits

    made, other = fits.Made(), fits.Made(pixels=True)
    moments: list[Any] = []
    fits.trainer(made.model(), PLAIN).fit(made.feed(PLAIN), None, fits.keeping(moments))
    with pytest.raises(InputError, match="another network"):
        fits.trainer(other.model(), PLAIN).restore(moments[0])


DEVICES = """
import json, sys
from pathlib import Path
import numpy as np
import tensorflow as tf

processors = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(
    processors[0], [tf.config.LogicalDeviceConfiguration()] * 3
)
from cnnkit.nets.checkpoint import load, save
from cnnkit.records import Fitting
from tests.nets import fits


def fitted(made, kind, fitting, names, moments, at=None):
    model = made.model(kind)
    for layer in model.layers:
        if layer.name == "dropout":  # whose draws each device has of its own
            layer.rate = 0.0
    trainer = fits.trainer(model, fitting, devices=names)
    if at is not None:
        trainer.restore(at)
    feed = made.feed(fitting, weights=np.array([1, 2, 0.5], np.float32))
    history = trainer.fit(feed, made.kept(), fits.keeping(moments))
    return trainer, history


def check(kind, pictures, batch, count, path):
    made = fits.Made(pictures=pictures, pixels=kind == "pixels")
    fitting = Fitting(
        epochs=3, batch_size=batch, warmup=1.0, learning_rate=0.02, weight_decay=0.1,
        clip_norm=0.05, label_smoothing=0.1, arithmetic="float32",
    )
    devices = [f"CPU:{number}" for number in range(count)]
    moments = []
    shared, mirrored = fitted(made, kind, fitting, devices, moments)
    assert type(shared._distribution).__name__ == "MirroredStrategy"
    assert all(np.isfinite(weight).all() for weight in shared.model.get_weights())
    # Each device's batch normalisation sees its own part of a batch: no two devices are as one.
    if not made.pixels:
        alone, plain = fitted(made, kind, fitting, (), [])
        for a, b in zip(plain, mirrored, strict=True):
            for name in ("loss", "accuracy", "val_loss", "val_accuracy", "learning_rate"):
                np.testing.assert_allclose(getattr(a, name), getattr(b, name), rtol=2e-5)
        for a, b in zip(alone.model.get_weights(), shared.model.get_weights(), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5)
    save(moments[len(moments) // 2], path)
    resumed, again = fitted(made, kind, fitting, devices, [], load(path))
    assert fits.told(again) == fits.told(mirrored)
    for a, b in zip(resumed.model.get_weights(), shared.model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


for case in json.loads(sys.argv[1]):
    check(*case, Path(sys.argv[2]))
print("equal")
"""


# What, pictures, of a batch, devices: batches that do not divide, and smaller than the devices are
# many. TensorFlow allows one number of devices in a process.
@pytest.mark.parametrize(
    "cases",
    [[("linear", 23, 5, 2)], [("mlp", 14, 4, 3), ("pixels", 10, 4, 3)]],
    ids=["two", "three"],
)
def test_devices_that_share_a_batch_answer_as_one(cases: list[Any], tmp_path: Path) -> None:
    arguments = [json.dumps(cases), str(tmp_path / "fit.npz")]
    command = [sys.executable, "-W", "ignore", "-c", DEVICES, *arguments]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.stdout == b"equal\n", done.stderr.decode()[-3000:]
