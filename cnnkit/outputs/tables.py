"""Records → text, jsonl, json, csv, tsv, or bare paths. The list of formats lives only here.

Each record is written whole and flushed before the next one is asked for, so that a reader at the
other end of a pipe sees it at once, and an interrupted run has printed only whole records.
"""

import csv
import io
import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import BinaryIO

from cnnkit.errors import OutputError, SomeInputsFailed
from cnnkit.outputs.terminal import Terminal
from cnnkit.outputs.writer import Writer, json_escaped, safe
from cnnkit.records import PICTURE_SUFFIXES, Cell, Record

_LONE_SURROGATES = re.compile("[\ud800-\udfff]")
# What `-o` never overwrites: a slip on the command line must not cost a picture.
_NEVER_OVERWRITTEN = (*PICTURE_SUFFIXES, ".heic", ".dng")
# How files begin that hold hours of work: HDF5 (stores, weights), NumPy's own, Parquet.
_ARRAYS = (b"\x89HDF\r\n\x1a\n", b"\x93NUMPY", b"PAR1")


class JsonLines(Writer):
    """One JSON object per line; bytes that are not UTF-8 are escaped as lone surrogates."""

    def write(self, record: Record) -> None:
        """Write one line."""
        self.put(_json(record) + "\n")


class Json(Writer):
    """One JSON array, written as it grows."""

    _separator = "[\n"

    def write(self, record: Record) -> None:
        """Write one element."""
        separator, self._separator = self._separator, ",\n"
        self.put(separator + _json(record))

    def end(self) -> None:
        """Close the array."""
        self.put("[]\n" if self._separator == "[\n" else "\n]\n")


class Csv(Writer):
    """Comma-separated values with a header, as spreadsheets read them."""

    def begin(self) -> None:
        """Write the header."""
        self._row(self.columns)

    def write(self, record: Record) -> None:
        """Write one row."""
        for cells in record.rows():
            self._row([_plain(cells.get(column)) for column in self.columns])

    def _row(self, cells: Sequence[str]) -> None:
        row = io.StringIO(newline="")
        # Told that lines end with both, it quotes cells that hold either (a bare \r ends a row).
        csv.writer(row, lineterminator="\r\n").writerow(cells)
        self.put(row.getvalue().removesuffix("\r\n") + "\n")


class Rows(Writer):
    """Tab-separated rows without a header: a name's tabs and newlines are written as escapes."""

    def write(self, record: Record) -> None:
        """Write one line."""
        for cells in record.rows():
            self._row([_plain(cells.get(column)) for column in self.columns])

    def _row(self, cells: Sequence[str]) -> None:
        self.put("\t".join(safe(cells)) + "\n")


class Tsv(Rows):
    """Tab-separated values with a header."""

    def begin(self) -> None:
        """Write the header."""
        self._row(self.columns)


class Paths(Writer):
    """Only the paths that records choose, each followed by NUL, for `xargs -0`."""

    def write(self, record: Record) -> None:
        """Write its paths, byte by byte as they are on disk."""
        for path in record.chosen():
            self.put_bytes(os.fsencode(path) + b"\0")


_WRITERS: dict[str, type[Writer]] = {
    "text": Rows,
    "jsonl": JsonLines,
    "json": Json,
    "csv": Csv,
    "tsv": Tsv,
    "terminal": Terminal,
    "print0": Paths,
}
# What a person may ask for; `text` becomes `terminal` where a person is watching.
FORMATS = ("text", "jsonl", "json", "csv", "tsv")


def write_records(
    records: Iterable[Record],
    stream: BinaryIO,
    *,
    format: str = "text",
    columns: Sequence[str] = (),
) -> tuple[int, int]:
    """Write every record; how many there were, and how many of them say that an input failed.

    On any error, Ctrl-C included, the format is closed properly around what was written.
    """
    terminal = format == "text" and stream.isatty()
    writer = _WRITERS["terminal" if terminal else format](stream, columns)
    if isinstance(writer, Terminal) and isinstance(records, Sequence):
        writer.fit(records)
    count = failed = 0
    with _bracketed(writer):
        for record in records:
            writer.write(record)
            count += record.first
            failed += record.failed
    return count, failed


@contextmanager
def _bracketed(writer: Writer) -> Iterator[None]:
    writer.begin()
    try:
        yield
    except (BrokenPipeError, OutputError):  # nothing more can be written, or is read
        raise
    except BaseException:
        writer.end()
        raise
    writer.end()


def save_records(
    records: Iterable[Record],
    path: str,
    *,
    format: str = "text",
    columns: Sequence[str] = (),
    append: bool = False,
) -> tuple[int, int]:
    """`write_records` into a file that is opened when the first record is ready, not before.

    So a command that fails before it has an answer leaves an older file as it is. With `append`
    the records follow those of an earlier run, whose last line may have been cut off. Raises
    `OutputError` where the file cannot be written, or is one that `refuse_precious` refuses.
    """
    refuse_precious(path)
    iterator = iter(records)
    first = next(iterator, None)
    refuse_precious(path)  # a store may have come into being with the first record
    try:
        if append:
            _cut_torn_line(path)
        file = open(path, "ab" if append else "wb")  # noqa: PTH123, SIM115
    except OSError as error:
        raise OutputError(f"{path!r} cannot be written: {error.strerror}.") from error
    try:
        return write_records(_chained(first, iterator), file, format=format, columns=columns)
    finally:
        with suppress(OSError):  # told already, as every record is flushed
            file.close()


def refuse_precious(path: str) -> None:
    """Raise `OutputError` for a picture, a store, weights or vectors that are there already."""
    if not os.path.isfile(path):
        return
    if path.lower().endswith(_NEVER_OVERWRITTEN):
        raise OutputError(f"{path!r} is a picture. Expected a file for answers after -o.")
    with suppress(OSError), open(path, "rb") as file:  # noqa: PTH123
        if file.read(8).startswith(_ARRAYS):
            raise OutputError(
                f"{path!r} holds vectors or weights. Expected a file for answers after -o."
            )


def raise_if_failed(count: int, failed: int) -> None:
    """Raise `SomeInputsFailed`, which owns exit code 3, where any input failed."""
    if failed:
        raise SomeInputsFailed(f"{failed} of {count} inputs could not be answered.")


def _cut_torn_line(path: str) -> None:
    if not os.path.exists(path):
        return
    with open(path, "rb+") as file:  # noqa: PTH123
        whole = 0
        for line in file:
            whole += len(line) if line.endswith(b"\n") else 0
        file.truncate(whole)


def _chained(first: Record | None, rest: Iterator[Record]) -> Iterator[Record]:
    if first is not None:
        yield first
        yield from rest


def _json(record: Record) -> str:
    text = json.dumps(record.to_dict(), ensure_ascii=False)
    return _LONE_SURROGATES.sub(json_escaped, text)


def _plain(cell: Cell) -> str:
    return "" if cell is None else str(cell)
