"""`cnnkit bench`."""

from typing import Any

import click

from cnnkit.commands.emit import emit
from cnnkit.commands.options import output_options, talk_options
from cnnkit.commands.talk import Talk
from cnnkit.records import BenchRow
from cnnkit.zoo.catalog import DEFAULT_MODEL


@click.command()
@click.argument("model", default=DEFAULT_MODEL)
@click.option(
    "--images",
    metavar="DIR",
    help="Pictures to measure decoding on, up to 100.  [default: drawn ones]",
)
@click.option(
    "--engines",
    default="all",
    metavar="all|NAME,…",
    help="Which engines; each runs in every precision that this processor computes in.",
)
@click.option(
    "-w",
    "--weights",
    metavar="imagenet|none|FILE",
    help="They do not change the speed.  [default: those that are here, or random ones]",
)
@click.option(
    "--threads", type=click.IntRange(1, 1024), help="Cores to use.  [default: all that are allowed]"
)
@click.option(
    "--seconds",
    default=30.0,
    type=click.FloatRange(0, min_open=True),
    help="How long to measure, after opening the engines.",
)
@output_options
@talk_options
@click.pass_obj
def bench(
    talk: Talk, /, engines: str, format: str | None, output: str | None, **options: Any
) -> None:
    """Measure how fast MODEL runs here: images per second, and milliseconds for one picture.

    The network on each engine with pixels in memory, one picture at a time and in batches, and
    what share that is of the fastest matrix product; decoding alone; and files to answers, as
    `classify` does it. What is compared is measured in turns, and each figure is a median.

    \b
    Examples:
      cnnkit bench
      cnnkit bench mobilenet_0.25 --images photos/ --engines openvino
      cnnkit bench vgg16 --seconds 60 --format jsonl | jq 'select(.measure == "files")'
    """
    from cnnkit.tasks.bench import bench as run

    named = [name for part in engines.split(",") if (name := part.strip())]
    wanted = "all" if named == ["all"] else named
    rows = run(engines=wanted, offline=talk.offline, reporter=talk.download, **options)
    emit(rows, format=format, output=output, columns=BenchRow.columns())
