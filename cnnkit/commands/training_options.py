"""What a training run can be told, as options; their names are the fields of `Settings`."""

from collections.abc import Callable
from typing import Any, get_args

import click

from cnnkit.records import Arithmetic, Head, Schedule

_Decorator = Callable[[Any], Any]


def training_options(command: Any) -> Any:
    """Every option of `Settings` that has no other home, and `--threads`, `--checkpoint-every`."""
    for decorator in reversed((*_DATA, *_NETWORK, *_FITTING, *_RUNNING)):
        command = decorator(command)
    return command


def _count(name: str, least: int, help: str, **more: Any) -> _Decorator:
    return click.option(name, type=click.IntRange(least), help=help, **more)


def _one_of(name: str, words: tuple[str, ...], help: str) -> _Decorator:
    return click.option(name, type=click.Choice(words), default=words[0], help=help)


_DATA: tuple[_Decorator, ...] = (
    click.option(
        "--val-split", type=float, default=0.2, show_default=True,
        help="The share of each class that is held out, where DATA holds nothing out.",
    ),
    click.option(
        "--refit", is_flag=True,
        help="Fit what was best once more, on the validation pictures too.",
    ),
    click.option(
        "--group-by", metavar="REGEX",
        help="Pictures whose paths it finds the same in are never on two sides of the split.",
    ),
    click.option(
        "--augment", metavar="FILE.toml",
        help="Show changed copies of the pictures: ImageDataGenerator's parameters.",
    ),
    click.option(
        "--views", type=click.IntRange(0, 64), default=0,
        help="For a bottleneck: augmented copies of each picture whose embeddings are computed.",
    ),
)  # fmt: skip
_NETWORK: tuple[_Decorator, ...] = (
    click.option(
        "-w", "--weights", default="imagenet", metavar="imagenet|none|FILE",
        help="What to start from: published weights, random ones, or a weight file.",
    ),
    _one_of("--head", get_args(Head), "The classifier: one dense layer, or a hidden one first."),
    click.option(
        "--unfreeze", metavar="N|LAYER|stage|all",
        help="What else trains: the last N layers, those from LAYER on, those of the last "
        "resolution, or all.  [default: stage]",
    ),
    click.option(
        "--train-batchnorm", is_flag=True,
        help="Let batch normalisation train too; it needs many pictures.",
    ),
    click.option(
        "--arch", metavar="PATTERN",
        help='For scratch: layers such as "INPUT -> [CONV3-32 -> RELU -> POOL2]*3 -> FC".',
    ),
)  # fmt: skip
_FITTING: tuple[_Decorator, ...] = (
    _count("--epochs", 1, "At most so many.  [default: 50, 15 and 60 by strategy]"),
    _count("--batch-size", 1, "Pictures per step.", default=32, show_default=True),
    click.option(
        "--lr", type=float, help="The highest learning rate.  [default: 1e-3; finetune 3e-4]"
    ),
    _one_of("--optimizer", ("adamw", "adam", "sgd"), "How weights follow gradients."),
    click.option("--weight-decay", type=float, help="[default: 0.1; finetune and scratch 0.05]"),
    _one_of("--schedule", get_args(Schedule), "How the learning rate falls."),
    click.option(
        "--warmup", type=float, default=0.0, metavar="EPOCHS",
        help="How long the learning rate rises first.",
    ),
    _count(
        "--patience", 0,
        "End after so many epochs without a better validation; 0 never.  [default: 10, 0 and 15]",
    ),
    click.option(
        "--label-smoothing", type=float, default=0.0,
        help="The share of certainty that is taken from each label.",
    ),
    _one_of("--class-weight", ("none", "balanced"), "Let every class weigh the same in the loss."),
    _one_of("--sampler", ("none", "balanced"), "Show every class as often as any other."),
    click.option(
        "--mixup", type=float, default=0.0, metavar="ALPHA",
        help="Blend pictures, and their labels.",
    ),
    click.option(
        "--cutmix", type=float, default=0.0, metavar="ALPHA",
        help="Paste parts of pictures into others, and blend their labels.",
    ),
    click.option(
        "--contrast", type=float, default=0.0, metavar="WEIGHT",
        help="For scratch: show two augmented copies of each picture, and let the loss bring their "
        "embeddings together.",
    ),
    click.option(
        "--clip-norm", type=float, default=1.0, show_default=True,
        help="The greatest length of a gradient; 0 for any.",
    ),
    click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, help="Of every draw."),
)  # fmt: skip
_RUNNING: tuple[_Decorator, ...] = (
    _one_of(
        "--precision", get_args(Arithmetic),
        "auto is float32 on a processor, and mixed on a graphics card.",
    ),
    click.option(
        "--threads", type=click.IntRange(1, 1024),
        help="Cores to use.  [default: all that are allowed]",
    ),
    click.option(
        "--checkpoint-every", type=click.FloatRange(0), default=30.0, metavar="SECONDS",
        help="How much a killed run may lose.",
    ),
    click.option("--tensorboard", is_flag=True, help="Write the curves for TensorBoard as well."),
)  # fmt: skip
