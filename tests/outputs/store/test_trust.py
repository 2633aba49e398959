"""Stores that somebody or a disk has changed: an error in words, and never anything worse.

Bytes are flipped where HDF5 itself would crash, fill the memory, or walk for ever.
"""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from cnnkit.errors import InputError
from cnnkit.outputs.store import layout
from cnnkit.outputs.store.reading import Reader
from tests.conftest import PATIENCE
from tests.outputs.store.rows import fill, numbered


def test_values_that_are_not_there_are_not_made_up(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        sparse = file.create_dataset("img_emb", (4, 3), "<f4", chunks=(1, 3), fillvalue=7)
        sparse[2] = 1
    with pytest.raises(InputError, match=r"claims \(4, 3\), and holds 12 bytes"):
        Reader(tmp_path / "x.h5")


def changed(path: Path, change: Callable[[h5py.File], None]) -> Path:
    with h5py.File(path, "r+") as file:
        change(file)
    return path


CHANGES: dict[str, Callable[[h5py.File], Any]] = {
    "another stamp": lambda f: f.attrs.__setitem__(
        "stamp", np.bytes_(bytes(f.attrs["stamp"]).replace(b"resnet50", b"resnet51"))
    ),
    "no stamp": lambda f: f.attrs.__delitem__("stamp"),
    "a stamp of numbers": lambda f: f.attrs.__setitem__("stamp", 5),
    "a stamp of any length": lambda f: f.attrs.__setitem__("stamp", "text"),
    "another identity": lambda f: f.attrs.__setitem__("identity", np.bytes_("00")),
    "a later format": lambda f: f.attrs.__setitem__("cnnkit_store", layout.FORMAT + 1),
    "a format in words": lambda f: f.attrs.__setitem__("cnnkit_store", "one"),
    "no paths": lambda f: f.__delitem__("paths"),
    "no files": lambda f: f.__delitem__("files"),
    "fewer files": lambda f: f["files"].resize(3, axis=0),
    "more vectors": lambda f: f["img_emb"].resize(10, axis=0),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_store_that_was_tampered_with_is_refused(tmp_path: Path, change: str) -> None:
    path = fill(tmp_path / "x.h5", numbered(0, 9))
    changed(path, CHANGES[change])
    with pytest.raises(InputError):
        Reader(path)


FLIPS = """
import json, os, random, resource, signal, sys
from pathlib import Path
from cnnkit.errors import InputError
from cnnkit.outputs.store.reading import Reader
from cnnkit.outputs.store.upkeep import damaged_rows

source, place = Path(sys.argv[1]).read_bytes(), Path(sys.argv[2])
resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
for offsets in json.loads(sys.stdin.read()):
    signal.alarm(60)
    damaged = bytearray(source)
    for offset, mask in offsets:
        damaged[offset] ^= mask
    place.write_bytes(damaged)
    try:
        told = bool(list(damaged_rows(Reader(place))))
    except InputError:
        told = True
    print(json.dumps([offsets, told]), flush=True)
"""


def after_flips(path: Path, flips: list[list[tuple[int, int]]]) -> list[bool]:
    """Whether damage is told after each of these, in a process that may crash."""
    done = subprocess.run(
        [sys.executable, "-c", FLIPS, path, path.with_name("flipped.h5")],
        input=json.dumps(flips).encode(), capture_output=True, timeout=PATIENCE,
    )  # fmt: skip
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, f"after {flips[len(lines)]}: {done.stderr.decode()[-2000:]}"
    return [told for _, told in lines]


def filled_places(path: Path) -> np.ndarray:
    """The offsets of bytes that mean something, and of those beside them."""
    used = np.flatnonzero(np.frombuffer(path.read_bytes(), np.uint8))
    near = (used[:, None] + np.arange(-16, 17)).ravel()
    return np.unique(near[(near >= 0) & (near < path.stat().st_size)])


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.soak)])
def test_flipped_bytes_anywhere_are_no_more_than_an_error(tmp_path: Path, seed: int) -> None:
    path = fill(tmp_path / "x.h5", numbered(0, 40))
    places = filled_places(path)
    rng = np.random.default_rng(seed)
    count = 20_000 if seed else 600
    single = [[(int(rng.choice(places)), int(rng.integers(1, 256)))] for _ in range(count)]
    several = [
        [(int(place), int(rng.integers(1, 256))) for place in rng.choice(places, 20)]
        for _ in range(count // 10)
    ]
    told = after_flips(path, single + several)
    assert sum(told) > len(told) / 2


def test_one_flipped_byte_of_a_vector_or_a_path_is_always_told(tmp_path: Path) -> None:
    path = fill(tmp_path / "x.h5", numbered(0, 40))
    content = path.read_bytes()
    with h5py.File(path) as file:
        begin = file["img_emb"].id.get_chunk_info(0).byte_offset
        end = begin + file["img_emb"].size * 4
        names = file["paths"][:].tolist()
    places = [*range(begin, end)]
    for name in names:
        at = content.index(b"\0" + name + b"\0") + 1
        places += range(at, at + len(name))
    rng = np.random.default_rng(0)
    flips = [[(int(at), 1 << int(rng.integers(8)))] for at in rng.choice(places, 500)]
    assert all(after_flips(path, flips))
