"""Pixels → the bytes of a picture file."""

import sys
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnkit.errors import InputError

# The suffixes that pictures are written with, and what Pillow calls their formats.
FORMATS = {
    **dict.fromkeys((".jpg", ".jpeg", ".jpe", ".jfif"), "JPEG"),
    ".png": "PNG",
    ".webp": "WEBP",
    **dict.fromkeys((".bmp", ".dib"), "BMP"),
    **dict.fromkeys((".tif", ".tiff"), "TIFF"),
}
# Pixels a side that a format can tell.
_MOST = {"JPEG": 65_500, "WEBP": 16_383}


def encoded(pixels: NDArray[np.uint8], suffix: str, quality: int) -> bytes:
    """The file of a picture (height, width, 3), in the format that the suffix stands for.

    `quality`, 1 to 100, is that of JPEG and WebP. Raises `InputError` for a picture that is too
    large for the format.
    """
    form = FORMATS[suffix.lower()]
    most = _MOST.get(form, sys.maxsize)
    height, width, _ = pixels.shape
    if max(height, width) > most:
        raise InputError(
            f"{form} holds at most {most:,} pixels a side. Received: {width:,}x{height:,}."
        )
    return _jpeg(pixels, quality) if form == "JPEG" else _other(pixels, form, quality)


def _jpeg(pixels: NDArray[np.uint8], quality: int) -> bytes:
    """By OpenCV: Pillow would keep Python's lock meanwhile, and other threads waiting."""
    import cv2

    settings: tuple[Any, ...] = (cv2.IMWRITE_JPEG_QUALITY, quality)
    whole, data = cv2.imencode(".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), settings)
    if not whole:
        raise InputError("It cannot be encoded as JPEG.")
    return data.tobytes()


def _other(pixels: NDArray[np.uint8], form: str, quality: int) -> bytes:
    from PIL import Image

    file = BytesIO()
    # PNG takes a third of the time at this level, and 9 % more room.
    image = Image.fromarray(np.ascontiguousarray(pixels))
    image.save(file, form, quality=quality, compress_level=3)
    return file.getvalue()
