"""Files that hold pictures, and what comes out of them."""

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cnnkit.images.decode import Picture, decode, decode_reduced
from cnnkit.records import Skipped

ORIENTATION = 0x0112
# What was done to the upright picture before it was stored, by the tag that undoes it.
STORED_AS = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def encoded(image: Image.Image, format: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def written(folder: Path, content: bytes, name: str = "picture") -> str:
    path = folder / name
    path.write_bytes(content)
    return str(path)


def turned(upright: Image.Image, orientation: int, format: str, **options: Any) -> bytes:
    """A file that stores the picture in another way, and says so in its EXIF block."""
    how = STORED_AS[orientation]
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    stored = upright if how is None else upright.transpose(how)
    return encoded(stored, format, exif=exif, **options)


def decoded(path: str) -> Image.Image:
    image = decode(path)
    assert isinstance(image, Image.Image), image
    assert image.mode == "RGB"
    return image


def reduced(path: str, wanted: tuple[int, int] | None) -> Picture:
    picture = decode_reduced(path, wanted)
    assert isinstance(picture, Picture), picture
    assert picture.image.mode == "RGB"
    return picture


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
