"""A patch lies within the picture, at a place that its draw alone decides."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cnnkit.images.augment.draw import NUMBERS, uniform
from cnnkit.images.augment.patch import draw_patch


def test_alexnets_patches_reach_every_corner_alike() -> None:
    patches = np.array(
        [
            draw_patch(seed=0, content="ab", copy=copy, height=256, width=256, size=(224, 224))
            for copy in range(4000)
        ]
    )
    assert (patches[:, 2:] - patches[:, :2] == 224).all()
    assert (patches[:, :2].min(), patches[:, :2].max()) == (0, 32)
    counts = np.stack([np.bincount(patches[:, axis], minlength=33) for axis in (0, 1)])
    # The chi-squared of 33 equal places: 32 degrees of freedom, 6 standard deviations.
    expected = 4000 / 33
    assert (((counts - expected) ** 2 / expected).sum(axis=1) < 32 + 6 * 8).all()
    assert abs(np.corrcoef(patches[:, 0], patches[:, 1])[0, 1]) < 0.08


@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 50), st.data())
def test_it_lies_within(width: int, height: int, copy: int, data: st.DataObject) -> None:
    size = data.draw(st.integers(1, width)), data.draw(st.integers(1, height))
    patch = draw_patch(seed=1, content="", copy=copy, height=height, width=width, size=size)
    left, top, right, bottom = patch
    assert 0 <= left <= right <= width
    assert 0 <= top <= bottom <= height
    assert (right - left, bottom - top) == size


def test_its_numbers_follow_those_of_the_transform() -> None:
    assert uniform(0, "ab", 1, NUMBERS + 2)[:NUMBERS] == uniform(0, "ab", 1, NUMBERS)
