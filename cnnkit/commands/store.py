"""`cnnkit store …`."""

import sys
from typing import Any

import click

from cnnkit.commands.emit import emit, refuse_to_overwrite
from cnnkit.commands.options import output_options, store_option, stores_option, talk_options
from cnnkit.records import Compacted, Merged, Removed, StoreInfo, StoreState, WrittenFile


@click.group()
@talk_options
def store() -> None:
    """Handle the stores that `cnnkit extract-features` makes.

    What is written is whole or not at all: a full disk or a kill leaves the store as it was.

    \b
    Example:
      cnnkit store info
    """


@store.command(short_help="What a store holds, and how its vectors were made.")
@stores_option
@output_options
@talk_options
def info(store: tuple[str, ...], format: str | None, output: str | None) -> None:
    """Tell rows, size, what compacting would give back, and how the vectors were made.

    \b
    Examples:
      cnnkit store info
      cnnkit store info --store a.h5 --store b.h5 --format jsonl | jq .stamp
    """
    from cnnkit.tasks.store import store_info

    emit(store_info(store), format=format, output=output, columns=StoreInfo.columns())


@store.command(short_help="Check every row against its checksums.")
@store_option
@output_options
@talk_options
def verify(store: str, format: str | None, output: str | None) -> None:
    """Check every row against its checksums. Exit code 4 if one is damaged.

    A line for each damaged row, and one for the store. What a killed process has left is mended
    first. Of vectors that cnnkit has not made, only their being numbers can be checked.

    What is damaged can be removed, and extracted again.

    \b
    Examples:
      cnnkit store verify
      cnnkit store verify --format jsonl | jq -c 'select(.path)' | cnnkit store remove -
    """
    from cnnkit.tasks.store import raise_if_damaged, verify_store

    records = verify_store(store)
    emit(records, format=format, output=output, columns=StoreState.columns())
    raise_if_damaged(records)


@store.command(short_help="Give back the space of what was replaced.")
@store_option
@output_options
@talk_options
def compact(store: str, format: str | None, output: str | None) -> None:
    """Make the store anew, its rows in the same order, without what replaced rows left behind.

    It takes as much free space as the store itself while it runs.

    \b
    Example:
      cnnkit store compact --store photos.h5
    """
    from cnnkit.tasks.store import compact_store

    refuse_to_overwrite(output)
    emit(compact_store(store), format=format, output=output, columns=Compacted.columns())


@store.command(short_help="Take the rows of other stores into one.")
@click.argument("others", metavar="OTHER...", nargs=-1, required=True)
@store_option
@output_options
@talk_options
def merge(others: tuple[str, ...], store: str, format: str | None, output: str | None) -> None:
    """Take the rows of each OTHER into the store, which is made if it is not there.

    Their vectors must have been made in the same way. Of two rows for one path, the one whose file
    is younger stays. Paths stay as they are: relative ones are relative to the folder that one
    works in, for whichever store they come from. The others are left as they are.

    \b
    Example:
      cnnkit store merge laptop.h5 disk.h5 --store all.h5
    """
    from cnnkit.tasks.store import merge_stores

    refuse_to_overwrite(output)
    records = merge_stores(others, store=store)
    emit(records, format=format, output=output, columns=Merged.columns())


@store.command(short_help="Write the vectors for other programs.")
@click.option(
    "--out", required=True, metavar="FILE.npy|FILE.parquet", help="What is written, by its suffix."
)
@click.option("--force", is_flag=True, help="Replace a file that is there already.")
@store_option
@output_options
@talk_options
def export(out: str, force: bool, store: str, format: str | None, output: str | None) -> None:
    """Write all rows into a file of NumPy's, or into a Parquet file.

    FILE.npy is the matrix, and FILE.paths.jsonl, written beside it, tells the row, path and sha256
    of each picture. FILE.parquet has the columns path, sha256, size, mtime and embedding; bytes of
    a path that are no UTF-8 are written there as \\xNN. It takes pip install 'cnnkit[parquet]'.

    \b
    Examples:
      cnnkit store export --out vectors.npy
      cnnkit store export --out vectors.parquet --store photos.h5 --force
    """
    from cnnkit.tasks.store_export import export_store

    refuse_to_overwrite(output)
    records = export_store(out, store=store, force=force)
    emit(records, format=format, output=output, columns=WrittenFile.columns())


@store.command(short_help="Remove rows, never pictures.")
@click.argument("paths", metavar="[PATHS]...", nargs=-1)
@click.option(
    "--match",
    multiple=True,
    metavar="GLOB",
    help="Stored paths that match; `*` matches across folders. Repeatable.",
)
@click.option("-0", "--null", is_flag=True, help="The list on stdin is NUL-separated.")
@store_option
@output_options
@talk_options
def remove(
    paths: tuple[str, ...], null: bool, format: str | None, output: str | None, **options: Any
) -> None:
    """Remove the rows of PATHS from the store. The pictures themselves are never touched.

    PATHS are stored paths, patterns that match some, or `-` for a list of paths on stdin.

    \b
    Examples:
      cnnkit store remove photos/cat.jpg
      cnnkit store remove --match 'photos/private/*'
      cnnkit dedupe --print0 | cnnkit store remove -0 -
    """
    from cnnkit.tasks.inputs import Inputs
    from cnnkit.tasks.store import remove_from_store

    if not paths and not options["match"]:
        raise click.UsageError("Expected stored paths, --match GLOB, or `-` for a list on stdin.")
    if null and "-" not in paths:
        raise click.UsageError("-0 is about the list on stdin. Expected `-` among the paths.")
    refuse_to_overwrite(output)
    records = remove_from_store(Inputs(paths, sys.stdin.buffer, null), **options)
    emit(records, format=format, output=output, columns=Removed.columns())
