"""Trained networks on real photographs, against a logistic regression on the same embeddings."""

import pytest

from tests.benchmarks.flower_folds import compared
from tests.conftest import DATA

pytestmark = [pytest.mark.real, pytest.mark.network, pytest.mark.timeout(1800)]


@pytest.mark.parametrize("model", ["mobilenet_0.25", "mobilenet_0.75"])
def test_five_folds_of_flowers(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of a fold's held pictures is seen in training: they are not in its list."""
    monkeypatch.setenv("KERAS_HOME", str(DATA / "keras_home"))
    found = compared(model, ("bottleneck", "finetune"))
    assert len(found["probe"]) == 550
    assert found["bottleneck"].mean() >= found["probe"].mean() - 0.01
    assert found["finetune"].mean() >= found["bottleneck"].mean()
