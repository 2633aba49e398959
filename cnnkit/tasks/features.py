"""What a frozen network says of training pictures, computed once and kept in the user's cache.

An embedding store per way of making them, named by the hash of that way: weights, layer, pooling
and recipe. Within it a picture is known by its content, so that a second run, another split or a
renamed folder computes nothing anew.
"""

import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cnnkit.errors import InputError
from cnnkit.images.augment import Augmentation, draw, transformed
from cnnkit.images.geometry import Pixels
from cnnkit.records import Pooling, Skipped
from cnnkit.search.vectors import Matrix
from cnnkit.tasks import feature_stores
from cnnkit.tasks.collection import Collection
from cnnkit.tasks.embedding import Embedder
from cnnkit.tasks.extract_features import extract_to_cache
from cnnkit.tasks.network import Job

Floats = NDArray[np.float32]
_IN_MEMORY = 1 << 30
# Told of each picture: how many are done.
Counter = Callable[[int], object]


@dataclass(frozen=True, slots=True)
class View:
    """One augmented copy of each picture: `number` counts them from 1.

    `contents` are the sha256 of the pictures' files by absolute path.
    """

    augmentation: Augmentation
    contents: Mapping[str, str]
    seed: int
    number: int

    @property
    def key(self) -> str:
        """What tells one way of changing pictures from another."""
        return f"{self.augmentation!r}, seed {self.seed}, copy {self.number}"

    def change(self, path: str, pixels: Pixels) -> Pixels:
        """The changed copy of a picture, uint8 (1, H, W, 3)."""
        height, width = pixels.shape[1:3]
        drawn = draw(
            self.augmentation, seed=self.seed, content=self.contents[path], copy=self.number,
            height=height, width=width,
        )  # fmt: skip
        return transformed(pixels[0], drawn, self.augmentation)[None]


@dataclass(frozen=True, slots=True)
class Features:
    """The vectors of pictures: row `rows[i]` of the matrix is that of picture i."""

    matrix: Matrix
    rows: NDArray[np.int64]
    computed: int

    @property
    def width(self) -> int:
        """How many numbers one has."""
        return self.matrix.features

    def gathered(self) -> Floats:
        """All of them, float32 (n, width), a copy."""
        return self.matrix.gather(self.rows)

    def shaped(self, first: int, last: int | None, shape: tuple[int, ...]) -> "Floats | Maps":
        """Some of them as (n, *shape): in memory if they are few, or from the file as needed."""
        rows = self.rows[first:last]
        maps = Maps(self.matrix, rows, (len(rows), *shape))
        return maps[np.arange(len(rows))] if 4 * self.width * len(rows) <= _IN_MEMORY else maps


@dataclass(frozen=True, slots=True)
class Maps:
    """Feature maps that stay in their file until some are asked for; as an array to `Rows`."""

    matrix: Matrix
    rows: NDArray[np.int64]
    shape: tuple[int, ...]

    def __getitem__(self, places: NDArray[np.int64]) -> Floats:
        """Copies of those at these places, float32 (k, …)."""
        return self.matrix.gather(self.rows[places]).reshape(-1, *self.shape[1:])


def features(
    paths: Sequence[str],
    job: Job,
    *,
    layer: str | None = None,
    pooling: Pooling | None = None,
    counter: Counter = lambda done: None,
    view: View | None = None,
) -> Features:
    """The vectors of these pictures, all of which can be read; what is not known is computed.

    In float32, whatever the machine could do faster: the head that is trained on them has to fit
    the network that it will sit on. With a `view` they are those of changed pictures. Raises what
    `extract_features` does, and `InputError` for a picture that has become unreadable.
    """
    wishes = {
        "model": job.network.name, "layer": layer, "pooling": pooling, "weights": job.weights,
        "fit": job.recipe.fit, "interpolation": job.recipe.interpolation, "precision": "float32",
        "seed": job.seed,
    }  # fmt: skip
    means = {"threads": job.threads, "offline": job.offline, "reporter": job.reporter}
    store = store_of(Embedder.of(**wishes, **means), view)  # type: ignore[arg-type]
    store.parent.mkdir(parents=True, exist_ok=True)
    absolute = map(os.path.abspath, paths)
    computed, rows = 0, []
    change = view.change if view else None
    for done, record in enumerate(extract_to_cache(absolute, store, change, wishes, means), 1):
        counter(done)
        if isinstance(record, Skipped):
            raise InputError(f"{record.path} can no longer be read: {record.message}.")
        computed += not record.cached
        rows.append(record.row)
    feature_stores.bound(keep=store)
    return Features(Collection(store).matrix, np.array(rows, np.int64), computed)


def store_of(embedder: Embedder, view: View | None = None) -> Path:
    """The store in which vectors that are made like this are kept."""
    job = embedder.job
    way = [job.identity(), embedder.layer, embedder.pooling, job.recipe.hash]
    if view:
        way.append(view.key)
    key = hashlib.sha256(json.dumps(way).encode()).hexdigest()[:20]
    stem = "".join(c if c.isalnum() or c in "._" else "_" for c in Path(job.network.name).name)
    return feature_stores.folder() / f"{stem}-{key}.h5"
