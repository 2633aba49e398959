"""Drawn pictures in class folders: a dataset for whoever needs one now."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cnnkit.errors import UnknownName, UsageError
from cnnkit.images.drawn import CLASSES, draw
from cnnkit.images.drawn.studio import photograph
from cnnkit.outputs.pictures import save_picture
from cnnkit.records import Drawn, Style
from cnnkit.tasks.cores import available_cores

_Paint = Callable[[str, int, int, int], NDArray[np.uint8]]
# Below this many, starting processes takes longer than drawing.
_WORTH_PROCESSES = 400


def sample_images(
    folder: str | os.PathLike[str],
    *,
    classes: Sequence[str] = CLASSES,
    per_class: int = 10,
    size: int = 224,
    strength: float = 1.0,
    style: Style = "flat",
    seed: int = 0,
    threads: int | None = None,
) -> Iterator[Drawn]:
    """Draw `per_class` pictures of each class into `folder/CLASS/`; a record per picture.

    A picture is a function of (class, seed, its number, size, strength): the same bytes on every
    run. Files that are there already are left alone. `strength` is how much befalls a flat
    picture: 0 nothing, 1 what patternnet was trained on, up to 4. The style `room` hangs each
    texture on the wall of a lit room instead, as a photograph would show it.

    Raises `UnknownName` for a class that cannot be drawn, `UsageError` for numbers out of range,
    `OutputError` where a file cannot be written.
    """
    for name in classes:
        if name not in CLASSES:
            raise UnknownName("class", name, CLASSES, "cnnkit labels patternnet")
    if per_class < 1 or not 16 <= size <= 2048 or not 0 <= strength <= 4 or seed < 0:
        raise UsageError(
            "Expected per_class of at least 1, size from 16 to 2048, strength from 0 to 4, seed of "
            f"at least 0. Received: {per_class}, {size}, {strength}, {seed}."
        )
    wanted = [(name, index) for name in classes for index in range(per_class)]
    paint = partial(_flat, strength) if style == "flat" else photograph
    make = partial(_make, os.fspath(folder), size, seed, paint)
    return _made(wanted, make, threads or available_cores())


def _made(wanted: list[tuple[str, int]], make: "partial[Drawn]", processes: int) -> Iterator[Drawn]:
    if processes == 1 or len(wanted) < _WORTH_PROCESSES:
        yield from map(make, wanted)
        return
    # Threads of the caller's (TensorFlow's, say) do not survive a fork.
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        yield from pool.map(make, wanted, chunksize=32)


def _flat(strength: float, name: str, seed: int, index: int, size: int) -> NDArray[np.uint8]:
    return draw(name, seed, index, size=size, strength=strength)


def _make(folder: str, size: int, seed: int, paint: _Paint, wanted: tuple[str, int]) -> Drawn:
    from PIL import Image

    name, index = wanted
    path = Path(folder, name, f"{name}-{seed}-{index:05}.jpg")
    if path.exists():
        return Drawn(str(path), name, seed, index, "present")
    save_picture(Image.fromarray(paint(name, seed, index, size)), str(path))
    return Drawn(str(path), name, seed, index, "drawn")
