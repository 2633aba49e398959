"""Coordinates and soft edges, the ground on which every texture is drawn.

Legend
------
S      side of the picture in pixels
u, v   float32 (S, S) plane coordinates; an unbent picture spans [-1, 1] in both
px     width of one pixel in units of u and v (2 / S, times the zoom)
field  float32 (S, S) in [0, 1]: where between the first and the last colour a pixel lies

A texture that is a formula in (u, v) needs no resampling: turning, zooming, perspective and
bending happen to the coordinates, and edges stay sharp at any size.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.floating[Any]]
Rng = np.random.Generator


@dataclass(frozen=True)
class Grid:
    """Plane coordinates of every pixel.

    Attributes:
        u: float32 (S, S), first plane coordinate.
        v: float32 (S, S), second plane coordinate.
        px: width of a pixel in plane units, for edges about one pixel soft.
        size: S, the side in pixels.
    """

    u: Field
    v: Field
    px: float
    size: int


def make_grid(rng: Rng, size: int, strength: float) -> Grid:
    """Return turned, zoomed, tilted and bent coordinates; ``strength`` scales how much."""
    axis = np.linspace(-1.0, 1.0, size, dtype=np.float32)
    x, y = np.broadcast_to(axis, (size, size)), np.broadcast_to(axis[:, None], (size, size))
    angle = rng.uniform(-1.0, 1.0) * (0.25 + 2.9 * min(strength, 1.0))
    zoom = float(np.exp(rng.uniform(-0.35, 0.35) * min(strength, 1.5)))
    tilt = rng.uniform(-0.38, 0.38, 2) * strength * (rng.random() < 0.6)
    shear = rng.uniform(-0.25, 0.25) * strength
    shift = rng.uniform(-0.3, 0.3, 2) * min(strength, 1.0)
    # The floor keeps the horizon of a strong tilt out of the picture.
    depth = zoom / np.maximum(1.0 + float(tilt[0]) * x + float(tilt[1]) * y, 0.3)
    c, s = float(np.cos(angle)), float(np.sin(angle))
    u = (c * x - s * y) * depth + shear * y + float(shift[0])
    v = (s * x + c * y) * depth + float(shift[1])
    if rng.random() < 0.5 * strength:
        bend = rng.uniform(0.02, 0.09) * min(strength, 1.5)
        k, phase = rng.uniform(1.0, 3.0, 2), rng.uniform(0.0, 6.3, 2)
        u, v = (
            u + bend * np.sin(float(k[0]) * v + float(phase[0])),
            v + bend * np.sin(float(k[1]) * u + float(phase[1])),
        )
    return Grid(u.astype(np.float32), v.astype(np.float32), 2.0 * zoom / size, size)


def frac(x: Field) -> Field:
    """Return the fractional part, in [0, 1)."""
    return x - np.floor(x)


def triangle_wave(x: Field) -> Field:
    """Return a wave of period 1 in [0, 1] with straight flanks of slope 2."""
    wave: Field = np.abs(2.0 * (x - np.floor(x)) - 1.0)
    return wave


def edge(distance: Field, width: float) -> Field:
    """Return 1 where ``distance`` > 0 and 0 where it is < 0, with a ramp ``width`` wide."""
    ramp: Field = np.clip(distance * (1.0 / max(width, 1e-6)) + 0.5, 0.0, 1.0)
    return ramp


def per_cell(rng: Rng, i: Field, j: Field) -> Field:
    """Return one random number in [0, 1) for each integer cell (i, j); repeats every 32 cells."""
    table = rng.random((32, 32), dtype=np.float32)
    value: Field = table[j.astype(np.int32) & 31, i.astype(np.int32) & 31]
    return value


def stretch(x: Field) -> Field:
    """Return ``x`` moved and scaled so that its range is [0, 1]."""
    low, high = float(x.min()), float(x.max())
    return (x - low) * (1.0 / max(high - low, 1e-6))


@dataclass(frozen=True)
class Scatter:
    """Local frames of shapes strewn over the plane, one shape a cell.

    Attributes:
        x: float32 (S, S), first coordinate in the frame of the nearest shape, in shape radii.
        y: float32 (S, S), second coordinate, in shape radii.
        tone: float32 (S, S) in [0, 1), a random number per shape.
        px: width of a pixel in the mean shape's radii.
    """

    x: Field
    y: Field
    tone: Field
    px: float


def scatter(rng: Rng, grid: Grid, cells: float, small: float, large: float) -> Scatter:
    """Strew one turned shape into each of ``cells`` x ``cells`` squares of the picture.

    Args:
        rng: source of places, angles and sizes.
        grid: the plane.
        cells: squares along the picture's side.
        small: least radius, in cells.
        large: greatest radius, in cells; at most 0.5, so that a shape stays inside its cell.
    """
    angle = rng.uniform(0.0, 6.3)
    c, s = float(np.cos(angle)), float(np.sin(angle))
    a = (c * grid.u - s * grid.v + rng.uniform(0.0, 9.0)) * (cells / 2.0)
    b = (s * grid.u + c * grid.v + rng.uniform(0.0, 9.0)) * (cells / 2.0)
    i, j = np.floor(a), np.floor(b)
    cell = (j.astype(np.int32) & 31) * 32 + (i.astype(np.int32) & 31)
    radius = rng.uniform(small, large, 1024).astype(np.float32)
    place = (rng.random((2, 1024), dtype=np.float32) - 0.5) * (1.0 - 2.0 * radius)
    turn = rng.uniform(0.0, 6.3, 1024).astype(np.float32)
    x, y = a - i - 0.5 - place[0][cell], b - j - 0.5 - place[1][cell]
    cos, sin = (np.cos(turn) / radius)[cell], (np.sin(turn) / radius)[cell]
    tone: Field = rng.random(1024, dtype=np.float32)[cell]
    px = grid.px * cells / (small + large)
    return Scatter(cos * x - sin * y, sin * x + cos * y, tone, px)
