import math

import numpy as np
import pytest

from cnnkit.metrics.verdict import verdict


def test_a_known_answer() -> None:
    told = verdict(np.tile([4.0, 0.0], (10, 1)), [0] * 9 + [1])
    assert told.accuracy == 0.9
    assert told.refinement == pytest.approx(-0.9 * math.log(0.9) - 0.1 * math.log(0.1))
    assert told.loss == pytest.approx(math.log1p(math.exp(-4)) + 0.4)


def test_the_rank_asks_for_sureness_last() -> None:
    logits, truth = np.array([[2.0, 0.0]] * 9 + [[0.0, 1.0]]), [0] * 8 + [1, 1]
    boastful, modest = verdict(4 * logits, truth), verdict(logits, truth)
    assert boastful.loss > modest.loss
    assert boastful.refinement == pytest.approx(modest.refinement, rel=1e-9)
    worse = verdict(logits, [0] * 7 + [1] * 3)
    assert worse.rank > boastful.rank


def test_nothing_that_is_a_number() -> None:
    told = verdict([[np.nan, 1.0]], [0])
    assert told.rank == (math.inf, math.inf)
