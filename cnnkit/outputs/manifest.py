"""The manifest of a folder of copies: a line of JSON for every copy, whole files only.

A line tells of a copy's file by `output`, its place below the folder, `bytes` and `sha256`, and in
`labels` of its label file in the same words, where there is one. The rest says how it was made.
"""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any

from cnnkit.errors import InputError, OutputError

MANIFEST = "manifest.jsonl"
# What a run has written so far, or was about to write; see `outputs/copies`.
JOURNAL = ".augment-journal.jsonl"
_DIGITS = frozenset("0123456789abcdef")

Line = Mapping[str, Any]


def as_bytes(line: Line) -> bytes:
    """A line as the file has it; floats come back as they were."""
    return json.dumps(dict(line)).encode("ascii") + b"\n"


def parsed(raw: bytes) -> dict[str, Any] | None:
    """A line of a manifest; None where it is none of ours, or leads out of its folder."""
    try:
        line = json.loads(raw)
        fits = raw.endswith(b"\n") and isinstance(line["drawn"], dict)
        fits = fits and isinstance(line["drawn"].get("theta", 0), int | float)
        fits = fits and all(isinstance(line[name], int) for name in ("copy", "width", "height"))
        return line if fits and all(map(_is_fit, files_of(line))) else None
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def names(folder: str | os.PathLike[str]) -> Iterator[str]:
    """The places, below the folder, of all files that we know to have written there."""
    for name in (MANIFEST, JOURNAL):
        if not Path(folder, name).is_file():
            continue
        with suppress(OSError), Path(folder, name).open("rb") as file:
            for line in map(parsed, file):
                yield from (output for output, _, _ in files_of(line)) if line else ()


def refuse_if_foreign(folder: str | os.PathLike[str]) -> None:
    """Raise `InputError` where the folder has a manifest that is none of ours.

    `OutputError` where it is no folder.
    """
    path = Path(folder)
    try:
        if (path / MANIFEST).exists() and not (path / MANIFEST).is_file():
            raise foreign(path)
        with (path / MANIFEST).open("rb") as file:
            first = file.readline(1 << 20)
            if first and parsed(first) is None:
                raise foreign(path)
    except FileNotFoundError:
        return
    except OSError as error:
        raise refused(path, error) from error


def files_of(line: Line) -> Iterator[tuple[str, int, str]]:
    """Each file that a line tells of: its place below the folder, its size, its sha256."""
    yield line["output"], line["bytes"], line["sha256"]
    labels = line["labels"]
    if labels:
        yield labels["output"], labels["bytes"], labels["sha256"]


def _is_fit(file: tuple[Any, Any, Any]) -> bool:
    output, size, digest = file
    if not (isinstance(output, str) and isinstance(size, int) and isinstance(digest, str)):
        return False
    place = PurePosixPath(output)
    inside = output and not place.is_absolute() and os.pardir not in place.parts
    os.fsencode(output)  # which raises for what no file can be called
    named = bool(inside and place.name) and "\0" not in output
    return named and len(digest) == 64 and set(digest) <= _DIGITS


def foreign(folder: Path) -> InputError:
    """The error for a folder whose manifest is none of ours."""
    return InputError(
        f"{folder / MANIFEST} is there, and cnnkit augment did not write it. "
        "Expected another folder after --out."
    )


def refused(path: Path, error: OSError) -> OutputError:
    """The error for a file that cannot be written."""
    return OutputError(f"{str(path)!r} cannot be written: {error.strerror or error}.")
