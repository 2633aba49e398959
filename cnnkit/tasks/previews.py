"""Pictures beside their copies, on one sheet."""

import os
from collections.abc import Generator, Mapping
from contextlib import closing, suppress
from typing import Any

from cnnkit.datasets.voc import read_boxes
from cnnkit.errors import InputError
from cnnkit.images.decode import decode_reduced
from cnnkit.outputs.sheets import contact_sheet, save_sheet
from cnnkit.outputs.strips import Shown, Strip, framed, within
from cnnkit.records import Augmented, Skipped
from cnnkit.tasks.label_files import SUFFIX

_MOST_PICTURES, _MOST_COPIES = 12, 8
# The longest side of a picture on the sheet, in pixels.
_SIDE = 160


def previewed(
    records: Generator[Augmented | Skipped], sheet: str
) -> Generator[Augmented | Skipped]:
    """Hand on each record, and at the end write a sheet of the first pictures with their copies.

    Raises `OutputError` where it cannot be written.
    """
    shown: dict[str, list[Augmented]] = {}
    last, more = None, 0
    with closing(records):
        for record in records:
            if isinstance(record, Augmented):
                if record.path not in shown and len(shown) < _MOST_PICTURES:
                    shown[record.path] = []
                more += record.path not in shown and record.path != last
                shown.get(record.path, []).append(record)
                last = record.path
            yield record
    strips = [_strip(path, copies) for path, copies in shown.items()]
    save_sheet(contact_sheet(strips, side=_SIDE, more=more), sheet)


def _strip(path: str, copies: list[Augmented]) -> Strip:
    others = [
        _shown(copy.output, _caption(copy.line["drawn"]), _labels_beside(copy))
        for copy in copies[:_MOST_COPIES]
    ]
    if len(copies) > _MOST_COPIES:
        others.append(Shown(None, "", None, f"and {len(copies) - _MOST_COPIES:,} more"))
    labels = copies[0].line["labels"]
    return Strip(_shown(path, "", labels and labels["source"]), tuple(others))


def _labels_beside(copy: Augmented) -> str | None:
    """The label file of a copy: it has the copy's name but for the suffix."""
    return os.path.splitext(copy.output)[0] + SUFFIX if copy.line["labels"] else None


def _shown(path: str, caption: str, labels: str | None) -> Shown:
    picture = decode_reduced(path, (_SIDE, _SIDE))
    if isinstance(picture, Skipped):
        return Shown(path, caption, None, picture.message)
    image = within(picture.image, _SIDE)
    with suppress(InputError):  # labels that were changed since
        image = framed(image, read_boxes(labels).boxes / (picture.size * 2)) if labels else image
    return Shown(path, caption, image)


def _caption(drawn: Mapping[str, Any]) -> str:
    """The transform in a few words."""
    turned = drawn.get("theta", 0.0)  # a line that was edited may lack anything
    words = [f"{turned:+.0f} deg"] if abs(turned) >= 0.5 else []
    words += ["mirrored"] if drawn.get("flip_horizontal") else []
    words += ["upside down"] if drawn.get("flip_vertical") else []
    return ", ".join(words)
