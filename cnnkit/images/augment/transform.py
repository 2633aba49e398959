"""One picture and one drawn transform → the picture's copy."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance

from cnnkit.images.augment.affine import warped
from cnnkit.images.augment.draw import Drawn
from cnnkit.images.augment.parameters import Augmentation

Values = NDArray[np.float32]
Level = TypeVar("Level", np.uint8, np.float32)


def transformed(
    pixels: NDArray[np.uint8], drawn: Drawn, augmentation: Augmentation
) -> NDArray[np.uint8]:
    """The transform of a picture, rounded once to whole grey levels.

    Args and errors are those of `transformed_float`. Returns a new array, uint8 (H, W, 3), within
    0.51 of a grey level of what ImageDataGenerator.apply_transform gives for the same picture.
    """
    if augmentation.interpolation_order > 1 or drawn.brightness is not None:
        values = _unflipped(pixels, drawn, augmentation, passing=True)
        np.rint(values, out=values)
        # Splines overshoot at sharp edges; the other orders stay within the picture's own values.
        np.clip(values, 0.0, 255.0, out=values)
        whole = values.astype(np.uint8)
    else:
        values = warped(pixels, drawn, augmentation, passing=True)
        whole = _rounded(values, drawn.channel_shift_intensity or 0.0)
    # Whole levels are mirrored last: they are a quarter of the bytes.
    return _flipped(whole, drawn)


def _rounded(values: Values, shift: float) -> NDArray[np.uint8]:
    """Shift all channels within the picture's own range, and round, in few passes.

    Rounding keeps order, so that the range can be kept to after it.
    """
    import cv2

    whole = np.asarray(cv2.add(values, np.full(4, shift), dtype=cv2.CV_8U), np.uint8)
    if shift:
        darkest, brightest, _, _ = cv2.minMaxLoc(values.reshape(len(values), -1))
        np.clip(whole, round(darkest), round(brightest), out=whole)
    return whole.reshape(values.shape)


def transformed_float(
    pixels: NDArray[np.uint8], drawn: Drawn, augmentation: Augmentation
) -> NDArray[np.float32]:
    """The transform of a picture as ImageDataGenerator.apply_transform gives it.

    In Keras's order: the affine map (`affine.warped`), the channel shift, the flips, brightness.
    All fill modes with nearest and bilinear interpolation are computed here; splines of order 2
    to 5 by scipy, which Keras calls too. Threads may call this at the same time. OpenCV's number of
    threads is the process's and is left alone here; whoever runs several workers sets it to 1
    (`cv2.setNumThreads`), since they would otherwise compete. The bytes are the same either way.

    Args:
        pixels: uint8 (H, W, 3), at least one pixel; never written into.
        drawn: the transform.
        augmentation: for fill_mode, cval and interpolation_order.

    Returns:
        A new array, float32 (H, W, 3), within 0 to 255 for orders 0 and 1.

    Raises:
        UsageError: for orders 2 to 5 where scipy is not installed.
    """
    return _flipped(_unflipped(pixels, drawn, augmentation), drawn)


def _unflipped(
    pixels: NDArray[np.uint8], drawn: Drawn, augmentation: Augmentation, *, passing: bool = False
) -> NDArray[np.float32]:
    """All of the transform but the flips, with which the rest may change places."""
    shift = drawn.channel_shift_intensity
    # Brightness cuts fractions off, so that a thousandth of a level becomes a whole one.
    truncated = None if drawn.brightness is None else shift or 0.0
    values = warped(pixels, drawn, augmentation, truncated=truncated, passing=passing)
    if shift is not None:
        darkest, brightest = values.min(), values.max()
        values += np.float32(shift)
        np.clip(values, darkest, brightest, out=values)
    return values if drawn.brightness is None else _brightened(values, drawn.brightness)


def _flipped(values: NDArray[Level], drawn: Drawn) -> NDArray[Level]:
    if not (drawn.flip_horizontal or drawn.flip_vertical):
        return values

    import cv2

    # OpenCV's code: 1 left to right, 0 top to bottom, -1 both. A copy by numpy takes far longer.
    code = 0 if not drawn.flip_horizontal else -1 if drawn.flip_vertical else 1
    return np.asarray(cv2.flip(values, code), values.dtype).reshape(values.shape)


def _brightened(values: Values, factor: float) -> Values:
    """Multiply by a factor as Keras's apply_brightness_shift does, with scale=False.

    Values from 0 to 255 lose their fractions (`array_to_img` casts to uint8), Pillow mixes the
    picture with black, and whole levels from 0 to 255 come back. A picture with values outside,
    as splines make them, is first stretched to fill 0 to 255 and afterwards put back: the factor
    then acts on the distance from its darkest value.
    """
    darkest, brightest = values.min(), values.max()
    stretched = bool(darkest < 0 or brightest > 255)
    if stretched:
        values = values - darkest
        values = values / (values.max() or np.float32(1)) * np.float32(255)
    picture = Image.fromarray(values.astype(np.uint8))
    bright = np.asarray(ImageEnhance.Brightness(picture).enhance(factor), np.float32)
    return bright / 255 * (brightest - darkest) + darkest if stretched else bright
