"""Texts of any length: whatever a file claims of them is checked before HDF5 believes it."""

import random
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from cnnkit.errors import InputError
from cnnkit.outputs.store.reading import Reader
from cnnkit.outputs.store.texts import refuse_odd_texts

TEXT = h5py.string_dtype("utf-8")
NAMES = [b"first.jpg", b"second, longer.jpg", b"3.jpg"]


def seeds(path: Path, names: list[bytes] = NAMES, *, userblock: int = 0, **options: Any) -> Path:
    with h5py.File(path, "w", libver="earliest", userblock_size=userblock) as file:
        file["img_emb"] = np.ones((len(names), 2), np.float32)
        file.create_dataset("paths", data=names, dtype=TEXT, **options)
    return path


def checked(path: Path) -> list[bytes]:
    with h5py.File(path) as file:
        refuse_odd_texts(file["paths"], path)
        names: list[bytes] = file["paths"][:].tolist()
    return names


@pytest.mark.parametrize(
    "options",
    [{}, {"userblock": 512}, {"chunks": (2,)}, {"chunks": (2,), "compression": 9, "shuffle": True},
     {"chunks": (2,), "userblock": 1024}],
)  # fmt: skip
def test_texts_of_every_length(tmp_path: Path, options: dict[str, Any]) -> None:
    names = [b"x" * length for length in (0, 1, 7, 8, 9, 5000, 0, 60_000, 3)] * 30
    assert checked(seeds(tmp_path / "x.h5", names, **options)) == names


def test_no_texts_at_all(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("paths", (5,), TEXT, maxshape=(None,), chunks=(2,))
    assert checked(tmp_path / "x.h5") == [b""] * 5
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("paths", (0,), TEXT)
    assert checked(tmp_path / "x.h5") == []


def test_texts_that_were_replaced_again_and_again(tmp_path: Path) -> None:
    rng = random.Random(0)
    names = [b"start"] * 50
    with h5py.File(tmp_path / "x.h5", "w") as file:
        stored = file.create_dataset("paths", data=names, dtype=TEXT, chunks=(7,))
        for turn in range(400):
            place, name = rng.randrange(50), b"%d" % turn * rng.randrange(30)
            stored[place] = names[place] = name
    assert checked(tmp_path / "x.h5") == names


def first_object(content: bytes) -> int:
    """Where the first text lies in its heap, with its number and length before it."""
    return content.index(NAMES[0]) - 16


def reference(content: bytes) -> int:
    """Where the file refers to the first text: length, address of the heap, number in it."""
    return content.index(struct.pack("<IQ", len(NAMES[0]), heap(content)))


def heap(content: bytes) -> int:
    """Where the heap begins that the texts lie in: its name, version and size."""
    return content.rindex(b"GCOL", 0, content.index(NAMES[0]))


# Where bytes are written over, and what is written there.
DAMAGES: dict[str, tuple[Callable[[bytes], int], bytes]] = {
    "a length of 4 GB": (reference, b"\xff\xff\xff\xff"),
    "a length of 2 MB": (reference, struct.pack("<I", 2 << 20)),
    "a length that is another": (reference, struct.pack("<I", len(NAMES[0]) - 1)),
    "a heap beyond the end": (lambda c: reference(c) + 4, struct.pack("<Q", 1 << 40)),
    "a heap at an odd end": (lambda c: reference(c) + 4, struct.pack("<Q", (1 << 63) + 5)),
    "a heap that is none": (lambda c: reference(c) + 4, struct.pack("<Q", 96)),
    "no such object": (lambda c: reference(c) + 12, struct.pack("<I", 99)),
    "the free space": (lambda c: reference(c) + 12, struct.pack("<I", 0)),
    "an object of 2^64 bytes": (lambda c: first_object(c) + 8, b"\xf0" + b"\xff" * 7),
    "an object of odd size": (lambda c: first_object(c) + 15, b"\xff"),
    "an object twice": (first_object, struct.pack("<H", 1)),
    "a giant heap": (lambda c: heap(c) + 8, b"\xff" * 6),
    "a small heap": (lambda c: heap(c) + 8, struct.pack("<Q", 40)),
    "another version": (lambda c: heap(c) + 4, b"\x09"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_told_at_once(tmp_path: Path, damage: str) -> None:
    path = seeds(tmp_path / "x.h5")
    content = bytearray(path.read_bytes())
    place, value = DAMAGES[damage]
    at = place(bytes(content))
    content[at : at + len(value)] = value
    path.write_bytes(content)
    start = time.monotonic()
    with pytest.raises(InputError, match=r"x\.h5"):
        Reader(path)
    assert time.monotonic() - start < 20, "HDF5 walks over some of these for ever"


def test_texts_laid_out_or_packed_in_a_rare_way_are_not_read(tmp_path: Path) -> None:
    path = seeds(tmp_path / "x.h5", chunks=(2,), compression="lzf")
    with pytest.raises(InputError, match="packed in a way"):
        Reader(path)
    with h5py.File(path, "w") as file:
        file["img_emb"] = np.ones((3, 2), np.float32)
        properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        properties.set_layout(h5py.h5d.COMPACT)
        kind, space = h5py.h5t.py_create(TEXT, logical=True), h5py.h5s.create_simple((3,))
        h5py.h5d.create(file.id, b"paths", kind, space, properties)
    with pytest.raises(InputError, match="laid out in an odd way"):
        Reader(path)
