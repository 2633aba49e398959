"""Embeddings with MobileNet's published weights are those that Keras itself makes."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from cnnkit.engines import cache
from cnnkit.tasks.classify import classify
from cnnkit.tasks.embedding import Embedder
from cnnkit.zoo.catalog import find
from cnnkit.zoo.ledger import digests
from cnnkit.zoo.weights import path_of
from tests.tasks.embeddings import KERAS, embedded


@pytest.mark.real
@pytest.mark.network
class TestForReal:
    """MobileNet's published weights, with Keras's own call for the same."""

    @pytest.mark.parametrize("pooling", ["avg", "max"])
    @pytest.mark.parametrize("engine", ["keras", "openvino"])
    def test_the_feature_map_is_keras_without_top(
        self, engine: str, pooling: Any, photos: Path, keras_home: Path
    ) -> None:
        some, expected = without_top("MobileNet", 0.25, pooling, photos, keras_home)
        options = KERAS | {"model": "mobilenet_0.25", "engine": engine}
        found, stamp = embedded(Embedder.of(**options, pooling=pooling), some)
        scale = 1 if pooling == "avg" else expected.max()  # single values, up to 6
        np.testing.assert_allclose(found, expected, atol=1e-4 * scale)
        file = find("mobilenet_0.25").no_top
        assert stamp.weights == digests(path_of(file))[0]
        if pooling == "avg":
            by_default, stamp = embedded(Embedder.of(**options), some)
            np.testing.assert_allclose(by_default, expected, atol=1e-4)
            assert stamp.weights == digests(path_of(find("mobilenet_0.25").top))[0]

    @pytest.mark.parametrize("engine", ["keras", "openvino"])
    def test_no_top_is_needed_for_the_embedding(
        self, engine: str, photos: Path, keras_home: Path
    ) -> None:
        some, expected = without_top("MobileNetV2", 0.35, "avg", photos, keras_home)
        options = KERAS | {"model": "mobilenetv2_0.35", "engine": engine, "offline": True}
        found, stamp = embedded(Embedder.of(**options), some)
        np.testing.assert_allclose(found, expected, atol=1e-4)
        assert (stamp.layer, stamp.pooling) == ("global_average_pooling2d", "none")
        assert stamp.weights == digests(path_of(find("mobilenetv2_0.35").no_top))[0]

    def test_a_file_without_top_is_known_for_one(self, photos: Path, keras_home: Path) -> None:
        some = [str(path) for path in sorted(photos.iterdir())[:2]]
        network = find("mobilenet_0.25")
        files = [path_of(network.top), path_of(network.no_top)]
        made = [Embedder.of(**KERAS, model=network.name, weights=file) for file in files]
        assert [embedder.job.with_top for embedder in made] == [True, False]
        one, other = (embedded(embedder, some)[0] for embedder in made)
        np.testing.assert_allclose(one, other, atol=1e-4)

    def test_the_converted_network_and_the_verdict_are_those_of_classify(
        self, photos: Path, keras_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pytest.importorskip("openvino", reason="the compiled runtime is not installed")
        monkeypatch.setenv("CNNKIT_CACHE_DIR", str(tmp_path / "converted"))
        monkeypatch.setattr("cnnkit.engines.fidelity.PICTURES", 8)
        some = [str(path) for path in sorted(photos.iterdir())[:8]]
        options: dict[str, Any] = {"model": "mobilenet_0.75", "threads": 2, "engine": "openvino"}
        embedded(Embedder.of(**options), some)
        (entry,) = cache.entries()
        verdict = entry.verdict()
        list(classify(some, **options))
        assert [each.folder for each in cache.entries()] == [entry.folder]
        assert entry.verdict() == verdict
        embedded(Embedder.of(**options, pooling="avg"), some)
        assert len(list(cache.entries())) == 2


def without_top(
    builder: str, alpha: float, pooling: str, photos: Path, home: Path
) -> tuple[list[str], NDArray[np.float32]]:
    """Photographs, and what Keras says of them with `include_top=False`."""
    import keras

    from tests import plain_keras

    def side(path: Path) -> int:  # a larger one is decoded at half size: other pixels
        with Image.open(path) as image:
            return min(image.size)

    some = [path for path in sorted(photos.iterdir()) if side(path) < 1024][:12]
    with plain_keras.files_from(home / "models"):
        model = getattr(keras.applications, builder)(
            input_shape=(224, 224, 3), alpha=alpha, include_top=False, pooling=pooling
        )
    pixels = plain_keras.centre_cropped(some, 224, Image.Resampling.BICUBIC)
    return [str(path) for path in some], model.predict(pixels / 127.5 - 1, verbose=0)
