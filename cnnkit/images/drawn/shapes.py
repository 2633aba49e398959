"""Textures made of separate things strewn about: stars, leaves, bubbles, strokes.

Every function takes a random source and the plane and returns a field, float32 (S, S) in [0, 1].
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from cnnkit.images.drawn.grid import Field, Grid, Rng, Scatter, edge, scatter


def _strew(
    rng: Rng,
    grid: Grid,
    cells: tuple[float, float],
    radius: tuple[float, float],
    cover: Callable[[Scatter], Field],
    layers: int = 2,
) -> Field:
    """Paint ``layers`` of shapes over an even ground; ``cover`` says where a shape is (0 to 1)."""
    field = np.zeros_like(grid.u)
    for _ in range(layers):
        place = scatter(rng, grid, rng.uniform(*cells), *radius)
        mask = cover(place)
        field = field * (1.0 - mask) + mask * (0.55 + 0.45 * place.tone)
    return field


def speckled(rng: Rng, grid: Grid) -> Field:
    """Many small round spots at random places."""

    def spot(p: Scatter) -> Field:
        return edge(1.0 - np.hypot(p.x, p.y), p.px)

    return _strew(rng, grid, (7.0, 13.0), (0.08, 0.26), spot, 2)


def bubbly(rng: Rng, grid: Grid) -> Field:
    """Clear circles with a bright rim and a glint."""

    def bubble(p: Scatter) -> Field:
        r = np.hypot(p.x, p.y)
        rim = np.clip(1.0 - np.abs(r - 0.85) * 7.0, 0.0, 1.0)
        glint = edge(0.2 - np.hypot(p.x + 0.4, p.y + 0.35), p.px)
        cover: Field = np.maximum(rim, np.maximum(glint, 0.15 * (r < 0.85)))
        return cover

    return _strew(rng, grid, (3.0, 6.5), (0.25, 0.5), bubble, 3)


def spheres(rng: Rng, grid: Grid) -> Field:
    """Solid balls lit from one side."""
    field = np.zeros_like(grid.u)
    slant = rng.uniform(0.0, 6.3)
    # The light is fixed in the plane, so the frames must not turn: take radii from the frame only.
    lx, ly = float(np.cos(slant)), float(np.sin(slant))
    for _ in range(2):
        p = scatter(rng, grid, rng.uniform(2.5, 5.5), 0.3, 0.5)
        r2 = p.x * p.x + p.y * p.y
        shade = 0.25 + 0.75 * np.clip(
            0.6 * np.sqrt(np.maximum(1.0 - r2, 0.0)) + 0.5 * (lx * p.x + ly * p.y), 0.0, 1.0
        )
        mask = edge(1.0 - np.sqrt(r2), p.px)
        field = field * (1.0 - mask) + mask * shade
    return field


def bokeh(rng: Rng, grid: Grid) -> Field:
    """Large see-through discs that brighten where they overlap, as lights out of focus."""
    field = np.zeros_like(grid.u)
    for _ in range(4):
        p = scatter(rng, grid, rng.uniform(2.0, 4.5), 0.25, 0.5)
        field += edge(1.0 - np.hypot(p.x, p.y), 3.0 * p.px) * (0.12 + 0.25 * p.tone)
    return np.minimum(field, 1.0)


def stars(rng: Rng, grid: Grid) -> Field:
    """Stars of five or six points."""
    points = float(rng.integers(5, 7))

    def star(p: Scatter) -> Field:
        sector = 6.2831853 / points
        angle = np.abs((np.arctan2(p.y, p.x) % sector) - sector / 2.0)
        r = np.hypot(p.x, p.y)
        # The straight side between the tip (radius 1) and the notch (radius 0.42).
        a = sector / 2.0
        x, y = r * np.cos(a - angle), r * np.sin(a - angle)
        nx, ny = 0.42 * float(np.sin(a)), 1.0 - 0.42 * float(np.cos(a))
        return edge((nx - nx * x - ny * y) / float(np.hypot(nx, ny)), p.px)

    return _strew(rng, grid, (3.0, 6.0), (0.36, 0.5), star, 1)


def crosses(rng: Rng, grid: Grid) -> Field:
    """Plus signs."""
    arm = rng.uniform(0.17, 0.28)

    def cross(p: Scatter) -> Field:
        a, b = np.abs(p.x), np.abs(p.y)
        return edge(np.minimum(arm - np.minimum(a, b), 0.95 - np.maximum(a, b)), p.px)

    return _strew(rng, grid, (3.0, 6.5), (0.34, 0.5), cross, 1)


def leafy(rng: Rng, grid: Grid) -> Field:
    """Pointed leaves with a midrib."""
    width = rng.uniform(0.32, 0.45)

    def leaf(p: Scatter) -> Field:
        inside = width * (1.0 - p.x * p.x) - np.abs(p.y)
        rib = edge(np.abs(p.y) - 0.05, p.px)
        return edge(inside, p.px) * (0.3 + 0.7 * rib)

    return _strew(rng, grid, (2.8, 5.0), (0.42, 0.5), leaf, 2)


def flowery(rng: Rng, grid: Grid) -> Field:
    """Flowers: round petals around a dark middle."""
    petals = float(rng.integers(5, 9))

    def flower(p: Scatter) -> Field:
        r = np.hypot(p.x, p.y)
        rim = 0.7 + 0.3 * np.cos(petals * np.arctan2(p.y, p.x))
        return edge(rim - r, p.px) * edge(r - 0.24, p.px)

    return _strew(rng, grid, (2.5, 5.0), (0.38, 0.5), flower, 1)


def confetti(rng: Rng, grid: Grid) -> Field:
    """Small oblongs of many tones, turned every way."""
    slim = rng.uniform(0.2, 0.34)

    def scrap(p: Scatter) -> Field:
        return edge(np.minimum(0.9 - np.abs(p.x), slim - np.abs(p.y)), p.px)

    return _strew(rng, grid, (4.5, 8.0), (0.36, 0.48), scrap, 2)


def crescents(rng: Rng, grid: Grid) -> Field:
    """New moons."""
    bite = rng.uniform(0.4, 0.6)

    def moon(p: Scatter) -> Field:
        outer = 1.0 - np.hypot(p.x, p.y)
        return edge(np.minimum(outer, np.hypot(p.x - bite, p.y) - 0.85), p.px)

    return _strew(rng, grid, (3.0, 6.0), (0.38, 0.5), moon, 1)


def _poly(points: NDArray[np.float64]) -> NDArray[np.int32]:
    """Return points in sixteenths of a pixel, as OpenCV's ``shift=4`` wants them."""
    return np.round(points * 16.0).astype(np.int32)


def polygons(rng: Rng, grid: Grid) -> Field:
    """A handful of large flat shapes with straight sides, one over the other."""
    import cv2

    n = grid.size
    canvas = np.full((n, n), 128, np.uint8)
    for _ in range(int(rng.integers(6, 12))):
        corners = int(rng.integers(3, 7))
        angles = np.sort(rng.uniform(0.0, 6.2831853, corners))
        radii = rng.uniform(0.15, 0.42) * rng.uniform(0.6, 1.0, corners) * n
        centre = rng.uniform(0.0, n, 2)
        ring = centre + np.stack([np.cos(angles) * radii, np.sin(angles) * radii], 1)
        tone = int(rng.integers(0, 256))
        cv2.fillPoly(canvas, [_poly(ring)], tone, cv2.LINE_AA, 4)
    return canvas.astype(np.float32) / 255.0


def strokes(rng: Rng, grid: Grid) -> Field:
    """Thick bowed brush strokes, round at the ends."""
    import cv2

    n = grid.size
    canvas = np.zeros((n, n), np.uint8)
    t = np.linspace(-1.0, 1.0, 8)
    for _ in range(int(rng.integers(14, 26))):
        angle, bow = rng.uniform(0.0, 6.3), rng.uniform(-0.5, 0.5)
        half = rng.uniform(0.12, 0.24) * n
        x, y = t * half, bow * half * (1.0 - t * t)
        c, s = np.cos(angle), np.sin(angle)
        line = rng.uniform(0.0, n, 2) + np.stack([c * x - s * y, s * x + c * y], 1)
        thick = max(2, round(rng.uniform(0.04, 0.075) * n))
        cv2.polylines(
            canvas, [_poly(line)], False, int(rng.integers(110, 256)), thick, cv2.LINE_AA, 4
        )
    return canvas.astype(np.float32) / 255.0


def scribbled(rng: Rng, grid: Grid) -> Field:
    """One thin line that wanders all over the picture."""
    import cv2

    n = grid.size
    canvas = np.zeros((n, n), np.uint8)
    t = np.linspace(0.0, 6.2831853, 220)
    path = np.zeros((220, 2))
    for k in range(1, 8):
        wave = rng.normal(size=(2, 2)) / k**0.45
        path += np.outer(np.cos(k * t), wave[0]) + np.outer(np.sin(k * t), wave[1])
    path *= 0.52 * n / np.abs(path).max(axis=0)
    thick = max(1, round(rng.uniform(0.012, 0.026) * n))
    cv2.polylines(canvas, [_poly(path + n / 2.0)], True, 255, thick, cv2.LINE_AA, 4)
    return canvas.astype(np.float32) / 255.0
