"""What is wished for: kept by a second run, or refused where it differs from what is stored."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cnnkit.errors import UnknownName, UsageError
from cnnkit.outputs.store.reading import Reader
from cnnkit.zoo.catalog import find
from cnnkit.zoo.weights import path_of
from tests.tasks.extracting import CLOSE, PATHS, SMALL, again, made_by, run, stored, told

pytest.importorskip("openvino", reason="the compiled runtime is not installed")
pytestmark = [pytest.mark.network, pytest.mark.usefixtures("six_here")]

WAYS: list[dict[str, Any]] = [
    {}, {"layer": "conv5_relu"}, {"pooling": "avg"}, {"pooling": "max"}, {"pooling": "flatten"},
    {"pooling": "none"}, {"crops": 10}, {"dtype": "float16"}, {"fit": "crop"},
    {"interpolation": "bicubic"}, {"weights": "none", "seed": 3},
    {"layer": "conv5_relu", "pooling": "max", "dtype": "float16", "fit": "pad"},
]  # fmt: skip
OTHERS: list[tuple[dict[str, Any], str]] = [
    ({"model": "mobilenet_0.25"}, "model"), ({"layer": "conv5_relu"}, "layer"),
    ({"pooling": "max"}, "pooling"), ({"crops": 5}, "crops"), ({"dtype": "float16"}, "dtype"),
    ({"fit": "crop"}, "fit"), ({"interpolation": "bicubic"}, "interpolation"),
    ({"precision": "bfloat16"}, "precision"), ({"weights": "none"}, "weights"),
]  # fmt: skip


class TestOptions:
    @pytest.mark.parametrize("way", WAYS, ids=str)
    def test_the_vectors_and_what_is_left_out_afterwards(
        self, way: dict[str, Any], no_network: Any
    ) -> None:
        run(PATHS[:3], **way)
        expected = made_by(PATHS[:4], **way)
        again(PATHS[3:])
        found = np.stack([stored()[path] for path in PATHS[:4]])
        close = 1e-3 * np.abs(expected).max() if "dtype" in way else CLOSE
        np.testing.assert_allclose(found, expected, atol=close)
        assert Reader("s.h5").dtype == np.dtype(way.get("dtype", "float32"))
        no_network()
        before = Path("s.h5").read_bytes()
        # Each wish by itself, beside those which go for every run here, agrees with the rest.
        for name, value in (SMALL | way).items():
            told(again(**{name: value}))
        assert Path("s.h5").read_bytes() == before

    @pytest.mark.parametrize(("wish", "field"), OTHERS, ids=str)
    def test_other_wishes(self, wish: dict[str, Any], field: str, no_network: Any) -> None:
        run(PATHS[:3])
        no_network()
        before = Path("s.h5").read_bytes()
        with pytest.raises(UsageError, match=rf"{field} +\S+  \|  \S+"):
            again(**wish)
        assert Path("s.h5").read_bytes() == before

    def test_another_seed(self, no_network: Any) -> None:
        run(PATHS[:1], weights="none", seed=3)
        no_network()
        for wish in ({"seed": 4}, {"weights": "none", "seed": 4}):
            with pytest.raises(UsageError, match=r"random, seed 3  \|  random, seed 4"):
                again(**wish)

    def test_the_published_weights_by_name_or_as_a_file(self, no_network: Any) -> None:
        run(PATHS[:3])
        no_network()
        file = path_of(find("patternnet").top)
        for weights in ("imagenet", file):
            told(again(PATHS[:3], weights=weights))

    def test_a_layer_that_is_none(self) -> None:
        with pytest.raises(UnknownName, match="conv5_bn"):
            run(layer="conv5_bm")
        assert not Path("s.h5").exists()
