"""MixUp and CutMix at a position."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from cnnkit.records import Fitting

pytestmark = pytest.mark.network
PLAIN = Fitting(epochs=1, seed=4)


def shown(batches: int = 3, batch: int = 5) -> Any:
    from cnnkit.nets.train import Shown

    rng = np.random.default_rng(1)
    inputs = rng.random((batches, batch, 8, 8, 3), np.float32)
    classes = np.eye(4, dtype=np.float32)[rng.integers(0, 4, (batches, batch))]
    return Shown(inputs, classes, rng.random((batches, batch), np.float32))


def mixed(epoch: int = 0, step: int = 0, seed: int = 4, **wishes: float) -> Any:
    from cnnkit.nets.mixing import Mixing

    mixing = Mixing.of(replace(PLAIN, seed=seed, **wishes))  # type: ignore[arg-type]
    assert mixing is not None
    return mixing.mixed(shown(), epoch, step)


def test_nothing_was_wished_for() -> None:
    from cnnkit.nets.mixing import Mixing

    assert Mixing.of(PLAIN) is None


@pytest.mark.parametrize("wishes", [{"mixup": 0.4}, {"cutmix": 1.0}, {"mixup": 0.4, "cutmix": 1.0}])
def test_classes_mix_as_pictures_do_and_lose_nothing(wishes: Any) -> None:
    made, plain = mixed(**wishes), shown()
    assert made.inputs.dtype == made.classes.dtype == np.float32
    np.testing.assert_allclose(made.classes.sum(-1), 1, rtol=1e-6)
    assert (made.classes >= 0).all()
    # What is mixed in comes of the same batch.
    assert not (made.classes.any(1) & ~plain.classes.any(1)).any()
    assert (made.weights <= plain.weights.max(1, keepdims=True) + 1e-6).all()
    assert not np.array_equal(made.inputs, plain.inputs)
    assert made.inputs.min() >= 0
    assert made.inputs.max() <= 1


def test_mixup_by_hand() -> None:
    """Each picture is a · itself + (1 - a) · another of its batch, and so is its class."""
    made, plain = mixed(mixup=0.4), shown()
    for at in range(len(plain.inputs)):
        others = plain.inputs[at].reshape(5, -1).T.astype(np.float64)
        shares = np.linalg.lstsq(others, made.inputs[at].reshape(5, -1).T, rcond=None)[0]
        np.testing.assert_allclose(shares.sum(0), 1, atol=1e-4)
        np.testing.assert_allclose(shares.T @ plain.classes[at], made.classes[at], atol=1e-4)
        np.testing.assert_allclose(shares.T @ plain.weights[at], made.weights[at], atol=1e-4)


def test_cutmix_by_hand() -> None:
    """Each pixel is one of the batch's at its place; the class counts the pixels."""
    made, plain = mixed(cutmix=1.0), shown()
    for at in range(len(plain.inputs)):
        origin = (made.inputs[at][:, None] == plain.inputs[at][None]).all(-1)
        assert (origin.sum(1) == 1).all()
        shares = origin.mean((2, 3))
        np.testing.assert_allclose(shares @ plain.classes[at], made.classes[at], atol=1e-5)
        np.testing.assert_allclose(shares @ plain.weights[at], made.weights[at], atol=1e-5)


@pytest.mark.parametrize("alpha", [1e-3, 0.01, 1.0, 40.0])
@pytest.mark.parametrize("kind", ["mixup", "cutmix"])
def test_any_alpha_gives_numbers(kind: str, alpha: float) -> None:
    wished: Any = {kind: alpha}
    for step in range(40):
        made = mixed(0, step, **wished)
        assert all(np.isfinite(part).all() for part in made)
        np.testing.assert_allclose(made.classes.sum(-1), 1, rtol=1e-5)


def test_the_shares_are_betas() -> None:
    """Beta(a, a) has the mean 1/2 and the variance 1 / (8 a + 4); a box loses what is outside."""
    from cnnkit.nets.mixing import Mixing
    from cnnkit.nets.train import Shown

    classes = np.eye(1000, dtype=np.float32)[None]
    plain = Shown(np.zeros((1, 1000, 8, 8, 3), np.float32), classes, np.ones((1, 1000), np.float32))
    left = {
        kind: Mixing.of(replace(PLAIN, **{kind: 2.0})).mixed(plain, 0, 0).classes[0].diagonal()  # type: ignore[arg-type, union-attr]
        for kind in ("mixup", "cutmix")
    }
    assert left["mixup"].mean() == pytest.approx(1 / 2, abs=0.03)
    assert left["mixup"].var() == pytest.approx(1 / 20, abs=0.01)
    assert left["mixup"].mean() < left["cutmix"].mean() < 0.85


def test_it_is_a_function_of_the_position_and_the_seed() -> None:
    both: Any = {"mixup": 0.4, "cutmix": 1.0}
    once = mixed(2, 3, **both)
    np.testing.assert_array_equal(once.inputs, mixed(2, 3, **both).inputs)
    np.testing.assert_array_equal(once.classes, mixed(2, 3, **both).classes)
    for other in (mixed(3, 3, **both), mixed(2, 4, **both), mixed(2, 3, 5, **both)):
        assert not np.array_equal(once.inputs, other.inputs)


def test_how_many_batches_come_at_once_does_not_matter() -> None:
    from cnnkit.nets.mixing import Mixing

    mixing = Mixing.of(replace(PLAIN, mixup=0.4, cutmix=1.0))
    assert mixing is not None
    together, plain = mixing.mixed(shown(), 1, 7), shown()
    for at in reversed(range(3)):
        alone = mixing.mixed(type(plain)(*(part[at : at + 1] for part in plain)), 1, 7 + at)
        np.testing.assert_array_equal(alone.inputs[0], together.inputs[at])
        np.testing.assert_array_equal(alone.classes[0], together.classes[at])
