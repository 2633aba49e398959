"""A box lands where `transformed` brings the pixels below it."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from cnnkit.images.augment import Augmentation, Drawn, draw, transformed
from cnnkit.images.augment.boxes import (
    cropped_boxes,
    moved_boxes,
    resized_boxes,
    shares_inside,
)
from tests.images.augment.keras_reference import BLOG, reference

Box = tuple[int, int, int, int]
SQUARE: Any = {"height": 10, "width": 10}
BLACK = Augmentation(fill_mode="constant")
# Of pixels: the middle of one lies half a pixel within the edge, and a corner that has become sharp
# holds no middle of a pixel near its point.
EXACT, SHARP = 0.5 + 1e-3, 2.5


def painted(box: Box, height: int, width: int) -> NDArray[np.uint8]:
    """White within the box, black without."""
    left, top, right, bottom = box
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[top:bottom, left:right] = 255
    return pixels


def bright(pixels: NDArray) -> NDArray[np.float64]:
    """The rectangle of what is white by more than a half; all zeros where nothing is."""
    rows, columns = (pixels[..., 0] > 127).nonzero()
    if not len(rows):
        return np.zeros(4)
    edges = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    return np.array(edges, np.float64)


def moved(box: Box, drawn: Drawn, height: int, width: int) -> tuple[NDArray[np.float64], float]:
    (row,) = moved_boxes([box], drawn, height=height, width=width)
    (share,) = shares_inside([box], drawn, height=height, width=width)
    return row, float(share)


@st.composite
def pictures(draw: st.DrawFn) -> tuple[Box, int, int]:
    """A box of some size, a pixel within the edge: there, constant filling eats half a pixel."""
    height, width = draw(st.integers(40, 90)), draw(st.integers(40, 90))
    left, top = draw(st.integers(1, width - 22)), draw(st.integers(1, height - 22))
    right = draw(st.integers(left + 20, width - 1))
    bottom = draw(st.integers(top + 20, height - 1))
    return (left, top, right, bottom), height, width


upright = st.builds(
    Drawn,
    theta=st.sampled_from([0.0, 0.0, 180.0]),
    tx=st.floats(-25, 25),
    ty=st.floats(-25, 25),
    zx=st.floats(0.5, 1.6),
    zy=st.floats(0.5, 1.6),
    flip_horizontal=st.booleans(),
    flip_vertical=st.booleans(),
)
turned = st.builds(
    Drawn,
    theta=st.floats(-180, 180),
    tx=st.floats(-25, 25),
    ty=st.floats(-25, 25),
    shear=st.floats(-20, 20),
    zx=st.floats(0.7, 1.3),
    zy=st.floats(0.7, 1.3),
    flip_horizontal=st.booleans(),
    flip_vertical=st.booleans(),
)


class TestAgainstPixels:
    @settings(max_examples=300, deadline=None)
    @given(pictures(), upright)
    def test_without_a_turn_to_half_a_pixel(
        self, given: tuple[Box, int, int], drawn: Drawn
    ) -> None:
        box, height, width = given
        seen = bright(transformed(painted(box, height, width), drawn, BLACK))
        row, share = moved(box, drawn, height, width)
        narrowest = min(row[2] - row[0], row[3] - row[1])
        # Of a narrower strip no pixel may be all white, for bilinear edges are two pixels wide.
        if narrowest >= 2:
            assert share > 0
            assert np.abs(row - seen).max() <= EXACT
        elif seen.any():
            assert share > 0
            assert ((row - seen) * [-1, -1, 1, 1]).min() >= -EXACT

    @settings(max_examples=300, deadline=None)
    @given(pictures(), turned)
    def test_turned_it_contains_what_is_white_and_touches_it(
        self, given: tuple[Box, int, int], drawn: Drawn
    ) -> None:
        box, height, width = given
        pixels = transformed(painted(box, height, width), drawn, BLACK)
        seen = bright(pixels)
        row, share = moved(box, drawn, height, width)
        area = (pixels[..., 0] / 255).sum()
        size = (box[2] - box[0]) * (box[3] - box[1]) / (drawn.zx * drawn.zy)
        whole = size / np.cos(np.deg2rad(drawn.shear))
        assert share == pytest.approx(area / whole, abs=0.05)
        if seen.any():
            outward = (row - seen) * [-1, -1, 1, 1]
            assert outward.min() >= -EXACT
            # The edge of the picture may leave a strip that is too thin for any pixel.
            assert share < 0.999 or outward.max() <= SHARP

    @settings(max_examples=100, deadline=None)
    @given(pictures(), turned, st.data())
    def test_a_patch_is_cut_from_what_is_seen(
        self, given: tuple[Box, int, int], drawn: Drawn, data: st.DataObject
    ) -> None:
        box, height, width = given
        left, top = data.draw(st.integers(0, width - 30)), data.draw(st.integers(0, height - 30))
        patch = (left, top, left + 30, top + 30)
        where: Any = {"height": height, "width": width, "patch": patch}
        pixels = transformed(painted(box, height, width), drawn, BLACK)
        seen = bright(pixels[top : top + 30, left : left + 30])
        (row,) = moved_boxes([box], drawn, **where)
        (share,) = shares_inside([box], drawn, **where)
        whole = (box[2] - box[0]) * (box[3] - box[1]) / (drawn.zx * drawn.zy)
        whole /= np.cos(np.deg2rad(drawn.shear))
        area = (pixels[top : top + 30, left : left + 30, 0] / 255).sum()
        assert share == pytest.approx(area / whole, abs=0.05)
        if seen.any():
            assert ((row - seen) * [-1, -1, 1, 1]).min() >= -EXACT

    @pytest.mark.network
    def test_keras_brings_the_pixels_there_too(self) -> None:
        augmentation = Augmentation.of(BLOG | {"fill_mode": "constant"})
        for copy in range(40):
            height, width, box = 60 + copy, 90 - copy, (12, 9, 45, 40)
            drawn = draw(augmentation, seed=3, content="b0", copy=copy, height=height, width=width)
            drawn = replace(drawn, channel_shift_intensity=None)
            seen = bright(reference(painted(box, height, width), drawn, augmentation))
            row, share = moved(box, drawn, height, width)
            if share > 0.1:
                assert np.abs(row - seen).max() <= SHARP

    @pytest.mark.real
    def test_raccoons(self, data: Path) -> None:
        from cnnkit.datasets.voc import read_boxes

        augmentation = Augmentation.of(BLOG | {"fill_mode": "constant"})
        folder = data / "photos" / "raccoon"
        compared = 0
        for label in sorted((folder / "annotations").glob("*.xml"))[:40]:
            with Image.open(folder / "images" / f"{label.stem}.jpg") as image:
                width, height = image.size
            annotation = read_boxes(label)
            assert (annotation.width, annotation.height) == (width, height)
            drawn = draw(
                augmentation, seed=0, content=label.stem, copy=0, height=height, width=width
            )
            drawn = replace(drawn, channel_shift_intensity=None)
            for row in annotation.boxes:
                box = tuple(np.clip(row, 1, [width - 1, height - 1] * 2).astype(int).tolist())
                seen = bright(transformed(painted(box, height, width), drawn, BLACK))
                boxed, share = moved(box, drawn, height, width)
                if share > 0.1:
                    compared += 1
                    assert np.abs(boxed - seen).max() <= 4
        assert compared >= 40


class TestByHand:
    def test_nothing_drawn_leaves_them_to_the_last_digit(self) -> None:
        boxes = [(0, 0, 7, 5), (1.25, 2.5, 3.1, 4.7)]
        assert moved_boxes(boxes, Drawn(), height=5, width=7).tolist() == [*map(list, boxes)]
        assert shares_inside(boxes, Drawn(), height=5, width=7).tolist() == [1, 1]

    def test_flips(self) -> None:
        box = [(1, 2, 4, 9)]
        mirrored = moved_boxes(box, Drawn(flip_horizontal=True), height=10, width=20)
        upside_down = moved_boxes(box, Drawn(flip_vertical=True), height=10, width=20)
        assert mirrored.tolist() == [[16, 2, 19, 9]]
        assert upside_down.tolist() == [[1, 1, 4, 8]]

    def test_a_shift_goes_where_keras_moves_it(self) -> None:
        # tx comes from height_shift_range, and moves sideways: the picture goes left.
        drawn = Drawn(tx=3.0)
        assert np.allclose(moved_boxes([(5, 2, 8, 4)], drawn, height=10, width=12), [[2, 2, 5, 4]])

    def test_a_quarter_turn_of_a_square(self) -> None:
        # Counter-clockwise, as np.rot90: the right edge becomes the top one.
        row = moved_boxes([(1, 2, 4, 3)], Drawn(theta=90.0), height=6, width=6)
        assert np.allclose(row, [[2, 2, 3, 5]])

    def test_a_long_picture_turns_about_keras_centre(self) -> None:
        # (height / 2, width / 2) with the column first: here the point x = 5, y = 10.
        row = moved_boxes([(4, 8, 5, 10)], Drawn(theta=180.0), height=10, width=20)
        assert np.allclose(row, [[0, 0, 0, 0]])
        row = moved_boxes([(6, 0, 9, 9)], Drawn(theta=180.0, ty=10.0), height=10, width=20)
        assert np.allclose(row, [[1, 1, 4, 10]])

    def test_half_outside(self) -> None:
        drawn = Drawn(tx=4.0)
        assert np.allclose(moved_boxes([(2, 2, 6, 6)], drawn, **SQUARE), [[0, 2, 2, 6]])
        assert shares_inside([(2, 2, 6, 6)], drawn, **SQUARE).tolist() == pytest.approx([0.5])

    def test_outside_it_is_empty(self) -> None:
        drawn = Drawn(tx=8.0)
        boxes = [(2, 2, 6, 6), (2, 2, 8, 6)]  # the second one ends at the very edge
        assert moved_boxes(boxes, drawn, **SQUARE).tolist() == [[0] * 4] * 2
        assert shares_inside(boxes, drawn, **SQUARE).tolist() == [0, 0]

    def test_a_turned_pole_that_leaves_the_picture_is_boxed_where_it_is_seen(self) -> None:
        # Round its four corners the box would span the picture.
        pole, turn = (0, 49, 100, 51), Drawn(theta=-45.0)
        (whole,) = moved_boxes([pole], turn, height=100, width=100)
        assert whole == pytest.approx([13.9, 13.9, 86.1, 86.1], abs=0.1)
        patch = (0, 0, 60, 30)
        (seen,) = moved_boxes([pole], turn, height=100, width=100, patch=patch)
        assert seen == pytest.approx([13.9, 13.9, 31.4, 30.0], abs=0.1)
        (beside,) = moved_boxes([pole], turn, height=100, width=100, patch=(60, 0, 100, 40))
        assert not beside.any()

    def test_what_lies_beyond_the_source_does_not_count(self) -> None:
        row = moved_boxes([(-5, -5, 20, 4)], Drawn(flip_vertical=True), height=10, width=12)
        assert row.tolist() == [[0, 6, 12, 10]]
        share = shares_inside([(-5, -5, 20, 4)], Drawn(), height=10, width=12)
        assert share.tolist() == [1]

    @pytest.mark.parametrize("box", [(3, 3, 3, 8), (8, 3, 3, 8), (20, 20, 30, 30)], ids=str)
    def test_an_empty_box_stays_empty(self, box: Box) -> None:
        assert moved_boxes([box], Drawn(theta=20.0), **SQUARE).tolist() == [[0] * 4]
        assert shares_inside([box], Drawn(theta=20.0), **SQUARE).tolist() == [0]

    def test_no_boxes(self) -> None:
        drawn = Drawn(theta=1.0)
        assert moved_boxes(np.empty((0, 4)), drawn, height=3, width=3).shape == (0, 4)
        assert shares_inside([], drawn, height=3, width=3).shape == (0,)
        assert resized_boxes([], before=(1, 1), after=(2, 2)).shape == (0, 4)
        assert cropped_boxes([], (0, 0, 2, 2)).shape == (0, 4)

    def test_what_went_in_is_untouched(self) -> None:
        boxes = np.array([[-1.0, 0, 9, 4]])
        moved_boxes(boxes, Drawn(tx=2.0), height=5, width=5)
        cropped_boxes(boxes, (0, 0, 3, 3))
        assert boxes.tolist() == [[-1, 0, 9, 4]]

    def test_resized_and_cropped(self) -> None:
        boxes = [(1, 2, 3, 4), (8, 8, 10, 10)]
        stretched = resized_boxes(boxes, before=(10, 10), after=(20, 5))
        assert stretched.tolist() == [[2, 1, 6, 2], [16, 4, 20, 5]]
        assert cropped_boxes(boxes, (2, 1, 6, 6)).tolist() == [[0, 1, 1, 3], [0, 0, 0, 0]]

    @settings(max_examples=60, deadline=None)
    @given(pictures(), turned)
    def test_a_strong_transform_keeps_boxes_and_shares_within_bounds(
        self, given: tuple[Box, int, int], drawn: Drawn
    ) -> None:
        box, height, width = given
        strong = Drawn(**asdict(drawn) | {"shear": 89.0, "zx": 1e-6})
        row, share = moved(box, strong, height, width)
        assert (row >= 0).all()
        assert (row <= [width, height] * 2).all()
        assert 0 <= share <= 1
