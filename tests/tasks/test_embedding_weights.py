"""Which of two files of weights embeddings are made with, and what is said of missing ones."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cnnkit.errors import UsageError, WeightsUnavailable
from cnnkit.tasks.embedding import Embedder
from cnnkit.zoo.catalog import find
from cnnkit.zoo.ledger import digests
from cnnkit.zoo.weights import path_of
from tests.tasks.embeddings import KERAS, embedded


class TestWeights:
    """Which file, of two; `_has` and `identity` go by files alone."""

    def here(self, *files: Any) -> None:
        for file in files:
            path_of(file).parent.mkdir(parents=True, exist_ok=True)
            path_of(file).write_bytes(file.name.encode())

    @pytest.mark.parametrize(
        ("model", "options", "here", "top"),
        [
            ("resnet50", {}, "", True),
            ("resnet50", {}, "top", True),
            ("resnet50", {}, "no_top", False),
            ("resnet50", {}, "top no_top", True),
            ("resnet50", {"layer": "avg_pool"}, "no_top", False),
            ("resnet50", {"layer": "conv4_block1_out"}, "no_top", False),
            ("resnet50", {"layer": "conv4_block1_out"}, "", True),
            ("resnet50", {"pooling": "avg"}, "", False),
            ("resnet50", {"pooling": "avg"}, "top", True),
            ("resnet50", {"pooling": "avg"}, "top no_top", False),
            ("vgg16", {}, "no_top", True),
            ("vgg16", {"pooling": "avg"}, "", False),
            ("vgg16", {"weights": "none", "pooling": "avg"}, "top", False),
            ("vgg16", {"weights": "none"}, "no_top", True),
            ("convnexttiny", {}, "no_top", True),
            ("patternnet", {"pooling": "avg"}, "", True),
        ],
    )
    def test_the_one_that_is_here_or_serves_most_or_is_small(
        self, model: str, options: Any, here: str, top: bool
    ) -> None:
        network = find(model)
        self.here(*(getattr(network, name) for name in here.split()))
        job = Embedder.of(model, **options).job
        assert job.with_top is top
        settled = job.settled()
        self.here(network.top, network.no_top) if model != "patternnet" else None
        assert settled.with_top is top
        assert job.here

    def test_their_identity_is_the_files_or_the_seed(self) -> None:
        network = find("resnet50")
        self.here(network.no_top)
        embedder = Embedder.of("resnet50")
        expected, _ = digests(path_of(network.no_top))
        assert embedder.job.identity() == expected
        assert Embedder.of("vgg19", weights="none", seed=5).job.identity() == "random, seed 5"
        stamp = embedder.stamp("float32", 2048)
        assert (stamp.weights, stamp.features, stamp.layer) == (expected, 2048, "avg_pool")

    def test_missing_ones_say_how_to_get_them(self) -> None:
        with pytest.raises(WeightsUnavailable, match=r"vgg16_weights_.*_notop\.h5"):
            Embedder.of("vgg16", pooling="avg", offline=True).stamp("float32", 512)
        with pytest.raises(WeightsUnavailable, match=r"vgg16_weights_.*kernels\.h5"):
            Embedder.of("vgg16", offline=True).stamp("float32", 4096)

    @pytest.mark.real
    @pytest.mark.network
    @pytest.mark.parametrize("engine", ["keras", "openvino"])
    def test_of_the_classifiers_layers_a_file_without_it_says_so(
        self, engine: str, photos: Path, keras_home: Path
    ) -> None:
        some = [str(next(photos.iterdir()))]
        options = KERAS | {"model": "mobilenetv2_0.35", "engine": engine, "offline": True}
        with pytest.raises(UsageError, match=r"No layer .* cnnkit weights pull mobilenetv2_0\.35"):
            list(Embedder.of(**options, layer="predictions").batches(some))
        found, stamp = embedded(Embedder.of(**options, layer="out_relu"), some)
        assert (stamp.pooling, stamp.features) == ("avg", 1280)
        expected, _ = embedded(Embedder.of(**options), some)
        np.testing.assert_allclose(found, expected, atol=1e-3 * expected.max())
