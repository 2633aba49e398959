"""`cnnkit cache …`."""

import click

from cnnkit.commands.emit import emit
from cnnkit.commands.options import output_options, talk_options
from cnnkit.commands.talk import Talk
from cnnkit.records import CacheRow


@click.group()
@talk_options
def cache() -> None:
    """Handle the converted networks, which openvino opens without TensorFlow.

    They lie in CNNKIT_CACHE_DIR, by default in the user's cache folder, and beside them the
    embeddings of pictures that were trained on. The least recently used go when all networks, or
    all embeddings, are together larger than 8 GB.

    \b
    Example:
      cnnkit cache info
    """


@cache.command(short_help="Which networks are kept, and in which precision they run.")
@output_options
@talk_options
@click.pass_obj
def info(talk: Talk, /, format: str | None, output: str | None) -> None:
    """List the converted networks: weights, size, last use, and what is known of bfloat16.

    bfloat16 is used by default where an earlier run saw it answer as float32 does.

    \b
    Examples:
      cnnkit cache info
      cnnkit cache info --format jsonl | jq -r 'select(.verdict.precision == "bfloat16").model'
    """
    from cnnkit.tasks.cache import cache_info, summary

    rows = cache_info()
    emit(rows, format=format, output=output, columns=CacheRow.columns())
    if not talk.quiet:
        click.echo(f"cnnkit: {summary(rows)}", err=True)


@cache.command(short_help="Remove converted networks.")
@click.argument("models", metavar="[MODEL]...", nargs=-1)
@output_options
@talk_options
def clear(models: tuple[str, ...], format: str | None, output: str | None) -> None:
    """Remove the converted networks of each MODEL, or all of them, and tell what was removed.

    Weights stay; a network is converted again when it is next needed. What killed processes left
    goes too, what a process is converting at this moment does not.

    \b
    Examples:
      cnnkit cache clear
      cnnkit cache clear resnet50 vgg16
    """
    from cnnkit.tasks.cache import clear_cache

    emit(clear_cache(models), format=format, output=output, columns=CacheRow.columns())
