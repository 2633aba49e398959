"""`cnnkit similar`."""

from typing import Any, get_args

import click

from cnnkit.commands.emit import emit
from cnnkit.commands.options import (
    gather,
    listed_options,
    output_options,
    runtime_options,
    showing_options,
    stores_option,
    talk_options,
)
from cnnkit.commands.talk import Talk
from cnnkit.records import Index, Metric, Neighbours


@click.command()
@listed_options("queries")
@click.option(
    "--row",
    "rows",
    multiple=True,
    type=click.IntRange(0),
    metavar="N",
    help="A stored picture by its row, as a query. Repeatable.",
)
@stores_option
@click.option(
    "-k",
    "--top-n",
    type=click.IntRange(1),
    help="How many neighbours.  [default: 5, or all within --threshold]",
)
@click.option(
    "--metric",
    default="l2",
    type=click.Choice(get_args(Metric)),
    help="The distance between vectors, or the cosine of their angle.",
)
@click.option(
    "--threshold",
    type=float,
    help="The largest distance, or the least similarity, of a neighbour.",
)
@click.option("--include-self", is_flag=True, help="A stored query may be its own neighbour.")
@click.option(
    "--index",
    default="exact",
    type=click.Choice(get_args(Index)),
    help="usearch builds and keeps an approximate index beside the store.",
)
@click.option(
    "-w", "--weights", metavar="FILE", help="The weight file, where the store was made with yours."
)
@runtime_options
@showing_options
@output_options
@talk_options
@click.pass_obj
def similar(
    talk: Talk,
    /,
    queries: tuple[str, ...],
    null: bool,
    exclude: tuple[str, ...],
    store: tuple[str, ...],
    format: str | None,
    output: str | None,
    **options: Any,
) -> None:
    """Find what looks alike among the pictures of a store.

    QUERIES are stored pictures, new ones, folders, patterns, or `-` for a list on stdin. With
    none, every stored picture is a query. Answers are exact; for stored queries no network is
    loaded. Make a store with `cnnkit extract-features`.

    \b
    Examples:
      cnnkit similar photos/cat.jpg
      cnnkit similar holiday.jpg --contact-sheet alike.png
      cnnkit similar --top-n 5 --format jsonl -o all.jsonl
      cnnkit similar cat.jpg --metric cosine --threshold 0.54
    """  # fmt: skip
    from cnnkit.tasks.similar import answers_to_come
    from cnnkit.tasks.similar import similar as run

    if not queries and (null or exclude):
        raise click.UsageError("-0 and --exclude are about QUERIES, and there are none.")
    asked = gather(queries, null, exclude) if queries else None
    records = run(asked, store=store, offline=talk.offline, reporter=talk.download, **options)
    emit(
        records,
        format=format,
        output=output,
        columns=Neighbours.columns_for(options["metric"], several=len(store) > 1),
        count=lambda: answers_to_come(asked, options["rows"], store),
    )
