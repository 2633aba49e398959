"""One picture → changed copies of it in memory.

A copy is a function of the picture's bytes and of the `Order`, whoever makes it: this process, or
one of `tasks/processes`.
"""

import os
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from hashlib import sha256
from itertools import takewhile
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnkit.errors import InputError
from cnnkit.images.augment import Augmentation, Drawn, draw, transformed
from cnnkit.images.augment.patch import Patch, draw_patch
from cnnkit.images.decode import decode_reduced
from cnnkit.images.encode import encoded
from cnnkit.images.geometry import render, views, wanted_size
from cnnkit.records import Augmenter, Recipe, Skipped

Pixels = NDArray[np.uint8]
Size = tuple[int, int]
Transform = Callable[[Pixels, Drawn, Augmentation], Pixels]
# Beyond so many pixels a picture is transformed alone: it takes 20 bytes for each.
_GIANT, _one_giant = 1 << 24, threading.Lock()


@dataclass(frozen=True, slots=True)
class Way:
    """How copies are made; sizes are (width, height)."""

    augmentation: Augmentation
    seed: int
    augmenter: Augmenter
    size: Size | None
    random_crop: Size | None
    quality: int
    labelled: bool

    def facts(self) -> dict[str, Any]:
        """What a line tells of it."""
        recipe = {name: listed(value) for name, value in asdict(self.augmentation).items()}
        return {
            "seed": self.seed,
            "recipe": recipe,
            "augmenter": self.augmenter,
            "size": listed(self.size),
            "random_crop": listed(self.random_crop),
            "quality": self.quality,
        }


@dataclass(frozen=True, slots=True)
class Order:
    """Which copies of which picture, whose content has this sha256, in which format."""

    path: str
    content: str
    copies: tuple[int, ...]
    suffix: str
    way: Way


@dataclass(frozen=True, slots=True)
class Variation:
    """One copy: how it came to be, and its file. Sizes are (width, height).

    `source` is the picture's size in its file, `before` that which it is transformed in, and
    `after` the copy's own; `sha256` is the file's.
    """

    copy: int
    drawn: Drawn
    patch: Patch | None
    source: Size
    before: Size
    after: Size
    data: bytes
    sha256: str


class Skip(Exception):
    """A picture that cannot be copied; `record` says why."""

    def __init__(self, path: str, kind: str, message: str) -> None:
        super().__init__(message)
        self.record = Skipped(path, kind, message)


class Giant(Exception):
    """A picture so large that only one of them is to be under way at a time."""


def variations(
    order: Order, *, transform: Transform = transformed, giants: bool = True
) -> Generator[Variation]:
    """Make each copy, as it is asked for; of giant pictures one at a time.

    Raises `Skip` where the picture cannot be copied; without `giants`, `Giant` for one of them.
    """
    pixels, source = _loaded(order.path, order.way.size)
    height, width, _ = pixels.shape
    is_giant = height * width > _GIANT
    if is_giant and not giants:
        raise Giant
    crop = order.way.random_crop
    if crop and (width < crop[0] or height < crop[1]):
        why = f"it has {width}x{height} pixels, and a patch of {crop[0]}x{crop[1]} is wanted"
        raise Skip(order.path, "too_small", why)
    with _one_giant if is_giant else nullcontext():
        for copy in order.copies:
            yield _varied(order, copy, pixels, source, transform)


def made_here(
    order: Order, stop: threading.Event, transform: Transform = transformed
) -> list[Variation]:
    """All of them, or those that were made before `stop` was set."""
    made = variations(order, transform=transform)
    return list(takewhile(lambda _: not stop.is_set(), made))


def _varied(
    order: Order, copy: int, pixels: Pixels, source: Size, transform: Transform
) -> Variation:
    way, (height, width, _) = order.way, pixels.shape
    key: dict[str, Any] = {
        "seed": way.seed, "content": order.content, "copy": copy, "height": height, "width": width,
    }  # fmt: skip
    drawn = draw(way.augmentation, **key)
    patch = draw_patch(**key, size=way.random_crop) if way.random_crop else None
    with _memory_errors():
        changed = transform(pixels, drawn, way.augmentation)
        if patch:
            left, top, right, bottom = patch
            changed = changed[top:bottom, left:right]
        after = (changed.shape[1], changed.shape[0])
        try:
            data = encoded(changed, order.suffix, way.quality)
        except InputError as error:
            raise Skip(order.path, "too_large", str(error).rstrip(".")) from error
    digest = sha256(data).hexdigest()
    return Variation(copy, drawn, patch, source, (width, height), after, data, digest)


@contextmanager
def _memory_errors() -> Iterator[None]:
    """Let OpenCV's be Python's."""
    import cv2

    try:
        yield
    except cv2.error as error:
        if error.code == cv2.Error.StsNoMem:
            raise MemoryError from error
        raise


def _loaded(path: str, size: Size | None) -> tuple[Pixels, Size]:
    """A picture as it is transformed, and the (width, height) that it has in its file."""
    # Bilinear, as training resizes: of what is then turned and zoomed, nobody sees more.
    recipe = size and Recipe(size[1], size[0], fit="stretch", interpolation="bilinear")
    picture = decode_reduced(path, wanted_size(recipe) if recipe else None)
    if isinstance(picture, Skipped):
        raise Skip(picture.path, picture.kind, picture.message)
    if not recipe:
        return np.asarray(picture.image), picture.size
    cuts = views(*picture.size, recipe)
    return render(picture.image, cuts, recipe, picture.extent)[0], picture.size


def suffix_of(output: str) -> str:
    """The suffix of a copy's name, which says in what format it is."""
    return os.path.splitext(output)[1]


def listed(value: Any) -> Any:
    """The value as JSON holds it."""
    return list(value) if isinstance(value, Sequence) and not isinstance(value, str) else value
