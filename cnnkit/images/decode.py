"""One path → one picture in RGB, or the reason why not.

The pixels are what a viewer shows: turned as the EXIF tag says, transparency over white, the first
frame of an animation, 16 bits reduced to 8.
"""

import errno
import os
import stat
import threading
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from cnnkit.records import Skipped

# Pillow reads many more, some of them by starting other programs; these are pictures, and safe.
# (An MPO is opened as the JPEG that it begins with: Pillow raises KeyError for its name here.)
FORMATS = ("JPEG", "PNG", "GIF", "BMP", "DIB", "WEBP", "TIFF", "PPM", "JPEG2000", "AVIF")
# A JPEG may be decoded at a half, a quarter or an eighth of its size as long as each side keeps
# this many times the pixels that the resizing asks for: photographs then move by less than one
# grey level on average. Measured on 200, bicubic, in the mean (and the worst of them): 0.4 (1.9)
# at 2.1 times the pixels, 0.7 (2.4) at 1.5 times, 1.7 (7.6) where just enough remain.
DRAFT_MARGIN = 2

# Beyond so many pixels a picture is decoded alone, and rows are converted strip by strip.
_GIANT = 1 << 25
_STRIP = 256
_one_giant = threading.Lock()

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# The orientations that bring the last column as stored to the left, or the last row to the top
# (columns and rows of the upright picture: 5 to 8 make the one of the other).
_TO_THE_LEFT, _TO_THE_TOP, _SIDEWAYS = (2, 3, 6, 7), (3, 4, 7, 8), (5, 6, 7, 8)

_FOREIGN = {
    b"%PDF": "a PDF",
    b"<": "an HTML, XML or SVG text",
    b"PK\x03\x04": "a ZIP archive",
    b"\x1f\x8b": "a gzip archive",
    b"\x89HDF": "an HDF5 file",
    b"8BPS": "a Photoshop file",
}
_SYSTEM = {
    errno.ENOENT: ("missing", "no such file"),
    errno.ENOTDIR: ("missing", "no such file"),
    errno.EACCES: ("permission", "no permission to read it"),
    errno.EPERM: ("permission", "no permission to read it"),
    errno.ENAMETOOLONG: ("missing", "no such file: the name is too long"),
    errno.ELOOP: ("missing", "its links lead in a circle"),
}


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture in mode RGB, 8 bits a channel, perhaps decoded at a fraction of its size.

    `size` is the (width, height) in pixels that it has in full. `extent` is the part of `image`
    that it takes up, (left, top, right, bottom) in pixels of `image`: where a side does not divide
    by the fraction, one edge of `image` lies up to a pixel beyond the picture.
    """

    image: Image.Image
    size: tuple[int, int]
    extent: tuple[float, float, float, float]


def decode(path: str) -> Image.Image | Skipped:
    """Read a picture in full, in mode RGB, 8 bits a channel.

    Never raises for what the file holds: a `Skipped` names the reason.
    """
    picture = decode_reduced(path, None)
    return picture if isinstance(picture, Skipped) else picture.image


def decode_reduced(path: str, wanted: tuple[int, int] | None) -> Picture | Skipped:
    """Read a picture that will be reduced to the size `wanted`, (width, height) in pixels.

    A large JPEG is decoded at a fraction of its size (see `DRAFT_MARGIN`); with None nothing is.
    Never raises for what the file holds: a `Skipped` names the reason.
    """
    try:
        status = os.stat(path)
    except ValueError:  # NUL, or a surrogate that stands for no byte: only a jsonl list has those
        return Skipped(path, "missing", "no such file: no file can have this name")
    except OSError as error:
        return _unreadable(path, error)
    try:
        if not stat.S_ISREG(status.st_mode):
            return _not_a_file(path, status.st_mode)
        if status.st_size == 0:
            return Skipped(path, "empty", "the file has no content")
        return _read(path, wanted)
    except UnidentifiedImageError:
        return Skipped(path, "format", _unknown_format(path))
    except MemoryError:
        return Skipped(path, "too_large", "there is not enough memory for the picture")
    except Image.DecompressionBombError:
        limit = 2 * (Image.MAX_IMAGE_PIXELS or 0) // 1_000_000
        return Skipped(path, "too_large", f"the picture has more than {limit} million pixels")
    except OSError as error:
        return _unreadable(path, error)
    except Exception as error:  # a decoder may raise anything on bytes made to break it
        reason = str(error) or type(error).__name__
        return Skipped(path, "damaged", f"the picture cannot be decoded ({reason})")


def pixel_count(path: str) -> int:
    """How many pixels a picture has, as its file's head says; 0 where it cannot be read."""
    try:
        with Image.open(path, formats=FORMATS) as image:
            return image.width * image.height
    except Exception:  # of a hundred kinds: see `decode_reduced`
        return 0


def _read(path: str, wanted: tuple[int, int] | None) -> Picture:
    with Image.open(path, formats=FORMATS) as image:
        size, scale = image.size, _reduce(image, wanted)
        # Memory for one giant at a time, however many threads decode.
        giant = image.width * image.height > _GIANT
        with _one_giant if giant else nullcontext():
            image.load()
            return _upright(image, size, scale)


def _reduce(image: Image.Image, wanted: tuple[int, int] | None) -> int:
    """Have a JPEG decoded at the largest fraction that leaves enough; 2 stands for a half."""
    if wanted is None:
        return 1
    for scale in (8, 4, 2):
        if min(image.size) >= scale * DRAFT_MARGIN * max(wanted):
            # Other formats have no draft, and a JPEG that cannot be drafted answers None too.
            drafted = image.draft(None, (image.width // scale, image.height // scale))
            return scale if drafted else 1
    return 1


def _upright(image: Image.Image, size: tuple[int, int], scale: int) -> Picture:
    """Turn a decoded picture, and its true size and extent with it, as the EXIF tag says."""
    turn = _orientation(image)
    if turn in _TURNS:  # a picture that stands upright is not copied
        image = image.transpose(_TURNS[turn])
    width, height = size[::-1] if turn in _SIDEWAYS else size
    # The reduced size is rounded up: its last column and row, as stored, are partly beyond.
    across, down = width / scale, height / scale
    left = image.width - across if turn in _TO_THE_LEFT else 0.0
    top = image.height - down if turn in _TO_THE_TOP else 0.0
    return Picture(to_rgb(image), (width, height), (left, top, left + across, top + down))


def _orientation(image: Image.Image) -> int:
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation)
        return orientation if orientation in _TURNS else 1
    except Exception:  # a broken EXIF block is no reason to lose the picture
        return 1


def to_rgb(image: Image.Image) -> Image.Image:
    """Any of Pillow's modes → RGB, 8 bits a channel, transparency over white."""
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode.startswith(("I", "F")):
        image = _to_eight_bits(image)
    if image.has_transparency_data:
        return _over_white(image)
    return image.convert("RGB")


def _over_white(image: Image.Image) -> Image.Image:
    whole = Image.new("RGB", image.size)
    for top in range(0, image.height, _STRIP):  # a copy of a strip costs less than one of all
        strip = image.crop((0, top, image.width, min(top + _STRIP, image.height))).convert("RGBA")
        ground = Image.new("RGBA", strip.size, "white")
        whole.paste(Image.alpha_composite(ground, strip).convert("RGB"), (0, top))
    return whole


def _to_eight_bits(image: Image.Image) -> Image.Image:
    """Grey levels beyond 8 bits → 0..255, by the range that the mode and the values tell."""
    values = np.array(image)
    if isinstance(image.info.get("transparency"), int):  # the level that a 16-bit PNG sees through
        values[values == image.info["transparency"]] = 65535
    low, high = float(values.min()), float(values.max())  # NaN where any value is
    if not (low >= 0 and high <= 65535):
        raise ValueError(f"grey levels from {low:g} to {high:g}; expected 0 to 65535")
    factor = 1.0
    if image.mode.startswith("I;16") or high > 255:
        factor = 1 / 257
    elif image.mode == "F" and high <= 1:
        factor = 255.0
    levels = np.empty(values.shape, np.uint8)
    for top in range(0, len(values), _STRIP):
        part = values[top : top + _STRIP].astype(np.float64) * factor
        levels[top : top + _STRIP] = np.rint(part)
    return Image.fromarray(levels)


def _not_a_file(path: str, mode: int) -> Skipped:
    if stat.S_ISDIR(mode) and not os.access(path, os.R_OK | os.X_OK):
        return Skipped(path, "permission", "no permission to read the folder")
    if stat.S_ISDIR(mode):
        return Skipped(
            path, "folder", "it is a folder; name it as an argument to take its pictures"
        )
    return Skipped(path, "not_a_file", "it is a device, a pipe or a socket, not a file")


def _unreadable(path: str, error: OSError) -> Skipped:
    if error.errno in _SYSTEM:
        return Skipped(path, *_SYSTEM[error.errno])
    if error.errno is None and "truncated" in str(error):
        return Skipped(path, "truncated", f"the file ends too early ({error})")
    kind = "damaged" if error.errno is None else "unreadable"
    return Skipped(path, kind, f"the picture cannot be read ({error.strerror or error})")


def _unknown_format(path: str) -> str:
    try:
        with open(path, "rb") as file:  # noqa: PTH123 — a Path would not carry every name
            head = file.read(32)
    except OSError:  # it went away meanwhile
        head = b""
    seems = next((what for mark, what in _FOREIGN.items() if head.lstrip().startswith(mark)), "")
    if head[4:8] == b"ftyp":
        seems = "a HEIC picture or a video: convert it to JPEG first"
    return f"not a picture in a known format{f'; it looks like {seems}' if seems else ''}"
