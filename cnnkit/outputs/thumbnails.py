"""Pictures → small ones that lie within a page, no more of them than a page can bear."""

import base64
import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cnnkit.outputs.strips import shortened, within

SIDE = 160
_QUALITY = 78
# Longer ones are shortened on the page; their `title` has them in full.
_LONGEST_NAME, _LONGEST_FOLDER = 64, 96


@dataclass(frozen=True, slots=True)
class Tile:
    """One picture on the page. Where `source` is empty, `note` says why there is none."""

    path: str
    folder: str
    name: str
    source: str
    note: str = ""


class Thumbnails:
    """Makes tiles until there are `most` of them with a picture, or `most_bytes` of text.

    From then on a tile has its name alone.
    """

    def __init__(
        self,
        picture: Callable[[str], Image.Image | str],
        *,
        most: int = 300,
        most_bytes: int = 6_000_000,
    ) -> None:
        """`picture` is that of `write_report`."""
        self._picture = picture
        self._left, self._bytes_left = most, most_bytes

    def of(self, path: str) -> Tile:
        """The picture that lies at `path`."""
        folder, slash, name = path.rpartition("/")
        shown = self._picture(path) if self._room() else "not shown here"
        source, note = ("", shown) if isinstance(shown, str) else (self._embedded(shown), "")
        return Tile(
            path,
            shortened(folder + slash, _LONGEST_FOLDER),
            shortened(name, _LONGEST_NAME),
            source,
            note,
        )

    def drawn(self, pixels: NDArray[np.uint8], name: str) -> Tile:
        """A picture of uint8 pixels (height, width, 3) that has no path, called `name`."""
        source = self._embedded(Image.fromarray(pixels)) if self._room() else ""
        return Tile("", "", name, source, "" if source else "not shown here")

    def _room(self) -> bool:
        return self._left > 0 and self._bytes_left > 0

    def _embedded(self, image: Image.Image) -> str:
        source = data_uri(image)
        self._left -= 1
        self._bytes_left -= len(source)
        return source


def data_uri(image: Image.Image) -> str:
    """The picture as a JPEG within `SIDE` pixels, in the text of a URI."""
    file = io.BytesIO()
    within(image, SIDE).save(file, "JPEG", quality=_QUALITY, optimize=True)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode('ascii')}"
