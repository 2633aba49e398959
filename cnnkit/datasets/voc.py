"""Boxes in the XML of Pascal VOC: read, changed for a copy of the picture, and written.

The format is that of the VOC development kit (Everingham et al., The Pascal Visual Object Classes
Challenge 2007): an `annotation` with `folder`, `filename`, `size` and any number of `object`, each
with `name`, `pose`, `truncated`, `difficult`, `bndbox`, and perhaps `part`s with boxes of their
own. There, pixels are counted from 1, and xmax and ymax are inside. Here, as everywhere else in
this package, boxes are in the coordinates of pixel edges, from 0 to the width.
"""

from __future__ import annotations

import copy
import math
import os
import re
import secrets
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from cnnkit.datasets.xml_files import read_xml, writable, xml_bytes
from cnnkit.errors import InputError, OutputError

Boxes = NDArray[np.float64]
Element = ElementTree.Element

# Annotation guidelines of VOC 2007 and 2009: an object of which less than 10 to 20 % is visible is
# not labelled, and one of which more than 15 to 20 % lies outside its box is truncated.
LEAST = 0.1
WHOLE = 0.85

_SIDES = ("xmin", "ymin", "xmax", "ymax")
# Places in an object beside its boxes, which are not moved and so would be wrong in a copy.
_OTHER_PLACES = ("point", "polygon", "segmentation", "mask", "robndbox", "keypoints")
_MIRRORED = {"left": "Right", "right": "Left"}


@dataclass(frozen=True, slots=True)
class Labelled:
    """One box: of an object, or of a `part` of the object before it.

    `box` is (x_min, y_min, x_max, y_max) in pixel edges, as the file has it: it may reach beyond
    the picture.
    """

    name: str
    box: tuple[float, float, float, float]
    difficult: bool = False
    truncated: bool = False
    part: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Annotation:
    """A label file: what is known about it, and the tree that all the rest is kept in.

    `width` and `height` are 0 where the file does not say them. `labelled` stand in the order of
    the file, each object before its parts.
    """

    path: str
    width: int
    height: int
    labelled: tuple[Labelled, ...]
    tree: Element

    @property
    def boxes(self) -> Boxes:
        """One row per `labelled`, float64 (n, 4)."""
        return np.array([each.box for each in self.labelled], np.float64).reshape(-1, 4)


def read_boxes(path: str | os.PathLike[str]) -> Annotation:
    """Read a label file.

    Raises `InputError`, which names the reason, for a file that `read_xml` refuses, or that is not
    in the format.
    """
    name = os.fspath(path)
    root = read_xml(name)
    try:
        return _annotation(name, root)
    except ValueError as error:
        raise InputError(f"{name!r} is no Pascal VOC annotation: {error}.") from error


def check_size(annotation: Annotation, width: int, height: int) -> None:
    """Refuse labels of a picture of another size: their boxes would lie beside the objects.

    `width` and `height` are those of the picture as it is decoded, upright. Labels that name no
    size pass. Raises `InputError`.
    """
    said = (annotation.width, annotation.height)
    if 0 in said or said == (width, height):
        return
    turned = ""
    if said == (height, width):
        turned = " The labels were made before the picture was turned upright as its EXIF tag says."
    raise InputError(
        f"{annotation.path!r}: expected the boxes of a picture of {width} × {height} pixels. "
        f"Received those of one of {said[0]} × {said[1]}.{turned} Label the picture anew, or "
        "leave --boxes out."
    )


def relabelled(
    annotation: Annotation,
    boxes: Boxes,
    shares: Sequence[float] | NDArray[np.float64],
    *,
    width: int,
    height: int,
    filename: str,
    folder: str,
    mirrored: bool = False,
    upside_down: bool = False,
    least: float = LEAST,
) -> Annotation:
    """The labels of a copy.

    An object or part of which less than `least` is left is dropped, an object with all its parts;
    one of which less than `WHOLE` is left is truncated. Boxes are rounded to whole pixels and hold
    at least one. `segmented` becomes 0, for the copy has no mask; `path`, where there is one, the
    file's name; `depth` 3. A pose Left or Right follows a mirrored picture, and no pose is that of
    an object upside down. Points and outlines in objects are left out, since they are not moved.
    All other elements stay as they are.

    Args:
        annotation: the labels of the source; left alone.
        boxes: (n, 4), where its boxes lie in the copy, within 0 to width and height.
        shares: (n,), how much of each is inside the copy, 0 to 1.
        width: of the copy in pixels.
        height: of the copy in pixels.
        filename: the copy's name.
        folder: the name of the folder that it lies in.
        mirrored: whether left and right have changed places.
        upside_down: whether top and bottom have.
        least: the least share that is worth a label.
    """
    tree = copy.deepcopy(annotation.tree)
    for (parent, holder), box, share in zip(_holders(tree), boxes, shares, strict=True):
        if share < least or share <= 0:
            _remove(parent, holder)
        else:
            _place(holder, box, width, height, truncated=bool(share < WHOLE))
    for pose in tree.iterfind("object/pose"):
        pose.text = _posed(pose.text or "", mirrored, upside_down)
    _describe(tree, width, height, filename, folder)
    return _annotation(annotation.path, tree)


def as_xml(annotation: Annotation) -> bytes:
    """What `write_boxes` writes: UTF-8, the same bytes for the same labels."""
    return xml_bytes(annotation.tree)


def write_boxes(annotation: Annotation, path: str | os.PathLike[str]) -> None:
    """Write a label file, whole or not at all; raises `OutputError`."""
    target = Path(path)
    part = target.with_name(f".{secrets.token_hex(8)}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(as_xml(annotation))
        part.replace(target)
    except OSError as error:
        raise OutputError(f"{os.fspath(path)!r} cannot be written: {error.strerror}.") from error
    finally:
        with suppress(OSError):
            part.unlink()


def _annotation(path: str, root: Element) -> Annotation:
    """Raises `ValueError` with what is wrong."""
    if root.tag != "annotation":
        raise ValueError(f"expected <annotation> outermost, received <{root.tag[:60]}>")
    labelled = tuple(
        _labelled(holder, number, part=parent.tag == "object")
        for number, (parent, holder) in enumerate(_holders(root), start=1)
    )
    width, height = (_side(root, side) for side in ("width", "height"))
    return Annotation(path, width, height, labelled, root)


def _holders(root: Element) -> Iterator[tuple[Element, Element]]:
    """Every object and every part that has a box, after the element that holds it."""
    for thing in root.findall("object"):
        yield root, thing
        for part in thing.findall("part"):
            yield thing, part


def _labelled(holder: Element, number: int, *, part: bool) -> Labelled:
    """The text of one box; `number` is its place in the file, for messages."""
    name = holder.findtext("name", "").strip()
    if not name:
        raise ValueError(f"box {number} has no <name>")
    if len(holder.findall("bndbox")) > 1:
        raise ValueError(f"box {number} ({name[:60]!r}) has a second <bndbox>")
    xmin, ymin, xmax, ymax = (_number(holder, side, name) for side in _SIDES)
    if xmin > xmax or ymin > ymax:
        received = f"{xmin:g}, {ymin:g}, {xmax:g}, {ymax:g}"
        raise ValueError(f"box {number} ({name[:60]!r}) ends before it begins, received {received}")
    return Labelled(
        name=name,
        box=(xmin - 1, ymin - 1, xmax, ymax),
        difficult=_flag(holder, "difficult"),
        truncated=_flag(holder, "truncated"),
        part=part,
    )


def _number(holder: Element, side: str, name: str) -> float:
    text = holder.findtext(f"bndbox/{side}", "").strip()
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not abs(number) < 1e9:  # as NaN is not
        raise ValueError(f"expected a number in <{side}> of {name[:60]!r}, received {text[:60]!r}")
    return number


def _flag(holder: Element, tag: str) -> bool:
    return holder.findtext(tag, "").strip() == "1"


def _side(root: Element, side: str) -> int:
    text = root.findtext(f"size/{side}", "").strip()
    if not text:
        return 0
    if not re.fullmatch("[0-9]{1,9}", text):
        raise ValueError(f"expected whole pixels in <{side}>, received {text[:60]!r}")
    return int(text)


def _remove(parent: Element, child: Element) -> None:
    place = list(parent).index(child)
    if place and place == len(parent) - 1:
        parent[place - 1].tail = child.tail  # the line that closes the parent keeps its place
    parent.remove(child)


def _place(
    holder: Element, box: NDArray[np.float64], width: int, height: int, *, truncated: bool
) -> None:
    """Give an object or a part its box in the copy."""
    xmin, xmax = _pixels(box[0], box[2], width)
    ymin, ymax = _pixels(box[1], box[3], height)
    for side, value in zip(_SIDES, (xmin, ymin, xmax, ymax), strict=True):
        _set(_child(holder, "bndbox"), side, str(value))
    if truncated and (holder.find("truncated") is not None or holder.tag == "object"):
        _set(holder, "truncated", "1")
    for tag in _OTHER_PLACES:
        for other in holder.findall(tag):
            _remove(holder, other)


def _pixels(low: float, high: float, size: int) -> tuple[int, int]:
    """The first and the last pixel from edge to edge, counted from 1, at least one."""
    # Six digits: the last ones of a sine are not the same on every machine.
    first, last = (math.floor(round(float(edge), 6) + 0.5) for edge in (low, high))
    if first >= last:
        first = math.floor((low + high) / 2)
        last = first + 1
    first = min(max(first, 0), size - 1)
    return first + 1, min(max(last, first + 1), size)


def _posed(pose: str, mirrored: bool, upside_down: bool) -> str:
    if upside_down and pose.strip():
        return "Unspecified"
    return _MIRRORED.get(pose.strip().lower(), pose) if mirrored else pose


def _describe(tree: Element, width: int, height: int, filename: str, folder: str) -> None:
    """Whose labels these are: the copy's names and size."""
    _set(tree, "folder", writable(folder))
    _set(tree, "filename", writable(filename))
    if tree.find("path") is not None:
        _set(tree, "path", writable(filename))
    if tree.find("segmented") is not None:
        _set(tree, "segmented", "0")
    size = _child(tree, "size")
    for side, value in (("width", width), ("height", height), ("depth", 3)):
        _set(size, side, str(value))


def _set(parent: Element, tag: str, text: str) -> None:
    child = _child(parent, tag)
    child.text = text
    for inner in list(child):
        child.remove(inner)


def _child(parent: Element, tag: str) -> Element:
    found = parent.find(tag)
    return ElementTree.SubElement(parent, tag) if found is None else found
