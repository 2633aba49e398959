"""A short slice of the benchmarks, so that they go on running; the figures come of `make bench`."""

from pathlib import Path

import pytest

from tests.benchmarks.classify_rate import CASES, cnnkit_rate, recipe_rate


@pytest.mark.real
@pytest.mark.network
def test_classify_is_faster_than_one_picture_at_a_time(photos: Path, keras_home: Path) -> None:
    model, weights, module, builder, arguments = CASES[0]
    some = sorted(map(str, photos.iterdir()))[:96]
    ours = cnnkit_rate(model, weights, some)
    theirs = recipe_rate(module, builder, arguments, some[:24])
    assert ours > 2 * theirs
