"""Boxes around objects, moved as the pixels below them are.

A box is a row (x_min, y_min, x_max, y_max) in the coordinates of pixel edges: pixel column i
reaches from i to i + 1, a picture from 0 to its width. A turned box is no longer a rectangle. What
is returned for it is the smallest one around the part that is seen, as the Pascal VOC guidelines
ask for: the rectangle around its four corners as long as nothing is cut off, and less where the
edge of the picture cuts corners away. What fill modes repeat beyond the edge is not counted.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cnnkit.images.augment.affine import matrix
from cnnkit.images.augment.draw import Drawn

Boxes = NDArray[np.float64]
# (left, top, right, bottom), whole pixels.
Patch = tuple[int, int, int, int]
Polygon = list[tuple[float, float]]

# Of a box of which no more than this share is inside, nothing is: the rest is rounding.
_NOTHING = 1e-9


def moved_boxes(
    boxes: ArrayLike, drawn: Drawn, *, height: int, width: int, patch: Patch | None = None
) -> Boxes:
    """Where `transformed` brings the boxes of a picture.

    Args:
        boxes: (n, 4); what lies beyond the picture is left out first.
        drawn: the transform.
        height: of the picture that is transformed, in pixels.
        width: of the same.
        patch: the part of the transformed picture that is cut out of it; None for all of it.

    Returns:
        (n, 4), in the order of `boxes`, within the patch and counted from its corner. All zeros
        for a box of which nothing is inside, or which was empty before.
    """
    window = patch or (0, 0, width, height)
    rows = [
        _around(_within(image, window), window) if _share(image, window) > 0 else (0.0,) * 4
        for image in _images(boxes, drawn, height, width)
    ]
    return np.array(rows, np.float64).reshape(-1, 4)


def shares_inside(
    boxes: ArrayLike, drawn: Drawn, *, height: int, width: int, patch: Patch | None = None
) -> NDArray[np.float64]:
    """How much of each box's image lies inside the patch, by area: float64 (n,), 0 to 1.

    Arguments are those of `moved_boxes`. Of the image itself, not of the rectangle around it.
    """
    window = patch or (0, 0, width, height)
    shares = [_share(image, window) for image in _images(boxes, drawn, height, width)]
    return np.array(shares, np.float64)


def resized_boxes(boxes: ArrayLike, *, before: tuple[int, int], after: tuple[int, int]) -> Boxes:
    """The boxes (n, 4) of a picture that is stretched from one (width, height) to another."""
    resized: Boxes = _rows(boxes) * np.tile(np.divide(after, before), 2)
    return resized


def cropped_boxes(boxes: ArrayLike, patch: Patch) -> Boxes:
    """The boxes (n, 4) of a patch cut out of a picture; all zeros where nothing is inside.

    Boxes of a transformed picture are better cut by `moved_boxes` itself, which still knows their
    corners.
    """
    left, top, right, bottom = patch
    low, high = (left, top, left, top), (right, bottom, right, bottom)
    cut = np.clip(_rows(boxes), low, high) - low
    cut[_areas(cut) <= 0] = 0.0
    return cut


def _rows(boxes: ArrayLike) -> Boxes:
    return np.asarray(boxes, np.float64).reshape(-1, 4)


def _areas(boxes: Boxes) -> NDArray[np.float64]:
    sides = np.maximum(boxes[:, 2:] - boxes[:, :2], 0.0)
    return np.asarray(sides.prod(axis=1), np.float64)


def _images(boxes: ArrayLike, drawn: Drawn, height: int, width: int) -> Iterator[Polygon]:
    """The four corners of each box after the transform; none for an empty box."""
    inside = cropped_boxes(boxes, (0, 0, width, height))
    # The matrix leads from output to input and counts from the centre of the first pixel.
    forth = np.linalg.inv(matrix(drawn, height, width)) if drawn.moves else np.eye(3)
    for (left, top, right, bottom), area in zip(inside, _areas(inside), strict=True):
        x = np.array([left, right, right, left])
        y = np.array([top, top, bottom, bottom])
        if drawn.moves:
            x, y, _ = forth @ np.stack([x - 0.5, y - 0.5, np.ones(4)]) + 0.5
        x = width - x if drawn.flip_horizontal else x
        y = height - y if drawn.flip_vertical else y
        yield list(zip(x.tolist(), y.tolist(), strict=True)) if area > 0 else []


def _within(polygon: Polygon, window: Patch) -> Polygon:
    """A convex polygon's part within a window (Sutherland and Hodgman 1974); [] where none is."""
    left, top, right, bottom = window
    for axis, bound, sign in ((0, left, 1), (1, top, 1), (0, right, -1), (1, bottom, -1)):
        polygon = list(_on_one_side(polygon, axis, bound, sign))
    return polygon


def _on_one_side(
    polygon: Polygon, axis: int, bound: int, sign: int
) -> Iterator[tuple[float, float]]:
    """What lies beyond a bound along one axis, where sign is 1; what lies before it, where -1."""
    for before, point in zip(polygon[-1:] + polygon[:-1], polygon, strict=True):
        was, is_ = (sign * (place[axis] - bound) for place in (before, point))
        if (was < 0) != (is_ < 0):
            along = was / (was - is_)
            other = before[1 - axis] + along * (point[1 - axis] - before[1 - axis])
            yield (float(bound), other) if axis == 0 else (other, float(bound))
        if is_ >= 0:
            yield point


def _share(polygon: Polygon, window: Patch) -> float:
    whole = _area(polygon)
    share = _area(_within(polygon, window)) / whole if whole > 0 else 0.0
    return min(share, 1.0) if share > _NOTHING else 0.0


def _area(polygon: Polygon) -> float:
    """The area of a polygon by the shoelace formula; 0 for []."""
    if not polygon:
        return 0.0
    x, y = np.array(polygon).T
    # Counted from one of its points: far from the origin the products would lose the difference.
    x, y = x - x[0], y - y[0]
    return float(abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2)


def _around(polygon: Polygon, window: Patch) -> tuple[float, float, float, float]:
    """The rectangle around a polygon, counted from the window's corner."""
    x, y = np.array(polygon).T
    left, top, _, _ = window
    return (x.min() - left, y.min() - top, x.max() - left, y.max() - top)
