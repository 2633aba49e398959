"""Files that hold pictures, and what comes out of them."""

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cnnkit.images.decode import decode
from cnnkit.records import Skipped


def encoded(image: Image.Image, format: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def written(folder: Path, content: bytes, name: str = "picture") -> str:
    path = folder / name
    path.write_bytes(content)
    return str(path)


def decoded(path: str, wanted: tuple[int, int] | None = None) -> Image.Image:
    image = decode(path, wanted)
    assert isinstance(image, Image.Image), image
    assert image.mode == "RGB"
    return image


def kind(path: str) -> str:
    skipped = decode(path)
    assert isinstance(skipped, Skipped), skipped
    assert skipped.path == path
    assert len(skipped.message) > 5
    assert "()" not in skipped.message
    return skipped.kind


def levels(image: Image.Image) -> NDArray[np.int64]:
    return np.asarray(image).astype(np.int64)


def distance(one: Image.Image, other: Image.Image) -> float:
    """The mean difference in grey levels."""
    assert one.size == other.size
    return float(np.abs(levels(one) - levels(other)).mean())


def png(width: int, height: int, depth: int, color: int, rows: bytes, *more: bytes) -> bytes:
    """A PNG by hand; `more` are whole chunks that stand before the pixels."""
    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    chunks = [chunk(b"IHDR", header), *more, chunk(b"IDAT", zlib.compress(rows, 9))]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks) + chunk(b"IEND", b"")


def chunk(name: bytes, content: bytes) -> bytes:
    crc = struct.pack(">I", zlib.crc32(name + content))
    return struct.pack(">I", len(content)) + name + content + crc
