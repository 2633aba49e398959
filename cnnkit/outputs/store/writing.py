"""The one process that writes to a store: rows come in commits, each whole or not at all."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import h5py
import numpy as np

from cnnkit.errors import InputError, OutputError, UsageError
from cnnkit.outputs.interrupts import undisturbed
from cnnkit.outputs.store import layout, lock
from cnnkit.outputs.store.journal import JournaledFile, journal_of
from cnnkit.outputs.store.making import made_anew, remove_leftovers
from cnnkit.outputs.store.reading import Reader
from cnnkit.outputs.store.recovery import recover
from cnnkit.outputs.store.rows import (
    Facts,
    NewRow,
    described,
    facts_are_whole,
    renamed,
    runs,
    sha256_of,
    vector_is_whole,
)
from cnnkit.records import Stamp


class Writer:
    """Adds to a store, or to one that comes into being with the first rows; a context manager.

    Whoever else writes to it is waited for. `stamp` is that of the store, None where there is none
    yet: then it has to be set before the first rows come. `renamed` counts rows that got another
    path because the file under the old one was gone.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Take the lock and look at what is there.

        Raises `OutputError` where nothing can be written, `InputError` where the file is no store
        of cnnkit's.
        """
        self.path = lock.place_of(path)
        if not self.path.name or os.path.isdir(self.path):
            raise UsageError(f"Expected a file for the store. Received: {os.fspath(path)!r}.")
        self.stamp: Stamp | None = None
        self.recovered = ""
        self.renamed = 0
        self.paths: list[str] = []
        self.row_of: dict[str, int] = {}
        self._files: list[Any] = []
        self._row_with: dict[str, int] = {}
        self._file: JournaledFile | None = None
        self._before: Reader | None = None
        self._folders = ("", *{os.path.dirname(each) for each in (path, self.path)})
        with self._told():
            self._lock = lock.taken(self.path)
        try:
            with self._told():
                remove_leftovers(self.path)
            if os.path.lexists(self.path):
                self._look()
        except BaseException:
            self._lock.release()
            raise

    def __enter__(self) -> "Writer":
        """The writer itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let the next writer in; what was not committed is dropped."""
        self._release()
        self._lock.release()

    def unchanged(self, path: str, size: int, mtime_ns: int) -> int | None:
        """The row of a path whose file looks as it did when it was read; None otherwise."""
        row = self.row_of.get(path)
        if row is None:
            return None
        file = self._files[row]
        return row if (file["size"], file["mtime_ns"]) == (size, mtime_ns) else None

    def knows(self, sha256: str) -> bool:
        """Whether a row that is not damaged has this content: its vector need not be computed."""
        row = self._row_with.get(sha256)
        return row is not None and self._is_whole(row)

    def put(self, rows: Sequence[NewRow]) -> list[int]:
        """Add or replace rows, in one commit; their places, durable on return.

        A path that is there with another content gets the new one. A content that is there under a
        path which is gone from the disk (`is_gone`) is that row, renamed. Raises `OutputError`
        where the disk refuses, and then the store is as it was before.
        """
        if not rows:
            return []
        with undisturbed(), self._told(), self._all_or_nothing():
            self._open()
            plan = self._planned(rows)
            self._carry_out(plan)
            self._hdf.flush()
            if self._file:
                self._file.commit()
            self._remember(plan)
        return [change.row for change in plan]

    def keep_only(self, rows: Sequence[int]) -> None:
        """Make the store anew with these rows, in this order; with all of them it is compacted."""
        self._finish()
        reader = Reader(self.path)
        self.make_of([(reader, rows)], _stamp_of(reader), reader.identity)

    def make_of(
        self, parts: Iterable[tuple[Reader, Sequence[int]]], stamp: Stamp, identity: str = ""
    ) -> None:
        """Make the store anew with rows of several, whole or not at all; see `made_anew`."""
        self._release()
        with self._told(), made_anew(self.path, stamp, identity) as pour:
            for reader, rows in parts:
                pour.add_from(reader, rows)
        self._look()

    def _look(self) -> None:
        with self._told():
            self.recovered = recover(self.path)
        self._before = reader = Reader(self.path)
        self.stamp, self.paths = _stamp_of(reader), reader.paths or []
        self._files = list(reader.files if reader.files is not None else ())
        self.row_of = {path: row for row, path in enumerate(self.paths)}
        self._row_with = {sha256_of(f): row for row, f in enumerate(self._files)}

    def _open(self) -> None:
        """Open the file for the first commit; make it first where there is none."""
        if self._file is not None:
            return
        if self.stamp is None:
            raise UsageError("A store's stamp has to be set before its first rows come.")
        if not os.path.lexists(self.path):
            with made_anew(self.path, self.stamp):
                pass
        else:
            self._finish()
        self._file = JournaledFile(self.path)
        self._hdf = h5py.File(self._file, "r+", rdcc_nbytes=0)

    def holds(self, path: str, facts: Facts) -> int | None:
        """The row of a path, if all that is known of its file is still true; None otherwise.

        None for a damaged row, too.
        """
        row = self.unchanged(path, facts.size, facts.mtime_ns)
        if row is None or not self._has(row, facts.sha256):
            return None
        return row if self._is_whole(row) else None

    def is_gone(self, row: int) -> bool:
        """Whether there is surely no file where the row's path leads, from here or from the store.

        Where one may not look, there may be one.
        """
        return all(_is_gone(os.path.join(folder, self.paths[row])) for folder in self._folders)

    def _planned(self, rows: Sequence[NewRow]) -> list["_Change"]:
        """Where each row goes, those before it in the same commit considered."""
        plan: list[_Change] = []
        row_of = dict[str, int | None]()
        count, taken = len(self.paths), set[int]()
        for new in rows:
            row = row_of[new.path] if new.path in row_of else self.row_of.get(new.path)
            donor = self._row_with.get(new.facts.sha256)
            if row is None and donor is not None and donor not in taken and self.is_gone(donor):
                row, row_of[self.paths[donor]] = donor, None
            if row is None:
                row, count = count, count + 1
            plan.append(_Change(row, new))
            row_of[new.path] = row
            taken.add(row)
        return plan

    def _carry_out(self, plan: Sequence["_Change"]) -> None:
        """Write what has changed: of a file that was only touched or renamed, not the vector."""
        # By content: what a row held when the commit began may be overwritten in the course of it.
        made: dict[str, Any] = {}
        vectors: dict[int, Any] = {}
        paths: dict[int, bytes] = {}
        files: dict[int, Any] = {}
        for change in plan:
            row, new = change.row, change.new
            if new.vector is None and row not in vectors and self._stays(row, new.facts.sha256):
                change.file = renamed(new.path, new.facts, self._files[row])
            else:
                vectors[row] = made[new.facts.sha256] = self._vector(new, made)
                change.file = described(new.path, new.facts, vectors[row])
            files[row] = change.file
            if row >= len(self.paths) or self.paths[row] != new.path:
                paths[row] = os.fsencode(new.path)
        count = max(len(self.paths), 1 + max(files))
        written = ((layout.VECTORS, vectors), (layout.PATHS, paths), (layout.FILES, files))
        for name, values in written:
            self._hdf[name].resize(count, axis=0)
            for place, run in runs(values):
                self._hdf[name][place] = run if name == layout.PATHS else np.array(run)

    def _has(self, row: int, sha256: str) -> bool:
        """Whether a row held this content when the commit began."""
        return row < len(self._files) and bool(self._files[row]["sha256"] == sha256.encode())

    def _stays(self, row: int, sha256: str) -> bool:
        """Whether a row keeps its vector; a damaged one only where no other is whole."""
        return self._has(row, sha256) and (self._is_whole(row) or not self.knows(sha256))

    def _is_whole(self, row: int) -> bool:
        """Whether a row is what was written to it: one that has come since then is our own."""
        if self._before is None or row >= self._before.rows:
            return True
        file = self._files[row]
        return facts_are_whole(self.paths[row], file) and vector_is_whole(
            file, self._before.stored(row)
        )

    def _vector(self, new: NewRow, made: Mapping[str, Any]) -> Any:
        """The vector that comes with a row, or that of the same content, never a damaged one."""
        stored = self._hdf[layout.VECTORS]
        if new.vector is not None:
            return new.vector.astype(stored.dtype)
        if new.facts.sha256 in made:
            return made[new.facts.sha256]
        row = self._row_with[new.facts.sha256]
        if not vector_is_whole(self._files[row], vector := stored[row]):
            raise InputError(f"{self.path}: row {row} is damaged. Type: cnnkit store verify")
        return vector

    def _remember(self, plan: Sequence["_Change"]) -> None:
        for change in plan:
            path, sha256 = change.new.path, change.new.facts.sha256
            if change.row == len(self.paths):
                self.paths.append(path)
                self._files.append(change.file)
            else:
                self.renamed += self.paths[change.row] != path
                del self.row_of[self.paths[change.row]]
                old = sha256_of(self._files[change.row])
                if self._row_with.get(old) == change.row:
                    del self._row_with[old]
                self.paths[change.row], self._files[change.row] = path, change.file
            self.row_of[path] = self._row_with[sha256] = change.row

    def _release(self) -> None:
        if self._file is not None:
            # What h5py still writes goes to the journaled file's memory, and no further.
            with suppress(Exception):
                self._hdf.close()
            self._file.close()
            self._file = None

    def _finish(self) -> None:
        """Look again where an earlier commit failed after its promise: it has happened, then."""
        if self._file is None and journal_of(self.path).exists():
            self._look()

    @contextmanager
    def _all_or_nothing(self) -> Iterator[None]:
        """What has come to the file's memory by half must not come to the disk with the next."""
        try:
            yield
        except BaseException:
            self._release()
            raise

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self._release()
            raise OutputError(
                f"{self.path} cannot be written: {error.strerror or error}. "
                "What it held before, it still holds."
            ) from error


@dataclass(slots=True)
class _Change:
    """One row to be written: where, what, and what is said of it in `files`."""

    row: int
    new: NewRow
    file: Any = None


def _is_gone(path: str) -> bool:
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def _stamp_of(reader: Reader) -> Stamp:
    if reader.stamp is None or reader.files is None or reader.paths is None:
        raise InputError(
            f"{reader.path} holds vectors that cnnkit has not made, and does not change. "
            "Expected another file after --store."
        )
    return reader.stamp
