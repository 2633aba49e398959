"""What is written down of one picture beside its vector."""

import hashlib
import os
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnkit.outputs.store import layout


@dataclass(frozen=True, slots=True)
class Facts:
    """What a picture's file was when it was read: hex sha256, bytes, time in nanoseconds."""

    sha256: str
    size: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class NewRow:
    """A picture for the store; `vector` is float32 (D,), or None where its content is known."""

    path: str
    facts: Facts
    vector: NDArray[np.float32] | None


def sha256_of(file: Any) -> str:
    """The content's hash in a row of `files`; in a damaged one it may be anything."""
    return bytes(file["sha256"]).decode("ascii", "replace")


def vector_is_whole(file: Any, vector: NDArray[Any]) -> bool:
    """Whether a vector (D,), in the type that it is stored in, is the one that `files` tells of."""
    return zlib.crc32(vector.tobytes()) == int(file["vector_crc32"])


def facts_are_whole(path: str, file: Any) -> bool:
    """Whether a path, and what `files` tells of it, are what was stored."""
    return layout.check_of(os.fsencode(path), file) == int(file["check"])


def described(path: str, facts: Facts, vector: NDArray[Any]) -> Any:
    """The row of `files` for a vector as it is stored."""
    norm = np.linalg.norm(vector.astype(np.float64))
    return _row(path, facts, float(norm), zlib.crc32(vector.tobytes()))


def renamed(path: str, facts: Facts, file: Any) -> Any:
    """The row of `files` for the same vector, whose picture has another path or time."""
    return _row(path, facts, float(file["norm"]), int(file["vector_crc32"]))


def _row(path: str, facts: Facts, norm: float, vector_crc32: int) -> Any:
    file = np.zeros((), layout.FILE)
    name = os.fsencode(path)
    digest = hashlib.sha256(facts.sha256.encode() + b"\0" + name).digest()
    file["id"] = int.from_bytes(digest[:8], "little") >> 1  # some indices take 63 bits
    file["size"], file["mtime_ns"], file["sha256"] = facts.size, facts.mtime_ns, facts.sha256
    file["norm"], file["vector_crc32"] = norm, vector_crc32
    file["check"] = layout.check_of(name, file)
    return file[()]


def runs(values: Mapping[int, Any]) -> Iterator[tuple[slice, list[Any]]]:
    """The values of consecutive rows together: where they go, and what they are."""
    run: list[Any] = []
    start = 0
    for row in sorted(values):
        if run and row != start + len(run):
            yield slice(start, start + len(run)), run
            run = []
        if not run:
            start = row
        run.append(values[row])
    if run:
        yield slice(start, start + len(run)), run
