"""A fit is a function of its seed: run again, killed or stopped anywhere, it ends alike."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cnnkit.errors import InputError
from cnnkit.records import Fitting
from tests.nets.plain_fit import PLAIN

pytestmark = pytest.mark.network

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
