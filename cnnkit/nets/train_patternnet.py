"""Train patternnet on drawn pictures: ``python -m cnnkit.nets.train_patternnet --out DIR``.

Two objectives share one batch, in which every drawn picture appears as two edited views:
cross-entropy over the classes, and NT-Xent (Chen et al. 2020, SimCLR) on the embedding itself,
so that the cosine between an edited picture and its original is what is trained. The drawer's
strength ramps from plain two-coloured pictures to full variety; an abrupt switch collapses.

Everything is a function of the seed and the step: a run that is killed and started again draws
the same batches, and ends after the same number of steps.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from cnnkit.images.drawn import CLASSES, draw
from cnnkit.images.drawn.views import BatchPlan, draw_batch
from cnnkit.nets.contrast import nt_xent
from cnnkit.nets.patternnet import PatternNet

SIZE = 112
HELD_OUT_SEED = 990_001


@dataclass(frozen=True)
class Settings:
    """What a training run is; two runs with equal settings see the same pictures.

    Attributes:
        steps: number of batches.
        pictures: drawn pictures a batch, each seen in two views.
        peak_rate: highest learning rate, reached after the warm-up.
        horizon: steps in which half a cosine would bring the learning rate to 0.
        cool: last steps, over which the rate instead falls to 0 in a straight line.
        contrast: weight of NT-Xent beside the cross-entropy.
        temperature: NT-Xent's temperature.
        ramp: steps over which the strength grows from 0 to 1.
        small: first steps, with views of ``small_size`` pixels at half the cost of 112.
        small_size: side of the views of those first steps, in pixels.
        held_out: held-out pictures of each class behind the accuracy in the log.
        seed: seed of pictures and first weights.
    """

    steps: int = 4800
    pictures: int = 96
    peak_rate: float = 3e-3
    horizon: int = 6000
    cool: int = 1200
    contrast: float = 0.5
    temperature: float = 0.2
    ramp: int = 1800
    small: int = 2000
    small_size: int = 80
    held_out: int = 12
    seed: int = 20

    def strength(self, step: int) -> float:
        """Return the drawer's strength at a step."""
        return min(1.0, 0.05 + step / self.ramp)

    def rate(self, step: int) -> float:
        """Return the learning rate at a step: 200 steps of warm-up, a cosine, a straight end."""
        warm = min(1.0, (step + 1) / 200.0)
        turned = np.pi * min(step, self.steps - self.cool) / self.horizon
        end = min(1.0, (self.steps - step) / self.cool)
        return self.peak_rate * warm * end * 0.5 * (1.0 + float(np.cos(turned)))

    def plan(self, step: int) -> BatchPlan:
        """Return what batch ``step`` is made of."""
        size = self.small_size if step < self.small else SIZE
        return BatchPlan(self.seed, step, self.pictures, size, self.strength(step))


Step = Callable[[NDArray[np.uint8], NDArray[np.int32]], tuple[tf.Tensor, tf.Tensor, tf.Tensor]]


def make_step(
    model: keras.Model, optimizer: keras.optimizers.Optimizer, settings: Settings
) -> Step:
    """Return a compiled function (views, labels) -> (cross-entropy, NT-Xent, accuracy)."""
    embedding = model.get_layer("embedding").output
    both = keras.Model(model.input, [embedding, model.output])

    def step(views: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        pixels = tf.cast(views, tf.float32) / 127.5 - 1.0
        with tf.GradientTape() as tape:
            vectors, scores = both(pixels, training=True)
            named = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, scores))
            paired = nt_xent(vectors, settings.temperature)
            loss = named + settings.contrast * paired
        weights = model.trainable_variables
        optimizer.apply(tape.gradient(loss, weights), weights)
        right = tf.equal(tf.argmax(scores, axis=1, output_type=tf.int32), labels)
        return named, paired, tf.reduce_mean(tf.cast(right, tf.float32))

    compiled: Step = tf.function(step, reduce_retracing=True)
    return compiled


def batches(
    settings: Settings, first: int, workers: int
) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.int32]]]:
    """Yield the batches from step ``first`` on, in order, drawn by ``workers`` processes."""
    if workers == 0:
        for number in range(first, settings.steps):
            yield draw_batch(settings.plan(number))
        return
    context = multiprocessing.get_context("spawn")
    ahead = 2 * workers
    with context.Pool(workers) as pool:
        # A bounded window: Pool.imap would draw the whole run ahead into memory.
        waiting = [
            pool.apply_async(draw_batch, (settings.plan(number),))
            for number in range(first, min(first + ahead, settings.steps))
        ]
        for number in range(first, settings.steps):
            batch = waiting.pop(0).get()
            if number + ahead < settings.steps:
                waiting.append(pool.apply_async(draw_batch, (settings.plan(number + ahead),)))
            yield batch


def held_out_accuracy(model: keras.Model, strength: float, per_class: int) -> float:
    """Return the top-1 share on pictures of a seed that training never draws."""
    right = 0
    for label, name in enumerate(CLASSES):
        pictures = np.stack(
            [draw(name, HELD_OUT_SEED, k, SIZE, strength) for k in range(per_class)]
        )
        scores = model.predict_on_batch(pictures.astype(np.float32) / 127.5 - 1.0)
        right += int((scores.argmax(axis=1) == label).sum())
    return right / (per_class * len(CLASSES))


def save_state(
    path: Path,
    step: int,
    settings: Settings,
    model: keras.Model,
    optimizer: keras.optimizers.Optimizer,
) -> None:
    """Write step, settings, weights and optimizer state to a temporary name, then rename."""
    arrays = [np.asarray(v) for v in (*model.variables, *optimizer.variables)]
    temporary = path.with_name(path.name + ".part")
    with temporary.open("wb") as file:
        named = {f"v{k}": array for k, array in enumerate(arrays)}
        about = {"step": np.int64(step), "settings": np.str_(settings)}
        np.savez(file, allow_pickle=False, **about, **named)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def load_state(
    path: Path,
    settings: Settings,
    model: keras.Model,
    optimizer: keras.optimizers.Optimizer,
) -> int:
    """Read what :func:`save_state` wrote, and return the number of steps done; 0 without a file.

    Raises:
        ValueError: if the file is of a run with other settings.
    """
    if not path.exists():
        return 0
    with np.load(path, allow_pickle=False) as state:
        if str(state["settings"]) != str(settings):
            raise ValueError(
                f"expected a run of {settings} in {path.parent}. Received: {state['settings']}. "
                "Give another folder, or remove this one"
            )
        for k, variable in enumerate((*model.variables, *optimizer.variables)):
            variable.assign(state[f"v{k}"])
        return int(state["step"])


def save_half(model: keras.Model, path: Path) -> None:
    """Write the weights as float16, in the layout that ``model.load_weights`` reads.

    Keras casts what it reads to each variable's own type, so that no loader of our own is needed.
    """
    import h5py

    full = path.with_name("full.weights.h5")
    model.save_weights(full)
    with h5py.File(full) as source, h5py.File(path, "w") as target:

        def copy(name: str, item: Any) -> None:
            if isinstance(item, h5py.Dataset):
                small = item.dtype == np.float32
                copied = target.create_dataset(name, data=item[()].astype("f2") if small else item)
            else:
                copied = target.require_group(name)
            copied.attrs.update(item.attrs)

        source.visititems(copy)
    full.unlink()


def train(settings: Settings, out: Path, workers: int, minutes: float) -> bool:
    """Train, or go on training, in the folder ``out``.

    Args:
        settings: the run.
        out: folder of ``state.npz``, ``log.txt``, ``patternnet.weights.h5`` and ``labels.json``.
        workers: drawing processes; 0 draws in this one.
        minutes: stop after so long, to be resumed by another call.

    Returns:
        whether the last step is done.
    """
    out.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(settings.seed)
    model = PatternNet(classifier_activation=None, input_shape=(None, None, 3))
    optimizer = keras.optimizers.AdamW(settings.peak_rate, weight_decay=1e-3, clipnorm=5.0)
    optimizer.build(model.trainable_variables)
    state, began = out / "state.npz", time.monotonic()
    done = load_state(state, settings, model, optimizer)
    log = (out / "log.txt").open("a", encoding="utf-8")

    def say(text: str) -> None:
        sys.stderr.write(text + "\n")
        log.write(text + "\n")
        log.flush()

    say(f"{settings} from step {done}, {len(CLASSES)} classes, {model.count_params()} weights")
    step, saved = make_step(model, optimizer, settings), began
    figures: list[list[float]] = []
    for views, labels in batches(settings, done, workers):
        optimizer.learning_rate.assign(settings.rate(done))
        figures.append([float(value) for value in step(views, labels)])
        done += 1
        if done % 100 == 0:
            named, paired, right = np.mean(figures, axis=0)
            say(
                f"step {done} strength {settings.strength(done):.2f} cross-entropy {named:.3f} "
                f"NT-Xent {paired:.3f} accuracy {right:.3f} s {time.monotonic() - began:.0f}"
            )
            figures.clear()
        if done % 1000 == 0:
            held = held_out_accuracy(model, 1.0, settings.held_out)
            say(f"step {done} held-out top-1 at strength 1: {held:.3f}")
        if time.monotonic() - saved > 120.0:
            save_state(state, done, settings, model, optimizer)
            saved = time.monotonic()
        if time.monotonic() - began > 60.0 * minutes:
            break
    save_state(state, done, settings, model, optimizer)
    save_half(model, out / "patternnet.weights.h5")
    # The layout of ImageNet's class index: a number, then identity and name.
    index = {str(number): [name, name] for number, name in enumerate(CLASSES)}
    (out / "labels.json").write_text(json.dumps(index, indent=1) + "\n", encoding="utf-8")
    held = held_out_accuracy(model, 1.0, settings.held_out)
    say(f"stopped after step {done} of {settings.steps}; held-out top-1 at strength 1: {held:.3f}")
    log.close()
    return done >= settings.steps


def main() -> int:
    """Parse the arguments and train; exit 3 if minutes ran out before the steps did."""
    parser = argparse.ArgumentParser(description="Train patternnet on drawn pictures.")
    parser.add_argument("--out", type=Path, required=True, help="folder of state, log and weights")
    parser.add_argument("--steps", type=int, default=Settings.steps, help="batches to train on")
    parser.add_argument("--minutes", type=float, default=60.0, help="stop (resumable) after this")
    parser.add_argument("--workers", type=int, default=2, help="drawing processes")
    parser.add_argument("--contrast", type=float, default=Settings.contrast, help="NT-Xent weight")
    given = parser.parse_args()
    settings = Settings(steps=given.steps, contrast=given.contrast)
    return 0 if train(settings, given.out, given.workers, given.minutes) else 3


if __name__ == "__main__":
    sys.exit(main())
