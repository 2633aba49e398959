"""Pictures → embeddings, with plain Keras as the oracle."""

import logging
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cnnkit.errors import UnknownName, UsageError, WeightsError
from cnnkit.records import Skipped, Stamp
from cnnkit.tasks.classify import classify
from cnnkit.tasks.embedding import Embedder, Embeddings
from cnnkit.zoo.ledger import digests
from cnnkit.zoo.weights import path_of
from tests.tasks.embeddings import PATTERNNET, SMALL, Known, embedded, keras_says, readable


@pytest.mark.network
class TestNumbers:
    @pytest.mark.parametrize("engine", ["keras", "openvino"])
    def test_by_default_they_are_the_networks_embedding(
        self, engine: str, five_drawn: list[str]
    ) -> None:
        if engine == "openvino":
            pytest.importorskip("openvino", reason="the compiled runtime is not installed")
        paths = readable(five_drawn)
        found, stamp = embedded(Embedder.of(**SMALL | {"engine": engine}), paths)
        expected = keras_says("embedding", paths)
        np.testing.assert_allclose(found, expected, atol=1e-3 * np.abs(expected).max())
        sha256, _ = digests(path_of(PATTERNNET.top))
        assert stamp == Stamp(
            model="patternnet",
            weights=sha256,
            layer="embedding",
            pooling="none",
            crops=1,
            recipe=PATTERNNET.recipe.hash,
            precision="float32",
            dtype="float32",
            features=1104,
        )

    @pytest.mark.parametrize("pooling", ["avg", "max", "flatten"])
    def test_a_pooling_alone_is_of_the_feature_map(
        self, pooling: Any, five_drawn: list[str]
    ) -> None:
        paths = readable(five_drawn)
        found, stamp = embedded(Embedder.of(**SMALL, pooling=pooling), paths)
        expected = keras_says("conv6_relu", paths)
        if pooling == "flatten":
            expected = expected.reshape(4, -1)
        else:
            expected = getattr(expected, {"avg": "mean", "max": "max"}[pooling])(axis=(1, 2))
        np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())
        assert (stamp.layer, stamp.pooling) == ("feature map", pooling)
        assert stamp.features == expected.shape[1]

    def test_a_layer_by_its_name_is_averaged_where_it_is_a_map(self, five_drawn: list[str]) -> None:
        paths = readable(five_drawn)
        found, stamp = embedded(Embedder.of(**SMALL, layer="conv3_relu"), paths)
        expected = keras_says("conv3_relu", paths).mean(axis=(1, 2))
        np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())
        assert (stamp.layer, stamp.pooling, stamp.features) == ("conv3_relu", "avg", 64)
        vectors, stamp = embedded(Embedder.of(**SMALL, layer="pooled"), paths)
        np.testing.assert_allclose(vectors, keras_says("pooled", paths), rtol=1e-4, atol=1e-5)
        assert stamp.pooling == "none"

    @pytest.mark.parametrize("crops", [5, 10])
    def test_crops_are_averaged(self, crops: int, five_drawn: list[str]) -> None:
        paths = readable(five_drawn)
        found, stamp = embedded(Embedder.of(**SMALL, crops=crops), paths)
        expected = keras_says("embedding", paths, crops).reshape(4, crops, -1).mean(axis=1)
        np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())
        assert stamp.crops == crops

    def test_values_that_are_no_numbers_are_damaged_weights(
        self, five_drawn: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        answers_with(monkeypatch, lambda n: np.full((n, 1104), np.inf, np.float32))
        with pytest.raises(WeightsError, match="no numbers"):
            list(Embedder.of(**SMALL).batches(five_drawn))

    def test_float16_is_refused_what_it_does_not_hold(
        self, five_drawn: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        answers_with(monkeypatch, lambda n: np.full((n, 1104), 65_600, np.float32))
        with pytest.raises(UsageError, match=r"up to 65,504\. Received: 65,600\. Type: --dtype"):
            list(Embedder.of(**SMALL, dtype="float16").batches(five_drawn))
        assert embedded(Embedder.of(**SMALL), readable(five_drawn))[0].max() == 65_600


def answers_with(monkeypatch: pytest.MonkeyPatch, answer: Any) -> None:
    monkeypatch.setattr(
        "cnnkit.engines.keras_engine.KerasEngine.run",
        lambda self, pixels: (np.zeros((len(pixels), 49), np.float32), answer(len(pixels))),
    )


@pytest.mark.network
class TestStream:
    def test_what_cannot_be_read_keeps_its_place(self, five_drawn: list[str]) -> None:
        batches = list(Embedder.of(**SMALL, batch_size=2).batches(five_drawn))
        told = [pair for b in batches for pair in zip(b.paths, b.vectors, strict=True)]
        assert [path for path, _ in told] == five_drawn
        assert [isinstance(each, Skipped) for _, each in told] == [i == 2 for i in range(5)]
        assert {b.precision for b in batches if b.stamp} == {"float32"}

    def test_what_load_knows_is_neither_decoded_nor_computed(
        self, five_drawn: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        shown = counted(monkeypatch)
        seen: list[tuple[str, str]] = []

        def load(path: str) -> Known | Skipped | None:
            seen.append((path, threading.current_thread().name))
            if path == five_drawn[0]:
                return Known(7)
            return Skipped(path, "missing", "gone") if path == five_drawn[1] else None

        batches = list(Embedder.of(**SMALL).batches(five_drawn, load))
        vectors = [vector for batch in batches for vector in batch.vectors]
        assert vectors[0] == Known(7)
        assert isinstance(vectors[1], Skipped)
        assert vectors[1].message == "gone"
        assert isinstance(vectors[2], Skipped)
        assert all(isinstance(vector, np.ndarray) for vector in vectors[3:])
        assert sum(shown) == 2
        assert sorted(path for path, _ in seen) == five_drawn
        assert all(name.startswith("decode") for _, name in seen)

    def test_where_all_is_known_no_network_is_opened(
        self, five_drawn: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("cnnkit.tasks.network.open_engine", None)
        batches = list(Embedder.of("vgg16", offline=True).batches(five_drawn, Known.of))
        assert [v for b in batches for v in b.vectors] == [Known.of(path) for path in five_drawn]
        assert {(b.precision, b.stamp) for b in batches} == {("", None)}

    def test_an_error_of_load_comes_after_what_came_before_it(self, five_drawn: list[str]) -> None:
        def load(path: str) -> Known | None:
            if path == five_drawn[3]:
                raise ZeroDivisionError("in load")
            return None

        told: list[str] = []
        with pytest.raises(ZeroDivisionError, match="in load"):
            for batch in Embedder.of(**SMALL).batches(five_drawn, load):
                told += batch.paths
        assert told == five_drawn[:3]

    def test_pauses_are_told_when_nothing_is_at_work_any_more(self, five_drawn: list[str]) -> None:
        goes_on = threading.Event()

        def source() -> Iterator[str]:
            yield from five_drawn[:2]
            assert goes_on.wait(60)
            yield five_drawn[3]

        batches = Embedder.of(**SMALL).batches(source())
        told: list[str] = []
        pause: Embeddings[Any] | None = None
        while len(told) < 2 or pause is None or pause.paths:
            pause = next(batches)
            told += pause.paths
        assert told == five_drawn[:2]
        assert pause.vectors == []
        goes_on.set()
        assert [path for batch in batches for path in batch.paths] == five_drawn[3:4]

    def test_a_pause_makes_no_record_of_classify(self, five_drawn: list[str]) -> None:
        def source() -> Iterator[str]:
            for path in five_drawn:
                threading.Event().wait(0.4)
                yield path

        records = list(classify(source(), model="patternnet", precision="float32"))
        assert [record.path for record in records] == five_drawn

    def test_batch_size_changes_nothing(self, five_drawn: list[str]) -> None:
        paths = readable(five_drawn)
        one = embedded(Embedder.of(**SMALL, batch_size=1), paths)[0]
        many = embedded(Embedder.of(**SMALL, batch_size=32), paths)[0]
        np.testing.assert_allclose(one, many, atol=1e-4 * np.abs(one).max())


def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many pictures each run of the network is shown, as it goes."""
    from cnnkit.engines.keras_engine import KerasEngine

    shown: list[int] = []
    whole = KerasEngine.predict

    def predict(self: KerasEngine, pixels: Any) -> Any:
        shown.append(len(pixels))
        return whole(self, pixels)

    monkeypatch.setattr(KerasEngine, "predict", predict)
    return shown


class TestWishes:
    def test_those_that_make_no_sense_are_refused_at_once(self) -> None:
        wrong: list[dict[str, Any]] = [
            {"model": "resnet49"},
            {"pooling": "mean"},
            {"dtype": "float8"},
            {"crops": 3},
            {"crops": 144},  # patternnet stretches
            {"layer": ""},
            {"layer": "embedding", "pooling": "max"},
            {"layer": "feature map", "pooling": "none"},
            {"weights": "no-such-file.h5"},
            {"batch_size": 0},
        ]
        for options in wrong:
            with pytest.raises(UsageError):
                Embedder.of(**SMALL | options)

    @pytest.mark.network
    @pytest.mark.parametrize("engine", ["keras", "openvino", "auto"])
    def test_a_layer_that_is_none_is_a_wrong_wish_on_every_engine(
        self, engine: str, five_drawn: list[str], caplog: pytest.LogCaptureFixture
    ) -> None:
        if engine == "openvino":
            pytest.importorskip("openvino", reason="the compiled runtime is not installed")
        embedder = Embedder.of(**SMALL | {"engine": engine}, layer="conv7_relu")
        near = pytest.raises(UnknownName, match=r"'conv7_relu'\. Did you mean conv[1-6]_relu")
        with caplog.at_level(logging.WARNING, "cnnkit"), near:
            list(embedder.batches(five_drawn))
        assert caplog.messages == []
        assert UnknownName("layer", "", ()).exit_code == 2

    @pytest.mark.network
    def test_a_pooling_that_does_not_suit_the_layer_says_which_does(
        self, five_drawn: list[str]
    ) -> None:
        with pytest.raises(UsageError, match=r"7 × 7 × 192 .* avg, max or flatten"):
            list(Embedder.of(**SMALL, layer="conv6_relu", pooling="none").batches(five_drawn))

    def test_nothing_heavy_is_imported_for_pictures_that_cannot_be_read(
        self, tmp_path: Path
    ) -> None:
        script = (
            "import sys\n"
            "from cnnkit.tasks.embedding import Embedder\n"
            "batches = list(Embedder.of('patternnet').batches(['absent.jpg']))\n"
            "assert [len(b.vectors) for b in batches if b.paths] == [1]\n"
            "assert not {'tensorflow', 'keras', 'openvino', 'h5py'} & set(sys.modules)\n"
        )
        subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True)
