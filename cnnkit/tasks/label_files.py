"""A picture's label file, and what becomes of it in a copy of the picture.

The labels of `images/cat.jpg` are in `images/cat.xml`, or as Pascal VOC has it in
`Annotations/cat.xml` beside the folder of pictures. Those of a copy lie beside the copy.
"""

import os
from dataclasses import dataclass
from typing import Any

from cnnkit.datasets.voc import Annotation, as_xml, check_size, read_boxes, relabelled
from cnnkit.errors import InputError
from cnnkit.images.augment.boxes import moved_boxes, resized_boxes, shares_inside
from cnnkit.images.augment.draw import Drawn
from cnnkit.images.augment.patch import Patch
from cnnkit.tasks.content import facts_of

_FOLDERS = ("Annotations", "annotations")
SUFFIX = ".xml"


@dataclass(frozen=True, slots=True)
class LabelFile:
    """A label file as it was read, and the sha256 of its bytes."""

    path: str
    content: str
    annotation: Annotation

    def output(self, picture: str) -> str:
        """The place of the labels of a copy, from the copy's own."""
        return os.path.splitext(picture)[0] + SUFFIX

    def facts(self, picture: str) -> dict[str, Any]:
        """What the manifest tells of the labels of a copy before they are written."""
        return {"source": self.path, "content": self.content, "output": self.output(picture)}

    def check(self, size: tuple[int, int]) -> None:
        """Raise `InputError` where the labels are of a picture of another (width, height)."""
        check_size(self.annotation, *size)


def label_file(picture: str) -> LabelFile:
    """Read the labels of a picture. Raises `InputError` where there are none, or not in order."""
    path = _path(picture)
    before = facts_of(path)
    annotation = read_boxes(path)
    after = facts_of(path)
    if before is None or after is None or before.sha256 != after.sha256:
        raise InputError(f"{path!r} was changed while it was read.")
    return LabelFile(path, after.sha256, annotation)


def moved_labels(
    labels: LabelFile,
    before: tuple[int, int],
    size: tuple[int, int],
    drawn: Drawn,
    patch: Patch | None,
    name: tuple[str, str],
) -> bytes:
    """The XML of a copy.

    Args:
        labels: those of the picture.
        before: the picture's (width, height) in its file.
        size: its (width, height) as it is transformed.
        drawn: the transform.
        patch: what is cut out of the transformed picture; None for all of it.
        name: the copy's folder, and its file's name.
    """
    width, height = size
    boxes = resized_boxes(labels.annotation.boxes, before=before, after=size)
    moved = moved_boxes(boxes, drawn, height=height, width=width, patch=patch)
    shares = shares_inside(boxes, drawn, height=height, width=width, patch=patch)
    left, top, right, bottom = patch or (0, 0, width, height)
    copy = relabelled(
        labels.annotation,
        moved,
        shares,
        width=right - left,
        height=bottom - top,
        filename=name[1],
        folder=name[0],
        mirrored=drawn.flip_horizontal,
        upside_down=drawn.flip_vertical,
    )
    return as_xml(copy)


def _path(picture: str) -> str:
    stem = os.path.splitext(picture)[0]
    folder, name = os.path.split(stem)
    beside = (os.path.join(folder, os.pardir, each, name + SUFFIX) for each in _FOLDERS)
    for path in (stem + SUFFIX, *beside):
        if os.path.lexists(path):
            return path
    raise InputError(
        f"no labels: expected {stem + SUFFIX!r}, or {name + SUFFIX!r} in a folder Annotations "
        "beside the picture's"
    )
