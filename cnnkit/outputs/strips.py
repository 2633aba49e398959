"""What a gallery and a contact sheet show: a picture, and beside it those that belong to it."""

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

# What cannot be seen, or turns around how the rest of a name is read (U+202E and its kin), and the
# backslash that the escapes begin with. The joiners of emoji and of Persian stay.
_UNSEEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\\\\\xad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]"
)
_FRAME = (255, 64, 0)


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture in RGB, its path (None where none is known), and what is said of it.

    Where `image` is None the picture cannot be had, and `note` says why in its place.
    """

    path: str | None
    caption: str
    image: Image.Image | None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Strip:
    """A query and its neighbours, nearest first, or a kept picture and its redundant ones."""

    head: Shown
    others: tuple[Shown, ...] = ()


def readable(text: str) -> str:
    r"""The text with all that is unseen as escapes: `\n`, `\u202e`, `\xff` for a byte not UTF-8."""
    return _UNSEEN.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    if 0xDC80 <= code <= 0xDCFF:  # how Python holds a byte of a name that is no UTF-8
        return f"\\x{code - 0xDC00:02x}"
    return match[0].encode("unicode_escape").decode("ascii")


def shortened(text: str, longest: int) -> str:
    """At most `longest` characters: the beginning and the end, where names tell most."""
    if len(text) <= longest:
        return text
    tail = longest // 2
    return f"{text[: longest - 1 - tail]}…{text[len(text) - tail :]}"


def within(image: Image.Image, side: int, *, enlarge: bool = False) -> Image.Image:
    """The picture in RGB, its longest side at most `side` pixels, or as long with `enlarge`."""
    rgb = image if image.mode == "RGB" else image.convert("RGB")
    factor = side / max(rgb.size)
    if factor == 1 or (factor > 1 and not enlarge):
        return rgb
    # A strip of 1 × 60000 keeps a pixel of its width.
    width, height = (max(1, round(length * factor)) for length in rgb.size)
    return rgb.resize((width, height), Image.Resampling.BICUBIC, reducing_gap=3.0)


def framed(image: Image.Image, boxes: NDArray[np.float64]) -> Image.Image:
    """A copy of the picture with a frame around each box (n, 4).

    A box is left, top, right and bottom as shares of the picture's width and height.
    """
    image = image.copy()
    draw = ImageDraw.Draw(image)
    for left, top, right, bottom in boxes * (image.size * 2):
        far = max(right - 1, left), max(bottom - 1, top)
        draw.rectangle((left, top, *far), outline=_FRAME, width=2)
    return image
