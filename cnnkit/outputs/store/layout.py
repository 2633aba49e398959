"""What a store's datasets are called and hold, and which HDF5 files are opened at all."""

import secrets
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from cnnkit.errors import InputError
from cnnkit.records import Stamp

VECTORS, PATHS, FILES = "img_emb", "paths", "files"
FORMAT = 1
# One row of `files`. `id` names the row for as long as it holds this content under this path;
# `norm` is the vector's Euclidean length; `check` covers the path and the fields before it.
FILE = np.dtype(
    [
        ("id", "<u8"),
        ("size", "<u8"),
        ("mtime_ns", "<i8"),
        ("sha256", "S64"),
        ("norm", "<f4"),
        ("vector_crc32", "<u4"),
        ("check", "<u4"),
    ]
)
_COVERED = struct.Struct("<QQq64sfI")
_CHUNK_BYTES = 1 << 20
_MOST_FEATURES = 1 << 24
# A filter cannot pack tighter than deflate does, about a thousand to one.
_TIGHTEST = 2000
Files = NDArray[np.void]


def create(file: h5py.File, stamp: Stamp, identity: str = "") -> None:
    """Lay out an empty store; one of an `identity` given goes on being that store."""
    width = np.dtype(stamp.dtype).itemsize * stamp.features
    rows = max(1, _CHUNK_BYTES // width)
    file.attrs["cnnkit_store"] = FORMAT
    file.attrs["identity"] = identity or secrets.token_hex(16)
    file.attrs["stamp"] = stamp.json()
    shape, most = (0, stamp.features), (None, stamp.features)
    file.create_dataset(
        VECTORS, shape, stamp.dtype, maxshape=most, chunks=(rows, stamp.features),
        fill_time="never",
    )  # fmt: skip
    text = h5py.string_dtype("utf-8")
    file.create_dataset(PATHS, (0,), text, maxshape=(None,), chunks=(1024,))
    file.create_dataset(FILES, (0,), FILE, maxshape=(None,), chunks=(512,))


def check_of(path: bytes, file: Any) -> int:
    """The CRC-32 that the row's field `check` should hold."""
    fields = (file[name] for name in ("id", "size", "mtime_ns", "sha256", "norm", "vector_crc32"))
    id, size, mtime, sha256, norm, crc = fields
    covered = _COVERED.pack(int(id), int(size), int(mtime), bytes(sha256), float(norm), int(crc))
    return zlib.crc32(path + b"\0" + covered)


def refuse_foreign_parts(file: h5py.File, path: Path) -> None:
    """Raise `InputError` unless the datasets are plain ones that lie in this very file.

    Links and virtual or external datasets would read other files, and sizes that the file could
    not hold would fill the memory.
    """
    for name in (VECTORS, PATHS, FILES):
        if name not in file:
            if name == VECTORS:
                raise InputError(
                    f"{path} holds no dataset {VECTORS!r}. Expected a store that "
                    "`cnnkit extract-features` has made, or vectors (N, D) under that name."
                )
            continue
        if not isinstance(file.get(name, getlink=True), h5py.HardLink):
            raise InputError(f"{path}: {name!r} is a link to elsewhere, and is not followed.")
        dataset = file[name]
        if not isinstance(dataset, h5py.Dataset) or dataset.is_virtual or dataset.external:
            raise InputError(f"{path}: {name!r} is no plain dataset, and is not read.")
        stored = dataset.id.get_storage_size()
        packed = dataset.id.get_create_plist().get_nfilters() > 0
        if dataset.size * dataset.dtype.itemsize > stored * (_TIGHTEST if packed else 1):
            raise InputError(f"{path}: {name!r} claims {dataset.shape}, and holds less: damaged.")
    _refuse_odd_shapes(file, path)


def _refuse_odd_shapes(file: h5py.File, path: Path) -> None:
    vectors = file[VECTORS]
    if vectors.ndim != 2 or vectors.dtype.kind != "f" or not 0 < vectors.shape[1] <= _MOST_FEATURES:
        raise InputError(
            f"{path}: expected {VECTORS!r} to hold floating point vectors (N, D). "
            f"Received: {vectors.shape} of {vectors.dtype}."
        )
    for name in (PATHS, FILES):
        if name in file and file[name].shape != vectors.shape[:1]:
            raise InputError(
                f"{path}: {name!r} has the shape {file[name].shape}, {VECTORS!r} has "
                f"{vectors.shape}: damaged."
            )


def stamp_of(file: h5py.File) -> Stamp | None:
    """The stamp; None in a file that cnnkit has not made."""
    text = file.attrs.get("stamp")
    return Stamp.of(text) if isinstance(text, str) else None


def chunks_on_disk(dataset: h5py.Dataset) -> Iterator[tuple[int, int, int]]:
    """Where the rows lie in the file: (first row, number of rows, byte offset), by row.

    Nothing where they do not lie there as they are in memory.
    """
    native = dataset.dtype in (np.dtype("<f4"), np.dtype("<f2"))
    properties = dataset.id.get_create_plist()
    if not native or properties.get_nfilters() or not len(dataset):
        return
    if properties.get_layout() == h5py.h5d.CONTIGUOUS:
        if (offset := dataset.id.get_offset()) is not None:
            yield 0, len(dataset), offset
        return
    if dataset.chunks is None or dataset.chunks[1] != dataset.shape[1]:
        return
    found: list[tuple[int, int]] = []
    dataset.id.chunk_iter(lambda chunk: found.append((chunk.chunk_offset[0], chunk.byte_offset)))
    if len(found) * dataset.chunks[0] < len(dataset):
        return
    for first, offset in sorted(found):
        if first < len(dataset):
            yield first, min(dataset.chunks[0], len(dataset) - first), offset
