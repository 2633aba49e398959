"""One loop that fits: its loss, its rates, what it tells, and which weights it gives back."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from cnnkit.errors import InputError
from cnnkit.nets.schedules import learning_rate
from cnnkit.records import EpochRow, Fitting
from tests.nets.plain_fit import PLAIN, cross_entropy

pytestmark = pytest.mark.network


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
    assert cross_entropy(trainer.logits(kept), kept.truth) == pytest.approx(told, rel=1e-6)
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


def test_the_last_epoch_is_kept_where_that_is_wished_for() -> None:
    """Of a fit that only harms: the last one all the same, as if nothing had been held out."""
    from tests.nets import fits

    made = fits.Made(noise=50.0)
    made.truth[made.pictures :] = (made.truth[: made.held] + 1) % fits.CLASSES
    made.inputs[made.pictures :] = made.inputs[: made.held]
    fitting = replace(PLAIN, epochs=3, learning_rate=0.1, keep="last")
    told, alone = (fits.trainer(made.model(), fitting) for _ in range(2))
    history = told.fit(made.feed(fitting), made.kept())
    alone.fit(made.feed(fitting), None)
    assert [row.best for row in history] == [False] * 3
    for one, two in zip(fits.weights(told), fits.weights(alone), strict=True):
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
    for one, two in zip(moments[-1].now, moments[-1].kept, strict=True):
        np.testing.assert_array_equal(one, two)


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
