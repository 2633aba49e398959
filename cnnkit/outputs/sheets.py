"""Strips of pictures → one picture of them all, a row for each.

A row: the head in its frame, then the others in their order; below each its name and its caption.
"""

import os
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from unicodedata import combining, normalize

from PIL import Image, ImageDraw, ImageFont

from cnnkit.errors import OutputError, UsageError
from cnnkit.outputs.pictures import Font, fitted, marked, save_picture
from cnnkit.outputs.strips import Shown, Strip, readable, shortened, within

# No sheet has more, so that none is a bomb: 67 million pixels where everything is at its largest,
# and neither side beyond the 16383 pixels of a WebP.
MOST_STRIPS, MOST_OTHERS = 50, 20
SIDES = range(48, 201)

_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
_MARK = "cnnkit contact sheet"
_GROUND, _CARD, _TINT, _TILE = (244, 244, 245), (255, 255, 255), (232, 240, 255), (228, 228, 231)
_FRAME, _INK, _SOFT = (37, 99, 235), (24, 24, 27), (95, 95, 105)
_GAP, _EDGE, _PAD, _THICK = 12, 16, 10, 3
# Measuring a text takes time for each of its characters; no tile has room for so many.
_LONGEST = 400


def contact_sheet(strips: Sequence[Strip], *, side: int = 160, more: int = 0) -> Image.Image:
    """The strips as rows of a sheet, each picture within a square of `side` pixels, 48 to 200.

    Of more than `MOST_STRIPS` strips, or `MOST_OTHERS` in one of them, the sheet says how many it
    leaves out; `more` is the number of those that the caller has not even prepared. Raises
    `UsageError` where `side` is out of range.
    """
    if side not in SIDES:
        raise UsageError(
            f"Expected pictures of {SIDES[0]} to {SIDES[-1]} pixels. Received: {side}."
        )
    shown = strips[:MOST_STRIPS]
    layout = _Layout(side, max((len(strip.others) for strip in shown), default=0))
    rest = len(strips) - len(shown) + more
    last = f"and {rest} more" if rest else "" if shown else "Nothing to show"
    page = Image.new("RGB", layout.page(len(shown), last=bool(last)), _GROUND)
    draw = ImageDraw.Draw(page)
    for i, strip in enumerate(shown):
        _row(page, draw, layout, strip, layout.top(i))
    if last:
        draw.text((_EDGE, layout.top(len(shown))), last, _SOFT, layout.font)
    return page


def refuse_unless_sheet(path: str) -> None:
    """Raise unless a sheet can be written to `path`: `UsageError` for a suffix not among ours.

    `OutputError` where no file can be written, or one is there that is no earlier sheet: a slip on
    the command line must not cost a picture.
    """
    if not path.lower().endswith(_SUFFIXES):
        raise UsageError(
            f"Expected a file name that ends in {', '.join(_SUFFIXES)}. Received: {path!r}."
        )
    if os.path.lexists(path) and not marked(path, _MARK):
        raise OutputError(
            f"{path!r} is there and is not a contact sheet of cnnkit's. Expected a new file."
        )
    parents = (each for each in Path(path).absolute().parents if os.path.lexists(each))
    above = next(parents, Path())
    if not (above.is_dir() and os.access(above, os.W_OK | os.X_OK)):
        raise OutputError(
            f"{path!r} cannot be written: {str(above)!r} is no folder that takes new files."
        )


def save_sheet(sheet: Image.Image, path: str) -> None:
    """Write a sheet, whole or not at all, in the format of its suffix: PNG, JPEG or WebP.

    Raises what `refuse_unless_sheet` does, and `OutputError` where it cannot be written.
    """
    refuse_unless_sheet(path)
    save_picture(sheet, path, mark=_MARK)


class _Layout:
    """Where everything goes, in pixels; (x, y) from the left and from the top."""

    def __init__(self, side: int, others: int) -> None:
        self.side = side
        self.font: Font = ImageFont.load_default(max(10, round(side / 12.5)))
        self.line = max(14, round(side / 9))
        # Where a strip has more others than are shown, a tile at its end says so.
        self.columns = 1 + min(others, MOST_OTHERS + 1)
        self.row = side + 2 * self.line + 2 * _PAD + _THICK

    def page(self, rows: int, *, last: bool) -> tuple[int, int]:
        """The sheet's width and height."""
        width = self.left(self.columns - 1) + self.side + _PAD + _EDGE
        return max(width, 2 * self.side), self.top(rows) + (self.line + _EDGE if last else 0)

    def top(self, row: int) -> int:
        """Where a row begins."""
        return _EDGE + row * (self.row + _GAP)

    def left(self, column: int) -> int:
        """Where a picture of that column begins; there is more room after the first one."""
        return _EDGE + _PAD + column * (self.side + _GAP) + (2 * _PAD if column else 0)


def _row(
    page: Image.Image, draw: ImageDraw.ImageDraw, layout: _Layout, strip: Strip, top: int
) -> None:
    bottom = top + layout.row - 1
    draw.rectangle((_EDGE, top, page.width - _EDGE - 1, bottom), fill=_CARD)
    draw.rectangle((_EDGE, top, layout.left(0) + layout.side + _PAD - 1, bottom), fill=_TINT)
    for column, shown in enumerate((strip.head, *islice(strip.others, MOST_OTHERS))):
        _cell(page, draw, layout, shown, (layout.left(column), top + _PAD))
    left, upper = layout.left(0), top + _PAD
    right, lower = left + layout.side - 1, upper + layout.side - 1
    frame = (left - _THICK, upper - _THICK, right + _THICK, lower + _THICK)
    draw.rectangle(frame, outline=_FRAME, width=_THICK)
    rest = len(strip.others) - MOST_OTHERS
    if rest > 0:
        place = (layout.left(layout.columns - 1), top + _PAD)
        _cell(page, draw, layout, Shown(None, "", None, f"and {rest} more"), place)


def _cell(
    page: Image.Image,
    draw: ImageDraw.ImageDraw,
    layout: _Layout,
    shown: Shown,
    place: tuple[int, int],
) -> None:
    """One picture in its square, and what is said of it below."""
    left, top = place
    side = layout.side
    draw.rectangle((left, top, left + side - 1, top + side - 1), fill=_TILE)
    if shown.image:
        image = within(shown.image, side, enlarge=True)
        page.paste(image, (left + (side - image.width) // 2, top + (side - image.height) // 2))
    else:
        _note(draw, layout, shown.note or "no picture", place)
    name = shown.path.rpartition("/")[2] if shown.path else ""
    below = [(_drawable(name), _INK), (_drawable(shown.caption), _SOFT)]
    y = top + side + _THICK + 2
    for text, colour in below:
        if text:
            line = fitted(draw, text, layout.font, side, shortened)
            draw.text((left, y), line, colour, layout.font)
            y += layout.line


def _note(draw: ImageDraw.ImageDraw, layout: _Layout, note: str, place: tuple[int, int]) -> None:
    """The reason why there is no picture, in the middle of its tile."""
    room = layout.side - 2 * _PAD
    lines = _wrapped(draw, _drawable(note), layout.font, room)
    lines = lines[: layout.side // layout.line]
    y = place[1] + (layout.side - len(lines) * layout.line) // 2
    for line in lines:
        x = place[0] + (layout.side - draw.textlength(line, layout.font)) / 2
        draw.text((x, y), line, _SOFT, layout.font)
        y += layout.line


def _wrapped(draw: ImageDraw.ImageDraw, text: str, font: Font, room: float) -> list[str]:
    """The words in lines of at most `room` pixels; a longer word is shortened."""
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and draw.textlength(longer, font) <= room:
            lines[-1] = longer
        else:
            lines.append(fitted(draw, word, font, room, shortened))
    return lines


def _drawable(text: str) -> str:
    """The text in what letters the font has: little but ASCII; the others come out as boxes."""
    letters = normalize("NFKD", shortened(readable(text), _LONGEST))
    return "".join(letter for letter in letters if not combining(letter))
