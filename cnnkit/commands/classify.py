"""`cnnkit classify`."""

import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, get_args

import click
from click.core import ParameterSource

from cnnkit.commands.emit import by_suffix, emit
from cnnkit.commands.options import (
    engine_options,
    fitting_options,
    gather,
    input_options,
    output_options,
    seed_option,
    talk_options,
    weights_option,
)
from cnnkit.commands.talk import Talk
from cnnkit.records import Classification, Crops, Skipped
from cnnkit.zoo.catalog import DEFAULT_MODEL

if TYPE_CHECKING:
    from cnnkit.tasks.inputs import Inputs


@click.command()
@input_options
@click.option("-m", "--model", default=DEFAULT_MODEL, help="A network; `cnnkit models` lists them.")
@weights_option
@click.option(
    "-k", "--top", default=5, type=click.IntRange(1, 1000), help="How many classes to name."
)
@click.option(
    "--min-score",
    default=0.0,
    type=click.FloatRange(0, 1),
    help="Leave out classes less probable than this.",
)
@click.option(
    "--crops",
    default="1",
    type=click.Choice([str(n) for n in get_args(Crops)]),
    help="Views per picture, averaged: 5 and 10 as AlexNet, 144 as GoogLeNet.",
)
@fitting_options
@engine_options
@seed_option
@click.option(
    "--knn",
    metavar="FILE.h5",
    help="Instead of the network's classes, those of the nearest pictures in this store.",
)
@click.option(
    "--neighbours", default=10, type=click.IntRange(1), help="How many of the nearest vote."
)
@click.option(
    "--labels",
    metavar="FILE.csv",
    help="Path and label of stored pictures.  [default: the folders that they are in]",
)
@click.option(
    "--annotate",
    "annotate_in",
    metavar="DIR",
    help="Put copies of the pictures with labels and scores there.",
)
@click.option(
    "--skip-done",
    metavar="FILE.jsonl",
    help="Pass over pictures that an earlier run answered; with the same file after -o, "
    "continue it.",
)
@click.option(
    "--print0", is_flag=True, help="Print only the paths of pictures with an answer, NUL-separated."
)
@output_options
@talk_options
@click.pass_obj
def classify(
    talk: Talk,
    /,
    images: tuple[str, ...],
    null: bool,
    exclude: tuple[str, ...],
    format: str | None,
    output: str | None,
    print0: bool,
    crops: str,
    knn: str | None,
    **options: Any,
) -> None:
    """Name what is in pictures: the classes that a network sees, each with its probability.

    IMAGES are files, folders (recursive), patterns, or `-` for a list on stdin. There is one
    answer per picture, in order, as soon as it is known; a picture that cannot be read gets an
    answer that says why, and the exit code is then 3.

    \b
    Examples:
      cnnkit classify cat.jpg
      cnnkit classify --model mobilenet_0.75 --top 1 photos/
      cnnkit classify photos/ -o answers.jsonl --skip-done answers.jsonl
      cnnkit classify --knn img_emb.h5 --top 1 new/
      find . -name '*.jpg' -print0 | cnnkit classify -0 --format jsonl - | jq .path
      cnnkit classify --min-score 0.9 --print0 photos/ | xargs -0 cp -t sure/
    """
    inputs = gather(images, null, exclude)
    options |= {"offline": talk.offline, "reporter": talk.download}
    records = (
        _by_neighbours(inputs, knn, options)
        if knn is not None
        else _by_network(inputs, int(crops), options)
    )
    emit(
        records,
        format="print0" if print0 else format,
        output=output,
        columns=Classification.columns_for(options["top"]),
        append=_continues(output, options["skip_done"], "print0" if print0 else format),
        count=(lambda: None) if options["skip_done"] else inputs.count,
    )


# What only a network of one's choice can be told, and what only neighbours can.
_OF_NETWORKS = (
    *("model", "crops", "fit", "interpolation", "precision", "seed", "annotate_in", "skip_done"),
)
_OF_NEIGHBOURS = ("neighbours", "labels")


def _by_network(
    inputs: "Inputs", crops: int, options: dict[str, Any]
) -> "Iterator[Classification | Skipped]":
    from cnnkit.tasks.classify import classify as run

    _refuse(_OF_NEIGHBOURS, "is about --knn, which is not there.")
    own = {name: value for name, value in options.items() if name not in _OF_NEIGHBOURS}
    return run(inputs, crops=crops, **own)


def _by_neighbours(
    inputs: "Inputs", store: str, options: dict[str, Any]
) -> "Iterator[Classification | Skipped]":
    from cnnkit.tasks.knn import classify_by_neighbours as run

    _refuse(_OF_NETWORKS, "cannot be chosen with --knn: the store says how its vectors were made.")
    own = {name: value for name, value in options.items() if name not in _OF_NETWORKS}
    if own["weights"] == "imagenet":
        own["weights"] = None
    return run(inputs, store=store, **own)


def _refuse(names: Sequence[str], why: str) -> None:
    """Raise a usage error for the first of these options that is on the command line."""
    context = click.get_current_context()
    for option in context.command.params:
        given = context.get_parameter_source(option.name or "") is ParameterSource.COMMANDLINE
        if given and option.name in names:
            raise click.UsageError(f"{option.opts[-1]} {why}")


def _continues(output: str | None, done: str | None, format: str | None) -> bool:
    """Whether the output is the earlier run's own file."""
    if not (output and done):
        return False
    there = os.path.exists(output) and os.path.exists(done)
    if not (os.path.samefile(output, done) if there else output == done):
        return False
    if (format or by_suffix(output)) != "jsonl":
        raise click.UsageError(
            f"Only jsonl can be continued. Expected -o FILE.jsonl or --format jsonl. "
            f"Received: -o {output}."
        )
    return True
