"""Coordinates, edges and cells with answers known beforehand."""

import numpy as np

from cnnkit.images.drawn.grid import edge, frac, make_grid, per_cell, stretch, triangle_wave
from cnnkit.images.drawn.noise import octaves, random_cells


def test_the_plain_plane_is_only_turned() -> None:
    grid = make_grid(np.random.default_rng(0), 65, 0.0)
    assert abs(float(grid.u[32, 32])) < 1e-6
    corner = np.hypot(grid.u[0, 0], grid.v[0, 0])
    assert abs(float(corner) - 2**0.5) < 1e-5
    assert grid.px == 2.0 / 65


def test_waves_and_edges() -> None:
    x = np.array([-0.25, 0.0, 0.25, 0.5, 1.0], np.float32)
    assert np.allclose(frac(x), [0.75, 0.0, 0.25, 0.5, 0.0])
    assert np.allclose(triangle_wave(x), [0.5, 1.0, 0.5, 0.0, 1.0])
    assert np.allclose(edge(x, 1.0), [0.25, 0.5, 0.75, 1.0, 1.0])
    assert np.allclose(stretch(x), [0.0, 0.2, 0.4, 0.6, 1.0])
    assert np.allclose(stretch(np.full(3, 7.0, np.float32)), 0.0)


def test_a_cell_has_one_number_and_its_neighbour_another() -> None:
    i, j = np.meshgrid(np.floor(np.arange(8) / 4.0), np.arange(2.0))
    value = per_cell(np.random.default_rng(1), i, j)
    assert (value[:, :4] == value[:, :1]).all()
    assert value[0, 0] != value[0, 4]


def test_the_border_of_two_cells_is_where_both_points_are_equally_far() -> None:
    grid = make_grid(np.random.default_rng(2), 96, 0.0)
    cells = random_cells(np.random.default_rng(3), grid, 5.0)
    assert float(cells.border.min()) >= 0.0
    jump = cells.tone[:, 1:] != cells.tone[:, :-1]
    assert float(cells.border[:, 1:][jump].max()) < 0.25
    assert 15 < len(np.unique(cells.tone)) < 60


def test_noise_fills_its_range() -> None:
    noise = octaves(np.random.default_rng(4), 80, 4, 4)
    assert noise.shape == (80, 80)
    assert (float(noise.min()), float(noise.max())) == (0.0, 1.0)
