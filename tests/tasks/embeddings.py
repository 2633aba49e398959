"""What an `Embedder` answers, what Keras says of the same pictures, and what is known before."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnkit.images.loading import loader
from cnnkit.records import Stamp
from cnnkit.tasks.embedding import Embedder
from cnnkit.zoo.catalog import find
from cnnkit.zoo.weights import path_of

PATTERNNET = find("patternnet")
KERAS: dict[str, Any] = {"engine": "keras", "precision": "float32", "threads": 2}
SMALL: dict[str, Any] = KERAS | {"model": "patternnet"}


def readable(paths: list[str]) -> list[str]:
    return [path for i, path in enumerate(paths) if i != 2]


def embedded(embedder: Embedder, paths: list[str]) -> tuple[NDArray[np.float32], Stamp]:
    """Every vector, and the stamp, of pictures that can all be read."""
    batches = list(embedder.batches(paths))
    stamps = {batch.stamp for batch in batches if batch.paths}
    assert [path for batch in batches for path in batch.paths] == paths
    (stamp,) = stamps
    assert stamp is not None
    vectors = [vector for batch in batches for vector in batch.vectors]
    assert all(isinstance(vector, np.ndarray) for vector in vectors)
    return np.stack(vectors), stamp  # type: ignore[arg-type]


def keras_says(layer: str, paths: list[str], crops: int = 1) -> NDArray[np.float32]:
    """What patternnet's layer answers in Keras itself: (n, …), or (n · crops, …)."""
    import keras

    from cnnkit.nets.patternnet import PatternNet

    model = PatternNet(weights=path_of(PATTERNNET.top))
    pixels = [loader(PATTERNNET.recipe, crops)(path) for path in paths]
    values = np.concatenate([np.asarray(each) for each in pixels]) / 127.5 - 1
    part = keras.Model(model.input, model.get_layer(layer).output)
    return np.asarray(part(values.astype(np.float32)))


@dataclass(frozen=True)
class Known:
    row: int

    @classmethod
    def of(cls, path: str) -> "Known":
        return cls(int(Path(path).stem))
