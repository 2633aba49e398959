"""How a file becomes a network's input."""

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Literal

from cnnkit.records.words import Fit, Interpolation


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a file becomes a network's input, from decoding to scaling; a part of the model.

    The picture is decoded (turned as its EXIF says, transparency over white), fitted to
    `height` × `width`, and each channel `c`, in the order of `channels`, becomes
    `(value · scale − mean[c]) / std[c]` with values from 0 to 255.

    `fit` is `stretch` (both sides to size, aspect lost), `crop` (the short side to `margin` times
    the size, then the centre) or `pad` (the long side to size, the rest filled with grey).
    `margin` is as exact as two integers: (256, 224) for the usual ImageNet evaluation.
    """

    height: int
    width: int
    fit: Fit = "crop"
    interpolation: Interpolation = "bicubic"
    margin: tuple[int, int] = (256, 224)
    channels: Literal["rgb", "bgr"] = "rgb"
    scale: float = 1.0
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    decoder: str = "pillow-exif-white-draft2box"

    @property
    def hash(self) -> str:
        """A sha256 over every field: two recipes with one hash give the same pixels."""
        canonical = json.dumps(asdict(self), sort_keys=True)
        return hashlib.sha256(canonical.encode()).hexdigest()
