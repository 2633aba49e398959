"""Embeddings that go on from a stamp: made again as they were, or refused by their reason."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cnnkit.errors import UsageError, WeightsError, WeightsUnavailable
from cnnkit.records import Stamp
from cnnkit.tasks.embedding import Embedder
from cnnkit.zoo.catalog import FEATURE_MAP, find
from cnnkit.zoo.ledger import digests
from cnnkit.zoo.weights import path_of
from tests.tasks.embeddings import KERAS, PATTERNNET, SMALL, Known, embedded, readable


class TestForStamp:
    @pytest.mark.network
    @pytest.mark.parametrize(
        "options",
        [
            {},
            {"pooling": "max", "dtype": "float16"},
            {"layer": "conv4_relu"},
            {"crops": 5, "fit": "pad", "interpolation": "nearest"},
            {"weights": "none", "seed": 11, "fit": "crop"},
        ],
        ids=str,
    )
    def test_it_makes_the_same_vectors_again(self, options: Any, five_drawn: list[str]) -> None:
        paths = readable(five_drawn)
        vectors, stamp = embedded(Embedder.of(**SMALL | options), paths)
        again = Embedder.for_stamp(stamp, engine="keras", threads=2)
        found, said = embedded(again, paths)
        assert said == stamp
        assert np.array_equal(found, vectors)

    @pytest.mark.real
    @pytest.mark.network
    def test_it_takes_the_file_of_then(self, photos: Path, keras_home: Path) -> None:
        some = [str(path) for path in sorted(photos.iterdir())[:2]]
        network = find("mobilenet_0.25")
        for top, file in ((True, network.top), (False, network.no_top)):
            chosen = Embedder.of(**KERAS, model=network.name, weights=path_of(file))
            stamp = chosen.stamp("float32", network.features)
            again = Embedder.for_stamp(stamp, engine="keras", threads=2)
            assert again.job.with_top is top
            assert embedded(again, some)[1] == stamp
            by_default = Embedder.of(**KERAS, model=network.name)
            assert by_default.continuing(stamp).stamp("float32", network.features) == stamp

    def made(self, **changes: Any) -> Stamp:
        return replace(Embedder.of(**SMALL).stamp("float32", 1104), **changes)

    def test_what_cannot_be_made_again_is_refused_by_its_reason(self) -> None:
        recipe = PATTERNNET.recipe.hash
        for changes, message in (
            ({"model": "alexnet"}, "cannot be made here. No model is called 'alexnet'"),
            ({"recipe": "0" * 64}, f"recipe 000000000000… .* by {recipe[:12]}… for patternnet"),
            ({"precision": "int8"}, "No precision is called 'int8'"),
            ({"features": 1000}, "have 1000 numbers each. Received: 1104 from 'embedding'"),
            ({"crops": 7}, "Expected 1, 5, 10, 144 crops"),
            ({"layer": ""}, "the name of a layer"),
            ({"pooling": "avg"}, "for 'embedding'"),
        ):
            with pytest.raises(UsageError, match=message):
                Embedder.for_stamp(self.made(**changes))

    def test_bfloat16_is_refused_to_keras(self) -> None:
        with pytest.raises(
            UsageError, match=r"cannot be made here\. The engine keras runs in float"
        ):
            Embedder.for_stamp(self.made(precision="bfloat16"), engine="keras")

    def test_other_weights_are_named_by_both_hashes(self, tmp_path: Path) -> None:
        sha256, _ = digests(path_of(PATTERNNET.top))
        with pytest.raises(WeightsError, match=rf"weights abababab.*{sha256[:12]}.*--weights FILE"):
            Embedder.for_stamp(self.made(weights="ab" * 32))
        with pytest.raises(WeightsError, match="Received: random, seed 0 as its weights"):
            Embedder.for_stamp(self.made(), weights="none")
        (tmp_path / "copy.h5").write_bytes(path_of(PATTERNNET.top).read_bytes())
        again = Embedder.for_stamp(self.made(), weights=tmp_path / "copy.h5")
        assert again.job.weights == str(tmp_path / "copy.h5")

    def test_weights_that_are_not_here_are_looked_for_with_the_first_picture(
        self, five_drawn: list[str]
    ) -> None:
        network = find("resnet50")
        stamp = self.made(
            model="resnet50", layer="avg_pool", features=2048, recipe=network.recipe.hash
        )
        embedder = Embedder.for_stamp(stamp, offline=True)
        known = list(embedder.batches(five_drawn, Known.of))
        assert [path for batch in known for path in batch.paths] == five_drawn
        with pytest.raises(WeightsUnavailable):
            list(embedder.batches(five_drawn))

    @pytest.mark.network
    def test_a_width_that_is_seen_only_at_work_is_compared_then(
        self, five_drawn: list[str]
    ) -> None:
        stamp = Embedder.of(**SMALL, pooling="avg").stamp("float32", 5)
        with pytest.raises(UsageError, match=r"have 5 numbers each\. Received: 192"):
            list(Embedder.for_stamp(stamp, engine="keras").batches(five_drawn))


class TestContinuing:
    """A second run with the same words, into the same store."""

    def test_what_is_open_is_decided_as_before(self) -> None:
        auto = SMALL | {"engine": "openvino", "precision": "auto"}
        pytest.importorskip("openvino", reason="the compiled runtime is not installed")
        stored = Embedder.of(**SMALL).stamp("bfloat16", 1104)
        job = Embedder.of(**auto).continuing(stored).job
        assert (job.precision, job.only) == ("bfloat16", True)
        assert Embedder.of(**SMALL).continuing(stored).job.precision == "float32"
        named = Embedder.of(**SMALL, layer="pooled")
        stored = named.stamp("float32", 1104, "none")
        assert named.continuing(stored).stamp("float32", 1104) == stored

    def test_what_was_wished_for_stays(self) -> None:
        stored = Embedder.of(**SMALL, pooling="max").stamp("float32", 192)
        other = Embedder.of(**SMALL)
        assert other.continuing(stored) == other
        averaged = Embedder.of(**SMALL, pooling="avg").continuing(stored)
        assert stored.differences(averaged.stamp("float32", 192)) == [("pooling", "max", "avg")]
        assert averaged.job.layer == FEATURE_MAP
