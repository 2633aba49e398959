"""What a picture shows, in 256 bits that an edit hardly changes.

::

    grey   (64, 64) float64   the upright picture, stretched to a square, grey levels 0..255
    waves  (16, 16) float64   the lowest frequencies of grey's orthonormal DCT-II, in grey levels
    bits   (4,)     uint64    which of the waves are above their median

After pHash: C. Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions",
2010, section 3.2.1, with 256 bits in the place of 64. How many bits may differ between two
pictures that are nearly the same is measured in `search/fingerprints`.
"""

import hashlib
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cnnkit.images.decode import Picture, decode_reduced
from cnnkit.records import Skipped

_SIDE: Final = 64
_WAVES: Final = 16
# A picture is flat where half of its waves stay below so many grey levels. The flattest of 750
# photographs has 6.3; a plain colour, a smooth gradient and a few clean stripes have 0, and a
# plain colour with noise of standard deviation 8 has 1.1 after JPEG at quality 40.
_LEAST: Final = 2.0


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """The content of a picture's file, and what it shows.

    `sha256` is the file's, in hex; `bits` are uint64 (4,). Where `flat` is set the picture has no
    structure to speak of, and its bits say nothing: it is a duplicate of its own bytes alone.
    """

    sha256: str
    bits: NDArray[np.uint64]
    flat: bool


def fingerprint(path: str) -> Fingerprint | Skipped:
    """Read a picture's file and tell what it shows.

    Never raises for what the file holds: a `Skipped` names the reason that `decode` names. Takes
    1.7 ms for a JPEG of 500×375 pixels; nearly all of it leaves other threads free to run.
    """
    picture = decode_reduced(path, (_SIDE, _SIDE))
    if isinstance(picture, Skipped):
        return picture
    try:
        with open(path, "rb") as file:  # noqa: PTH123 — a Path would not carry every name
            content = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        reason = f"it went away while it was read ({error.strerror})"
        return Skipped(path, "unreadable", reason)
    waves = _waves(picture)
    flat = bool(np.median(np.abs(waves)) < _LEAST)
    return Fingerprint(content, _bits(waves), flat)


def _waves(picture: Picture) -> NDArray[np.float64]:
    grey = picture.image.convert("L")
    small = grey.resize((_SIDE, _SIDE), Image.Resampling.LANCZOS, box=picture.extent)
    waves: NDArray[np.float64] = _COSINES @ np.asarray(small, np.float64) @ _COSINES.T
    # What is zero by symmetry must not have the sign of a rounding error.
    return waves.round(3)


def _bits(waves: NDArray[np.float64]) -> NDArray[np.uint64]:
    above = waves > np.median(waves)
    return np.packbits(above).view(">u8").astype(np.uint64)


def _cosines() -> NDArray[np.float64]:
    """The first rows of the orthonormal DCT-II's matrix, (waves, side)."""
    wave, place = np.arange(_WAVES)[:, None], np.arange(_SIDE)
    angles = np.pi * (2 * place + 1) * wave / (2 * _SIDE)
    rows: NDArray[np.float64] = np.cos(angles) * np.sqrt(2 / _SIDE)
    rows[0] /= np.sqrt(2)
    return rows


_COSINES: Final = _cosines()
