"""A layer's answer → vectors, by known values."""

from typing import Any

import numpy as np
import pytest

from cnnkit.errors import UnknownName, UsageError
from cnnkit.tasks.pooling import pooled, wished
from cnnkit.zoo.catalog import FEATURE_MAP, find

RESNET, MOBILENET = find("resnet50"), find("mobilenet_0.25")
# Two pictures, 2 × 3 places, 2 channels.
MAP = np.arange(24, dtype=np.float32).reshape(2, 2, 3, 2)
VECTOR = np.array([[1, 2], [3, 4]], np.float32)
SEQUENCE = np.zeros((2, 5, 4), np.float32)


@pytest.mark.parametrize(
    ("answer", "pooling", "expected", "named"),
    [
        (MAP, "avg", [[5, 6], [17, 18]], "avg"),
        (MAP, None, [[5, 6], [17, 18]], "avg"),
        (MAP, "max", [[10, 11], [22, 23]], "max"),
        (MAP, "flatten", MAP.reshape(2, 12).tolist(), "flatten"),
        (VECTOR, None, VECTOR.tolist(), "none"),
        (VECTOR, "none", VECTOR.tolist(), "none"),
        (VECTOR, "flatten", VECTOR.tolist(), "flatten"),
        (VECTOR.reshape(2, 1, 1, 2), None, VECTOR.tolist(), "none"),
        (VECTOR.reshape(2, 1, 1, 2), "none", VECTOR.tolist(), "none"),
        (VECTOR.reshape(2, 1, 1, 2), "max", VECTOR.tolist(), "max"),
    ],
)
def test_vectors_of_known_values(answer: Any, pooling: Any, expected: Any, named: str) -> None:
    vectors, found = pooled(answer, pooling, "here")
    assert vectors.tolist() == expected
    assert vectors.dtype == np.float32
    assert found == named
    assert pooled(SEQUENCE, "flatten", "here")[0].shape == (2, 20)


@pytest.mark.parametrize(
    ("answer", "pooling", "message"),
    [
        (MAP, "none", "answers with 2 × 3 × 2 numbers .* avg, max or flatten. Received: none"),
        (VECTOR, "avg", "answers with 2 numbers .* none or flatten. Received: avg"),
        (SEQUENCE, None, "answers with 5 × 4 numbers .* --pooling flatten. Received: no pooling"),
        (SEQUENCE, "avg", "--pooling flatten. Received: avg"),
        (SEQUENCE, "none", "--pooling flatten. Received: none"),
    ],
)
def test_what_does_not_suit_is_refused(answer: Any, pooling: Any, message: str) -> None:
    with pytest.raises(UsageError, match=f"The layer 'here' {message}|{message}"):
        pooled(answer, pooling, "here")


def test_what_wishes_stand_for() -> None:
    for wish, meant in (
        ((None, None), ("avg_pool", "none")),
        ((None, "none"), ("avg_pool", "none")),
        ((None, "avg"), (FEATURE_MAP, "avg")),
        ((None, "max"), (FEATURE_MAP, "max")),
        ((None, "flatten"), (FEATURE_MAP, "flatten")),
        (("feature map", None), (FEATURE_MAP, "avg")),
        (("avg_pool", None), ("avg_pool", "none")),
        (("conv1_relu", None), ("conv1_relu", None)),
        (("conv1_relu", "max"), ("conv1_relu", "max")),
    ):
        assert wished(RESNET, *wish) == meant


@pytest.mark.parametrize(
    ("layer", "pooling", "message"),
    [
        ("feature map", "none", "avg, max or flatten for the feature map"),
        (MOBILENET.embedding, "avg", "Expected --pooling none or flatten for 'global"),
        ("", None, "the name of a layer"),
    ],
)
def test_wishes_that_contradict_each_other_are_refused(
    layer: str, pooling: Any, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        wished(MOBILENET, layer, pooling)
    with pytest.raises(UnknownName, match="Did you mean max"):
        wished(MOBILENET, None, "maxx")  # type: ignore[arg-type]
