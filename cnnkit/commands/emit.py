"""Answers → stdout or a file, in the format that was asked for; then the exit code."""

import os
import sys
from collections.abc import Callable, Iterable, Sequence

import click

from cnnkit.commands.talk import Talk
from cnnkit.errors import UsageError
from cnnkit.outputs.tables import FORMATS, raise_if_failed, save_records, write_records
from cnnkit.records import Record


def emit(
    records: Iterable[Record],
    *,
    format: str | None = None,
    output: str | None = None,
    columns: Sequence[str] = (),
    append: bool = False,
    count: Callable[[], int | None] | None = None,
) -> None:
    """Write each record as it comes.

    Where `count` tells how many records there will be (None: nobody knows), a bar shows how far
    it has come. Raises `SomeInputsFailed` at the end where records say so.
    """
    talk: Talk = click.get_current_context().ensure_object(Talk)
    form = format or by_suffix(output)
    if count is not None:
        records = talk.watched(records, count, to_stdout=output is None)
    if output is not None and output != "-":
        _refuse_own_input(output)
        written = save_records(records, output, format=form, columns=columns, append=append)
    else:
        written = write_records(records, sys.stdout.buffer, format=form, columns=columns)
    talk.stop()
    raise_if_failed(*written)


def _refuse_own_input(output: str) -> None:
    """A list that is read while it is written never ends."""
    try:
        same = os.path.samestat(os.stat(output), os.fstat(0))
    except OSError:  # one of them is not there
        return
    if same and os.path.isfile(output):
        raise UsageError(f"{output!r} is also the list on stdin. Expected another file after -o.")


def by_suffix(output: str | None) -> str:
    """The format that the suffix of `-o` names, or text."""
    suffix = os.path.splitext(output or "")[1][1:].lower()
    return suffix if suffix in FORMATS else "text"
