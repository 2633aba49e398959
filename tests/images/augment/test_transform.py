"""The transform is ImageDataGenerator.apply_transform, within half a grey level."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from cnnkit.errors import UsageError
from cnnkit.images.augment import (
    Augmentation,
    Drawn,
    affine,
    draw,
    transformed,
    transformed_float,
)
from cnnkit.images.augment.affine import matrix
from cnnkit.images.augment.parameters import FILL_MODES
from tests.conftest import picture
from tests.images.augment.keras_reference import BLOG, photographs, reference

# Everything that can vary, in strong doses.
WILD = {
    "rotation_range": 180,
    "width_shift_range": 0.6,
    "height_shift_range": [-30, 5, 11],
    "shear_range": 45,
    "zoom_range": [0.3, 2.5],
    "horizontal_flip": True,
    "vertical_flip": True,
    "channel_shift_range": 60,
}
LIGHT = {"brightness_range": [0.3, 1.8]}
# Of a whole grey level, 0.5 is rounding; the rest is float32.
ROUNDED, FLOAT = 0.51, 0.01


def noise(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def drawn_for(augmentation: Augmentation, pixels: NDArray, copy: int = 0) -> Drawn:
    height, width = pixels.shape[:2]
    return draw(augmentation, seed=1, content="c0ffee", copy=copy, height=height, width=width)


def compare(pixels: NDArray, drawn: Drawn, augmentation: Augmentation) -> None:
    """Both results against Keras's, every pixel; what went in is untouched."""
    before = pixels.copy()
    wanted = reference(pixels, drawn, augmentation)
    values = transformed_float(pixels, drawn, augmentation)
    rounded = transformed(pixels, drawn, augmentation)
    assert np.abs(values - wanted).max() <= FLOAT
    assert np.abs(rounded - np.clip(wanted, 0, 255)).max() <= ROUNDED
    assert (pixels == before).all()
    assert values.dtype == np.float32
    assert rounded.dtype == np.uint8
    assert values.shape == rounded.shape == pixels.shape
    assert not np.shares_memory(values, pixels)
    assert not np.shares_memory(rounded, pixels)
    assert values.flags["C_CONTIGUOUS"]
    assert rounded.flags["C_CONTIGUOUS"]


def parameter_sets(count: int, pictures: list[NDArray]) -> None:
    for copy in range(count):
        given: dict[str, Any] = {**(BLOG if copy % 2 else WILD)}
        given |= {"fill_mode": FILL_MODES[copy // 2 % len(FILL_MODES)]}
        augmentation = Augmentation.of(given)
        pixels = pictures[copy % len(pictures)]
        compare(pixels, drawn_for(augmentation, pixels, copy), augmentation)


@pytest.mark.network
class TestAgainstKeras:
    @pytest.mark.real
    def test_200_drawn_parameter_sets_on_photographs(self, photos: Path) -> None:
        parameter_sets(200, photographs(photos, 25))

    @pytest.mark.real
    @pytest.mark.soak
    def test_1000_drawn_parameter_sets_on_photographs(self, photos: Path) -> None:
        parameter_sets(1000, photographs(photos, 125))

    @pytest.mark.real
    @pytest.mark.parametrize("fill_mode", FILL_MODES)
    def test_brightness_to_the_last_level(self, fill_mode: str, photos: Path) -> None:
        # A fraction lost too early would show as a whole level here.
        augmentation = Augmentation.of(WILD | LIGHT | {"fill_mode": fill_mode})
        for copy, pixels in enumerate(photographs(photos, 10)):
            drawn = drawn_for(augmentation, pixels, copy)
            wanted = reference(pixels, drawn, augmentation)
            assert (transformed_float(pixels, drawn, augmentation) == wanted).all()
            assert (transformed(pixels, drawn, augmentation) == wanted).all()

    def test_a_darkest_or_brightest_value_on_a_whole_level(self) -> None:
        # All of a picture is cut off there, so that a last digit would darken every pixel.
        rng = np.random.default_rng(0)
        for _ in range(1000):
            pixels = (5 * rng.integers(0, 51, (2, 2, 3))).astype(np.uint8)
            zx, zy = rng.choice([0.2, 0.6], 2).tolist()
            shift = float(rng.choice([-254.6, 254.6]))
            drawn = Drawn(zx=zx, zy=zy, channel_shift_intensity=shift, brightness=1.0)
            wanted = reference(pixels, drawn, Augmentation())
            assert (transformed(pixels, drawn, Augmentation()) == wanted).all()

    @pytest.mark.parametrize("light", [{}, LIGHT], ids=["", "brightness"])
    @pytest.mark.parametrize("order", [0, 1, 2, 3, 5])
    @pytest.mark.parametrize("fill_mode", FILL_MODES)
    def test_every_edge_rule_and_order(
        self, fill_mode: str, order: int, light: dict[str, Any]
    ) -> None:
        given = WILD | light | {"fill_mode": fill_mode, "interpolation_order": order, "cval": 77}
        augmentation = Augmentation.of(given)
        for copy, size in enumerate([(40, 40), (31, 52), (64, 9)] * 4):
            pixels = noise(*size, seed=copy)
            compare(pixels, drawn_for(augmentation, pixels, copy), augmentation)

    @pytest.mark.parametrize("fill_mode", FILL_MODES)
    @pytest.mark.parametrize("size", [(1, 1), (2, 3), (1, 7), (5, 1), (2, 2)], ids=str)
    def test_tiny_pictures(self, size: tuple[int, int], fill_mode: str) -> None:
        augmentation = Augmentation.of(WILD | LIGHT | {"fill_mode": fill_mode})
        for copy in range(20):
            pixels = noise(*size, seed=copy)
            drawn = drawn_for(augmentation, pixels, copy)
            compare(pixels, drawn, augmentation)
            compare(pixels, replace(drawn, brightness=None), augmentation)

    @pytest.mark.parametrize("fill_mode", FILL_MODES)
    def test_whole_pixels_fall_on_the_edge_itself(self, fill_mode: str) -> None:
        # Where an edge rule jumps, the last digit of a place decides.
        augmentation = Augmentation(fill_mode=fill_mode, cval=200.0)
        pixels = noise(8, 8)
        for shift in range(-20, 21):
            compare(pixels, Drawn(tx=float(shift), ty=3.0), augmentation)
        compare(pixels, Drawn(theta=90.0), augmentation)
        compare(pixels, Drawn(zx=2.0, zy=0.5), augmentation)

    @pytest.mark.parametrize("fill_mode", FILL_MODES)
    def test_a_picture_of_several_tiles(self, fill_mode: str) -> None:
        pixels = np.asarray(picture(700, 530))
        augmentation = Augmentation.of(WILD | {"fill_mode": fill_mode})
        compare(pixels, drawn_for(augmentation, pixels, 4), augmentation)

    @pytest.mark.parametrize("fill_mode", FILL_MODES)
    def test_a_picture_longer_than_opencv_takes(self, fill_mode: str) -> None:
        pixels = noise(2, 33_000)
        augmentation = Augmentation(fill_mode=fill_mode)
        compare(pixels, Drawn(tx=0.25, ty=7.5, zy=200.0), augmentation)
        compare(pixels, Drawn(tx=16_000.25, zx=129.5), augmentation)

    def test_an_opencv_that_rounds_places_is_left_out(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        import cv2

        def coarse(pixels: Any, x: NDArray, y: NDArray, *others: Any, **options: Any) -> Any:
            return remap(pixels, np.rint(x * 32) / 32, np.rint(y * 32) / 32, *others, **options)

        remap = cv2.remap
        monkeypatch.setattr(cv2, "remap", coarse)
        affine._opencv_is_exact.cache_clear()
        try:
            compare(noise(20, 30), Drawn(theta=20.0, tx=0.3), Augmentation())
            assert not affine._opencv_is_exact()
        finally:
            affine._opencv_is_exact.cache_clear()

    @settings(max_examples=60, deadline=None)
    @given(
        st.builds(
            Drawn,
            theta=st.floats(-360, 360),
            tx=st.floats(-90, 90),
            ty=st.floats(-90, 90),
            shear=st.floats(-89, 89),
            zx=st.floats(0.01, 9),
            zy=st.floats(0.01, 9),
            flip_horizontal=st.booleans(),
            flip_vertical=st.booleans(),
            channel_shift_intensity=st.none() | st.floats(-255, 255),
        ),
        st.sampled_from(["nearest", "reflect"]),
        st.tuples(st.integers(1, 40), st.integers(1, 40)),
    )
    def test_any_transform(self, drawn: Drawn, fill_mode: str, size: tuple[int, int]) -> None:
        compare(noise(*size), drawn, Augmentation(fill_mode=fill_mode))


class TestByHand:
    def test_nothing_drawn_is_a_copy(self) -> None:
        pixels = noise(5, 7)
        out = transformed(pixels, Drawn(), Augmentation())
        assert (out == pixels).all()
        assert not np.shares_memory(out, pixels)

    def test_flips(self) -> None:
        pixels = noise(5, 7)
        both = Drawn(flip_horizontal=True, flip_vertical=True)
        assert (transformed(pixels, both, Augmentation()) == pixels[::-1, ::-1]).all()

    def test_a_quarter_turn_of_a_square(self) -> None:
        pixels = noise(6, 6)
        out = transformed(pixels, Drawn(theta=90.0), Augmentation())
        assert (out == np.rot90(pixels)).all()

    def test_half_a_pixel_is_the_mean_of_two(self) -> None:
        pixels = np.zeros((1, 2, 3), np.uint8)
        pixels[0, 1] = 101
        values = transformed_float(pixels, Drawn(tx=0.5), Augmentation())
        assert values[0, :, 0].tolist() == [50.5, 101.0]

    def test_a_channel_shift_stays_within_the_pictures_own_values(self) -> None:
        pixels = np.array([[[10, 20, 30], [40, 50, 60]]], np.uint8)
        out = transformed(pixels, Drawn(channel_shift_intensity=15.0), Augmentation())
        assert out.tolist() == [[[25, 35, 45], [55, 60, 60]]]

    def test_brightness_cuts_fractions_off(self) -> None:
        pixels = np.array([[[10, 20, 201], [40, 50, 60]]], np.uint8)
        out = transformed(pixels, Drawn(brightness=1.5), Augmentation())
        assert out.tolist() == [[[15, 30, 255], [60, 75, 90]]]

    def test_beyond_the_edge_lies_cval(self) -> None:
        constant = Augmentation(fill_mode="constant", cval=9.0)
        out = transformed(noise(3, 3), Drawn(tx=100.0), constant)
        assert (out == 9).all()

    def test_the_matrix_leaves_the_centre_of_a_square_where_it_is(self) -> None:
        drawn = Drawn(theta=33.0, shear=12.0, zx=0.7, zy=1.4)
        assert np.allclose(matrix(drawn, 9, 9) @ [4, 4, 1], [4, 4, 1])

    def test_without_scipy_a_spline_says_what_to_type(self, monkeypatch: Any) -> None:
        monkeypatch.setitem(__import__("sys").modules, "scipy.ndimage", None)
        with pytest.raises(UsageError, match=r"pip install 'cnnkit\[splines\]'"):
            transformed(noise(4, 4), Drawn(theta=5.0), Augmentation(interpolation_order=3))


class TestThreads:
    def test_threads_do_not_change_a_byte(self) -> None:
        augmentation = Augmentation.of(WILD)
        pixels = np.asarray(picture(600, 400))

        def copy_of(copy: int) -> bytes:
            drawn = drawn_for(augmentation, pixels, copy)
            return transformed(pixels, drawn, augmentation).tobytes()

        alone = [copy_of(copy) for copy in range(24)]
        with ThreadPoolExecutor(6) as pool:
            assert list(pool.map(copy_of, range(24))) == alone

    def test_opencvs_number_of_threads_is_left_alone(self) -> None:
        import cv2

        before = cv2.getNumThreads()
        transformed(noise(50, 50), Drawn(theta=3.0), Augmentation())
        assert cv2.getNumThreads() == before
