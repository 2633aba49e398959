"""What a faster engine does to answers, on photographs and with real weights."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cnnkit.engines import cache
from cnnkit.records import Classification, Precision, Runtime
from cnnkit.tasks.classify import classify

openvino = pytest.importorskip("openvino", reason="the compiled runtime is not installed")
pytestmark = [pytest.mark.real, pytest.mark.network]
FAST = "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
KERAS_TOP_1 = {"mobilenet_0.25": 60.0, "mobilenet_0.75": 87.5}


@pytest.fixture
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CNNKIT_CACHE_DIR", str(tmp_path / "cache"))


def scores(photos: Path, model: str, engine: Runtime, precision: Precision) -> dict[str, Any]:
    """For each photograph the probability of each of its 1,000 classes."""
    answers = {}
    for record in classify(photos, model=model, engine=engine, precision=precision, top=1000):
        assert isinstance(record, Classification)
        answers[record.path] = {p.id: p.score for p in record.predictions}
    return answers


def top_1(answers: dict[str, Any]) -> float:
    right = [max(s, key=s.__getitem__) == Path(p).name.split("_")[0] for p, s in answers.items()]
    return 100 * float(np.mean(right))


@pytest.mark.parametrize("model", KERAS_TOP_1)
def test_float32_is_keras_within_a_ten_thousandth(
    model: str, photos: Path, keras_home: Path
) -> None:
    reference = scores(photos, model, "keras", "float32")
    found = scores(photos, model, "openvino", "float32")
    assert reference.keys() == found.keys()
    assert len(found) == 200
    for path, expected in reference.items():
        assert found[path] == pytest.approx(expected, abs=1e-4)


@pytest.mark.skipif(not FAST, reason="this processor does not compute in bfloat16")
@pytest.mark.parametrize(("model", "faster"), [("mobilenet_0.75", True), ("mobilenet_0.25", False)])
def test_auto_keeps_the_faster_precision_only_where_it_answers_alike(
    model: str, faster: bool, photos: Path, keras_home: Path, _own_cache: None
) -> None:
    first = scores(photos, model, "auto", "auto")
    (entry,) = cache.entries()
    verdict = entry.verdict()
    assert verdict is not None
    assert verdict["pictures"] == 64
    assert first == scores(photos, model, "openvino", "float32"), "the first run is in float32"
    second = scores(photos, model, "auto", "auto")
    assert (second != first) is faster
    if faster:
        assert second == scores(photos, model, "openvino", "bfloat16")
    assert top_1(second) == pytest.approx(KERAS_TOP_1[model], abs=1)


def test_few_pictures_decide_nothing(photos: Path, keras_home: Path, _own_cache: None) -> None:
    some = sorted(photos.iterdir())[:63]
    list(classify(some, model="mobilenet_0.75"))
    (entry,) = cache.entries()
    assert entry.verdict() is None
