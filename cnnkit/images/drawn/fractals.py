"""Self-similar figures, in the spirit of formula-driven pre-training.

Source: Kataoka et al., "Pre-training without Natural Images" (ACCV 2020), whose FractalDB draws
iterated function systems; here they are one class beside Julia sets, carpets and trees.
Every function takes a random source and the plane and returns a field, float32 (S, S) in [0, 1].
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cnnkit.images.drawn.grid import Field, Grid, Rng, frac, stretch

# Points of the main cardioid's rim give connected, well-filled sets with many arms.
_JULIA_STEPS = 22


def julia(rng: Rng, grid: Grid) -> Field:
    """Escape times of z -> z^2 + c, for c just outside the Mandelbrot set."""
    t = rng.uniform(0.6, 5.6)
    w = np.exp(1j * t)
    c = (w / 2.0 - w * w / 4.0) * rng.uniform(1.03, 1.12)
    cr, ci = float(c.real), float(c.imag)
    x, y = grid.u * 1.25, grid.v * 1.25
    steps = np.zeros_like(x)
    for _ in range(_JULIA_STEPS):
        xx, yy = x * x, y * y
        steps += np.minimum(4.0 / (xx + yy + 1e-3), 1.0)
        y = np.clip(2.0 * x * y + ci, -8.0, 8.0)
        x = np.clip(xx - yy + cr, -8.0, 8.0)
    return stretch(np.sqrt(steps))


def carpet(rng: Rng, grid: Grid) -> Field:
    """Sierpinski's carpet: squares with a hole, and in what remains the same again."""
    a, b = frac(grid.u * 0.5 + rng.uniform(0, 1)), frac(grid.v * 0.5 + rng.uniform(0, 1))
    solid = np.ones_like(a)
    for _ in range(4):
        a, b = a * 3.0, b * 3.0
        i, j = np.floor(a), np.floor(b)
        solid = np.where((i == 1.0) & (j == 1.0), 0.0, solid)
        a, b = a - i, b - j
    return solid


def branching(rng: Rng, grid: Grid) -> Field:
    """A bare tree: every limb splits into thinner ones."""
    import cv2

    n = grid.size
    canvas = np.zeros((n, n), np.uint8)
    lean = rng.uniform(0.0, 6.2831853)
    at = (np.array([[0.5, 0.5]]) - 0.48 * np.array([[np.cos(lean), np.sin(lean)]])) * n
    heading, length = np.array([lean]), rng.uniform(0.24, 0.3) * n
    spread, shrink = rng.uniform(0.35, 0.65), rng.uniform(0.72, 0.8)
    width = rng.uniform(0.035, 0.055) * n
    for _ in range(8):
        tip = at + length * np.stack([np.cos(heading), np.sin(heading)], 1)
        limbs = np.round(np.stack([at, tip], 1) * 16.0).astype(np.int32)
        cv2.polylines(canvas, list(limbs), False, 255, max(1, round(width)), cv2.LINE_AA, 4)
        at = np.repeat(tip, 2, axis=0)
        sides = np.tile([-spread, spread], len(heading))
        heading = np.repeat(heading, 2) + sides * rng.uniform(0.6, 1.4, len(sides))
        length, width = length * shrink, width * 0.68
    return canvas.astype(np.float32) / 255.0


def _contractions(rng: Rng, maps: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return matrices (maps, 2, 2) and shifts (maps, 2) whose attractor fills some of the plane."""
    turns = rng.uniform(0.0, 6.2831853, (2, maps))
    c, s = np.cos(turns), np.sin(turns)
    spin = np.moveaxis(np.array([[c, -s], [s, c]]), (0, 1), (2, 3))
    wide = rng.uniform(0.6, 0.88, maps)
    # The areas of the images add up to about that of the whole, else only dust would be left.
    narrow = np.clip(rng.uniform(0.75, 1.15) / maps / wide, 0.2, wide)
    scale = np.zeros((maps, 2, 2))
    scale[:, 0, 0], scale[:, 1, 1] = wide, narrow
    return spin[0] @ scale @ spin[1], rng.uniform(-1.0, 1.0, (maps, 2))


def fractal(rng: Rng, grid: Grid) -> Field:
    """The dust of a random iterated function system, played as a chaos game."""
    n = grid.size
    a, b = _contractions(rng, int(rng.integers(2, 5)))
    area = np.abs(np.linalg.det(a))
    chains = max(64, n * n // 18)
    points = np.zeros((chains, 2))
    trail = []
    for step in range(24):
        pick = rng.choice(len(a), chains, p=area / area.sum())
        points = np.einsum("nij,nj->ni", a[pick], points) + b[pick]
        if step >= 8:
            trail.append(points)
    dust = np.concatenate(trail)
    low, high = np.percentile(dust, [1, 99], axis=0)
    cell = ((dust - low) / np.maximum(high - low, 1e-6) * 0.9 + 0.05) * n
    cell = cell[((cell >= 0) & (cell < n)).all(axis=1)].astype(np.int64)
    count = np.bincount(cell[:, 1] * n + cell[:, 0], minlength=n * n).reshape(n, n)
    return np.minimum(np.sqrt(count) * 0.45, 1.0).astype(np.float32)
