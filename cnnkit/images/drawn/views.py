"""Two edited views of one drawn picture, for a contrastive objective.

An embedding is to hold under what people do to a photograph: crop, turn, mirror, resize, brighten,
blur, save again as JPEG. A training batch is a function of (seed, step, ramp) alone, whoever
draws it, so any number of processes gives the same bytes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnnkit.images.drawn.draw import CLASSES, draw
from cnnkit.images.drawn.grid import Rng

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class BatchPlan:
    """What one training batch is made of.

    Attributes:
        seed: the training run's seed; held-out pictures use others.
        step: number of the batch.
        pictures: drawn pictures in the batch; there are twice as many views.
        size: side of the views in pixels.
        strength: strength of the drawer around which pictures vary.
    """

    seed: int
    step: int
    pictures: int
    size: int
    strength: float


def _reframe(rng: Rng, picture: Pixels, size: int) -> Pixels:
    """Return a cropped, turned, stretched and perhaps mirrored view, ``size`` pixels a side."""
    import cv2

    source = len(picture)
    zoom = size / source * float(np.exp(rng.uniform(0.0, 0.4)))
    aspect = float(np.exp(rng.uniform(-0.12, 0.12)))
    angle = float(np.deg2rad(rng.normal() * 9.0))
    c, s = np.cos(angle) * zoom, np.sin(angle) * zoom
    turn = np.array([[c * aspect, -s], [s, c / aspect]])
    if rng.random() < 0.5:
        turn[:, 0] *= -1.0
    # The crop's middle wanders within what the zoom leaves over.
    slack = 0.5 * max(source - size / zoom, 0.0)
    middle = source / 2.0 + rng.uniform(-slack, slack, 2)
    shift = size / 2.0 - turn @ middle
    frame = np.concatenate([turn, shift[:, None]], axis=1)
    view = cv2.warpAffine(
        picture, frame, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
    )
    return np.asarray(view, np.uint8)


def _regrade(rng: Rng, view: Pixels) -> Pixels:
    """Return the view with other brightness, contrast, tint, saturation and perhaps grain."""
    gain = np.exp(rng.normal(0.0, 0.22) + rng.normal(0.0, 0.05, 3)).astype(np.float32)
    contrast = float(np.exp(rng.normal(0.0, 0.18)))
    floats = view.astype(np.float32)
    if rng.random() < 0.25:
        grey = floats.mean(axis=2, keepdims=True)
        floats = grey + (floats - grey) * float(rng.uniform(0.0, 1.4))
    floats = floats * (gain * contrast) + gain * (118.0 * (1.0 - contrast))
    if rng.random() < 0.2:
        level = float(rng.uniform(2.0, 12.0))
        floats += level * rng.standard_normal(view.shape[:2], dtype=np.float32)[..., None]
    graded: Pixels = np.clip(floats + 0.5, 0.0, 255.0).astype(np.uint8)
    return graded


def _resave(rng: Rng, view: Pixels) -> Pixels:
    """Return the view after a blur, a smaller copy or a JPEG file, each now and then."""
    import cv2

    size = len(view)
    if rng.random() < 0.25:
        view = cv2.GaussianBlur(view, (0, 0), float(rng.uniform(0.4, 1.5))).astype(np.uint8)
    elif rng.random() < 0.2:
        less = int(size * rng.uniform(0.4, 0.8))
        small = cv2.resize(view, (less, less), interpolation=cv2.INTER_AREA)
        view = cv2.resize(small, (size, size), interpolation=cv2.INTER_LINEAR).astype(np.uint8)
    if rng.random() < 0.3:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(20, 80))]
        packed = cv2.imencode(".jpg", view, quality)[1]
        view = np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR), np.uint8)
    return view


def edit(rng: Rng, picture: Pixels, size: int) -> Pixels:
    """Return one edited view, uint8 (size, size, 3), of a picture."""
    return _resave(rng, _regrade(rng, _reframe(rng, picture, size)))


def draw_batch(plan: BatchPlan) -> tuple[Pixels, NDArray[np.int32]]:
    """Draw a batch.

    Returns:
        views, uint8 (2 * pictures, size, size, 3): first view of every picture, then the second
        of every picture; and class indices, int32 (2 * pictures,).
    """
    import cv2

    cv2.setNumThreads(1)
    rng = np.random.default_rng(np.random.SeedSequence([plan.seed, plan.step, 1]))
    names = rng.integers(0, len(CLASSES), plan.pictures).astype(np.int32)
    views = np.empty((2, plan.pictures, plan.size, plan.size, 3), np.uint8)
    for place, name in enumerate(names):
        strength = plan.strength * float(rng.uniform(0.7, 1.15))
        index = plan.step * plan.pictures + place
        # A little larger than the views, so that a crop does not have to invent pixels.
        picture = draw(CLASSES[name], plan.seed, index, plan.size * 8 // 7, strength)
        views[0, place] = edit(rng, picture, plan.size)
        views[1, place] = edit(rng, picture, plan.size)
    return views.reshape(-1, plan.size, plan.size, 3), np.tile(names, 2)
