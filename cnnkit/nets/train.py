"""One loop that fits any classifier that answers with logits, and can be killed at any moment.

Everything is a function of the settings, the data and the position in them: each batch, each draw
and each learning rate. Operations are TensorFlow's deterministic ones.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from cnnkit.errors import InputError, UsageError
from cnnkit.nets import checkpoint as checkpoints
from cnnkit.nets.checkpoint import Checkpoint, Progress
from cnnkit.nets.contrast import nt_xent
from cnnkit.nets.devices import distribution, placed, share_of, that_may_change
from cnnkit.nets.mixing import Mixing
from cnnkit.nets.optimizers import make_optimizer, policy_of, using
from cnnkit.nets.schedules import PLATEAU_PATIENCE, learning_rate
from cnnkit.records import EpochRow, Fitting, Strategy

Floats = NDArray[np.float32]


class Shown(NamedTuple):
    """k batches of b pictures in a row: inputs (k, b, …), classes (k, b, C), weights (k, b).

    Classes are one-hot or soft, float32; a weight multiplies its picture's loss.
    """

    inputs: NDArray[Any]
    classes: Floats
    weights: Floats


class Feed(Protocol):
    """Where training pictures come from, each batch a function of the epoch and the step."""

    @property
    def steps(self) -> int:
        """Batches in an epoch."""

    def shown(self, epoch: int, first: int) -> Iterator[Shown]:
        """The batches of an epoch from step `first` on."""


class Held(Protocol):
    """Pictures that are looked at between epochs, in their own order."""

    @property
    def truth(self) -> NDArray[np.int64]:
        """The class of each, (n,)."""

    def inputs(self) -> Iterator[NDArray[Any]]:
        """Consecutive batches (b, …)."""


@dataclass(frozen=True, slots=True)
class Watch:
    """Who is told: of every epoch, every step (pictures done, loss, accuracy), every checkpoint.

    A checkpoint is due after `every` seconds, at the end, and where `stop` says to end early.
    """

    epoch: Callable[[EpochRow], object] = lambda row: None
    step: Callable[[int, float, float], object] = lambda done, loss, accuracy: None
    checkpoint: Callable[[Checkpoint], object] | None = None
    every: float = 30.0
    stop: Callable[[], bool] = lambda: False


class Trainer:
    """Fits `model`, (b, …) → logits (b, C); its `trainable` flags say what may change."""

    def __init__(
        self,
        model: keras.Model,
        fitting: Fitting,
        strategy: Strategy,
        *,
        identity: str = "",
        devices: Sequence[str] = (),
        embedding: str = "",
    ) -> None:
        """`devices` share each batch (`tf.distribute.MirroredStrategy`); default: all GPUs.

        `embedding` names the layer that `Fitting.contrast` acts on. Raises `UsageError` where that
        is wished for and several devices would each see a part of the batch.
        """
        tf.config.experimental.enable_op_determinism()
        self._fitting, self._strategy = fitting, strategy
        self._identity = identity
        self._distribution = distribution(devices)
        if fitting.contrast and self._distribution.num_replicas_in_sync > 1:
            raise UsageError(
                "--contrast compares all pictures of a batch, so that one device has to see them. "
                f"Received: {self._distribution.num_replicas_in_sync} devices. "
                "Type CUDA_VISIBLE_DEVICES=0 before the command."
            )
        self._policy = policy_of(fitting.arithmetic)
        self._mixing = Mixing.of(fitting)
        with self._distribution.scope():
            self.model = placed(model, self._distribution)
            outputs = [self.model.output, *self._compared(embedding)]
            self._answering = keras.Model(self.model.input, outputs)
            self._optimizer = make_optimizer(fitting, self._policy)
            self._optimizer.build(self.model.trainable_variables)
            self._variables = that_may_change(self.model, fitting.seed)
        self._steps, self._answers = self._compiled()
        self.progress = Progress()
        self._kept = self._values()

    def _compared(self, embedding: str) -> list[keras.KerasTensor]:
        """What of the network is compared beside its answers."""
        return [self.model.get_layer(embedding).output] if self._fitting.contrast else []

    def _compiled(self) -> tuple[Any, Any]:
        """Both for batches of any size: a graph made for one size rounds as others do not."""
        shape = tuple(self.model.inputs[0].shape[1:])
        steps = [(None, None, *shape), (None, None, None), (None, None), (None,)]
        return (
            tf.function(self._several_steps, [tf.TensorSpec(each) for each in steps]),
            tf.function(
                lambda inputs: self.model(inputs, training=False), [tf.TensorSpec((None, *shape))]
            ),
        )

    def restore(self, checkpoint: Checkpoint) -> None:
        """Go back to a moment of an earlier, equal run."""
        checkpoints.assign(self._variables, checkpoint.now, "weights")
        checkpoints.assign(self._optimizer.variables, checkpoint.optimizer, "moments")
        self.progress, self._kept = checkpoint.progress.copy(), checkpoint.kept

    def fit(self, feed: Feed, held: Held | None, watch: Watch | None = None) -> list[EpochRow]:
        """Train from where it stands to the end; the history of all epochs.

        The model then has the weights of the epoch with the lowest validation loss, or of the
        last one where nothing is held out, or `Fitting.keep` says so.
        """
        watch, progress = watch or Watch(), self.progress
        if held is not None and not (progress.epoch or progress.step or progress.finished):
            progress.best_loss = self._judged(held)[0]
        saved = time.monotonic()
        while not (progress.finished or watch.stop()):
            began = time.monotonic()
            saved = self._epoch(feed, watch, saved)
            if progress.step < feed.steps:
                break
            self._close_epoch(feed, held, began)
            watch.epoch(progress.history[-1])
            saved = self._save_if_due(watch, saved)
        if watch.checkpoint:
            watch.checkpoint(self._checkpoint())
        checkpoints.assign(self._variables, self._kept, "weights")
        return progress.history

    def logits(self, held: Held) -> Floats:
        """What the model answers now, (n, C)."""
        parts = [np.asarray(self._answers(each), np.float32) for each in held.inputs()]
        return np.concatenate(parts)

    def _values(self) -> checkpoints.Arrays:
        return [np.asarray(variable) for variable in self._variables]

    def _checkpoint(self) -> Checkpoint:
        optimizer = [np.asarray(variable) for variable in self._optimizer.variables]
        progress = self.progress.copy()
        return Checkpoint(self._identity, progress, self._values(), self._kept, optimizer)

    def _save_if_due(self, watch: Watch, saved: float) -> float:
        if watch.checkpoint is None or time.monotonic() - saved < watch.every:
            return saved
        watch.checkpoint(self._checkpoint())
        return time.monotonic()

    def _epoch(self, feed: Feed, watch: Watch, saved: float) -> float:
        progress, fitting = self.progress, self._fitting
        for shown in feed.shown(progress.epoch, progress.step):
            if self._mixing:
                shown = self._mixing.mixed(shown, progress.epoch, progress.step)
            count = len(shown.inputs)
            first = progress.epoch * feed.steps + progress.step
            rates = [
                learning_rate(fitting, first + i, feed.steps, progress.reductions)
                for i in range(count)
            ]
            sums = self._steps(*shown, np.array(rates, np.float32))
            told = [before + float(now) for before, now in zip(progress.sums, sums, strict=True)]
            progress.sums = (told[0], told[1], told[2])
            progress.step += count
            self._refuse_diverged(told[0])
            watch.step(int(told[2]), told[0] / told[2], told[1] / told[2])
            saved = self._save_if_due(watch, saved)
            if watch.stop():
                break
        return saved

    def _close_epoch(self, feed: Feed, held: Held | None, began: float) -> None:
        """Look at what is held out, write the history, and decide whether to go on."""
        progress, fitting = self.progress, self._fitting
        loss, hits, pictures = progress.sums
        val_loss, val_accuracy = self._judged(held) if held is not None else (None, None)
        better = val_loss is None or val_loss < progress.best_loss
        row = EpochRow(
            strategy=self._strategy,
            epoch=progress.epoch + 1,
            loss=loss / pictures,
            accuracy=hits / pictures,
            val_loss=val_loss,
            val_accuracy=val_accuracy,
            learning_rate=learning_rate(
                fitting, (progress.epoch + 1) * feed.steps - 1, feed.steps, progress.reductions
            ),
            best=better,
            seconds=round(time.monotonic() - began, 4),
        )
        progress.history.append(row)
        progress.waited = 0 if better else progress.waited + 1
        progress.since_reduced = 0 if better else progress.since_reduced + 1
        if better:
            progress.best_loss = val_loss if val_loss is not None else progress.best_loss
        if better or fitting.keep == "last":
            self._kept = self._values()
            self._refuse_diverged(*self._kept)
        if progress.since_reduced >= PLATEAU_PATIENCE:
            progress.reductions, progress.since_reduced = progress.reductions + 1, 0
        progress.epoch, progress.step, progress.sums = progress.epoch + 1, 0, (0.0, 0.0, 0.0)
        tired = 0 < fitting.patience <= progress.waited
        progress.finished = tired or progress.epoch >= (fitting.last or fitting.epochs)

    def _judged(self, held: Held) -> tuple[float, float]:
        """Mean cross-entropy and accuracy."""
        logits, truth = self.logits(held).astype(np.float64), held.truth
        shifted = logits - logits.max(axis=1, keepdims=True)
        logs = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        hits = logits.argmax(axis=1) == truth
        loss = float(-logs[np.arange(len(truth)), truth].mean())
        self._refuse_diverged(loss)
        return loss, float(hits.mean())

    def _refuse_diverged(self, *values: Any) -> None:
        """Raise `InputError` where one of them is no finite number."""
        if not all(np.isfinite(value).all() for value in values):
            raise InputError(
                f"The fit came apart in epoch {self.progress.epoch + 1}: its loss or its weights "
                f"are nan or infinite at --lr {self._fitting.learning_rate:g}. Expected a lower "
                f"one: --lr {self._fitting.learning_rate / 10:.2g}"
            )

    def _several_steps(
        self, inputs: tf.Tensor, classes: tf.Tensor, weights: tf.Tensor, rates: tf.Tensor
    ) -> tuple[tf.Tensor, ...]:
        """Take k steps in one call; sums of loss, hits and pictures."""
        total = tf.zeros(3)
        with using(self.model, self._policy):  # while the steps are traced
            for at in tf.range(tf.shape(inputs)[0]):
                self._optimizer.learning_rate.assign(rates[at])
                total += self._shared_step(inputs[at], classes[at], weights[at])
        return tuple(tf.unstack(total))

    def _shared_step(self, inputs: tf.Tensor, classes: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        """One step, a part of the batch on each device."""
        count = tf.shape(inputs)[0]
        if self._distribution.num_replicas_in_sync == 1:
            return self._step(count, inputs, classes, weights, tf.ones(count))

        def replica() -> tf.Tensor:
            return self._step(count, *share_of(inputs, classes, weights))

        each = self._distribution.run(replica)
        return self._distribution.reduce(tf.distribute.ReduceOp.SUM, each, axis=None)

    def _step(
        self, total: tf.Tensor, inputs: Any, classes: Any, weights: Any, counts: tf.Tensor
    ) -> tf.Tensor:
        """One step on those that count of a batch, or of a device's part of one, of `total`."""
        smoothing = self._fitting.label_smoothing
        wanted = classes * (1.0 - smoothing) + smoothing / tf.cast(tf.shape(classes)[1], tf.float32)
        with tf.GradientTape() as tape:
            answers = keras.tree.flatten(self._answering(inputs, training=True))
            logits, *compared = [tf.cast(each, tf.float32) for each in answers]
            losses = tf.nn.softmax_cross_entropy_with_logits(wanted, logits) * counts
            loss = tf.reduce_sum(losses * weights) / tf.cast(total, tf.float32)
            loss += self._fitting.contrast * sum(nt_xent(each) for each in compared)
            scaled = self._optimizer.scale_loss(loss)
        variables = self.model.trainable_variables
        self._optimizer.apply(self._clipped(tape.gradient(scaled, variables)), variables)
        hits = tf.cast(tf.equal(tf.argmax(logits, 1), tf.argmax(classes, 1)), tf.float32)
        return tf.stack([tf.reduce_sum(each) for each in (losses, hits * counts, counts)])

    def _clipped(self, gradients: list[tf.Tensor]) -> list[tf.Tensor]:
        """Bound the length of the whole batch's gradient; Keras would each device's part of it."""
        replicas, bound = self._distribution.num_replicas_in_sync, self._fitting.clip_norm
        if not bound:
            return gradients
        if replicas > 1:
            here = tf.distribute.get_replica_context()
            gradients = here.all_reduce(tf.distribute.ReduceOp.SUM, gradients)
        clipped, _ = tf.clip_by_global_norm(gradients, bound * self._optimizer.scale_loss(1.0))
        # What the optimizer applies is the sum over all devices.
        return [each / replicas for each in clipped] if replicas > 1 else clipped
