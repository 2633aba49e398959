"""NT-Xent: known answers, and what it does to an embedding."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from cnnkit.errors import UsageError
from cnnkit.nets import train
from cnnkit.nets.contrast import nt_xent
from cnnkit.nets.pattern import build_pattern
from cnnkit.nets.train import Trainer
from cnnkit.records import Fitting
from cnnkit.tasks.feeding import Fed, Order, Rows

pytestmark = pytest.mark.network
PATTERN = "INPUT -> CONV3-8 -> BN -> RELU -> POOL2 -> GAP -> FC"
FITTING = Fitting(epochs=8, batch_size=8, learning_rate=3e-2, schedule="constant")


def by_hand(rows: Any, temperature: float) -> float:
    """Equation 1 of the paper, pair by pair."""
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    likeness, count = np.exp(unit @ unit.T / temperature), len(rows)
    losses = [
        -np.log(likeness[i, (i + count // 2) % count] / (likeness[i].sum() - likeness[i, i]))
        for i in range(count)
    ]
    return float(np.mean(losses))


@pytest.mark.parametrize("temperature", [0.1, 0.2, 1.0])
def test_it_is_equation_1(temperature: float) -> None:
    rows = np.random.default_rng(2).normal(size=(10, 7)).astype(np.float32)
    got = float(nt_xent(tf.constant(rows), temperature))
    assert got == pytest.approx(by_hand(rows, temperature), rel=1e-5)
    folded = tf.reshape(rows, (10, 1, 1, 7))
    assert float(nt_xent(folded, temperature)) == pytest.approx(got)


def test_pairs_that_agree_and_differ_from_all_others_cost_nothing() -> None:
    assert float(nt_xent(tf.constant(np.tile(np.eye(4, dtype=np.float32), (2, 1))), 0.05)) < 1e-6


def test_one_pair_alone_has_nothing_to_be_told_from() -> None:
    assert float(nt_xent(tf.constant([[1.0, 0.0], [0.0, 1.0]]))) == pytest.approx(0.0, abs=1e-6)


class Noisy(Rows):
    """Pictures that every showing changes."""

    def inputs(self, places: Any, epoch: int | None) -> Any:
        still = super().inputs(places, None)
        if epoch is None:
            return still
        rng = np.random.default_rng((7, epoch))
        noise = rng.normal(size=(len(self.views[0]), *still.shape[1:]))[places]
        return (still + 4 * noise).astype(np.float32)


def likeness_of_copies(contrast: float) -> float:
    """The mean cosine between two showings of a picture, less that between different pictures."""
    colours = np.random.default_rng(3).normal(size=(32, 1, 1, 3)).astype(np.float32)
    pictures = np.tile(colours, (1, 8, 8, 1))
    truth, source = np.arange(32) % 2, Noisy([pictures])
    model = build_pattern(PATTERN, height=8, width=8, classes=2, activation=None, seed=1)
    layer = model.layers[-2].name
    fitting = replace(FITTING, contrast=contrast)
    feed = Fed(source, Order(truth, 2, 8, 0), paired=contrast > 0)
    trainer = Trainer(model, fitting, "scratch", embedding=layer)
    history = trainer.fit(feed, None)
    assert len(history) == 8 and np.isfinite(history[-1].loss)
    trunk = tf.keras.Model(model.input, model.get_layer(layer).output)
    one, other = (np.asarray(trunk(source.inputs(np.arange(32), 90 + i))) for i in range(2))
    one, other = (rows - rows.mean(0) for rows in (one, other))
    cosines = (one / np.linalg.norm(one, axis=1, keepdims=True)) @ (
        other / np.linalg.norm(other, axis=1, keepdims=True)
    ).T
    return float(cosines.diagonal().mean() - cosines.mean())


def test_copies_of_a_picture_come_nearer_than_without() -> None:
    assert likeness_of_copies(1.0) > likeness_of_copies(0.0) + 0.05


def test_several_devices_would_each_see_a_part_of_the_pairs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        train, "distribution", lambda devices: SimpleNamespace(num_replicas_in_sync=2)
    )
    model = build_pattern(PATTERN, height=8, width=8, classes=2, activation=None)
    fitting = replace(FITTING, contrast=0.5)
    with pytest.raises(UsageError, match="one device has to see them"):
        Trainer(model, fitting, "scratch", embedding=model.layers[-2].name)
