"""Runs of `extract_features` into `s.h5`, and what is in that store afterwards."""

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

import cnnkit
from cnnkit.outputs.store.reading import Reader
from cnnkit.outputs.store.upkeep import damaged_rows
from cnnkit.records import Embedded, Skipped
from cnnkit.tasks.embedding import Embedder

SMALL: dict[str, Any] = {"model": "patternnet", "precision": "float32", "threads": 2}
# Another batch, another order in which a runtime adds up.
CLOSE = 1e-4
PATHS = [f"p/{i}.png" for i in range(6)]


def run(images: Any = "p", **options: Any) -> list[Embedded | Skipped]:
    return list(cnnkit.extract_features(images, **SMALL | {"store": "s.h5"} | options))


def again(images: Any = "p", **options: Any) -> list[Embedded | Skipped]:
    """Without a wish of our own."""
    return list(cnnkit.extract_features(images, store="s.h5", **options))


def told(records: list[Embedded | Skipped]) -> list[tuple[str, int, bool]]:
    """(path, row, cached) of records that are all of rows which are there."""
    reader = Reader("s.h5")
    assert list(damaged_rows(reader)) == []
    assert len(set(reader.paths or ())) == reader.rows
    found = []
    for record in records:
        assert isinstance(record, Embedded), record
        assert reader.path_of(record.row) == os.path.normpath(record.path)
        found.append((record.path, record.row, record.cached))
    return found


def stored() -> dict[str, NDArray[np.float32]]:
    reader = Reader("s.h5")
    return {path: reader.vector(row) for row, path in enumerate(reader.paths or ())}


def made_by(paths: list[str], **wishes: Any) -> NDArray[np.float32]:
    """The oracle: what `Embedder` answers, whose numbers are compared with Keras's elsewhere."""
    batches = Embedder.of(**SMALL | wishes).batches(paths)
    return np.stack([each for batch in batches for each in batch.vectors])  # type: ignore[misc]
