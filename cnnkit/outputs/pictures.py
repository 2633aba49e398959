"""Answers drawn onto pictures."""

import os
import secrets
from bisect import bisect_right
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from PIL import ExifTags, Image, ImageDraw, ImageFont

from cnnkit.errors import OutputError

_KEPT_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
_LEAST_WIDTH, _TALLEST = 240, 2048
_GROUND, _BAR, _INK = (24, 24, 27), (37, 99, 235), (250, 250, 250)

Font = ImageFont.ImageFont | ImageFont.FreeTypeFont


def annotate(image: Image.Image, lines: Sequence[tuple[str, float]]) -> Image.Image:
    """A copy of an RGB picture with a panel below it: each label, its score, and a bar for it.

    `lines` are (label, score in 0..1). The picture itself is not covered; one narrower than a
    label can be read is enlarged.
    """
    if image.width < _LEAST_WIDTH:
        # A strip of 1 × 60000 must not become a bomb: it gets a margin instead.
        factor = min(_LEAST_WIDTH / image.width, max(1, _TALLEST / image.height))
        image = image.resize((round(image.width * factor), max(1, round(image.height * factor))))
    width = max(image.width, _LEAST_WIDTH)
    size = max(13, min(width, image.height) // 22)
    font = ImageFont.load_default(size)
    row, edge = round(size * 1.6), round(size * 0.6)
    height = row * len(lines) + edge if lines else 0
    page = Image.new("RGB", (width, image.height + height), _GROUND)
    page.paste(image)
    draw = ImageDraw.Draw(page)
    for i, (label, score) in enumerate(lines):
        top = image.height + edge // 2 + i * row
        length = round((width - 2 * edge) * score)
        draw.rectangle((edge, top + row - 4, edge + max(length, 1), top + row - 2), fill=_BAR)
        number = f"{score:.2f}"
        right = width - edge - draw.textlength(number, font)
        room = right - 2 * edge
        words = " ".join(label.replace("_", " ").split())
        draw.text((edge, top), fitted(draw, words, font, room), _INK, font)
        draw.text((right, top), number, _INK, font)
    return page


def annotated_path(folder: str, path: str) -> str:
    """Where the copy of `path` goes below `folder`: the same relative place, a suffix we write."""
    drive_less = os.path.splitdrive(path)[1]
    parts = [p for p in drive_less.split(os.sep) if p not in ("", os.curdir)]
    safe = ["_" if part == os.pardir else part for part in parts] or ["_"]
    stem, suffix = os.path.splitext(safe[-1])
    last = safe[-1] if suffix.lower() in _KEPT_SUFFIXES else f"{stem}{suffix}.png"
    return os.path.join(folder, *safe[:-1], last)


def save_picture(image: Image.Image, path: str, source: str = "", *, mark: str = "") -> None:
    """Write a picture, whole or not at all, in the format of its suffix.

    `mark` is kept in the file as the name of the software that made it; see `marked`.
    Raises `OutputError` where it cannot be written, or where `path` is the file `source`.
    """
    if source and os.path.exists(path) and os.path.samefile(path, source):
        raise OutputError(f"{path!r} is the picture itself. Expected another folder to write to.")
    target = Path(path)
    # A name of its own length: one made from the target's could be longer than names may be.
    part = target.with_name(f".{secrets.token_hex(8)}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        image.save(part, format=_format(target.suffix), quality=92, **_noted(mark))
        part.replace(target)
    except (OSError, ValueError) as error:  # ValueError: more pixels than the format can hold
        reason = (isinstance(error, OSError) and error.strerror) or error
        raise OutputError(f"{path!r} cannot be written: {reason}.") from error
    finally:
        with suppress(OSError, ValueError):
            part.unlink()


def marked(path: str, mark: str) -> bool:
    """Whether the file is a picture that `save_picture` wrote with this mark."""
    try:
        with Image.open(path, formats=("PNG", "JPEG", "WEBP")) as image:
            return image.getexif().get(ExifTags.Base.Software) == mark
    except Exception:  # whatever lies there, it is not what we wrote
        return False


def _noted(mark: str) -> dict[str, Any]:
    if not mark:
        return {}
    exif = Image.Exif()
    exif[ExifTags.Base.Software] = mark
    return {"exif": exif}


def _format(suffix: str) -> str:
    return {".png": "PNG", ".webp": "WEBP"}.get(suffix.lower(), "JPEG")


def _beginning(text: str, longest: int) -> str:
    return text[: longest - 1].rstrip() + "…"


def fitted(
    draw: ImageDraw.ImageDraw,
    text: str,
    font: Font,
    room: float,
    cut: Callable[[str, int], str] = _beginning,
) -> str:
    """The text, shortened until it fits into `room` pixels; `cut` makes it so many characters."""
    if draw.textlength(text, font) <= room:
        return text
    lengths = range(1, len(text) + 1)
    fitting = bisect_right(
        lengths, room, key=lambda length: draw.textlength(cut(text, length), font)
    )
    return cut(text, max(1, fitting))
