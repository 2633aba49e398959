"""What is taken of a layer's answer: the layer and pooling wished for, and answers → vectors."""

from typing import get_args

import numpy as np
from numpy.typing import NDArray

from cnnkit.errors import UnknownName, UsageError
from cnnkit.records import Pooling
from cnnkit.zoo.catalog import FEATURE_MAP, Network

# What a person calls `FEATURE_MAP`, on the command line and in a stamp.
MAP_NAME = "feature map"
_MAPS, _VECTORS = "avg, max or flatten", "none or flatten"


def wished(
    network: Network, layer: str | None, pooling: Pooling | None
) -> tuple[str, Pooling | None]:
    """The layer and the pooling that two wishes stand for; None for what hangs on the layer.

    Raises `UsageError` where the one does not go with the other.
    """
    if pooling is not None and pooling not in get_args(Pooling):
        raise UnknownName("pooling", str(pooling), get_args(Pooling))
    if layer is None:
        layer = network.embedding if pooling in (None, "none") else FEATURE_MAP
    if layer in (MAP_NAME, FEATURE_MAP):
        if pooling == "none":
            raise UsageError(f"Expected --pooling {_MAPS} for the feature map. Received: none.")
        return FEATURE_MAP, pooling or "avg"
    if not layer:
        raise UsageError("Expected the name of a layer. Received: ''.")
    if layer == network.embedding:
        if pooling in ("avg", "max"):
            raise UsageError(f"Expected --pooling {_VECTORS} for {layer!r}. Received: {pooling}.")
        return layer, pooling or "none"
    return layer, pooling


def pooled(
    answer: NDArray[np.float32], pooling: Pooling | None, layer: str
) -> tuple[NDArray[np.float32], Pooling]:
    """float32 (n, …) → (n, features), and the pooling that did it.

    (n, 1, 1, C) is a vector as well as a map. Of a sequence (n, t, C) nobody can say what to take
    a mean over: all its numbers, or none. Raises `UsageError` where the pooling does not suit.
    """
    shape = answer.shape[1:]
    is_map = len(shape) == 3
    is_vector = len(shape) == 1 or (is_map and shape[:2] == (1, 1))
    if pooling is None and (is_vector or is_map):
        pooling = "none" if is_vector else "avg"
    if pooling == "flatten" or (pooling == "none" and is_vector):
        return answer.reshape(len(answer), -1), pooling
    if pooling == "avg" and is_map:
        return answer.mean(axis=(1, 2), dtype=np.float64).astype(np.float32), pooling
    if pooling == "max" and is_map:
        largest: NDArray[np.float32] = answer.max(axis=(1, 2))
        return largest, pooling
    suitable = _VECTORS if is_vector else _MAPS if is_map else "flatten"
    raise UsageError(
        f"The layer {layer!r} answers with {' × '.join(map(str, shape))} numbers for a picture. "
        f"Expected --pooling {suitable}. Received: {pooling or 'no pooling'}."
    )
