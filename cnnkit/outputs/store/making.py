"""A store made anew: written under another name, whole before it gets its own."""

import glob
import os
import secrets
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from cnnkit.outputs.store import layout
from cnnkit.outputs.store.journal import JournaledFile
from cnnkit.outputs.store.reading import Reader
from cnnkit.records import Stamp

_DATASETS = (layout.VECTORS, layout.PATHS, layout.FILES)
# How many bytes of vectors are in memory at once.
_BLOCK_BYTES = 16 << 20
_TOKEN_BYTES = 4


class Pour:
    """Adds rows to a file that nobody else sees yet."""

    def __init__(self, file: JournaledFile, hdf: h5py.File) -> None:
        """Rows go to the end of `hdf`, which writes to `file`."""
        self._file, self._hdf = file, hdf

    def add(self, vectors: NDArray[Any], paths: Sequence[str], files: layout.Files) -> None:
        """Add rows as they are, checksums included: vectors (n, D), n paths, n rows of `files`."""
        start = len(self._hdf[layout.PATHS])
        values = (vectors, [os.fsencode(path) for path in paths], files)
        for name, value in zip(_DATASETS, values, strict=True):
            self._hdf[name].resize(start + len(paths), axis=0)
            self._hdf[name][start:] = value
        self._hdf.flush()
        self._file.commit()

    def add_from(self, reader: Reader, rows: Sequence[int]) -> None:
        """Add these rows of another store, in this order."""
        if reader.paths is None or reader.files is None:
            raise ValueError("only rows with paths and files can be poured")
        step = max(1, _BLOCK_BYTES // (reader.features * reader.dtype.itemsize))
        for start in range(0, len(rows), step):
            part = rows[start : start + step]
            vectors = np.stack([reader.stored(row) for row in part])
            self.add(vectors, [reader.paths[row] for row in part], reader.files[list(part)])


@contextmanager
def made_anew(path: Path, stamp: Stamp, identity: str = "") -> Iterator[Pour]:
    """A new store that takes the place of `path` at the end of the block, durable and whole.

    `identity` is that of the store it replaces, whose permissions it gets. On an error `path` is
    as it was.
    """
    part = path.with_name(f".{path.name}.{secrets.token_hex(_TOKEN_BYTES)}.part")
    try:
        _touch_like(path, part)
        file = JournaledFile(part, journaled=False)
        try:
            with h5py.File(file, "w", libver="earliest", rdcc_nbytes=0) as hdf:
                layout.create(hdf, stamp, identity)
                yield Pour(file, hdf)
            file.commit()
        finally:
            file.close()
        part.replace(path)
        _sync(path.parent)
    finally:
        part.unlink(missing_ok=True)


def _touch_like(path: Path, part: Path) -> None:
    """An empty file that may be read and written by those who may do so with `path`."""
    if not path.exists():
        part.touch()
        return
    mode = stat.S_IMODE(path.stat().st_mode)
    part.touch(mode)
    part.chmod(mode)  # whatever is masked


def remove_leftovers(path: Path) -> None:
    """Remove what killed processes left of stores made anew.

    Whoever calls it has made sure that nobody writes. Raises `OSError` where it cannot be done.
    """
    token = "[0-9a-f]" * (2 * _TOKEN_BYTES)
    for part in path.parent.glob(f".{glob.escape(path.name)}.{token}.part"):
        part.unlink(missing_ok=True)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
