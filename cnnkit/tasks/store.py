"""Stores as a person handles them: look at them, check, compact, merge, and remove rows."""

import fnmatch
import glob
import json
import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Literal, cast

from cnnkit.errors import GateFailed, InputError, UsageError
from cnnkit.images.paths import STDIN, listed
from cnnkit.outputs.store import upkeep
from cnnkit.outputs.store.reading import Reader, UnreadableStore, no_store
from cnnkit.outputs.store.writing import Writer
from cnnkit.records import (
    STORE,
    Compacted,
    DamagedRow,
    Merged,
    Removed,
    Skipped,
    StoreInfo,
    StoreState,
)
from cnnkit.tasks.content import plain
from cnnkit.tasks.inputs import Images, Inputs

log = logging.getLogger(__name__)
StorePath = str | os.PathLike[str]
_NO_CHECKSUMS = "cnnkit has not made it, and there are no checksums"


def store_info(store: StorePath | Sequence[StorePath] = STORE) -> list[StoreInfo]:
    """What each store holds, how large it is, and how its vectors were made.

    Raises `InputError` where there is none, or one that cannot be read.
    """
    return [_info(each) for each in _several(store)]


def verify_store(store: StorePath = STORE) -> list[DamagedRow | StoreState]:
    """Every row that is damaged, and last of all whether the store is whole.

    What a killed process has left is mended first. In a file that cnnkit has not made, values that
    are no numbers and paths that come twice are damage. Raises `InputError` where there is no
    store, or one that may not be read.
    """
    path = _existing(store)
    _tell(path, upkeep.healed(path))
    try:
        reader, found = upkeep.examined(path)
    except InputError as error:
        why = error.why if isinstance(error, UnreadableStore) else str(error)
        return [StoreState(str(path), None, None, "damaged", why)]
    rows = [DamagedRow(row, reader.path_of(row), reason) for row, reason in found]
    number = len({row.row for row in rows})
    note = "" if reader.stamp else _NO_CHECKSUMS
    state: Literal["whole", "damaged"] = "damaged" if number else "whole"
    return [*rows, StoreState(str(path), reader.rows, number, state, note)]


def raise_if_damaged(records: Sequence[DamagedRow | StoreState]) -> None:
    """Raise `GateFailed`, which owns exit code 4, where what `verify_store` told is no good."""
    last = records[-1]
    if isinstance(last, StoreState) and last.state == "damaged":
        what = f"{last.damaged} of {last.count} rows are" if last.damaged else "The store is"
        raise GateFailed(f"{what} not what was stored in {last.store}.")


def compact_store(store: StorePath = STORE) -> list[Compacted]:
    """Make a store anew, its rows in the same order, without the space of what was replaced.

    Raises `InputError` where there is no store of cnnkit's, `OutputError` where it cannot be
    written; what it held, it then still holds.
    """
    path = _existing(store)
    with _writer(path) as writer:
        rows, before = len(writer.paths), path.stat().st_size
        writer.keep_only(range(rows))
        after = path.stat().st_size
    return [Compacted(str(path), rows, before, after)]


def merge_stores(
    others: StorePath | Sequence[StorePath], *, store: StorePath = STORE
) -> list[Merged]:
    """Take the rows of other stores into one, which is made if it is not there; a record for each.

    Of two rows for one path, the one whose file is younger stays. All are taken, or nothing is
    changed. Raises `UsageError` where vectors were made differently, or a store is to be merged
    with itself, `InputError` where there is no store of cnnkit's, `OutputError` where it cannot be
    written.
    """
    into, sources = Path(store), [_existing(each) for each in _several(others)]
    if not sources:
        raise UsageError("Expected at least one store to merge.")
    for source in sources:
        if os.path.realpath(source) == os.path.realpath(into) or _same(source, into):
            raise UsageError(f"{source} cannot be merged with itself. Expected another --store.")
    with _writer(into) as writer:
        before = [upkeep.moment(source) for source in sources]
        own = [Reader(into)] if writer.stamp else []
        stores = [*own, *map(Reader, sources)]
        rows, merges = upkeep.merged_rows(stores)
        parts = _unless_written(zip(stores, rows, strict=True), sources, before)
        writer.make_of(parts, upkeep.stamp_of(stores[0]), own[0].identity if own else "")
    return [
        Merged(str(source), merge.added, merge.replaced, merge.kept)
        for source, merge in zip(sources, merges[len(own) :], strict=True)
    ]


def remove_from_store(
    paths: Images = (), *, match: str | Sequence[str] = (), store: StorePath = STORE
) -> list[Removed | Skipped]:
    """Remove rows from a store, and never pictures from the disk; a record for each.

    Args:
        paths: stored paths; a pattern stands for the stored paths that it matches.
        match: patterns alone. `*` matches across folders.
        store: what they are removed from, all or none.

    What is not stored is told as `Skipped`. Raises what `compact_store` does, and `UsageError`
    where nothing is named, or a list on stdin has records of `dedupe`: their paths are those of
    the pictures to keep.
    """
    inputs = Inputs.of(paths)
    patterns = (match,) if isinstance(match, str) else tuple(match)
    if not patterns and isinstance(inputs.arguments, Sequence) and not inputs.arguments:
        raise UsageError("Expected stored paths to remove, or --match with a pattern.")
    place = _existing(store)
    named = [*_named(inputs), *((pattern, True) for pattern in patterns)]
    with _writer(place) as writer:
        reader = Reader(place)
        records: list[Removed | Skipped] = []
        gone: set[str] = set()
        for name, pattern in named:
            found = _found(reader, name, pattern)
            records += [each for path, each in found if not (pattern and path in gone)]
            records += [] if found else [_not_stored(name)]
            gone |= {path for path, _ in found}
        if gone:
            writer.keep_only([row for row, each in enumerate(writer.paths) if each not in gone])
    return records


def _named(inputs: Inputs) -> Iterator[tuple[str, bool]]:
    """Each thing that is to be removed, and whether it may be a pattern."""
    for argument in inputs.arguments:
        if argument == STDIN and inputs.stdin is not None:
            stream = inputs.stdin if inputs.null else cast("BinaryIO", _Groupless(inputs.stdin))
            yield from ((name, False) for name in listed(stream, null=inputs.null))
        else:
            yield argument, glob.has_magic(argument)


class _Groupless:
    """A list of lines that is passed on as it is, and refused at the first record of `dedupe`."""

    def __init__(self, stream: BinaryIO) -> None:
        self._raw = getattr(stream, "raw", stream)
        self._rest = b""
        self.fileno = stream.fileno

    def read(self, size: int) -> bytes | None:
        """Bytes that have come; None where a pipe does not wait. Raises `UsageError`."""
        chunk: bytes | None = self._raw.read(size)
        *lines, self._rest = (self._rest + (chunk or b"")).split(b"\n")
        for line in lines if chunk != b"" else (self._rest,):
            _refuse_group(line)
        return chunk


def _refuse_group(line: bytes) -> None:
    if not line.startswith(b"{") or b'"redundant"' not in line:
        return
    with suppress(ValueError, RecursionError):  # no record, but a name
        if "redundant" in json.loads(line):
            raise UsageError(
                "The list holds groups of `dedupe`, whose paths are those of the pictures to keep. "
                "To remove the rows of the redundant ones, type: "
                "cnnkit dedupe --print0 | cnnkit store remove -0 -"
            )


def _found(reader: Reader, name: str, pattern: bool) -> list[tuple[str, Removed]]:
    """The stored paths that are meant; a path that was named is told in its own spelling."""
    row = reader.find(name) if name else None
    if row is not None:
        return [(reader.path_of(row) or "", Removed(name, row))]
    wanted = plain(name)
    return [
        (path, Removed(path, row))
        for path, row in (reader.row_of.items() if pattern else ())
        if fnmatch.fnmatchcase(path, wanted)
    ]


def _not_stored(name: str) -> Skipped:
    message = "no row of the store has this path"
    if glob.has_magic(name):
        message = "the pattern matches no stored path"
    elif os.path.isdir(name):
        message += f"; for all in the folder: --match '{os.path.join(name, '*')}'"
    return Skipped(name, "not_stored", message)


def _info(store: StorePath) -> StoreInfo:
    path = _existing(store)
    reader = Reader(path)
    return StoreInfo(
        path=str(path),
        count=reader.rows,
        features=reader.features,
        dtype=str(reader.dtype),
        bytes=path.stat().st_size,
        spare=upkeep.spare_bytes(reader),
        stamp=reader.stamp,
    )


def _several(stores: StorePath | Sequence[StorePath]) -> Sequence[StorePath]:
    return (stores,) if isinstance(stores, str | os.PathLike) else stores


def _existing(store: StorePath) -> Path:
    """The path of a store that is there and may be read. Raises `InputError` for any other."""
    path = Path(store)
    if not os.path.isfile(path):
        raise no_store(store)
    try:
        path.open("rb").close()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from error
    return path


def _same(one: Path, other: Path) -> bool:
    return os.path.exists(other) and one.samefile(other)


@contextmanager
def _writer(path: Path) -> Iterator[Writer]:
    """The one who writes to a store; what a killed process has left is mended, and told."""
    with Writer(path) as writer:
        _tell(path, writer.recovered)
        yield writer


def _tell(path: Path, mended: str) -> None:
    if mended:
        log.warning("%s: %s.", path, mended)


def _unless_written(
    parts: Iterable[tuple[Reader, list[int]]], sources: Sequence[Path], before: Sequence[object]
) -> Iterator[tuple[Reader, list[int]]]:
    """Pass parts on, and raise `InputError` at the end if a source has changed meanwhile."""
    yield from parts
    for source, moment in zip(sources, before, strict=True):
        if upkeep.moment(source) != moment:
            raise InputError(
                f"{source} was written to while it was read, and nothing was merged. Type the "
                "same again when nobody writes to it."
            )
