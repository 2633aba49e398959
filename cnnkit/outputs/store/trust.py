"""Which HDF5 files are opened at all: nothing that they claim is believed before it is checked.

They may come from anybody, and a disk may have changed any byte of them. HDF5 itself checks little:
it follows links to other files, makes room for whatever size a file claims, and crashes where the
type of an attribute is not what it takes it for.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np

from cnnkit.errors import InputError
from cnnkit.outputs.store.layout import (
    ATTRIBUTES,
    FILE,
    FILES,
    FORMAT,
    PATHS,
    VECTORS,
    stamp_check,
)
from cnnkit.records import Stamp

# What is not mapped is read whole; beyond so many bytes that would fill the memory.
MOST_IN_MEMORY = 8 << 30
_MOST_FEATURES = 1 << 24
# A filter cannot pack tighter than deflate does, about a thousand to one.
_TIGHTEST = 2000
_LARGEST_CHUNK = 256 << 20
_LONGEST_TEXT = 1 << 16
# What stands in the place of a text of any length.
_REFERENCE_BYTES = 16


@contextmanager
def opened(path: Path) -> Iterator[h5py.File]:
    """An HDF5 file as it is now on the disk, for reading.

    HDF5 would give what it remembers of a file that the same process has open already: a notebook,
    say, that looked into the store before rows came to it.
    """
    # Not every function of h5py keeps other threads out of HDF5 while it reads.
    with h5py._objects.phil, path.open("rb", buffering=0) as raw, h5py.File(raw, "r") as file:
        yield file


def refuse_odd_parts(file: h5py.File, path: Path, *, ours: bool) -> None:
    """Raise `InputError` unless the datasets are plain ones that lie in this very file.

    Links and virtual or external datasets would read other files, and sizes that the file could
    not hold would fill the memory. `ours` is whether cnnkit has made the file.
    """
    if VECTORS not in file:
        raise InputError(
            f"{path} holds no dataset {VECTORS!r}. Expected a store that "
            "`cnnkit extract-features` has made, or vectors (N, D) under that name."
        )
    for name in (VECTORS, PATHS, FILES) if ours else (VECTORS, PATHS):
        if name in file:
            _refuse_foreign(file, name, path)
            _refuse_giant(file[name], path)
        elif ours:
            raise InputError(f"{path} holds no dataset {name!r}: damaged.")
    _refuse_odd_shapes(file, path, ours)


def stamp_of(file: h5py.File, path: Path) -> tuple[Stamp | None, str]:
    """The stamp and the identity; None and "" in a file that cnnkit has not made.

    Raises `InputError` where one of them is damaged, or a later version has laid the file out.
    """
    if not any(h5py.h5a.exists(file.id, name.encode()) for name in ATTRIBUTES):
        return None, ""
    version = _number_of(file, "cnnkit_store")
    if version != FORMAT:
        raise InputError(
            f"{path} is a store of format {version}. Expected format {FORMAT}: another version of "
            "cnnkit has made it, or it is damaged."
        )
    text, identity = _text_of(file, "stamp"), _text_of(file, "identity")
    stamp = Stamp.of(text)
    if stamp is None or stamp_check(text, identity) != _number_of(file, "check"):
        raise InputError(f"{path}: the stamp is not what was stored: damaged.")
    return stamp, identity


def is_ours(path: Path) -> bool:
    """Whether it can be opened, and says that cnnkit has made it."""
    try:
        with opened(path) as file:
            return any(h5py.h5a.exists(file.id, name.encode()) for name in ATTRIBUTES)
    except Exception:  # whatever h5py makes of bytes that are not what they were
        return False


def _text_of(file: h5py.File, name: str) -> str:
    """An attribute of the file that `np.bytes_` has made; "" for anything else."""
    if not h5py.h5a.exists(file.id, name.encode()):
        return ""
    attribute = h5py.h5a.open(file.id, name.encode())
    kind = attribute.get_type()
    plain = isinstance(kind, h5py.h5t.TypeStringID) and not kind.is_variable_str()
    if not plain or attribute.shape != () or kind.get_size() > _LONGEST_TEXT:
        return ""
    held = np.zeros((), f"S{kind.get_size()}")
    attribute.read(held, kind)
    return bytes(held[()]).decode("utf-8", "replace")


def _number_of(file: h5py.File, name: str) -> int:
    """An attribute of the file that is a whole number; 0 for anything else."""
    if not h5py.h5a.exists(file.id, name.encode()):
        return 0
    attribute = h5py.h5a.open(file.id, name.encode())
    held = np.zeros((), np.int64)
    if attribute.shape == () and isinstance(attribute.get_type(), h5py.h5t.TypeIntegerID):
        attribute.read(held, h5py.h5t.NATIVE_INT64)
    return int(held)


def _refuse_foreign(file: h5py.File, name: str, path: Path) -> None:
    if not isinstance(file.get(name, getlink=True), h5py.HardLink):
        raise InputError(f"{path}: {name!r} is a link to elsewhere, and is not followed.")
    dataset = file[name]
    if not isinstance(dataset, h5py.Dataset) or dataset.is_virtual or dataset.external:
        raise InputError(f"{path}: {name!r} is no plain dataset, and is not read.")


def _refuse_giant(dataset: h5py.Dataset, path: Path) -> None:
    claimed = dataset.size * dataset.dtype.itemsize
    most = stored = dataset.id.get_storage_size()
    if dataset.id.get_create_plist().get_nfilters():
        most = min(stored * _TIGHTEST, MOST_IN_MEMORY)
    chunk = int(np.prod(dataset.chunks or (0,), dtype=object)) * dataset.dtype.itemsize
    if claimed > most or chunk > max(_LARGEST_CHUNK, 2 * claimed):
        raise InputError(
            f"{path}: {dataset.name!r} claims {dataset.shape}, and holds {stored:,} bytes: "
            "damaged, or too large."
        )
    _refuse_odd_chunks(dataset, path)


def _refuse_odd_chunks(dataset: h5py.Dataset, path: Path) -> None:
    """Raise `InputError` where a chunk claims another size than it has: HDF5 would believe it."""
    if dataset.chunks is None or dataset.id.get_create_plist().get_nfilters():
        return
    text = h5py.check_string_dtype(dataset.dtype)
    each = _REFERENCE_BYTES if text and text.length is None else dataset.dtype.itemsize
    size = int(np.prod(dataset.chunks, dtype=object)) * each
    claimed: set[tuple[int, int]] = set()
    dataset.id.chunk_iter(lambda chunk: claimed.add((chunk.size, chunk.filter_mask)))
    if claimed - {(size, 0)}:
        raise InputError(f"{path}: {dataset.name!r} has chunks of odd sizes: damaged.")


def _refuse_odd_shapes(file: h5py.File, path: Path, ours: bool) -> None:
    vectors = file[VECTORS]
    if vectors.ndim != 2 or vectors.dtype.kind != "f" or not 0 < vectors.shape[1] <= _MOST_FEATURES:
        raise InputError(
            f"{path}: expected {VECTORS!r} to hold floating point vectors (N, D). "
            f"Received: {vectors.shape} of {vectors.dtype}."
        )
    for name in (PATHS, FILES) if ours else (PATHS,):
        if name in file and file[name].shape != vectors.shape[:1]:
            raise InputError(
                f"{path}: {name!r} has the shape {file[name].shape}, {VECTORS!r} has "
                f"{vectors.shape}: damaged."
            )
    if ours and file[FILES].dtype != FILE:
        raise InputError(f"{path}: {FILES!r} holds {file[FILES].dtype}: damaged.")
