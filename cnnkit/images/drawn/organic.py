"""Textures that look grown or weathered: clouds, veins, cells, hair.

Every function takes a random source and the plane and returns a field, float32 (S, S) in [0, 1].
"""

from __future__ import annotations

import numpy as np

from cnnkit.images.drawn.grid import Field, Grid, Rng, edge, frac, stretch, triangle_wave
from cnnkit.images.drawn.noise import octaves, random_cells, smooth_noise


def cloudy(rng: Rng, grid: Grid) -> Field:
    """Soft billows at every scale."""
    return octaves(rng, grid.size, int(rng.integers(3, 6)), 5, rng.uniform(0.45, 0.62))


def marbled(rng: Rng, grid: Grid) -> Field:
    """Thin branching veins on a mottled ground."""
    n = grid.size
    warp = octaves(rng, n, 3, 4, 0.55)
    vein = np.abs(np.sin(rng.uniform(2.0, 4.0) * grid.u + rng.uniform(7.0, 12.0) * warp))
    fine = np.abs(octaves(rng, n, int(rng.integers(4, 7)), 3, 0.6) - 0.5) * 3.0
    field: Field = np.clip(np.minimum(vein, fine + 0.15) ** 0.45 - 0.15 * warp, 0.0, 1.0)
    return field


def swirly(rng: Rng, grid: Grid) -> Field:
    """Stripes wound up by a few whirlpools."""
    u, v = grid.u, grid.v
    for _ in range(int(rng.integers(2, 5))):
        x, y = u - rng.uniform(-0.8, 0.8), v - rng.uniform(-0.8, 0.8)
        reach, turn = rng.uniform(0.25, 0.6), rng.choice([-1.0, 1.0]) * rng.uniform(2.5, 5.0)
        angle = float(turn) * np.exp((x * x + y * y) * (-1.0 / (reach * reach)))
        c, s = np.cos(angle), np.sin(angle)
        u, v = u + (c - 1.0) * x - s * y, v + s * x + (c - 1.0) * y
    field: Field = 0.5 + 0.5 * np.sin(u * rng.uniform(7.0, 14.0))
    return field


def woodgrain(rng: Rng, grid: Grid) -> Field:
    """Long growth rings, soft on one side and sharp on the other, around a knot or two."""
    lines = grid.v * rng.uniform(2.5, 5.0)
    lines += 1.2 * smooth_noise(rng, grid.size, 3, 3)
    for _ in range(int(rng.integers(1, 3))):
        x, y = grid.u - rng.uniform(-0.8, 0.8), grid.v - rng.uniform(-0.8, 0.8)
        lines += rng.uniform(1.5, 3.0) * np.exp(-(2.5 * x * x + 14.0 * y * y))
    streaks = smooth_noise(rng, grid.size, 90, 90) * 0.18
    return np.clip(frac(lines) ** 1.5 * 0.9 + streaks - 0.05, 0.0, 1.0)


def gradient(rng: Rng, grid: Grid) -> Field:
    """One smooth slope of colour, straight or round, and nothing else."""
    if rng.random() < 0.6:
        return stretch(grid.u)
    return stretch(np.hypot(grid.u - rng.uniform(-0.6, 0.6), grid.v - rng.uniform(-0.6, 0.6)))


def noise(rng: Rng, grid: Grid) -> Field:
    """Grain: every small square its own tone, as on an untuned screen."""
    import cv2

    cells = int(grid.size / rng.uniform(1.5, 3.5) / max(grid.size / 112.0, 1.0))
    grain = rng.random((cells, cells), dtype=np.float32)
    squares = cv2.resize(grain, (grid.size, grid.size), interpolation=cv2.INTER_NEAREST)
    return np.asarray(squares, np.float32)


def camouflage(rng: Rng, grid: Grid) -> Field:
    """Flat blotches with smooth outlines in three or four tones."""
    blotches = octaves(rng, grid.size, int(rng.integers(4, 8)), 2, 0.35)
    levels = int(rng.integers(3, 5))
    cuts = np.quantile(blotches[::4, ::4], np.arange(1, levels) / levels).astype(np.float32)
    tones = rng.permutation(np.linspace(0.0, 1.0, levels, dtype=np.float32))
    field: Field = tones[np.searchsorted(cuts, blotches)]
    return field


def contours(rng: Rng, grid: Grid) -> Field:
    """Thin lines of equal height, as on a map."""
    heights = octaves(rng, grid.size, int(rng.integers(3, 5)), 2, 0.35) * rng.uniform(6.0, 11.0)
    down, across = np.gradient(heights)
    slope = np.sqrt(down * down + across * across) + 0.02
    off = np.abs(frac(heights) - 0.5) / slope
    field: Field = np.clip(rng.uniform(1.0, 1.7) * grid.size / 112.0 + 0.5 - off, 0.0, 1.0)
    return field


def furry(rng: Rng, grid: Grid) -> Field:
    """Fine short hairs that lie along slow curves."""
    import cv2

    n = grid.size
    hair = smooth_noise(rng, 256, 110, int(rng.integers(9, 16)))
    curl = rng.uniform(0.15, 0.35)
    x = grid.u + curl * np.sin(grid.v * rng.uniform(1.5, 3.5) + rng.uniform(0.0, 6.3))
    a, b = (x * 80.0 + 128.0).astype(np.float32), (grid.v * 80.0 + 128.0).astype(np.float32)
    coat = cv2.remap(hair, a, b, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    return np.clip((coat - 0.5) * 1.5 + 0.35 + 0.3 * smooth_noise(rng, n, 4), 0.0, 1.0)


def cracked(rng: Rng, grid: Grid) -> Field:
    """Thin jagged cracks between plates of nearly one tone, like dry mud."""
    cells = rng.uniform(4.0, 8.5)
    rough = smooth_noise(rng, grid.size, 22) - 0.5
    bent = Grid(grid.u + 0.09 * rough, grid.v + 0.09 * rough[::-1], grid.px, grid.size)
    plates = random_cells(rng, bent, cells)
    return edge(plates.border - rng.uniform(0.05, 0.12), cells * grid.px) * (
        0.85 + 0.15 * plates.tone
    )


def mosaic(rng: Rng, grid: Grid) -> Field:
    """Straight-sided cells, each filled with a tone of its own."""
    return random_cells(rng, grid, rng.uniform(4.0, 9.0)).tone


def pebbly(rng: Rng, grid: Grid) -> Field:
    """Rounded stones lying close together, lit from above, with dark gaps."""
    stones = random_cells(rng, grid, rng.uniform(4.5, 9.0), 0.75)
    dome = np.clip(stones.border * 2.2, 0.0, 1.0) ** 0.6
    field: Field = np.clip(
        dome * (0.45 + 0.55 * stones.tone) * (1.1 - 0.5 * stones.nearest), 0.0, 1.0
    )
    return field


def rippled(rng: Rng, grid: Grid) -> Field:
    """Waves from two or three points, crossing each other."""
    total = np.zeros_like(grid.u)
    k = rng.uniform(14.0, 24.0)
    for _ in range(int(rng.integers(2, 4))):
        x, y = grid.u - rng.uniform(-1.0, 1.0), grid.v - rng.uniform(-1.0, 1.0)
        total += np.sin(k * np.sqrt(x * x + y * y))
    return stretch(total)


def ringed(rng: Rng, grid: Grid) -> Field:
    """Circles around one centre (a target)."""
    r = np.hypot(grid.u - rng.uniform(-0.35, 0.35), grid.v - rng.uniform(-0.35, 0.35))
    n = rng.uniform(3.0, 7.0)
    return edge(triangle_wave(r * n) - rng.uniform(0.35, 0.65), 2.0 * n * grid.px)


def spiral(rng: Rng, grid: Grid) -> Field:
    """One or a few arms wound around one centre."""
    x, y = grid.u - rng.uniform(-0.25, 0.25), grid.v - rng.uniform(-0.25, 0.25)
    arms = float(rng.integers(1, 5)) * float(rng.choice([-1.0, 1.0]))
    turns = rng.uniform(1.8, 3.5) * (1.0 if abs(arms) > 1.0 else 1.6)
    wave = triangle_wave(np.hypot(x, y) * turns + np.arctan2(y, x) * (arms / 6.2831853))
    return edge(wave - rng.uniform(0.4, 0.6), 2.0 * turns * grid.px)


def rays(rng: Rng, grid: Grid) -> Field:
    """Wedges that spread from one point (a sunburst)."""
    x, y = grid.u - rng.uniform(-0.5, 0.5), grid.v - rng.uniform(-0.5, 0.5)
    count = float(rng.integers(7, 18))
    wave = triangle_wave(np.arctan2(y, x) * (count / 6.2831853))
    return edge(wave - rng.uniform(0.4, 0.6), 0.12)
