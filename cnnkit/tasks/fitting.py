"""Fit a model on a run's pictures: from its last checkpoint, if there is one, to the end."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cnnkit.errors import InputError
from cnnkit.metrics.calibration import refinement
from cnnkit.records import EpochRow, Strategy
from cnnkit.tasks.feeding import Fed, Floats, Kept, Order, Places, Source
from cnnkit.tasks.ground import Ground, Step
from cnnkit.tasks.pictures import Pictures

if TYPE_CHECKING:
    import keras

    from cnnkit.nets.checkpoint import Checkpoint
    from cnnkit.nets.train import Trainer, Watch


@dataclass(frozen=True, slots=True)
class Fitted:
    """A model that is trained: it has the best weights. `held` is what it is judged by."""

    trainer: "Trainer"
    history: list[EpochRow]
    held: Kept | None

    def logits(self) -> Floats | None:
        """What it says of the validation pictures now, (n, classes); None without any."""
        return None if self.held is None else self.trainer.logits(self.held)

    def refinement(self) -> float:
        """How badly it tells these apart now: their loss at the temperature that suits best."""
        logits = self.logits()
        if self.held is None or logits is None:
            return float("inf")
        left = refinement(logits, self.held.truth)
        return float("inf") if left is None else left


def fitted(
    ground: Ground,
    model: "keras.Model",
    strategy: Strategy,
    train: Source,
    held: Source,
    embedding: str = "",
) -> Fitted:
    """Train to the end, from the last checkpoint if there is one.

    `embedding` names the layer that is compared where the settings say so.
    """
    from cnnkit.nets.train import Trainer

    settings, fitting = ground.settings, ground.settings.fitting(strategy)
    name, identity = str(strategy), f"{ground.identity}-{strategy}"
    if ground.course:
        fitting = replace(fitting, last=ground.course.epochs[strategy], patience=0)
        name, identity = f"{strategy}-refit", f"{identity}-refit"
    truth = ground.examples.truth(ground.train)
    order = Order(
        truth, ground.classes, fitting.batch_size, fitting.seed, settings.sampler == "balanced"
    )
    ahead = int(isinstance(train, Pictures))
    weights = _balance(truth, ground.classes) if settings.class_weight == "balanced" else None
    feed = Fed(train, order, class_weights=weights, ahead=ahead, paired=fitting.contrast > 0)
    kept = Kept(held, ground.examples.truth(ground.held), fitting.batch_size, ahead)
    judged = kept if len(ground.held) else None
    trainer = Trainer(
        model, fitting, strategy, identity=identity, devices=ground.devices, embedding=embedding
    )
    file = ground.folder / f"{name}.npz"
    _resume(trainer, file, identity)
    history = trainer.fit(feed, judged, _watch(ground, strategy, trainer, file))
    return Fitted(trainer, history, judged)


def _watch(ground: Ground, strategy: Strategy, trainer: "Trainer", file: Path) -> "Watch":
    from cnnkit.nets import checkpoint
    from cnnkit.nets.train import Watch

    def kept(moment: "Checkpoint") -> None:
        checkpoint.save(moment, file)

    epochs = ground.settings.fitting(strategy).epochs
    pictures = len(ground.train) * (1 + (ground.settings.contrast > 0))

    def step(done: int, loss: float, accuracy: float) -> None:
        epoch = trainer.progress.epoch + 1
        ground.telling.step(Step(strategy, epoch, epochs, done, pictures, loss, accuracy))

    return Watch(ground.telling.epoch, step, kept, ground.every, ground.stop)


def _resume(trainer: "Trainer", path: Path, identity: str) -> None:
    from cnnkit.nets import checkpoint

    if not path.is_file():
        return
    moment = checkpoint.load(path)
    if moment.identity != identity:
        raise InputError(f"{path} is of a run with other settings or pictures.")
    trainer.restore(moment)


def _balance(truth: Places, classes: int) -> Floats:
    """Weights (classes,) under which each class that is there weighs the same, their mean 1."""
    counts = np.bincount(truth, minlength=classes)
    present = counts > 0
    weights = np.zeros(classes, np.float32)
    weights[present] = len(truth) / (present.sum() * counts[present])
    return weights
