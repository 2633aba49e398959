"""`cnnkit dedupe`."""

from typing import Any, get_args

import click

from cnnkit.commands.emit import emit
from cnnkit.commands.options import (
    output_options,
    showing_options,
    stores_option,
    talk_options,
)
from cnnkit.commands.talk import Talk
from cnnkit.records import Group, Keep


@click.command()
@stores_option
@click.option(
    "--threshold",
    default=0.95,
    type=click.FloatRange(0, 1),
    help="The least cosine similarity of a redundant picture and the one to keep.",
)
@click.option(
    "--keep",
    default="best",
    type=click.Choice(get_args(Keep)),
    help="The picture with most pixels, or the one that was stored first.",
)
@click.option(
    "--threads", type=click.IntRange(1, 1024), help="Cores to use.  [default: all that are allowed]"
)
@showing_options
@click.option("--print0", is_flag=True, help="Print only the redundant paths, NUL-separated.")
@output_options
@talk_options
@click.pass_obj
def dedupe(
    talk: Talk, /, format: str | None, output: str | None, print0: bool, **options: Any
) -> None:
    """Find groups of pictures in a store that are nearly the same, and say which one to keep.

    In each group every redundant picture is near the kept one itself. Nothing is ever deleted.
    Make a store with `cnnkit extract-features`.

    \b
    Examples:
      cnnkit dedupe
      cnnkit dedupe --threshold 0.98 --gallery twins.html
      cnnkit dedupe --print0 | xargs -0 mv -t redundant/
    """  # fmt: skip
    from cnnkit.tasks.dedupe import dedupe as run

    emit(
        run(**options),
        format="print0" if print0 else format,
        output=output,
        columns=Group.columns_for(several=len(options["store"]) > 1),
    )
