"""Class names and the one function that draws a picture of a class."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from cnnkit.images.drawn import fractals, organic, shapes, tilings
from cnnkit.images.drawn.grid import Field, Grid, Rng, make_grid
from cnnkit.images.drawn.scenes import render

Texture = Callable[[Rng, Grid], Field]

TEXTURES: MappingProxyType[str, Texture] = MappingProxyType(
    {
        "banded": tilings.banded,
        "bokeh": shapes.bokeh,
        "branching": fractals.branching,
        "brick": tilings.brick,
        "bubbly": shapes.bubbly,
        "camouflage": organic.camouflage,
        "carpet": fractals.carpet,
        "chequered": tilings.chequered,
        "cloudy": organic.cloudy,
        "confetti": shapes.confetti,
        "contours": organic.contours,
        "cracked": organic.cracked,
        "crescents": shapes.crescents,
        "crosses": shapes.crosses,
        "cubes": tilings.cubes,
        "dotted": tilings.dotted,
        "flowery": shapes.flowery,
        "fractal": fractals.fractal,
        "furry": organic.furry,
        "gradient": organic.gradient,
        "grid": tilings.grid_lines,
        "honeycomb": tilings.honeycomb,
        "julia": fractals.julia,
        "leafy": shapes.leafy,
        "loops": tilings.loops,
        "marbled": organic.marbled,
        "maze": tilings.maze,
        "mosaic": organic.mosaic,
        "noise": organic.noise,
        "pebbly": organic.pebbly,
        "plaid": tilings.plaid,
        "polygons": shapes.polygons,
        "rays": organic.rays,
        "ringed": organic.ringed,
        "rippled": organic.rippled,
        "scaly": tilings.scaly,
        "scribbled": shapes.scribbled,
        "speckled": shapes.speckled,
        "spheres": shapes.spheres,
        "spiral": organic.spiral,
        "stars": shapes.stars,
        "striped": tilings.striped,
        "strokes": shapes.strokes,
        "swirly": organic.swirly,
        "triangles": tilings.triangles,
        "wavy": tilings.wavy,
        "woodgrain": organic.woodgrain,
        "woven": tilings.woven,
        "zigzag": tilings.zigzag,
    }
)

CLASSES: tuple[str, ...] = tuple(TEXTURES)


def _sources(class_name: str, seed: int, index: int) -> list[Rng]:
    """Return three independent random sources: plane, texture, scene.

    A class is keyed by a checksum of its name, so that a class added later changes no picture
    of the others.
    """
    key = [seed, zlib.crc32(class_name.encode("ascii")), index]
    return [np.random.default_rng(child) for child in np.random.SeedSequence(key).spawn(3)]


def draw(
    class_name: str, seed: int, index: int, size: int = 112, strength: float = 1.0
) -> NDArray[np.uint8]:
    """Draw one picture of a class.

    The picture is a function of the arguments alone: the same bytes in any process and order.

    Args:
        class_name: one of :data:`CLASSES`.
        seed: the series, 0 or more.
        index: the picture's number in the series, 0 or more.
        size: side in pixels, 16 or more.
        strength: 0 for plain two-coloured pictures, 1 for what the network trains on, up to
            about 2 for worse corruption than that.

    Returns:
        uint8 (size, size, 3), RGB.

    Raises:
        ValueError: if the class is unknown or a number is out of range.
    """
    if class_name not in TEXTURES:
        raise ValueError(f"expected one of {', '.join(CLASSES)}. Received: {class_name!r}")
    if seed < 0 or index < 0 or size < 16 or not 0.0 <= strength <= 4.0:
        raise ValueError(
            "expected seed >= 0, index >= 0, size >= 16 and 0 <= strength <= 4. "
            f"Received: seed={seed}, index={index}, size={size}, strength={strength}"
        )
    plane, texture, scene = _sources(class_name, seed, index)
    field = TEXTURES[class_name](texture, make_grid(plane, size, strength))
    return render(scene, field, strength)
