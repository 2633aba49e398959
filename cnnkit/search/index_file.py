"""The file of an index: the library's own bytes, and behind them what they are worth.

::

    the library's bytes     rows × bytes of vectors after 8 bytes of size, then the graph
    the keys                uint64, ascending
    a line of JSON          `identity`, `features`, `metric`; numbers of `keys` and `index` bytes
    the end                 CRC-32 of all but the vectors, length of the JSON, the magic word

One file says all, so that nothing can be half old and half new. The vectors are left out of the
checksum because reading them would take longer than a search, and because nothing worse than a
missed neighbour comes of a wrong one; a wrong graph would lead the library out of its memory.
"""

import json
import os
import secrets
import struct
import time
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

Keys = NDArray[np.uint64]
_MAGIC = b"cnnkit index 1\n"
_END = struct.Struct(f"<IQ{len(_MAGIC)}s")
_SIZE = struct.Struct("<II")
_CHUNK = 1 << 22
_LONGEST_JSON = 1 << 20
# Whoever wrote a part this old, in seconds, was killed.
_FORGOTTEN = 86_400


class Contents(NamedTuple):
    """What a file was made from."""

    identity: str
    features: int
    metric: str


class Damaged(Exception):
    """The file is none of ours, or not whole."""


def read(path: Path) -> tuple[Contents, Keys]:
    """What the file holds, and the keys in it, ascending.

    Raises `Damaged`, and `FileNotFoundError` where there is none.
    """
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        end = size - _END.size
        if end < _SIZE.size:
            raise Damaged("it is too short")
        file.seek(end)
        check, length, magic = _END.unpack(file.read(_END.size))
        if magic != _MAGIC or length > min(end, _LONGEST_JSON):
            raise Damaged("its end is missing")
        file.seek(end - length)
        contents, index, count = _parsed(file.read(length))
        if index + 8 * count + length != end:
            raise Damaged("its length is another")
        if _checksum(file, index, end) != check:
            raise Damaged("its checksum is another")
        file.seek(index)
        return contents, np.frombuffer(file.read(8 * count), np.uint64)


def write(path: Path, save: Callable[[str], None], contents: Contents, keys: Keys) -> None:
    """Replace the file as a whole; `save` writes the library's bytes to the name that it is given.

    Raises `OSError`; the earlier file is then as it was.
    """
    _sweep(path)
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        save(str(part))
        with part.open("r+b") as file:
            _append_end(file, contents, np.sort(keys))
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        _sync(path.parent)
    finally:
        part.unlink(missing_ok=True)


def _append_end(file: BinaryIO, contents: Contents, keys: Keys) -> None:
    index = file.seek(0, os.SEEK_END)
    said = contents._asdict() | {"keys": len(keys), "index": index}
    text = json.dumps(said).encode()
    file.write(keys.astype("<u8").tobytes())
    file.write(text)
    check = _checksum(file, index, file.tell())
    file.seek(0, os.SEEK_END)
    file.write(_END.pack(check, len(text), _MAGIC))


def _parsed(text: bytes) -> tuple[Contents, int, int]:
    try:
        said: dict[str, Any] = json.loads(text)
        contents = Contents(str(said["identity"]), int(said["features"]), str(said["metric"]))
        index, count = int(said["index"]), int(said["keys"])
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise Damaged("its description cannot be read") from error
    if index < _SIZE.size or count < 0:
        raise Damaged("its description cannot be true")
    return contents, index, count


def _checksum(file: BinaryIO, index: int, end: int) -> int:
    """CRC-32 of the file up to `end`, without the vectors at the beginning of its `index` bytes."""
    file.seek(0)
    head = file.read(_SIZE.size)
    rows, width = _SIZE.unpack(head)
    graph = _SIZE.size + rows * width
    if graph > index:
        raise Damaged("its vectors are missing")
    check, left = zlib.crc32(head), end - graph
    file.seek(graph)
    while left and (block := file.read(min(left, _CHUNK))):
        check, left = zlib.crc32(block, check), left - len(block)
    return check


def _sweep(path: Path) -> None:
    """Remove the parts that somebody left who was killed."""
    for part in path.parent.glob(f".{path.name}.*.part"):
        with suppress(OSError):
            if time.time() - part.stat().st_mtime > _FORGOTTEN:
                part.unlink()


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
