"""Views: known corners of known pictures, and one rule however the work is shared."""

import tracemalloc
from dataclasses import replace
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from cnnkit.errors import UsageError
from cnnkit.images.geometry import (
    GOOGLENET_SCALES,
    PADDING,
    Extent,
    Pixels,
    View,
    render,
    views,
    wanted_size,
)
from cnnkit.records import Fit, Interpolation, Recipe
from tests.conftest import picture

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)
FITS: tuple[Fit, ...] = get_args(Fit)
RESAMPLE = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
}


def quadrants(width: int, height: int) -> Image.Image:
    """Red and green above, blue and white below."""
    image = Image.new("RGB", (width, height), RED)
    image.paste(GREEN, (width // 2, 0, width, height // 2))
    image.paste(BLUE, (0, height // 2, width // 2, height))
    image.paste(WHITE, (width // 2, height // 2, width, height))
    return image


def seen(image: Image.Image, recipe: Recipe, crops: int = 1) -> Pixels:
    return render(image, views(*image.size, recipe, crops), recipe)


def corners(view: Pixels) -> list[tuple[int, ...]]:
    """The colours at the four corners: above left and right, below left and right."""
    return [tuple(map(int, view[y, x])) for y in (0, -1) for x in (0, -1)]


def apart(one: Any, other: Any) -> int:
    """The largest difference in grey levels."""
    return int(np.abs(np.asarray(one, np.int64) - np.asarray(other, np.int64)).max())


class TestOneView:
    def test_stretch(self) -> None:
        recipe = Recipe(20, 30, fit="stretch")
        assert views(200, 100, recipe) == [View((30, 20), (0, 0, 30, 20))]
        assert corners(seen(quadrants(200, 100), recipe)[0]) == [RED, GREEN, BLUE, WHITE]

    @pytest.mark.parametrize(
        ("size", "resize", "box"),
        [
            ((512, 512), (256, 256), (16, 16, 240, 240)),
            ((640, 480), (341, 256), (58, 16, 282, 240)),
            ((480, 640), (256, 341), (16, 58, 240, 282)),
            ((224, 224), (256, 256), (16, 16, 240, 240)),
            ((500, 375), (341, 256), (58, 16, 282, 240)),
        ],
    )
    def test_crop(self, size: Any, resize: Any, box: Any) -> None:
        assert views(size[0], size[1], Recipe(224, 224)) == [View(resize, box)]

    def test_crop_cuts_the_centre(self) -> None:
        image = Image.new("RGB", (300, 100), BLUE)
        image.paste(RED, (100, 0, 200, 100))
        recipe = Recipe(50, 50, margin=(1, 1), interpolation="nearest")
        assert corners(seen(image, recipe)[0]) == [RED] * 4

    def test_pad_keeps_all_and_shows_padding_beside_it(self) -> None:
        recipe = Recipe(40, 40, fit="pad", interpolation="nearest")
        view = seen(quadrants(80, 40), recipe)[0]
        assert views(80, 40, recipe) == [View((40, 20), (0, -10, 40, 30))]
        assert (view[:10] == PADDING).all()
        assert (view[30:] == PADDING).all()
        assert corners(view[10:30]) == [RED, GREEN, BLUE, WHITE]

    def test_pad_beside_a_tall_picture(self) -> None:
        view = seen(quadrants(40, 80), Recipe(40, 40, fit="pad", interpolation="nearest"))[0]
        assert (view[:, :10] == PADDING).all()
        assert (view[:, 30:] == PADDING).all()
        assert corners(view[:, 10:30]) == [RED, GREEN, BLUE, WHITE]

    def test_a_picture_of_the_right_size_is_taken_as_it_is(self) -> None:
        image = picture(64, 64)
        for fit in FITS:
            recipe = Recipe(64, 64, fit=fit, margin=(1, 1))
            assert (seen(image, recipe)[0] == np.asarray(image)).all()

    @pytest.mark.parametrize("fit", FITS)
    @pytest.mark.parametrize("size", [(1, 1), (1, 50), (50, 1), (2, 3), (333, 7)])
    def test_tiny_sides(self, fit: Fit, size: tuple[int, int]) -> None:
        image = Image.new("RGB", size, RED)
        view = seen(image, Recipe(16, 16, fit=fit))[0]
        colours = {tuple(map(int, pixel)) for pixel in view.reshape(-1, 3)}
        assert RED in colours
        assert colours <= {RED, PADDING}
        assert fit == "pad" or colours == {RED}

    @pytest.mark.parametrize("fit", FITS)
    @pytest.mark.parametrize("crops", [1, 5, 10, 144])
    @pytest.mark.parametrize("size", [(1, 60_000), (60_000, 1)])
    def test_a_strip_takes_little_memory(
        self, fit: Fit, crops: int, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Brought to its margin as a whole it would have four milliard pixels."""
        if crops == 144 and fit != "crop":
            return
        image, largest = Image.new("RGB", size, RED), 0
        whole = Image.Image.resize

        def watched(self: Image.Image, size: tuple[int, int], *more: Any) -> Image.Image:
            nonlocal largest
            largest = max(largest, size[0] * size[1])
            return whole(self, size, *more)

        monkeypatch.setattr(Image.Image, "resize", watched)
        tracemalloc.start()
        try:
            out = seen(image, Recipe(32, 32, fit=fit), crops)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert out.shape == (crops, 32, 32, 3)
        assert 0 < largest <= 1 << 16
        assert peak < 8 << 20


class TestSharing:
    """Views are parts of the whole picture resized, however the work is shared."""

    @pytest.mark.parametrize("fit", FITS)
    @pytest.mark.parametrize("interpolation", get_args(Interpolation))
    @pytest.mark.parametrize("size", [(301, 203), (97, 240), (40, 30), (333, 332)])
    def test_a_view_is_a_part_of_the_whole(
        self, fit: Fit, interpolation: Interpolation, size: tuple[int, int]
    ) -> None:
        noise = np.random.default_rng(size).integers(0, 256, (size[1], size[0], 3), np.uint8)
        self.compare(Image.fromarray(noise), Recipe(31, 33, fit, interpolation), at_most=0)

    @pytest.mark.parametrize("interpolation", get_args(Interpolation))
    @pytest.mark.parametrize("size", [(301, 203), (97, 240), (40, 30), (333, 332)])
    def test_of_a_picture_too_large_only_the_part_is_resized(
        self,
        interpolation: Interpolation,
        size: tuple[int, int],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr("cnnkit.images.geometry._LARGEST_RESIZED", 0)
        self.compare(picture(*size), Recipe(31, 33, "crop", interpolation), at_most=1)

    @pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
    @pytest.mark.parametrize(("largest", "at_most"), [(1 << 24, 0), (0, 1)])
    @pytest.mark.parametrize("size", [(301, 203), (97, 240)])
    def test_a_view_of_an_extent_is_a_part_of_the_extent(
        self,
        interpolation: Interpolation,
        largest: int,
        at_most: int,
        size: tuple[int, int],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr("cnnkit.images.geometry._LARGEST_RESIZED", largest)
        recipe, extent = Recipe(31, 33, "crop", interpolation), (20.5, 10.25, size[0], size[1] - 5)
        self.compare(picture(*size), recipe, at_most=at_most, extent=extent)

    def compare(
        self,
        image: Image.Image,
        recipe: Recipe,
        *,
        at_most: int,
        extent: Extent | None = None,
    ) -> None:
        cuts = views(*image.size, recipe)
        view = cuts[0]
        whole = image.resize(view.resize, RESAMPLE[recipe.interpolation], extent)
        left, top, right, bottom = view.box
        ground = Image.new("RGB", (right - left, bottom - top), PADDING)
        ground.paste(whole, (-left, -top))
        assert apart(render(image, cuts, recipe, extent)[0], ground) <= at_most

    @pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
    @pytest.mark.parametrize("crops", [5, 10, 144])
    def test_every_view_alone_is_the_view_among_others(
        self, interpolation: Interpolation, crops: int
    ) -> None:
        image, recipe = picture(90, 61), Recipe(24, 24, interpolation=interpolation)
        cuts = views(*image.size, recipe, crops)
        together = render(image, cuts, recipe)
        for i in range(0, crops, 7):
            assert apart(render(image, [cuts[i]], recipe)[0], together[i]) <= 1

    def test_the_picture_is_left_as_it_was(self) -> None:
        image = picture()
        before = image.tobytes()
        seen(image, Recipe(16, 16), 144)
        assert image.tobytes() == before


class TestCrops:
    RECIPE = Recipe(20, 20, margin=(32, 20), interpolation="nearest")

    def test_five_are_the_corners_and_the_centre(self) -> None:
        cuts = views(32, 32, self.RECIPE, 5)
        assert [cut.box for cut in cuts] == [
            (0, 0, 20, 20),
            (12, 0, 32, 20),
            (0, 12, 20, 32),
            (12, 12, 32, 32),
            (6, 6, 26, 26),
        ]
        shown = seen(quadrants(32, 32), self.RECIPE, 5)
        # Each corner's cut shows most of its own quadrant and a strip of the others.
        most = [tuple(map(int, np.median(view, axis=(0, 1)))) for view in shown[:4]]
        assert most == [RED, GREEN, BLUE, WHITE]
        assert corners(shown[4]) == [RED, GREEN, BLUE, WHITE]

    def test_of_a_wide_picture_the_square_in_the_middle_is_cut(self) -> None:
        cuts = views(64, 32, self.RECIPE, 5)
        assert [cut.box[0] for cut in cuts] == [16, 28, 16, 28, 22]

    @pytest.mark.parametrize("fit", FITS)
    def test_the_second_five_mirror_the_first(self, fit: Fit) -> None:
        image, recipe = picture(70, 50), Recipe(24, 24, fit=fit)
        ten = seen(image, recipe, 10)
        assert (ten[:5] == seen(image, recipe, 5)).all()
        assert (ten[5:] == ten[:5, :, ::-1]).all()
        assert (ten[5:] != ten[:5]).any()

    def test_the_centre_of_five_is_the_one_view(self) -> None:
        """Where the square's border is even, as at 224; else they may be one pixel apart."""
        image, recipe = picture(70, 50), Recipe(28, 28)
        assert apart(seen(image, recipe, 5)[4], seen(image, recipe)[0]) <= 1

    def test_padding_around_five(self) -> None:
        shown = seen(quadrants(64, 8), replace(self.RECIPE, fit="pad"), 5)
        assert (shown[0][0] == PADDING).all()
        assert tuple(shown[0][14, 0]) == RED

    @pytest.mark.parametrize("size", [(200, 4), (4, 200)])
    def test_a_cut_that_misses_the_picture_is_all_padding(self, size: tuple[int, int]) -> None:
        recipe = Recipe(10, 10, fit="pad", margin=(30, 10))
        shown = seen(Image.new("RGB", size, RED), recipe, 10)
        assert (shown[:4] == PADDING).all()
        assert (shown[4] == RED).any()


class TestGoogLeNet:
    RECIPE = Recipe(224, 224)

    @pytest.mark.parametrize("size", [(640, 480), (480, 640)])
    def test_144_different_views(self, size: tuple[int, int]) -> None:
        cuts = views(*size, self.RECIPE, 144)
        assert len(cuts) == len(set(cuts)) == 144
        assert sum(cut.mirror for cut in cuts) == 72
        assert sum(cut.reduce for cut in cuts) == 4 * 3 * 2

    def test_the_four_scales(self) -> None:
        cuts = views(640, 480, self.RECIPE, 144)
        short = sorted({min(cut.resize) for cut in cuts})
        assert short == [256, 288, 320, 352] == [scale[0] for scale in GOOGLENET_SCALES]
        for side in short:
            assert sum(min(cut.resize) == side for cut in cuts) == 36

    def test_the_three_squares(self) -> None:
        whole = [cut.box for cut in views(512, 256, self.RECIPE, 144)[:18] if cut.reduce]
        assert whole == [(0, 0, 256, 256), (128, 0, 384, 256), (256, 0, 512, 256)]
        tall = [cut.box for cut in views(256, 512, self.RECIPE, 144)[:18] if cut.reduce]
        assert tall == [(0, 0, 256, 256), (0, 128, 256, 384), (0, 256, 256, 512)]

    def test_no_view_leaves_the_picture(self) -> None:
        for cut in views(333, 217, self.RECIPE, 144):
            left, top, right, bottom = cut.box
            assert 0 <= left < right <= cut.resize[0]
            assert 0 <= top < bottom <= cut.resize[1]
            assert cut.reduce or (right - left, bottom - top) == (224, 224)

    def test_the_second_half_mirrors_the_first(self) -> None:
        shown = seen(picture(60, 40), Recipe(16, 16), 144)
        assert (shown[72:] == shown[:72, :, ::-1]).all()
        assert len({view.tobytes() for view in shown}) > 100

    def test_a_reduced_square_shows_all_of_itself(self) -> None:
        recipe = Recipe(16, 16, interpolation="nearest")
        cuts = views(32, 32, recipe, 144)
        at = next(i for i, cut in enumerate(cuts) if cut.reduce)
        shown = render(quadrants(32, 32), cuts, recipe)
        assert corners(shown[at]) == [RED, GREEN, BLUE, WHITE]

    @pytest.mark.parametrize("fit", ["stretch", "pad"])
    def test_another_fit_is_refused(self, fit: Fit) -> None:
        with pytest.raises(UsageError, match="Expected fit 'crop'"):
            views(10, 10, Recipe(8, 8, fit=fit), 144)


@pytest.mark.parametrize("crops", [0, 2, 11, -1])
def test_another_number_of_crops_is_refused(crops: int) -> None:
    with pytest.raises(UsageError, match=f"Expected 1, 5, 10, 144 crops. Received: {crops}"):
        views(10, 10, Recipe(8, 8), crops)


class TestWantedSize:
    def test_it_is_the_largest_resizing(self) -> None:
        assert wanted_size(Recipe(224, 224)) == (256, 256)
        assert wanted_size(Recipe(224, 448)) == (512, 256)
        assert wanted_size(Recipe(224, 224), 144) == (352, 352)

    def test_nearest_needs_every_pixel(self) -> None:
        assert wanted_size(Recipe(224, 224, interpolation="nearest")) is None

    @given(
        fit=st.sampled_from(FITS),
        width=st.integers(1, 3000),
        height=st.integers(1, 3000),
        crops=st.sampled_from([1, 5, 10]),
    )
    def test_no_short_side_is_brought_further(
        self, fit: Fit, width: int, height: int, crops: int
    ) -> None:
        recipe = Recipe(224, 224, fit=fit)
        wanted = wanted_size(recipe, crops)
        assert wanted is not None
        assert min(views(width, height, recipe, crops)[0].resize) <= min(wanted)


@settings(max_examples=60, deadline=None)
@given(
    size=st.tuples(st.integers(1, 90), st.integers(1, 90)),
    side=st.tuples(st.integers(1, 24), st.integers(1, 24)),
    fit=st.sampled_from(FITS),
    interpolation=st.sampled_from(get_args(Interpolation)),
    margin=st.tuples(st.integers(1, 4), st.just(2)),
    crops=st.sampled_from([1, 5, 10, 144]),
)
def test_counts_and_shapes(
    size: tuple[int, int],
    side: tuple[int, int],
    fit: Fit,
    interpolation: Interpolation,
    margin: tuple[int, int],
    crops: int,
) -> None:
    """Any picture, any recipe: that many views of that size; one colour stays one colour."""
    fit = "crop" if crops == 144 else fit
    margin = margin if min(side) > 1 else (1, 1)
    recipe = Recipe(*side, fit=fit, interpolation=interpolation, margin=margin)
    out = seen(Image.new("RGB", size, RED), recipe, crops)
    assert out.shape == (crops, *side, 3)
    assert out.dtype == np.uint8
    inside = (np.abs(out.astype(int) - RED) <= 1).all(axis=-1)
    beside = (out == PADDING).all(axis=-1)
    if fit != "pad" and margin >= (2, 2):
        assert inside.all()
    elif crops != 144:
        assert (inside | beside).all()
