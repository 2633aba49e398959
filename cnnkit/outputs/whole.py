"""Records → a file that comes into being whole, or not at all."""

import os
import secrets
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from cnnkit.errors import OutputError
from cnnkit.outputs.tables import FORMATS, save_records, write_records
from cnnkit.records import PICTURE_SUFFIXES, Record


def save_whole(
    records: Iterable[Record], path: str | os.PathLike[str], *, columns: Sequence[str] = ()
) -> tuple[int, int]:
    """Write every record as it comes, beside `path`, and give it that name at the end.

    The format is the one that the suffix names, or jsonl. Returns how many records there were,
    and how many of them say that an input failed. Raises `OutputError` where the file cannot be
    written, before the first record is asked for. A pipe or device is written to as it is.
    """
    name = os.fspath(path)
    suffix = os.path.splitext(name)[1][1:].lower()
    form = suffix if suffix in FORMATS else "jsonl"
    if os.path.isdir(name):
        raise OutputError(f"{name!r} cannot be written: it is a folder.")
    if os.path.exists(name) and not os.path.isfile(name):
        return save_records(records, name, format=form, columns=columns)
    if os.path.exists(name) and name.lower().endswith(PICTURE_SUFFIXES):
        raise OutputError(f"{name!r} is a picture. Expected another file for answers.")
    target = Path(os.path.realpath(name))  # a link stays one
    part = target.with_name(f".{secrets.token_hex(8)}.part")
    try:
        file = part.open("xb")
    except OSError as error:
        raise _refused(name, error) from error
    try:
        with file:
            written = write_records(records, file, format=form, columns=columns)
        _rename(part, target, name)
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
    return written


def _rename(part: Path, target: Path, name: str) -> None:
    try:
        os.replace(part, target)
    except OSError as error:
        raise _refused(name, error) from error


def _refused(name: str, error: OSError) -> OutputError:
    return OutputError(f"{name!r} cannot be written: {error.strerror}.")
