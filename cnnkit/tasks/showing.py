"""Answers about pictures → a page or a sheet that shows these pictures."""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TypeVar

from cnnkit.images.decode import decode_reduced
from cnnkit.outputs.gallery import Gallery
from cnnkit.outputs.sheets import MOST_STRIPS, contact_sheet, refuse_unless_sheet, save_sheet
from cnnkit.outputs.strips import Shown, Strip, within
from cnnkit.records import Record, Skipped

_Told = TypeVar("_Told", bound=Record)
# The longest side of a picture in memory, in pixels.
_SIDE = 200
# How many are shown beside one: all of them wait in memory.
_MOST = 200


@dataclass(frozen=True, slots=True)
class Pictured:
    """One picture to be shown: its path as it is told, where it lies from here, what is said."""

    path: str | None
    place: str | None
    caption: str


# A record → its head and those that belong to it; None where there is nothing to show.
Arrange = Callable[[_Told], tuple[Pictured, list[Pictured]] | None]


def shown(
    records: Iterable[_Told],
    arrange: Arrange[_Told],
    *,
    title: str,
    gallery: str | os.PathLike[str] | None = None,
    sheet: str | os.PathLike[str] | None = None,
) -> Iterator[_Told]:
    """Hand on each record, and show it on the page `gallery`, the contact `sheet`, or both.

    The files are written when the last record is. Raises `UsageError` at once for names that are
    not of such files, and `OutputError` where one cannot be written.
    """
    page = Gallery(os.fspath(gallery), title=title) if gallery is not None else None
    if sheet is not None:
        refuse_unless_sheet(os.fspath(sheet))
    return _shown(records, arrange, page, None if sheet is None else os.fspath(sheet))


def _shown(
    records: Iterable[_Told], arrange: Arrange[_Told], page: Gallery | None, sheet: str | None
) -> Iterator[_Told]:
    kept: list[Strip] = []
    more = 0
    with page or nullcontext():
        for record in records:
            arranged = arrange(record)
            wanted = sheet is not None and len(kept) < MOST_STRIPS
            if arranged and (page or wanted):
                strip = _strip(*arranged)
                if page:
                    page.add(strip)
                if wanted:
                    kept.append(strip)
            more += arranged is not None and not wanted
            yield record
    if sheet is not None:
        save_sheet(contact_sheet(kept, more=more), sheet)


def _strip(head: Pictured, others: list[Pictured]) -> Strip:
    """The pictures, read; of a great many the first, and how many more there are."""
    strip = [_picture(each) for each in others[:_MOST]]
    if len(others) > _MOST:
        strip.append(Shown(None, "", None, f"and {len(others) - _MOST:,} more"))
    return Strip(_picture(head), tuple(strip))


def _picture(each: Pictured) -> Shown:
    if each.place is None:
        return Shown(each.path, each.caption, None, "no path is known")
    picture = decode_reduced(each.place, (_SIDE, _SIDE))
    if isinstance(picture, Skipped):
        return Shown(each.path, each.caption, None, picture.message)
    return Shown(each.path, each.caption, within(picture.image, _SIDE))
