"""Smooth noise and random cells (Perlin's sums of octaves, Worley's nearest points)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cnnkit.images.drawn.grid import Field, Grid, Rng, stretch


def smooth_noise(rng: Rng, size: int, across: int, down: int | None = None) -> Field:
    """Return (size, size) noise with ``across`` x ``down`` random knots, cubic in between."""
    import cv2

    down = across if down is None else down
    knots = rng.random((max(down, 2), max(across, 2)), dtype=np.float32)
    smooth = cv2.resize(knots, (size, size), interpolation=cv2.INTER_CUBIC)
    return np.asarray(smooth, np.float32)


def octaves(rng: Rng, size: int, base: int, count: int, gain: float = 0.5) -> Field:
    """Return noise in [0, 1]: ``count`` octaves from ``base`` knots up, each ``gain`` fainter."""
    total = smooth_noise(rng, size, base)
    for octave in range(1, count):
        total += gain**octave * smooth_noise(rng, size, base << octave)
    return stretch(total)


@dataclass(frozen=True)
class Cells:
    """Random cells (Worley 1996) around one point in each square of a grid.

    Attributes:
        nearest: float32 (S, S), distance to the nearest point, in squares.
        border: float32 (S, S), how much farther the second nearest point is; 0 on a border.
        tone: float32 (S, S) in [0, 1), a random number per cell.
    """

    nearest: Field
    border: Field
    tone: Field


def random_cells(rng: Rng, grid: Grid, cells: float, jitter: float = 0.9) -> Cells:
    """Return the cells around points strewn ``cells`` to the picture's side."""
    a = (grid.u + rng.uniform(0.0, 9.0)) * (cells / 2.0)
    b = (grid.v + rng.uniform(0.0, 9.0)) * (cells / 2.0)
    i, j = np.floor(a).astype(np.int32), np.floor(b).astype(np.int32)
    place = (rng.random((2, 1024), dtype=np.float32) - 0.5) * jitter + 0.5
    tones = rng.random(1024, dtype=np.float32)
    first = np.full(a.shape, 9.0, np.float32)
    second, owner = first.copy(), np.zeros(a.shape, np.int32)
    for dj in (-1, 0, 1):
        for di in (-1, 0, 1):
            cell = ((j + dj) & 31) * 32 + ((i + di) & 31)
            x, y = place[0][cell] + (i + di) - a, place[1][cell] + (j + dj) - b
            distance = (x * x + y * y).astype(np.float32)
            closer = distance < first
            second = np.where(closer, first, np.minimum(second, distance))
            first = np.minimum(first, distance)
            owner = np.where(closer, cell, owner)
    nearest = np.sqrt(first)
    return Cells(nearest, np.sqrt(second) - nearest, tones[owner])
