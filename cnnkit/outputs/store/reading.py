"""A store as it was at one moment: stamp, paths, and vectors mapped into memory."""

import mmap
import os
import time
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from functools import cached_property
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from cnnkit.errors import InputError
from cnnkit.outputs.store import layout, lock, recovery, texts, trust
from cnnkit.outputs.store.rows import facts_are_whole, vector_is_whole
from cnnkit.records import Stamp

Vectors = NDArray[np.float32] | NDArray[np.float16]
_ATTEMPTS, _PAUSE = 100, 0.05
_FEW_LOOKUPS = 16


class UnreadableStore(InputError):
    """A file that HDF5 cannot read, or not as a store; `why` is a sentence about it."""

    def __init__(self, store: Path, reason: str) -> None:
        """Say why `store` cannot be read, and what to type."""
        self.why = f"{store} cannot be read as a store: {reason}."
        super().__init__(f"{self.why} See what is left: cnnkit store verify --store {store}")


class Reader:
    """What a store held when it was opened, whatever is written to it since.

    `stamp` and `files` are None in a file that cnnkit has not made.
    `blocks` are consecutive rows: (first row, vectors (n, D)), most of them memory maps.
    `recovered` says what was done with a commit that a killed process had left, "" for nothing.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Open a store, or any HDF5 file with `img_emb`.

        Raises `InputError` where there is none, or one that is damaged or not to be trusted.
        """
        self.path = lock.place_of(path)
        self.recovered = ""
        self._lookups = 0
        if not os.path.isfile(self.path):
            raise no_store(path)
        for _ in range(_ATTEMPTS):
            if self._loaded():
                return
        raise InputError(f"{self.path} changes all the time, and could not be read.")

    @property
    def rows(self) -> int:
        """How many vectors there are."""
        return self.shape[0]

    @property
    def features(self) -> int:
        """How many numbers a vector has."""
        return self.shape[1]

    @cached_property
    def paths(self) -> list[str] | None:
        """The path of each row; None in a file that has none."""
        return None if self._names is None else [os.fsdecode(name) for name in self._names]

    @cached_property
    def row_of(self) -> dict[str, int]:
        """Path → row."""
        return {path: row for row, path in enumerate(self.paths or ())}

    @property
    def has_paths(self) -> bool:
        """Whether rows have paths."""
        return self._names is not None

    def path_of(self, row: int) -> str | None:
        """The path of one row."""
        return None if self._names is None else os.fsdecode(self._names[row])

    def find(self, path: str) -> int | None:
        """The row of a path, in any of the spellings that mean the same file; None for none."""
        spellings = (path, os.path.normpath(path), os.path.abspath(path), os.path.relpath(path))
        found = (self._row(spelling) for spelling in dict.fromkeys(spellings))
        return next((row for row in found if row is not None), None)

    def _row(self, path: str) -> int | None:
        """The row of this very path. For a few of them all paths need not be decoded."""
        self._lookups += 1
        if self._lookups > _FEW_LOOKUPS or "row_of" in self.__dict__:
            return self.row_of.get(path)
        try:
            return (self._names or []).index(os.fsencode(path))
        except (ValueError, UnicodeEncodeError):
            return None

    @cached_property
    def _starts(self) -> list[int]:
        return [first for first, _ in self.blocks]

    @property
    def norms(self) -> NDArray[np.float32] | None:
        """The Euclidean lengths of the vectors (N,), where they are stored."""
        return None if self.files is None else self.files["norm"]

    def stored(self, row: int) -> Vectors:
        """One vector (D,), in the type that it is stored in."""
        first, vectors = self.blocks[bisect_right(self._starts, row) - 1]
        vector: Vectors = vectors[row - first]
        return vector

    def vector(self, row: int) -> NDArray[np.float32]:
        """A copy of one vector (D,)."""
        return self.stored(row).astype(np.float32)

    def is_whole(self, row: int) -> bool:
        """Whether a row holds what was written to it; of vectors of others' making, nobody knows.

        Then it counts as whole.
        """
        if self.files is None:
            return True
        file, path = self.files[row], self.path_of(row) or ""
        return vector_is_whole(file, self.stored(row)) and facts_are_whole(path, file)

    def vectors_by_content(self, rows: Iterable[int]) -> "VectorsByContent":
        """The vectors of these rows by the sha256 of their pictures, read when asked for."""
        return VectorsByContent(self, rows)

    def _loaded(self) -> bool:
        """Read it; False where somebody wrote meanwhile."""
        try:
            with recovery.undisturbed_reading(self.path) as watch:
                if watch.whole:
                    try:
                        self._load()
                    except InputError:
                        if watch.kept():
                            raise
                    return watch.kept()
        except OSError as error:
            raise InputError(f"{self.path} cannot be read: {error.strerror or error}.") from error
        if not self._recover():
            time.sleep(_PAUSE)
        return False

    def _load(self) -> None:
        try:
            with trust.opened(self.path) as file:
                self.stamp: Stamp | None
                self.stamp, self.identity = trust.stamp_of(file, self.path)
                trust.refuse_odd_parts(file, self.path, ours=self.stamp is not None)
                vectors = file[layout.VECTORS]
                self.shape: tuple[int, int] = vectors.shape
                self.dtype = vectors.dtype
                self.files: layout.Files | None = file[layout.FILES][:] if self.stamp else None
                self._names = _names(file, self.path)
                self.blocks = self._mapped(vectors) or [(0, _read(vectors, self.path))]
        except InputError:
            raise
        except Exception as error:  # whatever h5py makes of bytes that are not what they were
            raise UnreadableStore(self.path, _first_line(error)) from error

    def _mapped(self, dataset: h5py.Dataset) -> list[tuple[int, Vectors]]:
        """The rows as they lie in the file, neighbouring chunks as one block."""
        width = dataset.shape[1] * dataset.dtype.itemsize
        runs: list[list[int]] = []
        for first, count, offset in layout.chunks_on_disk(dataset):
            if runs and runs[-1][2] + runs[-1][1] * width == offset:
                runs[-1][1] += count
            else:
                runs.append([first, count, offset])
        if not runs:
            return []
        with self.path.open("rb") as file:
            memory = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        with suppress(OSError, AttributeError, ValueError):
            memory.madvise(mmap.MADV_SEQUENTIAL)
        return [
            (first, np.ndarray((count, dataset.shape[1]), dataset.dtype, memory, offset))
            for first, count, offset in runs
        ]

    def _recover(self) -> bool:
        """Finish what a killed process left in the journal; False while another is at it."""
        from filelock import Timeout

        try:
            with lock.lock(self.path, timeout=0):
                self.recovered = recovery.recover(self.path) or self.recovered
        except Timeout:
            return False
        except OSError as error:
            raise InputError(
                f"{self.path} was left in the middle of a commit, which cannot be finished here: "
                f"{error.strerror or error}. Open it once where it can be written."
            ) from error
        return True


class VectorsByContent(Mapping[str, NDArray[np.float32]]):
    """Hex sha256 of a picture → its vector (D,), a copy; nothing where that is damaged."""

    def __init__(self, reader: Reader, rows: Iterable[int]) -> None:
        """Of these rows of a store that cnnkit has made."""
        files = reader.files if reader.files is not None else ()
        self._reader = reader
        self._rows = {files[row]["sha256"].decode("ascii", "replace"): row for row in rows}

    def __getitem__(self, sha256: str) -> NDArray[np.float32]:
        """The vector of this content. Raises `KeyError` where there is none that is whole."""
        row = self._rows[sha256]
        if not self._reader.is_whole(row):
            raise KeyError(sha256)
        return self._reader.vector(row)

    def __iter__(self) -> Iterator[str]:
        """Every content, damaged or not."""
        return iter(self._rows)

    def __len__(self) -> int:
        """How many contents."""
        return len(self._rows)


def no_store(path: str | os.PathLike[str]) -> InputError:
    """The error for a path under which there is no file."""
    name = os.fspath(path)
    if not name or os.path.exists(name):
        return InputError(f"{name!r} is no store. Expected a file that is one after --store.")
    return InputError(
        f"There is no store {name!r}. Make one: cnnkit extract-features PICTURES --store {name}"
    )


def _names(file: h5py.File, path: Path) -> list[bytes] | None:
    if layout.PATHS not in file:
        return None
    dataset = file[layout.PATHS]
    kind = h5py.check_string_dtype(dataset.dtype)
    if kind is None:
        return None
    if kind.length is None:
        texts.refuse_odd_texts(dataset, path)
    names: list[bytes] = dataset[:].tolist()
    return names


def _read(dataset: h5py.Dataset, path: Path) -> Vectors:
    kind = np.float16 if dataset.dtype.itemsize == 2 else np.float32
    if dataset.size * np.dtype(kind).itemsize > trust.MOST_IN_MEMORY:
        raise InputError(
            f"{path} is packed, and too large to be read whole ({dataset.shape}). "
            "Write its vectors uncompressed, as little-endian float32 or float16."
        )
    vectors: Vectors = dataset.astype(kind)[:]
    return vectors


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0].rstrip(".")
