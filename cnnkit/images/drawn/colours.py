"""Two to five colours for a field: the palette is where a picture's mood comes from."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cnnkit.images.drawn.grid import Field, Rng

Picture = NDArray[np.float32]
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def pick_ends(rng: Rng, strength: float) -> Picture:
    """Return two colours, float32 (2, 3) in [0, 255], that a person can tell apart.

    The least difference in lightness shrinks from 120 at strength 0 to 45 at strength 1; from
    there on two colours may also differ by hue alone.
    """
    least = max(120.0 - 75.0 * strength, 35.0)
    hue_only = 130.0 if strength > 0.0 else 999.0
    for _ in range(20):
        ends = rng.random((2, 3), dtype=np.float32) * 255.0
        if rng.random() < 0.3:
            ends = ends * 0.35 + (ends @ _LUMA)[:, None] * 0.65
        apart = ends[0] - ends[1]
        if abs(float(apart @ _LUMA)) > least or float(np.linalg.norm(apart)) > hue_only:
            return ends
    return np.array([[20.0, 25.0, 30.0], [225.0, 220.0, 210.0]], np.float32)


def palette(rng: Rng, strength: float) -> Picture:
    """Return 256 colours from one end to the other, float32 (256, 3) in [0, 255].

    At training strength up to three bends pull the way between the ends off the straight line,
    so that several tones of a field become several hues.
    """
    ends = pick_ends(rng, strength)
    stops = 2 + int(rng.integers(0, 4) * (rng.random() < 0.65 * strength))
    at = np.linspace(0.0, 1.0, stops, dtype=np.float32)
    colours = ends[0] * (1.0 - at[:, None]) + ends[1] * at[:, None]
    colours[1:-1] += rng.uniform(-90.0, 90.0, (stops - 2, 3))
    tones = np.linspace(0.0, 1.0, 256, dtype=np.float32)
    bands = [np.interp(tones, at, colours[:, k]) for k in range(3)]
    ramp: Picture = np.clip(np.stack(bands, axis=1), 0.0, 255.0).astype(np.float32)
    return ramp


def colourise(field: Field, colours: Picture) -> Picture:
    """Return the picture, float32 (S, S, 3) in [0, 255], of a field under a palette."""
    picture: Picture = colours[(np.clip(field, 0.0, 1.0) * 255.0).astype(np.uint8)]
    return picture
