"""Three ways to a classifier, after the Keras blog's "Building powerful image classification models
using very little data" (2016): each takes the same ground, and answers with a network that trained.

bottleneck   a head on the embeddings of the frozen backbone
finetune     that head and the backbone's last layers, from where the bottleneck ended
scratch      everything, from random weights
"""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from cnnkit.images.augment.standardise import statistics
from cnnkit.records import EpochRow, Recipe, Strategy
from cnnkit.tasks.features import Features
from cnnkit.tasks.feeding import Floats, Kept, Rows, Source
from cnnkit.tasks.fitting import fitted
from cnnkit.tasks.ground import Ground
from cnnkit.tasks.settings import pattern_recipe

if TYPE_CHECKING:
    import keras

    from cnnkit.nets.classifier import Scaling

log = logging.getLogger(__name__)
# Bytes of a trunk's feature maps that may be kept on disk, so that only what trains has to run.
_MOST_MAPS = 4 << 30


@dataclass(slots=True)
class Outcome:
    """What came of a strategy: `model`, pixels (n, H, W, 3) → logits, flat.

    `embedding` names the layer whose output, `features` numbers, goes into the head. `logits` are
    those of the validation pictures (n, classes), None without any. `recipe` is how its pictures
    come in; `share` how far its weights are from the bottleneck's, of the way to the last ones.
    """

    strategy: Strategy
    model: "keras.Model"
    embedding: str
    features: int
    history: list[EpochRow]
    logits: Floats | None
    seconds: float
    computed: int = 0
    head: "keras.Model | None" = None
    recipe: Recipe | None = None
    share: float | None = None

    @property
    def kept_epoch(self) -> int:
        """The epoch, counted from 1, whose weights were kept; 0 for those before the first."""
        if self.share is not None:
            return len(self.history) if self.share else 0
        return max((row.epoch for row in self.history if row.best), default=0)


def bottleneck(ground: Ground) -> Outcome:
    """Fit a head on embeddings, each computed once for all epochs, runs and splits."""
    from cnnkit.nets.classifier import backbone, classifier, head

    began = time.monotonic()
    settings, job = ground.settings, ground.pretrained
    known = ground.known()
    train, held = _parted(ground, known)
    views = [train, *ground.augmented_views()]
    top = head(
        settings.head,
        known.width,
        ground.classes,
        mean=train.mean(axis=0),
        variance=train.var(axis=0),
        seed=settings.seed,
    )
    done = fitted(ground, top, "bottleneck", Rows(views, settings.seed), Rows([held]))
    weights = job.weights_path()
    trunk = backbone(job.network, weights, top=job.with_top, seed=job.seed)
    model = classifier(trunk, ground.recipe, done.trainer.model)
    return Outcome(
        "bottleneck", model, job.network.embedding if job.with_top else trunk.layers[-1].name,
        known.width, done.history, done.logits(), time.monotonic() - began, known.computed,
        done.trainer.model,
    )  # fmt: skip


def finetuned(ground: Ground, start: Outcome) -> Outcome:
    """Go on from a bottleneck, with the backbone's last layers at a low rate.

    Where pictures are not augmented, what the frozen layers say of them is computed once. What is
    kept are the best weights on the way from the bottleneck's to the last ones: of these, few
    pictures can tell which are good, where they cannot tell it of every epoch.
    """
    from cnnkit.nets import freeze
    from cnnkit.nets.averaging import settle_between
    from cnnkit.nets.classifier import flat

    began, settings = time.monotonic(), ground.settings
    model = flat(start.model)
    head = {layer.name for layer in start.head.layers} if start.head else set()
    free = freeze.unfreeze(
        model, settings.unfreeze or freeze.STAGE, head, batchnorm=settings.train_batchnorm
    )
    log.info("These layers train: %s.", ", ".join(free))
    cut, computed = None, 0
    sources: tuple[Source, Source] = (
        ground.pictures(ground.train, augmented=True),
        ground.pictures(ground.held, augmented=False),
    )
    part = model
    if not (ground.augmentation or settings.mixup or settings.cutmix or settings.train_batchnorm):
        cut = freeze.cut_below(model, _named_layers(ground))
    if cut is not None and _fits(ground, cut.output.shape[1:]):
        known = ground.known(cut.name)
        shape = tuple(cut.output.shape[1:])
        sources = _maps(ground, known, shape)
        part, computed = freeze.above(model, cut), known.computed
    before = part.get_weights()
    done = fitted(ground, part, "finetune", *sources)
    judge = done.refinement if done.held else None
    known_share = ground.course.share if ground.course else None
    share = settle_between(done.trainer.model, before, judge or known_share)
    log.info("The weights are %.0f %% of the way from the bottleneck's.", 100 * share)
    if done.trainer.model is not part:
        part.set_weights(done.trainer.model.get_weights())
    return Outcome(
        "finetune", model, start.embedding, start.features, done.history, done.logits(),
        time.monotonic() - began, computed, start.head, share=share,
    )  # fmt: skip


def scratch(ground: Ground) -> Outcome:
    """Fit everything from random weights: the catalog's network, or a pattern."""
    from cnnkit.nets.classifier import backbone, classifier, head
    from cnnkit.nets.normalisation import keep_pace

    began, settings = time.monotonic(), ground.settings
    scaling = _scaling(ground)
    if settings.arch:
        from cnnkit.nets.pattern import build_pattern
        from cnnkit.zoo.patterns import embedding_layer

        ground = replace(ground, recipe=pattern_recipe(settings))
        text = settings.arch
        trunk = build_pattern(
            text, height=ground.recipe.height, width=ground.recipe.width,
            classes=ground.classes, activation=None, seed=settings.seed,
        )  # fmt: skip
        model, embedding = classifier(trunk, ground.recipe, None, scaling), embedding_layer(text)
        features = int(np.prod(model.get_layer(embedding).output.shape[1:]))
    else:
        network = ground.pretrained.network
        trunk = backbone(network, None, top=True, seed=settings.seed)
        features, embedding = network.features, network.embedding
        top = head(settings.head, features, ground.classes, seed=settings.seed)
        model = classifier(trunk, ground.recipe, top, scaling)
    keep_pace(model, len(ground.train) // settings.batch_size)
    done = fitted(
        ground, model, "scratch",
        ground.pictures(ground.train, augmented=True),
        ground.pictures(ground.held, augmented=False),
        embedding,
    )  # fmt: skip
    if done.trainer.model is not model:
        model.set_weights(done.trainer.model.get_weights())
    return Outcome(
        "scratch", model, embedding, features, done.history, done.logits(),
        time.monotonic() - began, recipe=ground.recipe,
    )  # fmt: skip


def _scaling(ground: Ground) -> "Scaling | None":
    """What the settings put in the place of the recipe's scaling, fitted to training pictures."""
    wanted = ground.standardisation
    if wanted is None:
        return None

    from cnnkit.nets.standardise import standardised

    places, batch = ground.train, ground.settings.batch_size
    source = ground.pictures(places, augmented=False)
    held = Kept(source, ground.examples.truth(places), batch, ahead=1)
    known = statistics(held.inputs, wanted)
    return partial(standardised, wanted=wanted, known=known)


def _parted(ground: Ground, known: Features) -> tuple[Floats, Floats]:
    """The rows of training and of validation."""
    rows, count = known.gathered(), len(ground.train)
    return rows[:count], rows[count:]


def _maps(ground: Ground, known: Features, shape: tuple[int, ...]) -> tuple[Rows, Rows]:
    """The feature maps of training and of validation, in memory if they are small."""
    count = len(ground.train)
    return Rows([known.shaped(0, count, shape)]), Rows([known.shaped(count, None, shape)])


def _named_layers(ground: Ground) -> set[str]:
    """The layers that the network has under these names when it runs alone."""
    from cnnkit.engines.quiet import quiet
    from cnnkit.nets.build import build

    with quiet(log.isEnabledFor(logging.DEBUG)):
        job = ground.pretrained
        return {layer.name for layer in build(job.network, None, top=job.with_top).layers}


def _fits(ground: Ground, shape: Sequence[int]) -> bool:
    """Whether the feature maps of all pictures may be kept."""
    size = 4 * int(np.prod(shape)) * (len(ground.train) + len(ground.held))
    return size <= _MOST_MAPS
