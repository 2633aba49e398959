"""One picture → the network's views of it, by fit rules that have names.

Letters: S the side that the network takes, R the side to which the picture is brought before
crops are cut (R = S · 256/224 by default), w × h the resized picture. Boxes are
(left, top, right, bottom) in pixels of the resized picture; a box that reaches beyond it shows
grey there.

Resizing is Pillow's with its antialiasing; nothing else would give every engine the same pixels.
"""

from dataclasses import dataclass
from typing import get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cnnkit.errors import UsageError
from cnnkit.records import Crops, Recipe

Box = tuple[int, int, int, int]
Size = tuple[int, int]
Pixels = NDArray[np.uint8]
# The part of an image that is the picture; not whole where a JPEG was decoded at a fraction.
Extent = tuple[float, float, float, float]

CROPS: tuple[int, ...] = get_args(Crops)
# The mean colour of ImageNet's photographs, so that a padded border says as little as possible.
PADDING = (124, 116, 104)
# Short sides of GoogLeNet's four scales, over the side that the network takes.
GOOGLENET_SCALES = ((256, 224), (288, 224), (320, 224), (352, 224))
_LARGEST_RESIZED = 1 << 24
_RESAMPLE = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
}


@dataclass(frozen=True, slots=True)
class View:
    """A cut from the picture resized to `resize` (width, height); `mirror` turns left to right."""

    resize: Size
    box: Box
    mirror: bool = False
    # GoogLeNet also looks at each whole square, reduced to the network's size.
    reduce: bool = False


def views(width: int, height: int, recipe: Recipe, crops: int = 1) -> list[View]:
    """The views of a width × height picture.

    1 is the picture under the recipe's fit; 5 the four corners and the centre of the R × R square,
    and 10 these and their mirror images (Krizhevsky et al. 2012, section 4.1); 144 is four scales
    × three squares × six cuts × two mirror images (Szegedy et al. 2015, section 7).

    Raises `UsageError` for another number, and for 144 with a fit other than `crop`.
    """
    if crops not in CROPS:
        raise UsageError(f"Expected {', '.join(map(str, CROPS))} crops. Received: {crops!r}.")
    if crops == 144:
        return _mirrored(_googlenet(width, height, recipe))
    if crops == 1:
        return [_single(width, height, recipe)]
    cuts = _corners_and_centre(width, height, recipe)
    return _mirrored(cuts) if crops == 10 else cuts


def render(
    image: Image.Image, cuts: list[View], recipe: Recipe, extent: Extent | None = None
) -> Pixels:
    """Cut the views from an RGB picture: uint8 (views, height, width, 3).

    `extent` is the part of `image` that the views are views of, in pixels; all of it by default.
    """
    extent = extent or (0, 0, *image.size)
    resized: dict[Size, Image.Image | None] = {}
    made: dict[tuple[Size, Box, bool], Pixels] = {}
    out = np.empty((len(cuts), recipe.height, recipe.width, 3), np.uint8)
    for i, view in enumerate(cuts):
        key = (view.resize, view.box, view.reduce)
        if key not in made:
            if view.resize not in resized:
                resized[view.resize] = _resized(image, extent, view.resize, recipe)
            made[key] = _cut(image, extent, resized[view.resize], view, recipe)
        out[i] = made[key][:, ::-1] if view.mirror else made[key]
    return out


def wanted_size(recipe: Recipe, crops: int = 1) -> Size | None:
    """The (width, height) that the largest resizing needs, for the decoder.

    None where every source pixel counts: `nearest` picks pixels instead of averaging them.
    """
    if recipe.interpolation == "nearest":
        return None
    margin = GOOGLENET_SCALES[-1] if crops == 144 else recipe.margin
    return _scaled(recipe.width, margin), _scaled(recipe.height, margin)


def _scaled(side: int, margin: tuple[int, int]) -> int:
    return round(side * margin[0] / margin[1])


def _short_side_to(width: int, height: int, cover: Size) -> Size:
    """The size at which the picture just covers a box, aspect kept."""
    if width * cover[1] >= height * cover[0]:
        return max(cover[0], round(width * cover[1] / height)), cover[1]
    return cover[0], max(cover[1], round(height * cover[0] / width))


def _long_side_to(width: int, height: int, inside: Size) -> Size:
    """The size at which the picture just fits into a box, aspect kept."""
    if width * inside[1] >= height * inside[0]:
        return inside[0], max(1, round(height * inside[0] / width))
    return max(1, round(width * inside[1] / height)), inside[1]


def _centre(outer: Size, inner: Size) -> Box:
    left, top = (outer[0] - inner[0]) // 2, (outer[1] - inner[1]) // 2
    return (left, top, left + inner[0], top + inner[1])


def _single(width: int, height: int, recipe: Recipe) -> View:
    size = (recipe.width, recipe.height)
    if recipe.fit == "stretch":
        return View(size, (0, 0, *size))
    if recipe.fit == "pad":
        resize = _long_side_to(width, height, size)
    else:
        margin = (_scaled(size[0], recipe.margin), _scaled(size[1], recipe.margin))
        resize = _short_side_to(width, height, margin)
    return View(resize, _centre(resize, size))


def _corners_and_centre(width: int, height: int, recipe: Recipe) -> list[View]:
    square = (_scaled(recipe.width, recipe.margin), _scaled(recipe.height, recipe.margin))
    resize = {
        "stretch": square,
        "pad": _long_side_to(width, height, square),
        "crop": _short_side_to(width, height, square),
    }[recipe.fit]
    return [View(resize, box) for box in _five(_centre(resize, square), recipe)]


def _five(square: Box, recipe: Recipe) -> list[Box]:
    """The four corners and the centre of a square."""
    left, top, right, bottom = square
    size = (recipe.width, recipe.height)
    last_left, last_top = right - size[0], bottom - size[1]
    middle = _centre((right - left, bottom - top), size)
    starts = [(left, top), (last_left, top), (left, last_top), (last_left, last_top)]
    starts.append((left + middle[0], top + middle[1]))
    return [(x, y, x + size[0], y + size[1]) for x, y in starts]


def _googlenet(width: int, height: int, recipe: Recipe) -> list[View]:
    if recipe.fit != "crop":
        raise UsageError(
            f"Expected fit 'crop' with 144 crops: they bring scales of their own. "
            f"Received: {recipe.fit!r}."
        )
    cuts = []
    for margin in GOOGLENET_SCALES:
        side = (_scaled(recipe.width, margin), _scaled(recipe.height, margin))
        resize = _short_side_to(width, height, side)
        for square in _three_squares(resize, side):
            cuts += [View(resize, box) for box in _five(square, recipe)]
            cuts.append(View(resize, square, reduce=True))
    return cuts


def _three_squares(resize: Size, side: Size) -> list[Box]:
    """Left, centre and right of a wide picture; top, centre and bottom of a tall one."""
    left, top, right, bottom = _centre(resize, side)
    across, down = resize[0] - side[0], resize[1] - side[1]
    if across >= down:
        return [(x, top, x + side[0], bottom) for x in (0, left, across)]
    return [(left, y, right, y + side[1]) for y in (0, top, down)]


def _mirrored(cuts: list[View]) -> list[View]:
    return cuts + [View(v.resize, v.box, mirror=True, reduce=v.reduce) for v in cuts]


def _resized(image: Image.Image, extent: Extent, size: Size, recipe: Recipe) -> Image.Image | None:
    """The whole picture resized; None where it is so narrow that the whole would be a bomb."""
    if size[0] * size[1] > _LARGEST_RESIZED:
        return None
    return image.resize(size, _RESAMPLE[recipe.interpolation], extent)


def _cut(
    image: Image.Image, extent: Extent, resized: Image.Image | None, view: View, recipe: Recipe
) -> Pixels:
    resample = _RESAMPLE[recipe.interpolation]
    left, top, right, bottom = view.box
    inner = (max(left, 0), max(top, 0), min(right, view.resize[0]), min(bottom, view.resize[1]))
    if inner[0] >= inner[2] or inner[1] >= inner[3]:  # all of it lies beyond the picture
        inner, part = view.box, Image.new("RGB", (right - left, bottom - top), PADDING)
    elif resized is not None:
        part = resized.crop(inner)
    else:
        part = image.resize(
            (inner[2] - inner[0], inner[3] - inner[1]), resample, _source_box(extent, view, inner)
        )
    if inner != view.box:
        ground = Image.new("RGB", (right - left, bottom - top), PADDING)
        ground.paste(part, (inner[0] - left, inner[1] - top))
        part = ground
    if view.reduce:
        part = part.resize((recipe.width, recipe.height), resample)
    return np.asarray(part)


def _source_box(extent: Extent, view: View, inner: Box) -> Extent:
    """The part of the source that becomes `inner`.

    To resize only that part is faster, but some pixels then differ by a few levels from what
    everybody else gets by resizing the whole, for Pillow may take rows before columns in the one
    and not in the other: only for pictures that cannot be had otherwise.
    """
    left, top, right, bottom = extent
    across, down = (right - left) / view.resize[0], (bottom - top) / view.resize[1]
    return (
        left + inner[0] * across,
        top + inner[1] * down,
        min(left + inner[2] * across, right),
        min(top + inner[3] * down, bottom),
    )
