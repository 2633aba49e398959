"""What a training run would do and take, with no framework at work: `cnnkit finetune --plan`."""

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from cnnkit.images.loading import loader
from cnnkit.records import Planned, Recipe, Settings, Strategy
from cnnkit.tasks.finetune import Means, changes_of, examples_of, network_of
from cnnkit.tasks.inputs import Path
from cnnkit.tasks.network import Job
from cnnkit.tasks.settings import checked
from cnnkit.zoo import patterns

# A process with TensorFlow and OpenVINO, in bytes; and the seconds that they take to start.
_FRAMEWORKS, _START = 900 << 20, 8.0
# Of what a matrix product reaches: networks forward, and TensorFlow forward and backward. ResNet50
# reaches twice as much of the latter, MobileNet half: depthwise convolutions wait for memory.
_FORWARD, _TRAINING = 0.7, 0.35
# A training step is worth three forward passes; the last stage is about a fifth of a network.
_BACKWARD, _STAGE = 3, 0.2
# What it takes to look at a picture's content and fingerprint is known from doing it here.
_SAMPLE = 16


def plan(data: Path, *, means: Means | None = None, **options: Any) -> Planned:
    """What `finetune` would do with these arguments; raises what it would, but makes nothing.

    All pictures are read, as that decides on the split; no weights are fetched, and none looked at.
    """
    means = means or Means()
    settings = checked(data, options)
    job, recipe = network_of(settings, means)
    changes_of(settings, recipe)
    examples = examples_of(settings, means)
    strategies = _strategies(settings)
    parameters, macs = _size(settings, job, recipe, len(examples.labels))
    counts = examples.counts()
    train, held = examples.places("train"), examples.places("val")
    decoding = _decoding(examples.paths(train), recipe)
    return Planned(
        data=settings.data,
        model=job.network.name if job else str(settings.arch),
        strategies=strategies,
        train=len(train),
        val=len(held),
        test=len(examples.places("test")),
        skipped=len(examples.skipped),
        kept_together=examples.kept_together,
        straddling=len(examples.straddling),
        balance=tuple(
            (label, sides["train"], sides["val"], sides["test"]) for label, sides in counts.items()
        ),
        parameters=parameters,
        weights=job.weights if job else "none",
        memory=_FRAMEWORKS + _memory(strategies, parameters, len(train), recipe),
        seconds=_START
        + sum(
            _seconds(each, settings, len(train), len(train) + len(held), macs, decoding)
            for each in strategies
        ),
        notices=(*examples.notices, *(f"{s.path}: {s.message}" for s in examples.skipped)),
    )


def _strategies(settings: Settings) -> tuple[Strategy, ...]:
    if settings.compare:
        return ("bottleneck", "finetune", "scratch")
    if settings.strategy == "auto" or settings.strategy == "finetune":
        return ("bottleneck", "finetune")
    return (settings.strategy,)


def _size(settings: Settings, job: Job | None, recipe: Recipe, classes: int) -> tuple[int, int]:
    """Parameters, and multiplications for one picture."""
    if job is not None:
        network = job.network
        return network.parameters, network.macs
    text = settings.arch or ""
    layers = patterns.layers(text, recipe.height, recipe.width, classes)
    # A weight of a convolution is used once for each place of its output.
    macs = sum(each.parameters * _places(each.shape) for each in layers)
    return patterns.parameters(text, recipe.height, recipe.width, classes), macs


def _places(shape: Sequence[int]) -> int:
    return int(np.prod(shape[:2])) if len(shape) == 3 else 1


def _memory(strategies: Sequence[Strategy], parameters: int, train: int, recipe: Recipe) -> int:
    """Weights, the best ones, two moments and the gradient, in float32; and decoded pictures."""
    pixels = train * recipe.height * recipe.width * 3 if "scratch" in strategies else 0
    return 5 * 4 * parameters + min(pixels, 1 << 30)


def _seconds(
    strategy: Strategy, settings: Settings, train: int, pictures: int, macs: int, decoding: float
) -> float:
    """An estimate from how fast this machine multiplies matrices."""
    speed = _multiplications_per_second()
    forward = pictures * (decoding + macs / (speed * _FORWARD))
    shown = train * settings.fitting(strategy).epochs * (1 + (settings.contrast > 0))
    step = _BACKWARD * macs / (speed * _TRAINING)
    if strategy == "bottleneck":
        return forward * (1 + settings.views) + shown * 2e-5
    if strategy == "finetune":
        augmented = shown * (decoding + macs / (speed * _TRAINING)) if settings.augment else forward
        return augmented + shown * step * _STAGE
    return pictures * decoding + shown * step


def _decoding(paths: Sequence[str], recipe: Recipe) -> float:
    """Seconds that one picture takes, tried on a few."""
    sample = paths[:: max(1, len(paths) // _SAMPLE)][:_SAMPLE]
    load, began = loader(recipe), time.perf_counter()
    for path in sample:
        load(path)
    return (time.perf_counter() - began) / max(1, len(sample))


def _multiplications_per_second() -> float:
    """The best of several: what other work takes now says little of the hours to come."""
    side = 768
    one, seconds = np.ones((side, side), np.float32), []
    for _ in range(12):
        began = time.perf_counter()
        one @ one
        seconds.append(time.perf_counter() - began)
    return side**3 / min(seconds)
