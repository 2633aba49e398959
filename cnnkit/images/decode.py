"""One path → one picture in RGB, or the reason why not.

The pixels are what a viewer shows: turned as the EXIF tag says, transparency over white, the first
frame of an animation, 16 bits reduced to 8.
"""

import errno
import os
import stat
import threading
from contextlib import nullcontext

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from cnnkit.records import Skipped

# Pillow reads many more, some of them by starting other programs; these are pictures, and safe.
# (An MPO is opened as the JPEG that it begins with: Pillow raises KeyError for its name here.)
FORMATS = ("JPEG", "PNG", "GIF", "BMP", "DIB", "WEBP", "TIFF", "PPM", "JPEG2000", "AVIF")
# A JPEG may be decoded at a half, a quarter or an eighth of its size as long as each side keeps
# this many times the pixels that the resizing asks for: the result then moves by less than one
# grey level on average (measured 0.6 at 2000×1500). Only where both sides divide evenly: a side
# rounded up changes the aspect, and the views with it (measured 5.8 at 2000×1501).
DRAFT_MARGIN = 2

# Beyond so many pixels a picture is decoded alone, and rows are converted strip by strip.
_GIANT = 1 << 25
_STRIP = 256
_one_giant = threading.Lock()

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


def decode(path: str, wanted: tuple[int, int] | None = None) -> Image.Image | Skipped:
    """Read a picture in mode RGB, 8 bits a channel.

    `wanted` is the size (width, height) in pixels to which the picture will be reduced; a large
    JPEG is then decoded at a fraction of its size (see `DRAFT_MARGIN`). Never raises for what the
    file holds: a `Skipped` names the reason.
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


def _read(path: str, wanted: tuple[int, int] | None) -> Image.Image:
    with Image.open(path, formats=FORMATS) as image:
        if wanted and image.format in ("JPEG", "MPO"):
            image.draft(None, _reduced(*image.size, DRAFT_MARGIN * max(wanted)))
        # Memory for one giant at a time, however many threads decode.
        giant = image.width * image.height > _GIANT
        with _one_giant if giant else nullcontext():
            image.load()
            return to_rgb(_turned(image))


def _reduced(width: int, height: int, least: int) -> tuple[int, int]:
    """The size at the largest of JPEG's fractions that leaves `least` pixels on either side."""
    for scale in (8, 4, 2):
        if width % scale == height % scale == 0 and min(width, height) >= scale * least:
            return width // scale, height // scale
    return width, height


def _turned(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # a broken EXIF block is no reason to lose the picture
        return image


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
