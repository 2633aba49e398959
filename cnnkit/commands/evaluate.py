"""`cnnkit evaluate`."""

import os
from collections import Counter
from typing import Any, get_args

import click

from cnnkit.commands.emit import emit
from cnnkit.commands.options import (
    fitting_options,
    output_options,
    runtime_options,
    talk_options,
    weights_option,
)
from cnnkit.commands.talk import Talk
from cnnkit.outputs.tables import raise_if_failed
from cnnkit.records import Crops, Evaluation, Precision


@click.command()
@click.argument("data")
@click.option(
    "-m",
    "--model",
    required=True,
    help="A training run's folder, or a network; `cnnkit models` lists them.",
)
@click.option(
    "--split",
    type=click.Choice(["test", "val", "train", "all"]),
    help="Which part of DATA.  [default: test where there is one, else val, else all]",
)
@click.option(
    "--min-accuracy",
    metavar="SHARE",
    help="Exit with 4 where top-1 accuracy is below this, such as 0.9.",
)
@click.option(
    "--baseline",
    metavar="FILE.json",
    help="Exit with 4 where top-1 accuracy is below that of this earlier evaluation, written with "
    "--format json, or of a run's metrics.json.",
)
@click.option(
    "--max-drop",
    metavar="SHARE",
    help="How far it may be below --baseline, such as 0.01.  [default: 0]",
)
@click.option(
    "--predictions",
    metavar="FILE.jsonl",
    help="Write there what is said of each picture, one record each.",
)
@weights_option
@click.option(
    "--crops",
    default="1",
    type=click.Choice([str(n) for n in get_args(Crops)]),
    help="Views per picture, averaged: 5 and 10 as AlexNet, 144 as GoogLeNet.",
)
@fitting_options
@runtime_options
@click.option(
    "--precision",
    default="float32",
    type=click.Choice(get_args(Precision)),
    help="What the network computes in. auto may find another figure the next time.",
)
@click.option(
    "--seed",
    default=0,
    type=click.IntRange(0, 2**32 - 1),
    help="For the intervals, and the random weights of `-w none`.",
)
@output_options
@talk_options
@click.pass_obj
def evaluate(
    talk: Talk,
    /,
    data: str,
    crops: str,
    min_accuracy: str | None,
    baseline: str | None,
    max_drop: str | None,
    format: str | None,
    output: str | None,
    **options: Any,
) -> None:
    """Measure how well a network names the pictures of DATA.

    DATA is a folder of class folders, one with `train/`, `val/` and `test/` of them, or a CSV or
    JSONL list (path,label[,split]) such as a run's `split.jsonl`. Classes are matched by name.
    Told are top-1 and top-5 accuracy with 95 % intervals, precision and recall of each class,
    confusions, and how far the scores are from being probabilities.

    \b
    Examples:
      cnnkit evaluate --model runs/flowers flowers/
      cnnkit evaluate -m runs/flowers runs/flowers/split.jsonl --split val
      cnnkit evaluate -m runs/flowers test/ --min-accuracy 0.9 --predictions answers.jsonl
      cnnkit evaluate -m runs/flowers test/ --format json -o old.json
      cnnkit evaluate -m runs/new test/ --baseline old.json --max-drop 0.01
    """
    from cnnkit.tasks.evaluate import evaluate as run
    from cnnkit.tasks.gates import Gate

    _refuse_one_file_for_two(output, data, options["predictions"], baseline)
    gate = Gate.of(min_accuracy=min_accuracy, baseline=baseline, max_drop=max_drop)
    failed, bar = Counter[bool](), talk.bar("pictures")

    def counted(done: int, total: int) -> None:
        bar(done, total, f"{done:,} of {total:,}")
        if done == total:  # what is said from now on is no progress
            talk.stop()

    evaluation = run(
        data,
        crops=int(crops),
        offline=talk.offline,
        reporter=talk.download,
        told=lambda record: failed.update((record.failed,)),
        counted=counted,
        **options,
    )
    emit([evaluation], format=format, output=output, columns=Evaluation.columns())
    gate.check(evaluation)
    raise_if_failed(failed.total(), failed[True])


def _refuse_one_file_for_two(output: str | None, *named: str | None) -> None:
    """Answers must not be written over what they are about, or over each other."""
    if output is None or (os.path.exists(output) and not os.path.isfile(output)):
        return
    others = [os.path.realpath(other) for other in named if other is not None]
    if os.path.realpath(output) in others:
        raise click.UsageError(f"Expected a file of its own after -o. Received: {output}.")
