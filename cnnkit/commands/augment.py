"""`cnnkit augment`."""

import os
from contextlib import closing
from dataclasses import replace
from typing import Any, get_args

import click

from cnnkit.commands.augmentation_options import augmentation_options, given
from cnnkit.commands.emit import emit
from cnnkit.commands.options import gather, input_options, output_options, talk_options
from cnnkit.records import Augmented, Augmenter, Labels


@click.command()
@input_options
@click.option("--out", required=True, metavar="DIR", help="The folder of copies.")
@click.option("-n", "--copies", default=5, type=click.IntRange(1), help="Copies of each picture.")
@click.option(
    "--recipe", metavar="FILE.toml", help="ImageDataGenerator's parameters; options are stronger."
)
@augmentation_options
@click.option(
    "--size",
    default="keep",
    metavar="WxH|keep",
    help="Stretch pictures to this before they are transformed.",
)
@click.option(
    "--random-crop",
    metavar="WxH",
    help="Cut a patch out of the transformed picture at a drawn place, as AlexNet does.",
)
@click.option("--seed", default=0, type=click.IntRange(0), help="Another seed, other copies.")
@click.option(
    "--augmenter",
    default="fast",
    type=click.Choice(get_args(Augmenter)),
    help="keras is ImageDataGenerator itself: the same copies within a grey level, slowly.",
)
@click.option(
    "--boxes",
    type=click.Choice(get_args(Labels)),
    help="Move the boxes of label files along: Pascal VOC's XML, beside the picture or in "
    "../Annotations.",
)
@click.option("--quality", default=95, type=click.IntRange(1, 100), help="Of JPEG and WebP copies.")
@click.option(
    "--preview", metavar="FILE.png", help="Show the first pictures beside their copies on a sheet."
)
@click.option(
    "-j",
    "--jobs",
    type=click.IntRange(1, 1024),
    help="Cores to use.  [default: all that are allowed]",
)
@output_options
@talk_options
def augment(
    images: tuple[str, ...],
    null: bool,
    exclude: tuple[str, ...],
    format: str | None,
    output: str | None,
    **options: Any,
) -> None:
    """Write changed copies of pictures: turned, shifted, zoomed, mirrored, each traceable.

    IMAGES are files, folders (recursive), patterns, or `-` for a list on stdin. The copies of a
    folder's pictures keep their class folders, and DIR/manifest.jsonl says how each was made. The
    same seed gives the same bytes, whatever --jobs and the order; a second run writes only what is
    missing. Sources are never overwritten.

    \b
    Examples:
      cnnkit augment photos/ --out more/ --recipe configs/augment-blog.toml --copies 20
      cnnkit augment photos/ --out more/ --rotation-range 40 --horizontal-flip --preview sheet.png
      cnnkit augment photos/ --out patches/ --size 256x256 --random-crop 224x224 --horizontal-flip
      cnnkit augment images/ --out more/ --boxes voc --zoom-range 0.8,1.2
      find . -name '*.jpg' -print0 | cnnkit augment -0 - --out more/ --rotation-range 15
    """
    _refuse_manifest(output, options["out"])
    inputs = replace(gather(images, null, exclude), closed=(options["out"],))
    from cnnkit.tasks.augment import augment as run

    parameters = given(options)
    copies = options["copies"]
    records = run(inputs, **options, **parameters)
    # Wherever Ctrl-C comes, what is under way is ended in order.
    with closing(records):
        emit(
            records,
            format=format,
            output=output,
            columns=Augmented.columns(),
            count=lambda: (inputs.count() or 0) * copies or None,
        )


def _refuse_manifest(output: str | None, out: str) -> None:
    """The manifest takes its place at the end: answers of the same name would be lost."""
    if output is None or os.path.realpath(os.path.dirname(output)) != os.path.realpath(out):
        return
    name = os.path.basename(output)
    if name == "manifest.jsonl" or name.startswith(".augment-"):
        raise click.UsageError(f"{output!r} is the manifest's own. Expected another file after -o.")
