"""Pictures → embeddings, with plain Keras as the oracle."""

import logging
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from cnnkit.engines import cache
from cnnkit.errors import UnknownName, UsageError, WeightsError, WeightsUnavailable
from cnnkit.images.loading import loader
from cnnkit.records import Skipped, Stamp
from cnnkit.tasks.classify import classify
from cnnkit.tasks.embedding import Embedder, Embeddings
from cnnkit.zoo.catalog import FEATURE_MAP, find
from cnnkit.zoo.ledger import digests
from cnnkit.zoo.weights import path_of
from tests.conftest import picture

PATTERNNET = find("patternnet")
KERAS: dict[str, Any] = {"engine": "keras", "precision": "float32", "threads": 2}
SMALL: dict[str, Any] = KERAS | {"model": "patternnet"}


@pytest.fixture
def drawn(tmp_path: Path) -> list[str]:
    """Five pictures of which the third cannot be read."""
    (tmp_path / "drawn").mkdir()
    paths = [str(tmp_path / "drawn" / f"{i}.png") for i in range(5)]
    for i, path in enumerate(paths):
        picture(160, 120, seed=i).save(path)
    Path(paths[2]).write_bytes(b"no picture")
    return paths


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


@pytest.mark.network
class TestNumbers:
    @pytest.mark.parametrize("engine", ["keras", "openvino"])
    def test_by_default_they_are_the_networks_embedding(
        self, engine: str, drawn: list[str]
    ) -> None:
        if engine == "openvino":
            pytest.importorskip("openvino", reason="the compiled runtime is not installed")
        paths = readable(drawn)
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
    def test_a_pooling_alone_is_of_the_feature_map(self, pooling: Any, drawn: list[str]) -> None:
        paths = readable(drawn)
        found, stamp = embedded(Embedder.of(**SMALL, pooling=pooling), paths)
        expected = keras_says("conv6_relu", paths)
        if pooling == "flatten":
            expected = expected.reshape(4, -1)
        else:
            expected = getattr(expected, {"avg": "mean", "max": "max"}[pooling])(axis=(1, 2))
        np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())
        assert (stamp.layer, stamp.pooling) == ("feature map", pooling)
        assert stamp.features == expected.shape[1]

    def test_a_layer_by_its_name_is_averaged_where_it_is_a_map(self, drawn: list[str]) -> None:
        paths = readable(drawn)
        found, stamp = embedded(Embedder.of(**SMALL, layer="conv3_relu"), paths)
        expected = keras_says("conv3_relu", paths).mean(axis=(1, 2))
        np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())
        assert (stamp.layer, stamp.pooling, stamp.features) == ("conv3_relu", "avg", 64)
        vectors, stamp = embedded(Embedder.of(**SMALL, layer="pooled"), paths)
        np.testing.assert_allclose(vectors, keras_says("pooled", paths), rtol=1e-4, atol=1e-5)
        assert stamp.pooling == "none"

    @pytest.mark.parametrize("crops", [5, 10])
    def test_crops_are_averaged(self, crops: int, drawn: list[str]) -> None:
        paths = readable(drawn)
        found, stamp = embedded(Embedder.of(**SMALL, crops=crops), paths)
        expected = keras_says("embedding", paths, crops).reshape(4, crops, -1).mean(axis=1)
        np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())
        assert stamp.crops == crops

    def test_values_that_are_no_numbers_are_damaged_weights(
        self, drawn: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        answers_with(monkeypatch, lambda n: np.full((n, 1104), np.inf, np.float32))
        with pytest.raises(WeightsError, match="no numbers"):
            list(Embedder.of(**SMALL).batches(drawn))

    def test_float16_is_refused_what_it_does_not_hold(
        self, drawn: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        answers_with(monkeypatch, lambda n: np.full((n, 1104), 65_600, np.float32))
        with pytest.raises(UsageError, match=r"up to 65,504\. Received: 65,600\. Type: --dtype"):
            list(Embedder.of(**SMALL, dtype="float16").batches(drawn))
        assert embedded(Embedder.of(**SMALL), readable(drawn))[0].max() == 65_600


def answers_with(monkeypatch: pytest.MonkeyPatch, answer: Any) -> None:
    monkeypatch.setattr(
        "cnnkit.engines.keras_engine.KerasEngine.run",
        lambda self, pixels: (np.zeros((len(pixels), 49), np.float32), answer(len(pixels))),
    )


@pytest.mark.network
class TestStream:
    def test_what_cannot_be_read_keeps_its_place(self, drawn: list[str]) -> None:
        batches = list(Embedder.of(**SMALL, batch_size=2).batches(drawn))
        told = [pair for b in batches for pair in zip(b.paths, b.vectors, strict=True)]
        assert [path for path, _ in told] == drawn
        assert [isinstance(each, Skipped) for _, each in told] == [i == 2 for i in range(5)]
        assert {b.precision for b in batches if b.stamp} == {"float32"}

    def test_what_load_knows_is_neither_decoded_nor_computed(
        self, drawn: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        shown = counted(monkeypatch)
        seen: list[tuple[str, str]] = []

        def load(path: str) -> Known | Skipped | None:
            seen.append((path, threading.current_thread().name))
            if path == drawn[0]:
                return Known(7)
            return Skipped(path, "missing", "gone") if path == drawn[1] else None

        batches = list(Embedder.of(**SMALL).batches(drawn, load))
        vectors = [vector for batch in batches for vector in batch.vectors]
        assert vectors[0] == Known(7)
        assert isinstance(vectors[1], Skipped)
        assert vectors[1].message == "gone"
        assert isinstance(vectors[2], Skipped)
        assert all(isinstance(vector, np.ndarray) for vector in vectors[3:])
        assert sum(shown) == 2
        assert sorted(path for path, _ in seen) == drawn
        assert all(name.startswith("decode") for _, name in seen)

    def test_where_all_is_known_no_network_is_opened(
        self, drawn: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("cnnkit.tasks.network.open_engine", None)
        batches = list(Embedder.of("vgg16", offline=True).batches(drawn, Known.of))
        assert [v for b in batches for v in b.vectors] == [Known.of(path) for path in drawn]
        assert {(b.precision, b.stamp) for b in batches} == {("", None)}

    def test_an_error_of_load_comes_after_what_came_before_it(self, drawn: list[str]) -> None:
        def load(path: str) -> Known | None:
            if path == drawn[3]:
                raise ZeroDivisionError("in load")
            return None

        told: list[str] = []
        with pytest.raises(ZeroDivisionError, match="in load"):
            for batch in Embedder.of(**SMALL).batches(drawn, load):
                told += batch.paths
        assert told == drawn[:3]

    def test_pauses_are_told_when_nothing_is_at_work_any_more(self, drawn: list[str]) -> None:
        goes_on = threading.Event()

        def source() -> Iterator[str]:
            yield from drawn[:2]
            assert goes_on.wait(60)
            yield drawn[3]

        batches = Embedder.of(**SMALL).batches(source())
        told: list[str] = []
        pause: Embeddings[Any] | None = None
        while len(told) < 2 or pause is None or pause.paths:
            pause = next(batches)
            told += pause.paths
        assert told == drawn[:2]
        assert pause.vectors == []
        goes_on.set()
        assert [path for batch in batches for path in batch.paths] == drawn[3:4]

    def test_a_pause_makes_no_record_of_classify(self, drawn: list[str]) -> None:
        def source() -> Iterator[str]:
            for path in drawn:
                threading.Event().wait(0.4)
                yield path

        records = list(classify(source(), model="patternnet", precision="float32"))
        assert [record.path for record in records] == drawn

    def test_batch_size_changes_nothing(self, drawn: list[str]) -> None:
        paths = readable(drawn)
        one = embedded(Embedder.of(**SMALL, batch_size=1), paths)[0]
        many = embedded(Embedder.of(**SMALL, batch_size=32), paths)[0]
        np.testing.assert_allclose(one, many, atol=1e-4 * np.abs(one).max())


@dataclass(frozen=True)
class Known:
    row: int

    @classmethod
    def of(cls, path: str) -> "Known":
        return cls(int(Path(path).stem))


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
        self, engine: str, drawn: list[str], caplog: pytest.LogCaptureFixture
    ) -> None:
        if engine == "openvino":
            pytest.importorskip("openvino", reason="the compiled runtime is not installed")
        embedder = Embedder.of(**SMALL | {"engine": engine}, layer="conv7_relu")
        near = pytest.raises(UnknownName, match=r"'conv7_relu'\. Did you mean conv[1-6]_relu")
        with caplog.at_level(logging.WARNING, "cnnkit"), near:
            list(embedder.batches(drawn))
        assert caplog.messages == []
        assert UnknownName("layer", "", ()).exit_code == 2

    @pytest.mark.network
    def test_a_pooling_that_does_not_suit_the_layer_says_which_does(self, drawn: list[str]) -> None:
        with pytest.raises(UsageError, match=r"7 × 7 × 192 .* avg, max or flatten"):
            list(Embedder.of(**SMALL, layer="conv6_relu", pooling="none").batches(drawn))

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
    def test_it_makes_the_same_vectors_again(self, options: Any, drawn: list[str]) -> None:
        paths = readable(drawn)
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
        self, drawn: list[str]
    ) -> None:
        network = find("resnet50")
        stamp = self.made(
            model="resnet50", layer="avg_pool", features=2048, recipe=network.recipe.hash
        )
        embedder = Embedder.for_stamp(stamp, offline=True)
        known = list(embedder.batches(drawn, Known.of))
        assert [path for batch in known for path in batch.paths] == drawn
        with pytest.raises(WeightsUnavailable):
            list(embedder.batches(drawn))

    @pytest.mark.network
    def test_a_width_that_is_seen_only_at_work_is_compared_then(self, drawn: list[str]) -> None:
        stamp = Embedder.of(**SMALL, pooling="avg").stamp("float32", 5)
        with pytest.raises(UsageError, match=r"have 5 numbers each\. Received: 192"):
            list(Embedder.for_stamp(stamp, engine="keras").batches(drawn))


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
