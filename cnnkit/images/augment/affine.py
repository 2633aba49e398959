"""Moves a picture's pixels: one affine map, one interpolation.

The matrix is Keras's own (`apply_affine_transform` of keras.src.legacy.preprocessing.image): for
every output pixel it names the place in the input, as rotation · shift · shear · zoom about the
centre. Two habits of that function are kept, since the numbers are to be its numbers:

* Its first axis is the column. So `tx`, which get_random_transform draws from height_shift_range,
  moves a picture sideways, and `ty` moves it up or down.
* Its centre is (height / 2 - 0.5, width / 2 - 0.5) in that order of axes. It is the centre of a
  square picture; a long one turns about a point beside its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnkit.errors import UsageError
from cnnkit.images.augment.draw import Drawn
from cnnkit.images.augment.parameters import Augmentation
from cnnkit.images.augment.scratch import TILE, scratch

Pixels = NDArray[np.uint8]
Values = NDArray[np.float32]
Places = NDArray[np.float64]

# OpenCV's remap refuses sides that a signed 16-bit number does not hold.
_LONGEST = 32766
# Pixels of a picture that is held in float32 as a whole, 12 bytes each.
_FEW = 1 << 20


def matrix(drawn: Drawn, height: int, width: int) -> Places:
    """The map from output to input places, float64 (3, 3), on (column, row, 1) columns."""
    theta, shear = np.deg2rad(drawn.theta), np.deg2rad(drawn.shear)
    sine, cosine = np.sin(theta), np.cos(theta)
    rotation = np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]])
    shift = np.array([[1, 0, drawn.tx], [0, 1, drawn.ty], [0, 0, 1]])
    slant = np.array([[1, -np.sin(shear), 0], [0, np.cos(shear), 0], [0, 0, 1]])
    zoom = np.array([[drawn.zx, 0, 0], [0, drawn.zy, 0], [0, 0, 1]])
    first, second = height / 2 - 0.5, width / 2 - 0.5
    to_centre = np.array([[1, 0, first], [0, 1, second], [0, 0, 1]])
    back = np.array([[1, 0, -first], [0, 1, -second], [0, 0, 1]])
    product: Places = to_centre @ (rotation @ shift @ slant @ zoom) @ back
    return product


def warped(
    pixels: Pixels,
    drawn: Drawn,
    augmentation: Augmentation,
    *,
    truncated: float | None = None,
    passing: bool = False,
) -> Values:
    """Turn, shift, shear and zoom a picture in one interpolation.

    Orders 0 and 1 reproduce `scipy.ndimage.affine_transform` with every edge rule; bilinear values
    differ from its by some thousandths of a grey level. Orders 2 to 5 are that function itself.

    Args:
        pixels: uint8 (H, W, C), at least one pixel; never written into.
        drawn: the transform.
        augmentation: for fill_mode, cval and interpolation_order.
        truncated: where the caller is going to cut fractions off, the grey levels that it adds
            before. Pixels that are then so near a whole level that a thousandth would decide are
            interpolated in float64, and equal scipy's.
        passing: whether the result is done with before this thread's next call, which may then
            write over it.

    Returns:
        A new array, float32 (H, W, C); within 0 to 255 for orders 0 and 1.

    Raises:
        UsageError: for orders 2 to 5 where scipy is not installed.
    """
    if not drawn.moves:
        return pixels.astype(np.float32)
    height, width = pixels.shape[:2]
    places = matrix(drawn, height, width)
    if augmentation.interpolation_order > 1:
        return _spline(pixels, places, augmentation)
    small = height * width <= _FEW
    # Once for all tiles, which need overlapping pieces of it.
    source = scratch.picture(pixels) if small else pixels
    values = (
        scratch.result(pixels.shape) if passing and small else np.empty(pixels.shape, np.float32)
    )
    if max(height, width) <= TILE and truncated is None and _is_plain(augmentation):
        _fill_at_once(values, source, places)
        return values
    for tile in _tiles(height, width):
        _fill_tile(values[tile], source, places, tile, augmentation, truncated)
    return values


def _is_plain(augmentation: Augmentation) -> bool:
    """Whether OpenCV does it all: bilinear, with the nearest pixel beyond the edge."""
    is_bilinear = augmentation.interpolation_order == 1
    return is_bilinear and augmentation.fill_mode == "nearest" and _opencv_is_exact()


def _fill_at_once(values: Values, pixels: Pixels | Values, places: Places) -> None:
    """Write a picture of one tile, in as few steps as there can be: threads wait for each other."""
    row, column = _counted(values.shape[0])[:, None], _counted(values.shape[1])[None, :]
    maps = scratch.maps(values.shape[:2])
    for place, made in zip(places, maps, strict=False):
        np.add(place[2] + row * place[1], column * place[0], out=made, casting="same_kind")
    _remap_maps(values, pixels, maps)


@cache
def _counted(size: int) -> Places:
    return np.arange(size, dtype=np.float64)


def _tiles(height: int, width: int) -> Iterator[tuple[slice, slice]]:
    for top in range(0, height, TILE):
        for left in range(0, width, TILE):
            yield slice(top, min(top + TILE, height)), slice(left, min(left + TILE, width))


def _fill_tile(
    values: Values,
    pixels: Pixels | Values,
    places: Places,
    tile: tuple[slice, slice],
    augmentation: Augmentation,
    truncated: float | None,
) -> None:
    """Write one piece of the output, float32 (rows, columns, C)."""
    row = np.arange(tile[0].start, tile[0].stop, dtype=np.float64)[:, None]
    column = np.arange(tile[1].start, tile[1].stop, dtype=np.float64)[None, :]
    rows, columns, spare = scratch.places(values.shape[:2])
    # In scipy's order of adding: where an edge rule has a jump, the last digit decides.
    np.add(places[1, 2] + row * places[1, 1], column * places[1, 0], out=rows)
    np.add(places[0, 2] + row * places[0, 1], column * places[0, 0], out=columns)
    mode, (height, width) = augmentation.fill_mode, pixels.shape[:2]
    beyond = (rows < 0) | (rows > height - 1) if mode == "constant" else None
    if beyond is not None:
        beyond |= (columns < 0) | (columns > width - 1)
    # Wherever a place is bent back to, what it needs then lies between floor(place) and one more.
    _bend(rows, height, mode, spare)
    _bend(columns, width, mode, spare)
    _interpolate(values, pixels, rows, columns, augmentation.interpolation_order, truncated)
    if beyond is not None:
        values[beyond] = augmentation.cval


def _bend(places: Places, size: int, mode: str, spare: Places) -> None:
    """Bring places along one axis back into the picture as scipy.ndimage does, in place.

    scipy's `map_coordinate` (ni_interpolation.c). "wrap" there has a period of size - 1, "reflect"
    one of 2 · size. "constant" does no bending: what lies beyond is painted over afterwards.
    """
    if mode == "reflect":
        # A triangle wave about the edges, which lie half a pixel beyond the outermost places.
        places += 0.5
        np.divide(places, 2.0 * size, out=spare)
        np.rint(spare, out=spare)
        spare *= 2.0 * size
        places -= spare
        np.abs(places, out=places)
        places -= 0.5
    elif mode == "wrap" and size > 1:
        period = size - 1.0
        below = places + period * (np.trunc(-places / period) + 1)
        above = places - period * np.trunc(places / period)
        places[:] = np.where(places < 0, below, np.where(places > period, above, places))
    np.clip(places, 0.0, size - 1.0, out=places)


def _interpolate(
    values: Values,
    pixels: Pixels | Values,
    rows: Places,
    columns: Places,
    order: int,
    truncated: float | None,
) -> None:
    """Write the values at places within the picture; the places are changed."""
    if order == 0:
        values[:] = pixels[_whole(rows + 0.5), _whole(columns + 0.5)]
        return
    top, left = int(rows.min()), int(columns.min())
    part = pixels[top : int(rows.max()) + 2, left : int(columns.max()) + 2]
    rows -= top
    columns -= left
    if max(part.shape) > _LONGEST or not _opencv_is_exact():
        values[:] = _bilinear(part, rows, columns)
        return
    _remap(values, part, rows, columns)
    if truncated is not None:
        longest, shifted = max(part.shape), values + np.float32(truncated)
        # The darkest and the brightest value are not shifted further, so both count.
        near = _near_whole(values, longest) | _near_whole(shifted, longest)
        values[near] = _bilinear(part, rows[near], columns[near])


def _near_whole(values: Values, longest: int) -> NDArray[np.bool_]:
    """Whether float32's error in places up to `longest` could cross a whole level, (rows, columns).

    Half a unit in the last place along either axis, times the steepest edge there is.
    """
    error = 255 * float(np.spacing(np.float32(longest))) + 0.001
    near = np.abs(values - np.rint(values)) < error
    return np.asarray(near.any(axis=2), np.bool_)


@cache
def _opencv_is_exact() -> bool:
    """Whether this OpenCV interpolates at the very place, and not at the nearest 32nd of a pixel.

    OpenCV 5 does; 4.12 to 4.14 do not, and are left out, which takes twenty times as long.
    """
    ramp = np.array([[[0.0], [240.0]]], np.float32)
    thirds = np.array([[1 / 3, 2 / 3]], np.float64)
    values = np.empty((1, 2, 1), np.float32)
    _remap(values, ramp, 0 * thirds, thirds)
    return bool(np.allclose(values[0], [[80.0], [160.0]], rtol=0, atol=0.01))


def _remap(values: Values, pixels: Pixels | Values, rows: Places, columns: Places) -> None:
    """Write the bilinear values by OpenCV; sides up to `_LONGEST`."""
    maps = scratch.maps(rows.shape)
    maps[0], maps[1] = columns, rows
    _remap_maps(values, pixels, maps)


def _remap_maps(values: Values, pixels: Pixels | Values, maps: Values) -> None:
    """Write the bilinear values at columns maps[0] and rows maps[1]."""
    import cv2

    # float32 in and out: OpenCV then interpolates at the very place, and nothing is rounded twice.
    part = np.asarray(pixels, np.float32)
    made = cv2.remap(
        part, maps[0], maps[1], cv2.INTER_LINEAR, dst=values, borderMode=cv2.BORDER_REPLICATE
    )
    if made is not values:  # OpenCV makes an array of its own where it cannot use this one
        values[:] = np.asarray(made, np.float32).reshape(values.shape)


def _whole(places: Places) -> NDArray[np.intp]:
    return np.floor(places).astype(np.intp)


def _bilinear(pixels: Pixels | Values, rows: Places, columns: Places) -> Values:
    """Bilinear values in float64, added in scipy's order, then rounded to float32."""
    tops, lefts = _whole(rows), _whole(columns)
    upper, left = 1 - (rows - tops), 1 - (columns - lefts)
    bottoms = np.minimum(tops + 1, pixels.shape[0] - 1)
    rights = np.minimum(lefts + 1, pixels.shape[1] - 1)
    total: Any = 0.0
    for at_row, row_weight in ((tops, upper), (bottoms, 1 - upper)):
        for at_column, column_weight in ((lefts, left), (rights, 1 - left)):
            corner = pixels[at_row, at_column].astype(np.float64)
            total = total + corner * row_weight[..., None] * column_weight[..., None]
    return np.asarray(total, np.float32)


def _spline(pixels: Pixels, places: Places, augmentation: Augmentation) -> Values:
    """Orders 2 to 5, channel by channel, as Keras calls scipy."""
    try:
        from scipy.ndimage import affine_transform
    except ImportError as error:
        raise UsageError(
            "interpolation_order: expected 0 or 1, or scipy for splines of a higher order. "
            f"Received: {augmentation.interpolation_order}, and scipy is not installed. "
            "Type: pip install 'cnnkit[splines]'"
        ) from error
    swapped = places[[1, 0]][:, [1, 0, 2]]
    channels = [
        affine_transform(
            pixels[..., channel].astype(np.float32),
            swapped[:, :2],
            swapped[:, 2],
            order=augmentation.interpolation_order,
            mode=augmentation.fill_mode,
            cval=augmentation.cval,
        )
        for channel in range(pixels.shape[2])
    ]
    return np.stack(channels, axis=-1)
