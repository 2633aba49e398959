"""`cnnkit extract-features`."""

from typing import Any, get_args

import click

from cnnkit.commands.emit import emit
from cnnkit.commands.options import (
    engine_options,
    fitting_options,
    gather,
    input_options,
    output_options,
    store_option,
    talk_options,
)
from cnnkit.commands.talk import Talk
from cnnkit.records import Crops, Embedded, Pooling, StoredType


@click.command()
@input_options
@store_option
@click.option(
    "-m",
    "--model",
    help="A network; `cnnkit models` lists them.  [default: the store's, or resnet50]",
)
@click.option(
    "-w",
    "--weights",
    metavar="imagenet|none|FILE",
    help="Published weights, random ones, or a weight file for this network.",
)
@click.option(
    "--layer",
    metavar="NAME",
    help="The layer whose output is kept.  [default: the network's embedding]",
)
@click.option(
    "--pooling",
    type=click.Choice(get_args(Pooling)),
    help="How a feature map becomes a vector; without --layer, the last feature map.",
)
@click.option(
    "--dtype",
    type=click.Choice(get_args(StoredType)),
    help="How numbers are stored; float16 takes half the space.  [default: float32]",
)
@click.option(
    "--crops",
    type=click.Choice([str(n) for n in get_args(Crops)]),
    help="Views per picture, averaged.  [default: 1]",
)
@fitting_options
@engine_options
@click.option(
    "--seed", type=click.IntRange(0, 2**32 - 1), help="For the random weights of `-w none`."
)
@click.option(
    "--prune", is_flag=True, help="Drop rows of files that are gone from the folders named."
)
@click.option("--rehash", is_flag=True, help="Read pictures even if size and time are unchanged.")
@click.option(
    "--print0", is_flag=True, help="Print only the paths of pictures in the store, NUL-separated."
)
@output_options
@talk_options
@click.pass_obj
def extract_features(
    talk: Talk,
    /,
    images: tuple[str, ...],
    null: bool,
    exclude: tuple[str, ...],
    format: str | None,
    output: str | None,
    print0: bool,
    crops: str | None,
    **options: Any,
) -> None:
    """Keep the embeddings of pictures in a store, each computed once.

    The store is one HDF5 file; its dataset `img_emb` (N, D) holds exactly the live rows. Pictures
    that are in it already, by content, are not computed again; what changed is replaced. A record
    is printed once its row is safely on disk. What is not said is taken from the store.

    \b
    Examples:
      cnnkit extract-features photos/
      cnnkit extract-features photos/ --store vgg.h5 --model vgg16 --pooling avg
      cnnkit extract-features photos/ --prune -q > /dev/null
      find . -name '*.jpg' -print0 | cnnkit extract-features -0 --format jsonl -
    """  # fmt: skip
    from cnnkit.tasks.extract_features import extract_features as run

    inputs = gather(images, null, exclude)
    records = run(
        inputs,
        crops=int(crops) if crops else None,
        offline=talk.offline,
        reporter=talk.download,
        **options,
    )
    emit(
        records,
        format="print0" if print0 else format,
        output=output,
        columns=Embedded.columns(),
        count=inputs.count,
    )
