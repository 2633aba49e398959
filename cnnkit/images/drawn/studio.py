"""Pictures that look like photographs: a papered wall, a wooden floor and a ball, ray by ray.

Legend
------
x, y   a pixel's place on the film, -1 to 1, y upwards
t      distance along a pixel's ray; a ray's point is t * (x, y, FOCUS)
X, Z   on the floor: to the right and away from the camera; X, Y on the wall
n      the unit normal of the ball where a ray meets it

Texture formulas take coordinates, not pixels, so a surface seen at an angle stays sharp: the
rays give the formula the coordinates of the points that they meet.
"""

import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnnkit.images.drawn.colours import Picture, colourise
from cnnkit.images.drawn.draw import TEXTURES
from cnnkit.images.drawn.grid import Field, Grid, Rng

FOCUS, EYE, WALL = 1.5, 0.95, 2.6
_LIGHT = np.array([-0.55, 0.65, -0.52], np.float32)
# Two colours, as the thing has them in life.
_COLOURS: dict[str, tuple[tuple[int, int, int], tuple[int, int, int]]] = {
    "brick": ((196, 186, 170), (150, 78, 58)),
    "chequered": ((232, 228, 220), (52, 62, 70)),
    "dotted": ((238, 232, 218), (170, 60, 62)),
    "honeycomb": ((74, 48, 22), (226, 168, 62)),
    "striped": ((240, 234, 222), (70, 104, 140)),
    "woodgrain": ((120, 80, 48), (196, 150, 104)),
    "zigzag": ((236, 230, 214), (58, 110, 102)),
}
_PLAIN = ((228, 222, 210), (70, 76, 84))


@dataclass(frozen=True, slots=True)
class _Ball:
    """A ball on the floor: its middle in the room, and its radius."""

    middle: tuple[float, float, float]
    radius: float


def photograph(texture: str, seed: int, index: int, size: int) -> NDArray[np.uint8]:
    """A wall that bears one of the drawn textures: uint8 (size, size, 3), RGB.

    A function of its arguments, which are those of `draw`: the same bytes on every run.
    """
    import cv2

    rng = np.random.default_rng([seed, zlib.crc32(texture.encode("ascii")), index])
    fine = 2 * size
    axis = np.linspace(-1.0, 1.0, fine, dtype=np.float32)
    x, y = np.broadcast_to(axis, (fine, fine)), np.broadcast_to(-axis[:, None], (fine, fine))
    radius = float(rng.uniform(0.17, 0.25))
    place = (float(rng.uniform(-0.6, 0.6)), radius - EYE, float(rng.uniform(1.9, 2.2)))
    ball = _Ball(place, radius)
    scene = np.where(_floor_seen(y)[..., None], _floor(rng, x, y, ball), _wall(rng, texture, x, y))
    scene = _with_ball(rng, scene, x, y, ball)
    vignette = 1.0 - 0.22 * (x * x + y * y)[..., None]
    small = cv2.resize(scene * vignette, (size, size), interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), 0.5) + rng.normal(0.0, 2.2, (size, size, 1))
    return np.clip(small + 0.5, 0.0, 255.0).astype(np.uint8)


def _floor_seen(y: Field) -> NDArray[np.bool_]:
    """Where a ray meets the floor before it meets the wall."""
    return y * (WALL / FOCUS) < -EYE


def _surface(rng: Rng, texture: str, u: Field, v: Field) -> Picture:
    """A texture in its colours at the points (u, v), with a little wear."""
    size = len(u)
    field = TEXTURES[texture](rng, Grid(u, v, 2.5 / size, size))
    ends = np.array(_COLOURS.get(texture, _PLAIN), np.float32)
    tones = np.linspace(0.0, 1.0, 256, dtype=np.float32)[:, None]
    return colourise(field, ends[0] * (1.0 - tones) + ends[1] * tones)


def _wall(rng: Rng, texture: str, x: Field, y: Field) -> Picture:
    paper = _surface(rng, texture, x * 1.1, y * 1.1)
    lamp = np.exp(-0.5 * ((x + 0.55) ** 2 + (y - 0.5) ** 2))
    corner = 1.0 - 0.5 * np.exp(-8.0 * np.clip(y * (WALL / FOCUS) + EYE, 0.0, None))
    lit: Picture = paper * ((0.45 + 0.7 * lamp) * corner)[..., None]
    return lit


def _floor(rng: Rng, x: Field, y: Field, ball: _Ball) -> Picture:
    t = EYE / np.maximum(-y, 0.05)
    across, away = x * t, FOCUS * t
    planks = _surface(rng, "woodgrain", (away * 0.9).astype(np.float32), across.astype(np.float32))
    # The light comes from the upper left in front: the shadow lies to the right, behind.
    off_x = (across - ball.middle[0] - 0.9 * ball.radius) / 1.9
    off_z = (away - ball.middle[2] - 0.5 * ball.radius) / 1.5
    reach = np.sqrt(off_x**2 + off_z**2) / ball.radius
    shadow = 1.0 - 0.65 / (1.0 + np.exp(np.minimum(7.0 * (reach - 0.95), 30.0)))
    lit: Picture = (planks * (0.85 * shadow)[..., None]).astype(np.float32)
    return lit


def _with_ball(rng: Rng, scene: Picture, x: Field, y: Field, ball: _Ball) -> Picture:
    """Lay the ball over the scene: light by Lambert, a highlight by Blinn and Phong."""
    ray = np.stack([x, y, np.full_like(x, FOCUS)], axis=-1)
    ray /= np.linalg.norm(ray, axis=-1, keepdims=True)
    middle = np.array(ball.middle, np.float32)
    along = ray @ middle
    gap = along**2 - (middle @ middle - ball.radius**2)
    n = (ray * (along - np.sqrt(np.maximum(gap, 0.0)))[..., None] - middle) / ball.radius
    light = _LIGHT / np.linalg.norm(_LIGHT)
    lambert = np.clip(n @ light, 0.0, 1.0)
    half = light - ray
    half /= np.linalg.norm(half, axis=-1, keepdims=True)
    gloss = np.clip((n * half).sum(-1), 0.0, 1.0) ** 60
    colour = rng.uniform(60.0, 225.0, 3).astype(np.float32)
    lit = colour * (0.28 + 0.85 * lambert)[..., None] + 200.0 * gloss[..., None]
    rim = np.clip(gap / (0.012 * ball.radius), 0.0, 1.0)[..., None]
    laid: Picture = scene * (1.0 - rim) + lit * rim
    return laid
