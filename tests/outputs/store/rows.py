"""Rows with known vectors, and what a store has to hold of them, looked at in every way."""

import hashlib
import os
import zlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from cnnkit.outputs.store import layout
from cnnkit.outputs.store.reading import Reader
from cnnkit.outputs.store.rows import Facts, NewRow
from cnnkit.outputs.store.writing import Writer
from cnnkit.records import Stamp
from tests.stores import STAMP

FEATURES = STAMP.features
# What each path's picture is; the rows in their order.
Rows = Mapping[str, str]


def stamp(features: int = FEATURES, dtype: str = "float32") -> Stamp:
    known: dict[str, Any] = {name: getattr(STAMP, name) for name in STAMP.__slots__}
    return Stamp(**known | {"features": features, "dtype": dtype})


def sha256(content: str) -> str:
    return hashlib.sha256(content.encode()).hexdigest()


@cache
def vector(content: str, features: int = FEATURES) -> NDArray[np.float32]:
    """The vector of a picture: a function of its content, and of nothing else."""
    rng = np.random.default_rng(zlib.crc32(content.encode()))
    return rng.random(features, np.float32)


def facts(content: str, time: int = 1) -> Facts:
    return Facts(sha256(content), len(content), time)


def new(path: str, content: str, *, features: int = FEATURES, time: int = 1) -> NewRow:
    """A row that comes with its vector."""
    return NewRow(path, facts(content, time), vector(content, features))


def known(path: str, content: str, *, time: int = 1) -> NewRow:
    """A row whose content the store has."""
    return NewRow(path, facts(content, time), None)


def numbered(first: int, last: int) -> dict[str, str]:
    return {f"gone/{number}.jpg": f"picture {number}" for number in range(first, last)}


def news(rows: Rows, features: int = FEATURES) -> list[NewRow]:
    return [new(path, content, features=features) for path, content in rows.items()]


def fill(path: Path, rows: Rows, features: int = FEATURES, dtype: str = "float32") -> Path:
    with Writer(path) as writer:
        writer.stamp = writer.stamp or stamp(features, dtype)
        writer.put(news(rows, features))
    return path


def plain(path: Path) -> dict[str, NDArray[Any]]:
    """What any program that knows HDF5 finds."""
    with h5py.File(path, "r") as file:
        return {name: file[name][:] for name in (layout.VECTORS, layout.PATHS, layout.FILES)}


def assert_plain(path: Path, rows: Rows) -> None:
    """Every dataset has exactly these rows, all of them right."""
    found = plain(path)
    assert_rows(
        rows, found[layout.VECTORS], [os.fsdecode(p) for p in found[layout.PATHS]],
        found[layout.FILES],
    )  # fmt: skip


def assert_reader(path: Path, rows: Rows) -> Reader:
    """Cnnkit's own reader finds the same."""
    reader = Reader(path)
    stored: Any = np.concatenate([block for _, block in reader.blocks]) if reader.rows else []
    assert all(reader.row_of[path] == row for row, path in enumerate(rows))
    assert reader.files is not None
    assert_rows(rows, stored, reader.paths or [], reader.files)
    return reader


def assert_rows(rows: Rows, vectors: Any, paths: list[str], files: Any) -> None:
    """Every field of every row is what its picture makes it."""
    assert paths == list(rows)
    assert len(vectors) == len(files) == len(rows)
    if not rows:
        return
    expected = np.stack([vector(content, len(vectors[0])) for content in rows.values()])
    np.testing.assert_array_equal(vectors, expected.astype(vectors[0].dtype))
    assert files["sha256"].tolist() == [sha256(content).encode() for content in rows.values()]
    assert files["size"].tolist() == [len(content) for content in rows.values()]
    assert files["vector_crc32"].tolist() == [zlib.crc32(each.tobytes()) for each in vectors]
    names = [os.fsencode(path) for path in paths]
    assert files["check"].tolist() == list(map(layout.check_of, names, files))
    norms = np.linalg.norm(np.asarray(vectors, np.float64), axis=1)
    np.testing.assert_allclose(files["norm"], norms, rtol=1e-6)
    assert len(set(files["id"].tolist())) == len(rows), "two rows have one id"
