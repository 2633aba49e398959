"""Textures that repeat: stripes, tiles, weaves.

Every function takes a random source and the plane and returns a field, float32 (S, S) in [0, 1].
"""

from __future__ import annotations

import numpy as np

from cnnkit.images.drawn.grid import Field, Grid, Rng, edge, frac, per_cell, triangle_wave


def _stripes(rng: Rng, x: Field, count: float, px: float) -> Field:
    """Return stripes across ``x``, ``count`` to the picture's side."""
    n = count / 2.0
    return edge(triangle_wave(x * n) - rng.uniform(0.35, 0.65), 2.0 * n * px)


def striped(rng: Rng, grid: Grid) -> Field:
    """Straight parallel stripes of equal width."""
    return _stripes(rng, grid.u, rng.uniform(4.0, 13.0), grid.px)


def wavy(rng: Rng, grid: Grid) -> Field:
    """Parallel stripes that all follow one sine."""
    count, k = rng.uniform(4.0, 10.0), rng.uniform(3.5, 8.0)
    sway = rng.uniform(0.9, 1.5) / k
    return _stripes(rng, grid.u + sway * np.sin(k * grid.v), count, grid.px)


def zigzag(rng: Rng, grid: Grid) -> Field:
    """Parallel stripes with sharp regular corners (chevrons)."""
    count, k = rng.uniform(4.0, 10.0), rng.uniform(1.0, 2.8)
    sway = rng.uniform(0.4, 0.9) / k
    return _stripes(rng, grid.u + sway * triangle_wave(k * grid.v), count, grid.px)


def banded(rng: Rng, grid: Grid) -> Field:
    """Layers of uneven width and several tones, like strata in a cliff."""
    edges = np.sort(rng.uniform(-2.2, 2.2, int(rng.integers(10, 18)))).astype(np.float32)
    tones = rng.random(len(edges) + 1, dtype=np.float32)
    wobble = rng.uniform(0.03, 0.12) * np.sin(rng.uniform(1.0, 4.0) * grid.v + rng.uniform(0, 6.3))
    field: Field = tones[np.searchsorted(edges, grid.u + wobble)]
    return field


def chequered(rng: Rng, grid: Grid) -> Field:
    """A chessboard."""
    n = rng.uniform(4.0, 11.0) / 4.0
    a = edge(triangle_wave(grid.u * n) - 0.5, 2.0 * n * grid.px)
    b = edge(triangle_wave(grid.v * n) - 0.5, 2.0 * n * grid.px)
    return a + b - 2.0 * a * b


def grid_lines(rng: Rng, grid: Grid) -> Field:
    """Thin crossing lines on an even ground."""
    n, width = rng.uniform(3.5, 10.0) / 2.0, rng.uniform(0.08, 0.22)
    a, b = triangle_wave(grid.u * n), triangle_wave(grid.v * n)
    return edge(np.maximum(a, b) - (1.0 - width), 2.0 * n * grid.px)


def dotted(rng: Rng, grid: Grid) -> Field:
    """Round dots of one size in regular rows."""
    n, radius = rng.uniform(4.0, 10.0) / 2.0, rng.uniform(0.2, 0.36)
    b = grid.v * n
    a = grid.u * n + (0.5 * (np.floor(b) % 2.0) if rng.random() < 0.5 else 0.0)
    distance = np.hypot(frac(a) - 0.5, frac(b) - 0.5)
    return edge(radius - distance, n * grid.px)


def plaid(rng: Rng, grid: Grid) -> Field:
    """Tartan: the same bands of several tones both ways, mixed where they cross."""
    n = rng.uniform(1.5, 3.5) / 2.0
    sett = np.repeat(rng.random(9, dtype=np.float32), rng.integers(1, 7, 9))
    sett = np.concatenate([sett, sett[::-1]])
    # The remainder: in float32 the fraction of a tiny negative number rounds up to 1.
    a = sett[(frac(grid.u * n) * len(sett)).astype(np.int32) % len(sett)]
    b = sett[(frac(grid.v * n) * len(sett)).astype(np.int32) % len(sett)]
    return 0.5 * (a + b)


def woven(rng: Rng, grid: Grid) -> Field:
    """Basket work: rounded strands that go over and under each other, with dark gaps."""
    n = rng.uniform(5.0, 11.0) / 2.0
    a, b = grid.u * n, grid.v * n
    over = (np.floor(a) + np.floor(b)) % 2.0 < 0.5
    x, y = 2.0 * frac(a) - 1.0, 2.0 * frac(b) - 1.0
    across, along = np.where(over, x, y), np.where(over, y, x)
    shade = np.sqrt(np.maximum(1.0 - across * across, 0.0)) * (1.0 - 0.35 * along * along)
    tint = rng.uniform(0.0, 0.35)
    field: Field = np.clip(
        edge(0.86 - np.abs(across), 2 * n * grid.px) * (shade - tint * over), 0.0, 1.0
    )
    return field


def brick(rng: Rng, grid: Grid) -> Field:
    """Oblong bricks in rows shifted by half a brick, with thin joints."""
    n, joint = rng.uniform(5.0, 11.0) / 2.0, rng.uniform(0.06, 0.14)
    b = grid.v * n
    a = grid.u * (n / rng.uniform(1.9, 2.6)) + 0.5 * (np.floor(b) % 2.0)
    wall = np.minimum(
        edge(np.abs(frac(b) - 0.5) * -1.0 + (0.5 - joint), n * grid.px),
        edge(np.abs(frac(a) - 0.5) * -1.0 + (0.5 - joint / 2.2), n * grid.px / 2.2),
    )
    tone = per_cell(rng, np.floor(a), np.floor(b))
    field: Field = wall * (0.6 + 0.4 * tone)
    return field


def _hexagons(a: Field, b: Field) -> tuple[Field, Field, Field, Field]:
    """Return offsets (x, y) from the nearest centre of a hexagonal lattice, and its (i, j)."""
    h = 1.7320508
    i0, j0 = np.round(a), np.round(b / h)
    i1, j1 = np.floor(a) + 0.5, np.floor(b / h) + 0.5
    x0, y0, x1, y1 = a - i0, b - j0 * h, a - i1, b - j1 * h
    near = x0 * x0 + y0 * y0 < x1 * x1 + y1 * y1
    return (
        np.where(near, x0, x1),
        np.where(near, y0, y1),
        np.where(near, 2.0 * i0, 2.0 * i1),
        np.where(near, 2.0 * j0, 2.0 * j1),
    )


def honeycomb(rng: Rng, grid: Grid) -> Field:
    """Hexagonal cells with walls."""
    n, wall = rng.uniform(4.0, 9.5) / 2.0, rng.uniform(0.06, 0.13)
    x, y, _, _ = _hexagons(grid.u * n, grid.v * n)
    x, y = np.abs(x), np.abs(y)
    inside = 0.5 - np.maximum(x, 0.5 * x + 0.8660254 * y)
    return edge(inside - wall, n * grid.px)


def cubes(rng: Rng, grid: Grid) -> Field:
    """Stacked cubes seen from a corner: hexagons split into three shaded faces."""
    n = rng.uniform(3.0, 7.0) / 2.0
    x, y, _, _ = _hexagons(grid.u * n, grid.v * n)
    # The corner of the three faces; the hexagon's own corners point along y.
    right, left = 0.8660254 * x + 0.5 * y, -0.8660254 * x + 0.5 * y
    top = np.where(np.minimum(right, left) > -1.0, -y, 0.0)
    tones = rng.permutation(np.array([0.05, 0.5, 0.95], np.float32))
    face = np.where((top >= right) & (top >= left), 0, np.where(right > left, 1, 2))
    field: Field = tones[face]
    return field


def triangles(rng: Rng, grid: Grid) -> Field:
    """A tiling of equal triangles, each of its own tone."""
    n = rng.uniform(3.0, 7.0) / 2.0
    b = grid.v * n * 1.1547
    a = grid.u * n - 0.5 * b
    upper = frac(a) + frac(b) > 1.0
    tone = per_cell(rng, 2.0 * np.floor(a) + upper, np.floor(b))
    return 0.55 * upper + 0.45 * tone


def scaly(rng: Rng, grid: Grid) -> Field:
    """Rows of round scales, each row over the next, dark at the rim."""
    n, bulge = rng.uniform(4.0, 8.0) / 2.0, rng.uniform(0.58, 0.66)
    a, b = grid.u * n, grid.v * n * 2.0
    base = np.floor(b)
    shade = np.zeros_like(a)
    # A row lies over the row below it: paint from the lowest that can reach a pixel upwards.
    for below in (2.0, 1.0, 0.0, -1.0):
        row = base + below
        x, y = frac(a + 0.5 * (row % 2.0)) - 0.5, (b - row) * 0.5
        r2 = (x * x + y * y) * (1.0 / bulge**2)
        shade = np.where(r2 < 1.0, (1.0 - r2 * r2 * r2) * (0.7 + 0.55 * y), shade)
    return np.clip(shade, 0.0, 1.0)


def maze(rng: Rng, grid: Grid) -> Field:
    """Walls at right angles with random gaps."""
    n, wall = rng.uniform(6.0, 11.0) / 2.0, rng.uniform(0.14, 0.24)
    a, b = grid.u * n, grid.v * n
    i, j = np.floor(a), np.floor(b)
    x, y = a - i, b - j
    # Each cell keeps either its left or its upper wall: that alone makes a maze without rooms.
    line = np.where(per_cell(rng, i, j) < 0.5, x, y)
    return edge(wall - np.minimum(line, np.maximum(x, y)), n * grid.px)


def loops(rng: Rng, grid: Grid) -> Field:
    """Meandering ribbons of quarter circles (Truchet's tiles)."""
    n, half = rng.uniform(5.0, 10.0) / 2.0, rng.uniform(0.1, 0.2)
    a, b = grid.u * n, grid.v * n
    i, j = np.floor(a), np.floor(b)
    x, y = a - i, b - j
    x = np.where(per_cell(rng, i, j) < 0.5, x, 1.0 - x)
    near = np.minimum(np.hypot(x, y), np.hypot(1.0 - x, 1.0 - y))
    return edge(half - np.abs(near - 0.5), n * grid.px)
