"""Texts of any length, looked at as the file holds them before HDF5 reads them.

A dataset holds only references: how long a text is, and which object of which heap. HDF5 makes room
for whatever length a reference claims, up to 4 GB for each, and walks over a damaged heap for ever.
(HDF5 File Format 3.0, III.E and VIII.C.)
"""

import mmap
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from cnnkit.errors import InputError

_REFERENCE = np.dtype([("bytes", "<u4"), ("heap", "<u8"), ("index", "<u4")])
_OBJECT = np.dtype([("index", "<u2"), ("uses", "<u2"), ("", "<u4"), ("bytes", "<u8")])
_OBJECT_HEAD = struct.Struct("<HHIQ")
_HEAP = np.dtype([("magic", "S5"), ("", "V3"), ("bytes", "<u8")])
_HEAP_MAGIC = b"GCOL\x01"
# An address that leads nowhere, and what HDF5 writes for a text that was never written.
_NOWHERE = (0, (1 << 64) - 1)
_LONGEST = 1 << 16
_DEFLATE, _SHUFFLE = h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE


def refuse_odd_texts(dataset: h5py.Dataset, path: Path) -> None:
    """Raise `InputError` unless all texts of a dataset can be read: there, and of sane lengths."""
    found = np.concatenate([np.empty(0, _REFERENCE), *_references(dataset, path)])
    found = found[(found["bytes"] > 0) & ~np.isin(found["heap"], _NOWHERE)]
    if found["bytes"].max(initial=0) > _LONGEST or found["heap"].max(initial=0) >= 1 << 62:
        raise InputError(f"{path}: {dataset.name!r} claims texts of odd lengths: damaged.")
    if not len(found):
        return
    found["heap"] += dataset.file.userblock_size  # addresses count from behind it
    with path.open("rb") as file:
        memory = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    if not all(_is_sound(heap, memory, each) for heap, each in _odd_heaps(found, memory)):
        raise InputError(f"{path}: the texts of {dataset.name!r} are damaged.")


def _odd_heaps(found: NDArray[Any], memory: mmap.mmap) -> Iterator[tuple[int, NDArray[Any]]]:
    """The heaps that are not laid out as by one who only ever adds, with the references to each.

    The others are seen through all at once: objects 1, 2, 3 … in a row, each as long as its text,
    and behind them free space to the end.
    """
    found = found[np.lexsort((found["index"], found["heap"]))]
    heaps, first, count = np.unique(found["heap"], return_index=True, return_counts=True)
    at = heaps.astype(np.int64)
    head = _at(at, memory, _HEAP)
    size = head["bytes"].astype(np.int64)
    end = at + np.where((head["magic"] == _HEAP_MAGIC) & (size <= len(memory) - at), size, 0)
    taken = _OBJECT.itemsize + _padded(found["bytes"].astype(np.int64))
    before = np.cumsum(taken) - taken
    place = np.repeat(at + _HEAP.itemsize - before[first], count) + before
    held = _at(place, memory, _OBJECT)
    rank = np.arange(len(found)) - np.repeat(first, count) + 1
    alike = (found["index"] == rank) & (held["index"] == rank) & (held["bytes"] == found["bytes"])
    last = first + count - 1
    behind = place[last] + taken[last]
    free = _at(behind, memory, _OBJECT)
    rest = end - behind
    closed = (free["index"] == 0) & (free["bytes"].astype(np.int64) == rest)
    plain = np.logical_and.reduceat(alike, first) & (rest >= 0)
    plain &= closed | (rest < _OBJECT.itemsize)
    for which in np.flatnonzero(~plain):
        yield int(at[which]), found[first[which] : first[which] + count[which]]


def _at(places: NDArray[np.int64], memory: mmap.mmap, kind: np.dtype[Any]) -> NDArray[Any]:
    """What the file holds in these places, zeros for those beyond its end."""
    held = np.frombuffer(memory, np.uint8)
    there = (places >= 0) & (places <= len(held) - kind.itemsize)
    found = np.zeros(len(places), kind)
    bytewise = places[there][:, None] + np.arange(kind.itemsize)
    found[there] = held[bytewise].view(kind)[:, 0]
    return found


def _padded(size: Any) -> Any:
    return size + 7 & -8


def _is_sound(heap: int, memory: mmap.mmap, found: NDArray[Any]) -> bool:
    """Whether a walk over a heap comes to its end, and meets what each reference is to."""
    head = _at(np.array([heap]), memory, _HEAP)[0]
    at, end = heap + _HEAP.itemsize, heap + int(head["bytes"])
    if head["magic"] != _HEAP_MAGIC or end > len(memory):
        return False
    sizes = dict[int, int]()
    while end - at >= _OBJECT.itemsize:
        index, _, _, size = _OBJECT_HEAD.unpack_from(memory, at)
        if index == 0:
            return size == end - at and _are_there(found, sizes)
        if index in sizes or size > end - at - _OBJECT.itemsize:
            return False
        sizes[index] = size
        at += _OBJECT.itemsize + _padded(size)
    return _are_there(found, sizes)


def _are_there(found: NDArray[Any], sizes: dict[int, int]) -> bool:
    pairs = zip(found["index"].tolist(), found["bytes"].tolist(), strict=True)
    return all(sizes.get(index) == size for index, size in pairs)


def _references(dataset: h5py.Dataset, path: Path) -> Iterator[NDArray[Any]]:
    """What the file holds in the place of each text, chunk by chunk."""
    properties = dataset.id.get_create_plist()
    layout = properties.get_layout()
    if layout == h5py.h5d.CONTIGUOUS:
        offset = dataset.id.get_offset()
        if offset is not None:
            yield np.fromfile(path, _REFERENCE, len(dataset), offset=offset)
        return
    if layout != h5py.h5d.CHUNKED:
        raise InputError(f"{path}: {dataset.name!r} is laid out in an odd way, and is not read.")
    filters = [properties.get_filter(place)[0] for place in range(properties.get_nfilters())]
    largest = path.stat().st_size
    for number in range(dataset.id.get_num_chunks()):
        chunk = dataset.id.get_chunk_info(number)
        if chunk.size > largest:
            raise InputError(f"{path}: {dataset.name!r} claims a giant chunk: damaged.")
        skipped, data = dataset.id.read_direct_chunk(chunk.chunk_offset)
        used = [code for place, code in enumerate(filters) if not skipped >> place & 1]
        data = _unpacked(data, used, dataset, path)
        rest = max(0, len(dataset) - chunk.chunk_offset[0])
        yield np.frombuffer(data, _REFERENCE, min(rest, len(data) // _REFERENCE.itemsize))


def _unpacked(data: bytes, filters: list[int], dataset: h5py.Dataset, path: Path) -> bytes:
    """One chunk as it was before the filters."""
    most = int(np.prod(dataset.chunks)) * _REFERENCE.itemsize
    for code in reversed(filters):
        if code == _DEFLATE:
            data = zlib.decompressobj().decompress(data, most)
        elif code == _SHUFFLE:
            data = np.frombuffer(data, np.uint8).reshape(_REFERENCE.itemsize, -1).T.tobytes()
        else:
            raise InputError(
                f"{path}: {dataset.name!r} is packed in a way that is not read. Expected texts "
                "that are stored as they are, or by gzip."
            )
    return data
