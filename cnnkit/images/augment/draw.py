"""One transform, drawn as a function of seed, content and copy alone."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass, fields

from cnnkit.images.augment.parameters import Augmentation, Shift

# How many numbers of its stream a transform takes; whatever else is drawn for a copy comes after.
NUMBERS = 12
# In so many copies whatever varies has been seen to: these draws are the same on every machine.
_TRIALS = 32


@dataclass(frozen=True, slots=True)
class Drawn:
    """The parameters of one transform: the keys of ImageDataGenerator.get_random_transform.

    ``ImageDataGenerator.apply_transform(x, drawn.parameters())`` is this transform in Keras.

    Attributes:
        theta: the rotation in degrees.
        tx: the shift drawn from height_shift_range, in pixels.
        ty: the shift drawn from width_shift_range, in pixels.
        shear: the shear in degrees.
        zx: the zoom factor along Keras's first axis; below 1 magnifies.
        zy: the same along its second.
        flip_horizontal: whether left and right change places.
        flip_vertical: whether top and bottom do.
        channel_shift_intensity: grey levels added to all channels; None for none.
        brightness: the factor of brightness; None for none.
    """

    theta: float = 0.0
    tx: float = 0.0
    ty: float = 0.0
    shear: float = 0.0
    zx: float = 1.0
    zy: float = 1.0
    flip_horizontal: bool = False
    flip_vertical: bool = False
    channel_shift_intensity: float | None = None
    brightness: float | None = None

    def parameters(self) -> dict[str, float | bool | None]:
        """What it is, under Keras's names."""
        return {name: getattr(self, name) for name in _NAMES}

    @property
    def moves(self) -> bool:
        """Whether any pixel leaves its place, mirroring apart."""
        return (self.theta, self.tx, self.ty, self.shear, self.zx, self.zy) != (0, 0, 0, 0, 1, 1)


_NAMES = tuple(field.name for field in fields(Drawn))


def draw(
    augmentation: Augmentation, *, seed: int, content: str, copy: int, height: int, width: int
) -> Drawn:
    """Draw the transform of one copy of one picture.

    The same (seed, content, copy) give the same transform on every machine, whoever asks and in
    whatever order. Every parameter has a random number of its own, so that setting one of them
    does not change how another is drawn. Distributions are those of
    ImageDataGenerator.get_random_transform: uniform within the range, a flip for half of them.

    Args:
        augmentation: what may vary.
        seed: any whole number.
        content: what the picture is known by, its content's hash as a hexadecimal string.
        copy: which copy of the picture this is.
        height: of the picture in pixels, for shifts given as a share.
        width: of the picture in pixels.
    """
    numbers = uniform(seed, content, copy, NUMBERS)
    theta, row, row_sign, column, column_sign, shear, zx, zy, mirror, turn, grey, light = numbers
    low, high = augmentation.zoom_range
    brightness, channel = augmentation.brightness_range, augmentation.channel_shift_range
    return Drawn(
        theta=_around_0(augmentation.rotation_range, theta),
        tx=_shift(augmentation.height_shift_range, height, row, row_sign),
        ty=_shift(augmentation.width_shift_range, width, column, column_sign),
        shear=_around_0(augmentation.shear_range, shear),
        zx=_between(low, high, zx),
        zy=_between(low, high, zy),
        flip_horizontal=augmentation.horizontal_flip and mirror < 0.5,
        flip_vertical=augmentation.vertical_flip and turn < 0.5,
        channel_shift_intensity=_around_0(channel, grey) if channel else None,
        brightness=_between(*brightness, light) if brightness else None,
    )


def varies(augmentation: Augmentation) -> bool:
    """Whether one copy may differ from another: a range of one value gives all of them the same."""
    key = {"seed": 0, "height": 1000, "width": 1000}
    drawn = {draw(augmentation, content="", copy=copy, **key) for copy in range(_TRIALS)}
    return len(drawn) > 1


def uniform(seed: int, content: str, copy: int, count: int) -> list[float]:
    """So many numbers, uniform in [0, 1), keyed by the three; more of them begin with the same.

    SHAKE256 (FIPS 202, section 6.2) is a hash of any length: a stream of bits that is the same on
    every machine and in every version of every library.
    """
    text = f"cnnkit augment {seed} {content} {copy}"
    raw = hashlib.shake_256(text.encode()).digest(8 * count)
    return [(number >> 11) * 2.0**-53 for number in struct.unpack(f"<{count}Q", raw)]


def _between(low: float, high: float, number: float) -> float:
    return low + (high - low) * number


def _around_0(extent: float, number: float) -> float:
    return _between(-extent, extent, number)


def _shift(wanted: Shift, size: int, number: float, sign: float) -> float:
    """A shift in pixels, read as get_random_transform reads its three kinds of range."""
    if not wanted:
        return 0.0
    if isinstance(wanted, float):
        shift = _around_0(wanted, number)
    else:
        choices = range(wanted) if isinstance(wanted, int) else wanted
        shift = float(choices[int(number * len(choices))]) * (-1 if sign < 0.5 else 1)
    is_share = max(wanted if isinstance(wanted, tuple) else (wanted,)) < 1
    return shift * size if is_share else shift
