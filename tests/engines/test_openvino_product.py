"""The fast product keeps its promise, and searches with it answer as without."""

from typing import Any

import numpy as np
import pytest

ov = pytest.importorskip("openvino", reason="OpenVINO has no wheel for this platform")

from cnnkit.engines.openvino_product import OpenvinoProduct, computes_in_bfloat16  # noqa: E402
from cnnkit.search.exact import nearest  # noqa: E402
from cnnkit.search.vectors import Matrix  # noqa: E402
from tests.search.oracle import clustered, same  # noqa: E402

PRECISIONS = ("float32", "bfloat16")


def kinds() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    plain = rng.standard_normal((200, 300)).astype(np.float32)
    return {
        "plain": plain,
        "positive": np.abs(plain) + 1,
        # The largest that rounding to bfloat16 takes, all to one side.
        "upwards": np.full((200, 300), 1 + 2**-8 - 2**-20, np.float32),
        "halves": np.full((200, 300), 1 + 2**-8, np.float32),
        "sparse": plain * (rng.random(plain.shape) < 0.05),
        "lengths": (plain * 10.0 ** rng.integers(-12, 13, (200, 1))).astype(np.float32),
        "mixed": (plain * 10.0 ** rng.integers(-9, 3, plain.shape)).astype(np.float32),
    }


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("kind", kinds())
def test_the_error_is_within_the_promise(precision: str, kind: str) -> None:
    left = kinds()[kind]
    product = OpenvinoProduct(2, precision)
    for right in (left[:33], kinds()["plain"][:20]):
        got, error = product(left, right)
        exact = left.astype(np.float64) @ right.astype(np.float64).T
        lengths = [np.linalg.norm(side.astype(np.float64), axis=1) for side in (left, right)]
        worst = (np.abs(got - exact) / np.maximum(np.outer(*lengths), 1e-300)).max()
        assert worst <= error < (0.01 if precision == "bfloat16" else 1e-4)


def test_bfloat16_is_rounded_to_the_nearest() -> None:
    if not computes_in_bfloat16():
        pytest.skip("this processor does not compute in bfloat16")
    left = np.random.default_rng(0).uniform(1, 2, (64, 64)).astype(np.float32)
    got, _ = OpenvinoProduct(1)(left, np.eye(64, dtype=np.float32))
    bits = left.view(np.uint32)
    rounded = ((bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000).view(np.float32)
    np.testing.assert_array_equal(got, rounded)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_read_only_rows_and_rows_that_are_no_vectors(precision: str) -> None:
    left = kinds()["plain"].copy()
    left[3], left[4, 5], left[6] = np.nan, np.inf, 0
    left.flags.writeable = False
    got, error = OpenvinoProduct(1, precision)(left, left[10:20])
    assert np.isfinite(error) and np.isfinite(np.delete(got, [3, 4], axis=0)).all()


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("metric", ["l2", "cosine"])
def test_searches_answer_as_without_it(precision: str, metric: Any) -> None:
    vectors = clustered(6000, 128, 60)
    vectors[1000:1100] = vectors[7]
    vectors[50] = np.nan
    queries = np.concatenate([vectors[:30], clustered(90, 128, 60, seed=7)])
    for given in ({"count": 5}, {"count": None, "threshold": 0.7 if metric == "cosine" else 8.5}):
        answers = [
            list(
                nearest(
                    Matrix.of(vectors), queries, metric=metric, threads=2, product=product, **given
                )
            )
            for product in (None, OpenvinoProduct(2, precision))
        ]
        same(*answers)
