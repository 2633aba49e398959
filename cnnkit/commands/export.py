"""`cnnkit export`."""

from typing import Any, get_args

import click

from cnnkit.commands.emit import emit
from cnnkit.commands.options import gather, seed_option, talk_options, weights_option
from cnnkit.commands.talk import Talk
from cnnkit.errors import UsageError
from cnnkit.outputs.tables import FORMATS
from cnnkit.records import ExportedFile, ExportFormat


@click.command()
@click.argument("model")
@click.argument("more", nargs=-1, metavar="[PICTURES]...")
@click.option(
    "--out", required=True, metavar="DIR", help="The folder to write: a new or empty one."
)
@click.option(
    "--format",
    default="openvino",
    metavar="|".join(get_args(ExportFormat)),
    help="Whose file it is to be.",
)
@weights_option
@seed_option
@click.option(
    "--verify",
    multiple=True,
    metavar="PICTURES",
    help="Compare the answers on these: files, folders, patterns, or `-` for a list on stdin; as "
    "many as you like, and again. Exit code 4 where they differ.",
)
@click.option(
    "--tolerance",
    default=1e-3,
    type=click.FloatRange(0, 1),
    help="The largest difference of a score, 0 to 1, that is let pass.",
)
@click.option("--force", is_flag=True, help="Replace an earlier export in DIR.")
@click.option(
    "--threads", type=click.IntRange(1, 1024), help="Cores to use.  [default: all that are allowed]"
)
@click.option(
    "--rows",
    type=click.Choice(FORMATS),
    help="How answers are written. [default: by the suffix of -o, or text]",
)
@click.option("-o", "--output", metavar="FILE", help="Write answers there, not to stdout.")
@talk_options
@click.pass_obj
def export(
    talk: Talk,
    /,
    more: tuple[str, ...],
    verify: tuple[str, ...],
    rows: str | None,
    output: str | None,
    **options: Any,
) -> None:
    """Write MODEL as a file that another runtime opens, without cnnkit, Keras or Python.

    The graph eats pixels as they come out of a decoder, uint8 RGB, and scales them itself; DIR
    also gets `recipe.json`, which says how a picture is fitted, and the names of the classes. The
    file is opened by its own runtime and compared with Keras before it is kept: on noise always,
    and with --verify on pictures, from their bytes on.

    \b
    Examples:
      cnnkit export patternnet --out patterns/
      cnnkit export mobilenet_0.75 --format onnx --out mobile/ --verify photos/
      cnnkit export resnet50 --format litert --out phone/ --verify photos/*.jpg --tolerance 1e-4
    """
    from cnnkit.tasks.export import export as run

    pictures = _pictures(verify, more)
    inputs = gather(pictures, False, ()) if pictures else None
    _refuse_rows(options["format"])
    records = run(**options, verify=inputs, offline=talk.offline, reporter=talk.download)
    emit(records, format=rows, output=output, columns=ExportedFile.columns())


def _pictures(verify: tuple[str, ...], more: tuple[str, ...]) -> tuple[str, ...]:
    """What to verify with: a shell writes `photos/*.jpg` out, and --verify takes only the first."""
    if more and not verify:
        raise UsageError(
            f"Expected one MODEL, and pictures only after --verify. Received: {more[0]!r}. "
            f"Type: --verify {more[0]}"
        )
    return (*verify, *more)


def _refuse_rows(format: str) -> None:
    if format in FORMATS:
        raise UsageError(
            f"Expected --format {'|'.join(get_args(ExportFormat))}: here it is the file's. "
            f"Received: {format}. For how answers are written, type: --rows {format}"
        )
