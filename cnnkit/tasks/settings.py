"""The options of a training run → its settings, every wish checked."""

import os
import re
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any, get_args

from cnnkit.errors import UnknownName, UsageError
from cnnkit.records import Arithmetic, Head, Optimizer, Recipe, Schedule, Settings, Strategy
from cnnkit.tasks.inputs import Path
from cnnkit.tasks.network import WEIGHT_WORDS
from cnnkit.tasks.wishes import whole
from cnnkit.zoo import patterns
from cnnkit.zoo.catalog import PIXELS

# The side of a pattern's pictures, unless its INPUT says another.
_PATTERN_SIDE = 224

_WORDS = {
    "strategy": (*get_args(Strategy), "auto"),
    "head": get_args(Head),
    "optimizer": get_args(Optimizer),
    "schedule": get_args(Schedule),
    "precision": get_args(Arithmetic),
    "class_weight": ("balanced", "none"),
    "sampler": ("balanced", "none"),
}
# Option → its bounds: from, to (None for no end), and whether 0 itself is out.
_BOUNDS: Mapping[str, tuple[float, float | None, bool]] = {
    "lr": (0, None, True),
    "weight_decay": (0, None, False),
    "warmup": (0, None, False),
    "label_smoothing": (0, 0.9, False),
    "mixup": (0, None, False),
    "cutmix": (0, None, False),
    "contrast": (0, None, False),
    "clip_norm": (0, None, False),
    "val_split": (0, 0.9, True),
}


def checked(data: Path, options: Mapping[str, Any]) -> Settings:
    """The settings that these options stand for. Raises `UsageError` where they make no sense."""
    known = [field.name for field in fields(Settings)]
    for name in options:
        if name not in known:
            raise UnknownName("option", name, known)
    settings = Settings(os.path.abspath(os.fsdecode(data)), **options)
    if settings.weights not in WEIGHT_WORDS:  # a file, from wherever the run is gone on with
        settings = replace(settings, weights=os.path.abspath(settings.weights))
    for name, words in _WORDS.items():
        if getattr(settings, name) not in words:
            raise UnknownName(name, str(getattr(settings, name)), words)
    for name, (least, most, beyond) in _BOUNDS.items():
        _bounded(name, getattr(settings, name), least, most, beyond)
    for name, fewest in (("epochs", 1), ("batch_size", 1), ("patience", 0), ("views", 0),
                         ("seed", 0)):  # fmt: skip
        if getattr(settings, name) is not None:
            whole(name, getattr(settings, name), fewest)
    _refuse_odd_company(settings)
    try:
        re.compile(settings.group_by or "")
    except re.error as error:
        raise UsageError(f"Expected --group-by as a regular expression: {error}.") from error
    return settings


def _bounded(
    name: str, value: float | None, least: float, most: float | None, beyond: bool
) -> None:
    if value is None:
        return
    low = value > least if beyond else value >= least
    if not (low and value < (float("inf") if most is None else most)):
        start = "above" if beyond else "from"
        end = "" if most is None else f" and below {most:g}"
        raise UsageError(f"Expected {name} {start} {least:g}{end}. Received: {value!r}.")


def _refuse_odd_company(settings: Settings) -> None:
    """Options that do not go with one another."""
    wishes = (
        (settings.arch and settings.strategy != "scratch" and not settings.compare,
         "--arch trains from random weights: it goes with --strategy scratch"),
        (settings.views and settings.strategy == "scratch",
         "--views are kept for a bottleneck's head; from scratch every epoch draws its own copies"),
        (settings.augment and not settings.views and settings.strategy == "bottleneck",
         "a bottleneck learns from embeddings that are kept: --augment FILE.toml goes with "
         "--views N, so many changed copies of each picture, such as --views 5"),
        (settings.views and not settings.augment,
         "--views are augmented copies: they go with --augment FILE.toml"),
        (settings.unfreeze and settings.strategy in ("bottleneck", "scratch"),
         f"--unfreeze goes with --strategy finetune or auto, not with {settings.strategy}"),
        (settings.compare and settings.strategy != "auto",
         f"--compare runs all three strategies, not {settings.strategy} alone"),
        (settings.strategy == "bottleneck" and (settings.mixup or settings.cutmix),
         "--mixup and --cutmix mix pixels: they go with --strategy finetune, scratch or auto"),
        (settings.contrast and settings.strategy != "scratch",
         "--contrast shapes the whole network: it goes with --strategy scratch"),
        (settings.contrast and not settings.augment,
         "--contrast compares changed copies of a picture: it goes with --augment FILE.toml"),
        (settings.contrast and settings.batch_size < 2,
         "--contrast tells pictures of a batch apart: it goes with --batch-size 2 or more"),
        (settings.contrast and (settings.mixup or settings.cutmix),
         "--contrast needs each picture by itself: it does not go with --mixup or --cutmix"),
        (settings.optimizer == "adam" and settings.weight_decay,
         "--weight-decay goes with --optimizer adamw or sgd"),
        (settings.class_weight == "balanced" and settings.sampler == "balanced",
         "--class-weight balanced and --sampler balanced are two ways to one end"),
    )  # fmt: skip
    for is_odd, reason in wishes:
        if is_odd:
            raise UsageError(f"{reason}.")


def pattern_recipe(settings: Settings) -> Recipe:
    """How pictures come into a pattern: of the size that its INPUT says, from -1 to 1."""
    height, width = patterns.input_size(settings.arch or "") or (_PATTERN_SIDE, _PATTERN_SIDE)
    plain, scaling = Recipe(height, width), PIXELS["tf"]
    return Recipe(
        height, width, settings.fit or plain.fit, settings.interpolation or plain.interpolation,
        scale=scaling.scale, mean=scaling.mean,
    )  # fmt: skip
