"""Answers → stdout or a file, in the format that was asked for; then the exit code."""

import os
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence

import click

from cnnkit.commands.talk import Talk
from cnnkit.errors import OutputError, UsageError
from cnnkit.outputs.tables import (
    FORMATS,
    raise_if_failed,
    refuse_precious,
    save_records,
    write_records,
)
from cnnkit.records import Record

# The parameters of all verbs that name files which are read.
_INPUTS = ("images", "queries", "paths", "store", "others", "knn", "labels", "recipe")
# Those that name other files which are written.
_OUTPUTS = ("preview", "gallery", "contact_sheet", "predictions")


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
    it has come. Raises `SomeInputsFailed` at the end where records say so, and what
    `refuse_to_overwrite` raises before the first one is asked for.
    """
    talk: Talk = click.get_current_context().ensure_object(Talk)
    form = format or by_suffix(output)
    if count is not None:
        records = talk.watched(records, count, to_stdout=output is None)
    left_out: list[Sequence[str]] = []
    if _is_rows(form, output):
        records = _summarised(records, left_out)
    if output is not None and output != "-":
        refuse_to_overwrite(output)
        written = save_records(records, output, format=form, columns=columns, append=append)
    else:
        if sys.stdout.isatty():
            records = _below_bars(records, talk)
        written = write_records(records, sys.stdout.buffer, format=form, columns=columns)
    talk.stop()
    for line in () if talk.quiet else left_out:
        click.echo(f"cnnkit: {line[0]}: {', '.join(line[1:])}", err=True)
    raise_if_failed(*written)


def _below_bars(records: Iterable[Record], talk: Talk) -> Iterable[Record]:
    """The same, with no bar left that would draw itself over an answer."""
    if isinstance(records, Sequence):  # which stays one: its columns are measured beforehand
        talk.stop()
        return records

    def each() -> Iterator[Record]:
        for record in records:
            talk.stop()
            yield record

    return each()


def _is_rows(form: str, output: str | None) -> bool:
    if form == "text":
        return output not in (None, "-") or not sys.stdout.isatty()
    return form in ("csv", "tsv")


def _summarised(records: Iterable[Record], summaries: list[Sequence[str]]) -> Iterator[Record]:
    for record in records:
        summaries += record.summary()
        yield record


def refuse_to_overwrite(output: str | None) -> None:
    """Refuse a file after `-o` that the command reads, that cannot be written, or that is precious.

    For verbs that have done their work before they emit. Raises `UsageError` for a file that the
    command line names as an input, too, `OutputError` for pictures, stores, weights and vectors,
    and where no file can be.
    """
    if output is None or output == "-":
        return
    _refuse_own_list(output)
    context = click.get_current_context()
    for option in context.command.params:
        if option.name in (*_INPUTS, *_OUTPUTS):
            given = context.params.get(option.name) or ()
            if any(_same(output, each) for each in ((given,) if isinstance(given, str) else given)):
                raise UsageError(
                    f"{output!r} is also what {_called(option)} names. "
                    "Expected another file after -o."
                )
    refuse_precious(output)
    _refuse_impossible(output)


def _refuse_impossible(output: str) -> None:
    """What would only be found when the first answer is there."""
    folder = os.path.dirname(output) or os.curdir
    if os.path.isdir(output):
        raise OutputError(f"{output!r} is a folder. Expected a file for answers after -o.")
    if not os.path.isdir(folder):
        way = f"{folder!r} is no folder"
        if not os.path.lexists(folder):
            way = f"there is no folder {folder!r}. Type: mkdir -p {shlex.quote(folder)}"
        raise OutputError(f"{output!r} cannot be written: {way}")
    if not os.access(output if os.path.exists(output) else folder, os.W_OK):
        raise OutputError(f"{output!r} cannot be written: permission denied.")


def _same(output: str, path: str) -> bool:
    """Whether both are one file, or will be."""
    try:
        return os.path.samefile(output, path)
    except (OSError, ValueError):  # one of them is not there
        return os.path.abspath(output) == os.path.abspath(path)


def _called(option: click.Parameter) -> str:
    if isinstance(option, click.Argument):
        return option.human_readable_name
    return max(option.opts, key=len)


def _refuse_own_list(output: str) -> None:
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
