"""`cnnkit sample-images`."""

from typing import Any, get_args

import click

from cnnkit.commands.emit import emit
from cnnkit.commands.options import output_options, talk_options
from cnnkit.records import Drawn, Style


@click.command("sample-images")
@click.argument("folder", metavar="OUT")
@click.option("--classes", metavar="NAME,…", help="Which classes to draw.  [default: all]")
@click.option("--per-class", default=10, type=click.IntRange(1), help="Pictures of each class.")
@click.option("--size", default=224, type=click.IntRange(16, 2048), help="Side in pixels.")
@click.option(
    "--strength",
    default=1.0,
    type=click.FloatRange(0, 4),
    help="Light, blur, clutter and so on: 0 none, 1 as patternnet was trained, 4 the most.",
)
@click.option(
    "--style",
    default="flat",
    type=click.Choice(get_args(Style)),
    help="The texture alone, or on the wall of a room.",
)
@click.option("--seed", default=0, type=click.IntRange(0), help="Another seed, other pictures.")
@click.option(
    "--threads", type=click.IntRange(1, 1024), help="Cores to use.  [default: all that are allowed]"
)
@output_options
@talk_options
def sample_images(
    folder: str, classes: str | None, format: str | None, output: str | None, **options: Any
) -> None:
    """Draw pictures of textures and shapes into OUT/CLASS/, as a dataset to try things on.

    They are made of formulas alone, so nobody holds rights in them. The same seed gives the same
    bytes; pictures that are there already are left alone. `cnnkit labels patternnet` lists the
    classes.

    \b
    Examples:
      cnnkit sample-images drawn/
      cnnkit sample-images drawn/ --classes striped,dotted --per-class 200 --size 112
      cnnkit sample-images rooms/ --style room --per-class 3
    """
    from cnnkit.tasks.sample_images import sample_images as run

    if classes is not None:
        options["classes"] = [name.strip() for name in classes.split(",") if name.strip()]
    records = run(folder, **options)
    emit(records, format=format, output=output, columns=Drawn.columns(), count=lambda: None)
