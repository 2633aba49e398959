"""What befalls a drawn surface before a camera has it: light, things in the way, lens, file.

Pictures are float32 (S, S, 3) in [0, 255] until :func:`develop` makes them uint8. ``strength``
scales how often and how much: 0 leaves a picture as it is, 1 is what the network trains on,
and above 1 lies what it never saw.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cnnkit.images.drawn.colours import Picture, colourise, palette
from cnnkit.images.drawn.grid import Field, Rng
from cnnkit.images.drawn.noise import octaves, smooth_noise


def _chance(rng: Rng, probability: float) -> bool:
    return bool(rng.random() < probability)


def _backdrop(rng: Rng, size: int) -> Picture:
    """Return an out-of-focus ground: a few soft blotches of colour."""
    import cv2

    knots = rng.random((3, 3, 3), dtype=np.float32) * 0.5 + rng.random(3, dtype=np.float32) * 0.5
    soft = cv2.resize(knots * 255.0, (size, size), interpolation=cv2.INTER_LINEAR)
    return np.asarray(soft, np.float32)


def cut_out(rng: Rng, picture: Picture, strength: float) -> Picture:
    """Show the surface as a thing with an outline, in front of a soft backdrop."""
    if not _chance(rng, 0.35 * strength):
        return picture
    size = len(picture)
    axis = np.linspace(-1.0, 1.0, size, dtype=np.float32)
    x, y = axis[None, :] - rng.uniform(-0.2, 0.2), axis[:, None] - rng.uniform(-0.2, 0.2)
    a, b = rng.uniform(0.72, 1.15, 2)
    power = float(rng.choice([2.0, 2.0, 4.0, 8.0]))
    reach = np.abs(x / a) ** power + np.abs(y / b) ** power
    reach = reach + (smooth_noise(rng, size, 4) - 0.5) * 0.9
    mask = np.clip((1.0 - reach) * (0.12 * size), 0.0, 1.0)[..., None].astype(np.float32)
    shade = 1.0 - 0.35 * np.clip(reach, 0.0, 1.0)[..., None] * _chance(rng, 0.5)
    scene: Picture = _backdrop(rng, size) * (1.0 - mask) + picture * shade * mask
    return scene


def clutter(rng: Rng, picture: Picture, strength: float) -> Picture:
    """Lay a few thin lines and small spots over the picture."""
    import cv2

    if not _chance(rng, 0.35 * strength):
        return picture
    size = len(picture)
    for _ in range(int(rng.integers(1, 3 + round(4.0 * strength)))):
        ends = rng.integers(0, size, (2, 2))
        colour = tuple(float(c) for c in rng.uniform(0.0, 255.0, 3))
        wide = max(1, round(rng.uniform(0.006, 0.018) * size))
        if _chance(rng, 0.5):
            cv2.line(picture, ends[0].tolist(), ends[1].tolist(), colour, wide, cv2.LINE_AA)
        else:
            cv2.circle(picture, ends[0].tolist(), 2 * wide, colour, -1, cv2.LINE_AA)
    return picture


def occlude(rng: Rng, picture: Picture, strength: float) -> Picture:
    """Hide parts of the picture behind even or two-coloured oblongs and ovals."""
    import cv2

    size = len(picture)
    for _ in range(3):
        if not _chance(rng, 0.3 * strength):
            continue
        # Each hides at most about a ninth of the picture at training strength.
        axes = np.maximum(rng.uniform(0.05, 0.16 + 0.05 * strength, 2) * size, 1.0)
        middle = rng.uniform(0.0, size, 2)
        turn = float(rng.uniform(0.0, 180.0))
        colour = tuple(float(c) for c in rng.uniform(0.0, 255.0, 3))
        box = ((float(middle[0]), float(middle[1])), (2.0 * axes[0], 2.0 * axes[1]), turn)
        if _chance(rng, 0.5):
            corners = np.round(cv2.boxPoints(box)).astype(np.int32)
            cv2.fillPoly(picture, [corners], colour, cv2.LINE_AA)
        else:
            cv2.ellipse(picture, box, colour, -1, cv2.LINE_AA)
    return picture


def light(rng: Rng, picture: Picture, strength: float) -> Picture:
    """Light the picture unevenly, tint it, and set exposure and contrast."""
    size = len(picture)
    lamp: Field = np.ones((size, size), np.float32)
    if _chance(rng, 0.6 * strength):
        lamp += (smooth_noise(rng, size, 2) - 0.5) * rng.uniform(0.3, 0.9) * min(strength, 1.5)
    if _chance(rng, 0.2 * strength):
        shadow = octaves(rng, size, 2, 2) > rng.uniform(0.35, 0.65)
        lamp *= 1.0 - rng.uniform(0.15, 0.4) * shadow
    dim = float(np.exp(rng.uniform(-0.4, 0.25) * strength))
    tint = np.exp(rng.uniform(-0.15, 0.15, 3) * strength).astype(np.float32) * dim
    contrast = float(np.exp(rng.uniform(-0.45, 0.2) * strength))
    mean = 118.0 * (1.0 - contrast)
    lit: Picture = (picture * (contrast * tint) + mean * tint) * lamp[..., None]
    return lit


def lens(rng: Rng, picture: Picture, strength: float) -> Picture:
    """Blur the picture: out of focus, or shaken in one direction."""
    import cv2

    size = len(picture)
    if _chance(rng, 0.45 * strength):
        sigma = rng.uniform(0.3, 1.15) * min(strength, 1.7) * size / 112.0
        picture = cv2.GaussianBlur(picture, (0, 0), sigma).astype(np.float32, copy=False)
    elif _chance(rng, 0.15 * strength):
        reach = max(3, 2 * round(rng.uniform(1.0, 2.2) * strength * size / 112.0) + 1)
        kernel = np.zeros((reach, reach), np.float32)
        step = rng.uniform(-1.0, 1.0, 2) * (reach // 2)
        middle = np.array([reach // 2, reach // 2])
        ends = np.round([middle - step, middle + step]).astype(int).tolist()
        cv2.line(kernel, ends[0], ends[1], 1.0)
        picture = np.asarray(cv2.filter2D(picture, -1, kernel / kernel.sum()), picture.dtype)
    return picture


def grain(rng: Rng, picture: Picture, strength: float) -> Picture:
    """Add the grain of a sensor, the same in all three colours."""
    if not _chance(rng, 0.4 * strength):
        return picture
    level = rng.uniform(2.0, 13.0) * strength
    return picture + level * rng.standard_normal(picture.shape[:2], dtype=np.float32)[..., None]


def develop(rng: Rng, picture: Picture, strength: float) -> NDArray[np.uint8]:
    """Return the picture as uint8 (S, S, 3), perhaps after a passage through JPEG."""
    import cv2

    pixels: NDArray[np.uint8] = np.clip(picture + 0.5, 0.0, 255.0).astype(np.uint8)
    if not _chance(rng, 0.5 * strength):
        return pixels
    quality = int(rng.integers(max(12, round(62.0 - 34.0 * strength)), 95))
    # OpenCV takes RGB for BGR; as it does so on the way out too, the colours come back right.
    _, packed = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR), np.uint8)


def render(rng: Rng, field: Field, strength: float) -> NDArray[np.uint8]:
    """Return the photograph-like picture, uint8 (S, S, 3) RGB, of a field."""
    picture = colourise(field, palette(rng, strength))
    for step in (cut_out, clutter, occlude, light, lens, grain):
        picture = step(rng, picture, strength)
    return develop(rng, picture, strength)
