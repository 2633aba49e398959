"""What a store's datasets are called and hold, and where they lie in the file."""

import secrets
import struct
import zlib
from collections.abc import Iterable, Iterator
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from cnnkit.records import Stamp

VECTORS, PATHS, FILES = "img_emb", "paths", "files"
ATTRIBUTES = ("cnnkit_store", "identity", "stamp", "check")
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
_PATHS_PER_CHUNK, _FILES_PER_CHUNK = 1024, 512
# What HDF5 writes in the place of a text that lies elsewhere, and before the text itself.
_REFERENCE_BYTES = _TEXT_HEAD_BYTES = 16
# What tells where everything is, in a small store.
_HEAD_BYTES = 12 << 10
Files = NDArray[np.void]


def create(file: h5py.File, stamp: Stamp, identity: str = "") -> None:
    """Lay out an empty store; one of an `identity` given goes on being that store."""
    rows = _vectors_per_chunk(stamp)
    identity, text = identity or secrets.token_hex(16), stamp.json()
    file.attrs["cnnkit_store"] = FORMAT
    # Texts of a fixed length: what is read of them is bounded by what is there.
    file.attrs["identity"] = np.bytes_(identity)
    file.attrs["stamp"] = np.bytes_(text)
    file.attrs["check"] = stamp_check(text, identity)
    shape, most = (0, stamp.features), (None, stamp.features)
    file.create_dataset(
        VECTORS, shape, stamp.dtype, maxshape=most, chunks=(rows, stamp.features),
        fill_time="never",
    )  # fmt: skip
    text = h5py.string_dtype("utf-8")
    file.create_dataset(PATHS, (0,), text, maxshape=(None,), chunks=(_PATHS_PER_CHUNK,))
    file.create_dataset(FILES, (0,), FILE, maxshape=(None,), chunks=(_FILES_PER_CHUNK,))


def _vectors_per_chunk(stamp: Stamp) -> int:
    return max(1, _CHUNK_BYTES // (np.dtype(stamp.dtype).itemsize * stamp.features))


def compact_size(stamp: Stamp, names: Iterable[bytes]) -> int:
    """About how many bytes a store of these paths takes that was made in one go."""
    texts = [_TEXT_HEAD_BYTES + -(-len(name) // 8) * 8 for name in names]
    width = np.dtype(stamp.dtype).itemsize * stamp.features
    chunked = (
        (_vectors_per_chunk(stamp), width),
        (_PATHS_PER_CHUNK, _REFERENCE_BYTES),
        (_FILES_PER_CHUNK, FILE.itemsize),
    )
    return (
        _HEAD_BYTES
        + sum(texts)
        + sum(-(-len(texts) // rows) * rows * each for rows, each in chunked)
    )


def stamp_check(stamp: str, identity: str) -> int:
    """The CRC-32 that the file's attribute `check` should hold."""
    return zlib.crc32(f"{identity}\0{stamp}".encode())


def check_of(path: bytes, file: Any) -> int:
    """The CRC-32 that the row's field `check` should hold."""
    fields = (file[name] for name in ("id", "size", "mtime_ns", "sha256", "norm", "vector_crc32"))
    id, size, mtime, sha256, norm, crc = fields
    covered = _COVERED.pack(int(id), int(size), int(mtime), bytes(sha256), float(norm), int(crc))
    return zlib.crc32(path + b"\0" + covered)


def chunks_on_disk(dataset: h5py.Dataset) -> Iterator[tuple[int, int, int]]:
    """Where the rows lie in the file: (first row, number of rows, byte offset), by row.

    Nothing where they do not lie there as they are in memory, or not all of them.
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
    firsts = range(0, len(dataset), dataset.chunks[0])
    offsets = dict(found)
    if not all(first in offsets for first in firsts):
        return
    for first in firsts:
        yield first, min(dataset.chunks[0], len(dataset) - first), offsets[first]
