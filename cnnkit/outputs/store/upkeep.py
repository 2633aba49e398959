"""What is whole in a store, and what is not; and stores made of others."""

import os
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from cnnkit.errors import InputError, UsageError
from cnnkit.outputs.store import layout
from cnnkit.outputs.store.journal import recover
from cnnkit.outputs.store.lock import lock
from cnnkit.outputs.store.reading import Reader
from cnnkit.records import Stamp


def healed(path: Path) -> str:
    """Finish or drop what a killed process has left; what was done, "" for nothing.

    Nothing is touched while another process writes, or where nothing can be written.
    """
    from filelock import Timeout

    if not path.is_file():
        return ""
    try:
        with lock(path, timeout=0):
            return recover(path)
    except (OSError, Timeout):
        return ""


def damaged_rows(reader: Reader) -> Iterator[tuple[int, str]]:
    """Every row that does not hold what was written to it, and what of it: (row, reason).

    Of vectors that cnnkit has not stored, only those are known to be damaged that are no numbers.
    """
    files, paths = reader.files, reader.paths
    for first, vectors in reader.blocks:
        for row, vector in enumerate(vectors, first):
            if files is None:
                if not np.isfinite(vector).all():
                    yield row, "the vector holds values that are no numbers"
                continue
            if zlib.crc32(vector) != int(files[row]["vector_crc32"]):
                yield row, "the vector is not the one that was stored"
            name = os.fsencode(paths[row]) if paths is not None else b""
            if layout.check_of(name, files[row]) != int(files[row]["check"]):
                yield row, "the path, or what is known of its file, is not what was stored"


def merged_rows(into: Reader, other: Reader) -> tuple[list[int], list[int]]:
    """Which rows a store made of both holds: those of `into`, and those of `other` after them.

    Of two rows for one path, the one whose file is younger; of equal ones, that of `into`.
    Raises `InputError` for stamps that differ.
    """
    if into.stamp is None or other.stamp is None or into.files is None or other.files is None:
        bare = into if into.stamp is None else other
        raise InputError(f"{bare.path} holds vectors that cnnkit has not made: it has no stamp.")
    refuse_other_stamp(into.stamp, other.stamp, str(into.path), str(other.path))
    ours, theirs = [], []
    beaten = set()
    for row, path in enumerate(other.paths or ()):
        mine = into.row_of.get(path)
        if mine is None:
            theirs.append(row)
        elif other.files[row]["mtime_ns"] > into.files[mine]["mtime_ns"]:
            theirs.append(row)
            beaten.add(mine)
    ours = [row for row in range(into.rows) if row not in beaten]
    return ours, theirs


def refuse_other_stamp(one: Stamp, other: Stamp, here: str, there: str) -> None:
    """Raise `UsageError` that names both stamps unless they are equal."""
    differing = one.differences(other)
    if differing:
        told = "\n".join(f"  {name:<10} {a}  |  {b}" for name, a, b in differing)
        raise UsageError(
            f"Vectors that were made differently cannot be compared: {here} | {there}\n{told}"
        )


def rows_of(reader: Reader, wanted: Sequence[str]) -> list[int]:
    """The rows of these paths; those that are not there are passed over."""
    found = (reader.find(path) for path in wanted)
    return sorted({row for row in found if row is not None})
