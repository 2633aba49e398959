"""Pictures as training inputs: decoded once where memory allows, changed every epoch."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cnnkit.errors import InputError
from cnnkit.images.augment import Augmentation, draw, transformed
from cnnkit.images.geometry import Pixels
from cnnkit.images.loading import loader
from cnnkit.records import Recipe, Skipped
from cnnkit.tasks.feeding import Places

# Bytes of decoded pictures that are kept in memory.
_MOST_KEPT = 1 << 30


@dataclass(slots=True)
class Pictures:
    """Pictures by path, float32 (n, H, W, 3) from 0 to 255 under the recipe's fit.

    `contents` are the sha256 of their files, of which augmentation is a function, together with
    the seed and the epoch.
    """

    paths: Sequence[str]
    contents: Sequence[str]
    recipe: Recipe
    threads: int
    augmentation: Augmentation | None = None
    seed: int = 0
    _kept: dict[int, Pixels] = field(default_factory=dict)
    _pool: ThreadPoolExecutor | None = None

    @property
    def bytes_each(self) -> int:
        """How large one input is."""
        return self.recipe.height * self.recipe.width * 3 * 4

    def inputs(self, places: Places, epoch: int | None) -> NDArray[np.float32]:
        """The pictures at these places, augmented unless `epoch` is None.

        Raises `InputError` for one that has become unreadable since the run began.
        """
        made = np.empty((len(places), self.recipe.height, self.recipe.width, 3), np.float32)

        def fill(rows: NDArray[np.intp]) -> None:
            for row in rows:
                made[row] = self._shown(int(places[row]), epoch)

        # The same threads every time: each has memory of its own that it transforms pictures in.
        self._pool = self._pool or ThreadPoolExecutor(self.threads, thread_name_prefix="decode")
        for _ in self._pool.map(fill, np.array_split(np.arange(len(places)), 2 * self.threads)):
            pass  # what one of them raises is raised here
        return made

    def _shown(self, place: int, epoch: int | None) -> Pixels:
        pixels = self._pixels(place)
        if epoch is None or self.augmentation is None:
            return pixels
        height, width, _ = pixels.shape
        drawn = draw(
            self.augmentation,
            seed=self.seed,
            content=self.contents[place],
            copy=epoch,
            height=height,
            width=width,
        )
        return transformed(pixels, drawn, self.augmentation)

    def _pixels(self, place: int) -> Pixels:
        kept = self._kept.get(place)
        if kept is not None:
            return kept
        picture = loader(self.recipe)(self.paths[place])
        if isinstance(picture, Skipped):
            raise InputError(f"{picture.path} can no longer be read: {picture.message}.")
        pixels: Pixels = picture[0]
        if (len(self._kept) + 1) * pixels.nbytes <= _MOST_KEPT:
            self._kept[place] = pixels
        return pixels
