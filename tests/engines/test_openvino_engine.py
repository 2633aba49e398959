"""The compiled runtime answers as Keras does."""

from typing import Any

import numpy as np
import pytest

from cnnkit.engines.base import SCORES, Engine, Source, choose, open_engine
from cnnkit.engines.conversion import probes
from cnnkit.errors import UnknownName, UsageError
from cnnkit.records import Precision
from cnnkit.zoo.catalog import find
from cnnkit.zoo.weights import path_of

pytest.importorskip("openvino", reason="the compiled runtime is not installed")
pytestmark = pytest.mark.network
PATTERNNET = find("patternnet")
SOURCE = Source(
    PATTERNNET, PATTERNNET.recipe, path_of(PATTERNNET.top), 0, (SCORES, PATTERNNET.embedding)
)
PIXELS = probes(112, 112, 11)


def opened(name: str, precision: Precision = "float32", **options: Any) -> Engine:
    return open_engine(name, SOURCE, precision=precision, threads=2, **options)


@pytest.fixture(scope="module")
def expected() -> Any:
    return opened("keras").predict(PIXELS)


@pytest.mark.parametrize("batch_size", [1, 4, 11, 32])
def test_float32_is_keras_whatever_the_batch(expected: Any, batch_size: int) -> None:
    scores, embeddings = opened("openvino", batch_size=batch_size).predict(PIXELS)
    np.testing.assert_allclose(scores, expected[0], atol=1e-5)
    assert embeddings.shape == (11, PATTERNNET.features)
    np.testing.assert_allclose(embeddings, expected[1], atol=1e-3 * np.abs(expected[1]).max())


def test_bfloat16_is_near_and_never_used_unasked(expected: Any) -> None:
    engine = opened("openvino", "auto")
    assert engine.precision == "float32", "no verdict exists"
    assert engine.trial is not None
    try:
        fast = opened("openvino", "bfloat16")
    except UsageError:
        pytest.skip("this processor does not compute in bfloat16")
    differences = np.abs(fast.predict(PIXELS)[0] - expected[0])
    assert 1e-6 < differences.max() < 0.05
    assert fast.trial is None


def test_answers_outlive_the_next_batch() -> None:
    engine = opened("openvino", batch_size=4)
    first = engine.predict(PIXELS[:4])[0]
    before = first.copy()
    engine.predict(PIXELS[4:8])
    assert np.array_equal(first, before)


def test_many_batches_at_once_come_out_each_in_its_place() -> None:
    engine = opened("openvino", batch_size=2)
    one_by_one = [engine.predict(PIXELS[i : i + 2])[0] for i in range(0, 10, 2)] * 8
    at_once = [engine.start(PIXELS[i : i + 2]) for _ in range(8) for i in range(0, 10, 2)]
    for one, other in zip(one_by_one, at_once, strict=True):
        np.testing.assert_allclose(other.result()[0], one, atol=1e-6)
    engine.close()


def test_bfloat16_is_refused_where_the_processor_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    import openvino as ov

    class Old:
        def get_property(self, device: str, name: str) -> Any:
            return ["FP32", "INT8"]

    monkeypatch.setattr(ov, "Core", Old)
    with pytest.raises(UsageError, match="Expected --precision float32"):
        opened("openvino", "bfloat16")


class TestChoice:
    def test_openvino_on_a_processor_keras_on_a_graphics_card(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("cnnkit.engines.base._has_graphics", lambda: False)
        assert choose("auto", "auto") == "openvino"
        assert choose("keras", "auto") == "keras"
        monkeypatch.setattr("cnnkit.engines.base._has_graphics", lambda: True)
        assert choose("auto", "auto") == "keras"
        assert choose("auto", "bfloat16") == "openvino"
        assert choose("openvino", "float32") == "openvino"

    def test_without_the_package_keras_does_it_all(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("cnnkit.engines.base.find_spec", lambda _: None)
        assert choose("auto", "auto") == choose("keras", "float32") == "keras"
        with pytest.raises(UsageError, match="pip install openvino"):
            choose("openvino", "auto")
        with pytest.raises(UsageError, match=r"Received: bfloat16"):
            choose("auto", "bfloat16")

    def test_keras_runs_in_float32_alone(self) -> None:
        with pytest.raises(
            UsageError, match="Expected --precision float32, or the engine openvino"
        ):
            choose("keras", "bfloat16")

    def test_unknown_precisions_get_near_misses(self) -> None:
        with pytest.raises(UnknownName, match="Did you mean bfloat16"):
            choose("auto", "bfloat")  # type: ignore[arg-type]
