"""What is whole in a store, and what is not; and stores made of others."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cnnkit.errors import InputError, UsageError
from cnnkit.outputs.store import layout, trust
from cnnkit.outputs.store.journal import journal_of
from cnnkit.outputs.store.lock import lock, place_of
from cnnkit.outputs.store.reading import Reader
from cnnkit.outputs.store.recovery import recover
from cnnkit.outputs.store.rows import facts_are_whole, vector_is_whole
from cnnkit.records import Stamp

# How often rows are looked at again that seem to be damaged, while somebody writes.
_LOOKS = 20


@dataclass(slots=True)
class Merge:
    """How many rows of a store are new in another, replace one there, or are not taken."""

    added: int = 0
    replaced: int = 0
    kept: int = 0


def healed(path: Path) -> str:
    """Finish or drop what a killed process has left; what was done, "" for nothing.

    Nothing is touched while another process writes, where nothing can be written, and of a file
    that is not ours.
    """
    from filelock import Timeout

    path = place_of(path)
    if not os.path.isfile(path) or not (journal_of(path).exists() or trust.is_ours(path)):
        return ""
    try:
        with lock(path, timeout=0):
            return recover(path)
    except (OSError, Timeout):
        return ""


def examined(path: Path) -> tuple[Reader, list[tuple[int, str]]]:
    """A store, and each of its rows that is damaged, with the reason.

    What another process replaces meanwhile is no damage: such rows are looked at again. Raises
    `InputError` where it cannot be opened.
    """
    rows: Sequence[int] | None = None
    for _ in range(_LOOKS):
        before = moment(path)
        reader = Reader(path)
        found = list(damaged_rows(reader, rows))
        if not found or moment(path) == before:
            break
        rows = sorted({row for row, _ in found})
    return reader, found


def damaged_rows(reader: Reader, rows: Sequence[int] | None = None) -> Iterator[tuple[int, str]]:
    """The rows, among some or all, that do not hold what was written to them: (row, reason).

    Of vectors that cnnkit has not stored, only those are known to be damaged that are no numbers.
    """
    row_of = reader.row_of  # of several rows for one path, the last
    for row in range(reader.rows) if rows is None else rows:
        if row >= reader.rows:
            return
        yield from ((row, reason) for reason in _damage(reader, row))
        path = reader.path_of(row)
        if path is not None and row_of[path] != row:
            yield row, f"row {row_of[path]} is of the same path"


def _damage(reader: Reader, row: int) -> Iterator[str]:
    vector = reader.stored(row)
    if reader.files is None:
        if not np.isfinite(vector).all():
            yield "the vector holds values that are no numbers"
        return
    file = reader.files[row]
    if not vector_is_whole(file, vector):
        yield "the vector is not the one that was stored"
    if not facts_are_whole(reader.path_of(row) or "", file):
        yield "the path, or what is known of its file, is not what was stored"


def spare_bytes(reader: Reader) -> int | None:
    """About how many bytes the store would lose, were it made anew; None for one not of ours."""
    if reader.stamp is None:
        return None
    size = layout.compact_size(reader.stamp, map(os.fsencode, reader.paths or ()))
    return max(0, reader.path.stat().st_size - size)


def merged_rows(stores: Sequence[Reader]) -> tuple[list[list[int]], list[Merge]]:
    """Which rows of each a store made of all of them holds, and what each of them brings.

    Of several rows for one path, the one whose file is youngest; of equal ones, the first. Raises
    `InputError` for a store that cnnkit has not made, `UsageError` for stamps that differ.
    """
    first = stamp_of(stores[0])
    winner: dict[str, tuple[int, int, int]] = {}
    merges = []
    for place, store in enumerate(stores):
        refuse_other_stamp(first, stamp_of(store), str(stores[0].path), str(store.path))
        merge = Merge()
        times = [] if store.files is None else store.files["mtime_ns"].tolist()
        for row, (path, time) in enumerate(zip(store.paths or (), times, strict=True)):
            if path not in winner:
                merge.added += 1
            elif time > winner[path][2]:
                merge.replaced += 1
            else:
                merge.kept += 1
                continue
            winner[path] = (place, row, time)
        merges.append(merge)
    rows: list[list[int]] = [[] for _ in stores]
    for place, row, _ in winner.values():
        rows[place].append(row)
    for each in rows:
        each.sort()
    return rows, merges


def stamp_of(store: Reader) -> Stamp:
    """The stamp. Raises `InputError` where cnnkit has not made the vectors."""
    if store.stamp is None:
        raise InputError(f"{store.path} holds vectors that cnnkit has not made: it has no stamp.")
    return store.stamp


def moment(path: Path) -> tuple[int, ...]:
    """Other numbers as soon as somebody has written to the file, or put another in its place."""
    status = path.stat()
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


def refuse_other_stamp(one: Stamp, other: Stamp, here: str, there: str) -> None:
    """Raise `UsageError` that names both stamps unless they are equal."""
    differing = one.differences(other)
    if differing:
        told = "\n".join(f"  {name:<10} {a}  |  {b}" for name, a, b in differing)
        raise UsageError(
            f"Vectors that were made differently cannot be compared: {here} | {there}\n{told}"
        )
