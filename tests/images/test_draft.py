"""Large JPEGs are decoded at a fraction of their size, within a tolerance."""

from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from cnnkit.images.decode import Picture
from cnnkit.images.geometry import Extent, Pixels, render, views, wanted_size
from cnnkit.records import Fit, Recipe
from tests.conftest import picture
from tests.images.picture_files import decoded, encoded, reduced, turned, written

# As the program does it: decoders warn about odd files, records say what matters.
pytestmark = pytest.mark.filterwarnings(r"ignore:::PIL\.")

# Mean grey levels by which reduced decoding may move what the network sees.
TOLERANCE = 1.0


def noise(width: int, height: int) -> Image.Image:
    """Detail of every size down to a few pixels, as photographs have it."""
    rng = np.random.default_rng(5)
    total = np.zeros((height, width, 3))
    for step, strength in ((256, 90), (64, 45), (16, 22), (4, 11)):
        coarse = rng.uniform(-1, 1, (height // step + 2, width // step + 2, 3))
        layer = [
            Image.fromarray(coarse[..., c].astype(np.float32)).resize(
                (width, height), Image.Resampling.BICUBIC
            )
            for c in range(3)
        ]
        total += strength * np.stack([np.asarray(part) for part in layer], axis=-1)
    return Image.fromarray(np.clip(total + 128, 0, 255).astype(np.uint8))


def waves(width: int, height: int, across: float) -> Image.Image:
    """Nothing but waves, so that whatever moves shows: `across` of them on the short side."""
    step = 2 * np.pi * across / min(width, height)
    x, y = (np.arange(width) + 0.5) * step, (np.arange(height) + 0.5)[:, None] * step
    planes = (np.sin(x) + 0 * y, np.sin(y) + 0 * x, np.sin((x + y) / 2))
    return Image.fromarray(np.rint(128 + 100 * np.stack(planes, axis=-1)).astype(np.uint8))


def shown(picture: Picture, recipe: Recipe, extent: Extent | None = None, crops: int = 1) -> Pixels:
    cuts = views(*picture.size, recipe, crops)
    return render(picture.image, cuts, recipe, extent or picture.extent)


def apart(one: Pixels, other: Pixels) -> float:
    """The mean difference in grey levels."""
    return float(np.abs(one.astype(np.int64) - other).mean())


def moved_by_draft(path: str, recipe: Recipe) -> float:
    """How far, in mean grey levels, reduced decoding moves what the network sees."""
    full, fast = reduced(path, None), reduced(path, wanted_size(recipe))
    assert fast.image.width < full.image.width
    assert min(fast.image.size) >= 2 * max(wanted_size(recipe) or (0, 0))
    assert full.size == fast.size == full.image.size
    return apart(shown(full, recipe), shown(fast, recipe))


class TestDraft:
    @pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
    @pytest.mark.parametrize("size", [(2000, 1500), (1601, 1067), (1999, 1501)])
    def test_a_large_jpeg_is_decoded_smaller_and_looks_the_same(
        self, tmp_path: Path, fit: Any, size: tuple[int, int]
    ) -> None:
        path = written(tmp_path, encoded(noise(*size), "JPEG", quality=90))
        assert moved_by_draft(path, Recipe(224, 224, fit=fit)) < TOLERANCE

    @pytest.mark.parametrize(
        ("size", "expected", "right", "bottom"),
        [
            ((2000, 1504), (250, 188), 250, 188),  # an eighth
            ((2000, 1500), (250, 188), 250, 187.5),
            ((2001, 1499), (251, 188), 250.125, 187.375),
            ((1602, 795), (401, 199), 400.5, 198.75),  # an eighth leaves too few pixels
            ((1023, 1024), (256, 256), 255.75, 256),  # just too few
            ((257, 511), (129, 256), 128.5, 255.5),
            ((2000, 255), (2000, 255), 2000, 255),
        ],
    )
    def test_sides_are_divided_and_rounded_up(
        self,
        tmp_path: Path,
        size: tuple[int, int],
        expected: tuple[int, int],
        right: float,
        bottom: float,
    ) -> None:
        path = written(tmp_path, encoded(picture(*size), "JPEG"))
        got = reduced(path, (64, 50))
        assert got.image.size == expected
        assert got.size == size
        assert got.extent == (0, 0, right, bottom)

    @pytest.mark.parametrize("subsampling", [0, 1, 2])
    @pytest.mark.parametrize("size", [(2002, 1502), (801, 809)])
    def test_a_fraction_moves_no_view(
        self, tmp_path: Path, size: tuple[int, int], subsampling: int
    ) -> None:
        content = encoded(noise(*size), "JPEG", quality=90, subsampling=subsampling)
        path = written(tmp_path, content)
        assert moved_by_draft(path, Recipe(96, 96, interpolation="bilinear")) < TOLERANCE

    @pytest.mark.real
    @pytest.mark.parametrize("fit", get_args(Fit))
    @pytest.mark.parametrize("size", [(2000, 1500), (1600, 1067), (3001, 2003)])
    def test_a_photograph(
        self, tmp_path: Path, photos: Path, size: tuple[int, int], fit: Fit
    ) -> None:
        largest = max(sorted(photos.iterdir()), key=lambda p: p.stat().st_size)
        with Image.open(largest) as image:
            big = image.convert("RGB").resize(size, Image.Resampling.LANCZOS)
        path = written(tmp_path, encoded(big, "JPEG", quality=90))
        assert moved_by_draft(path, Recipe(224, 224, fit=fit)) < TOLERANCE

    def test_small_pictures_and_other_formats_are_decoded_whole(self, tmp_path: Path) -> None:
        small = written(tmp_path, encoded(picture(500, 400), "JPEG"), "small")
        assert reduced(small, (256, 256)).image.size == (500, 400)
        other = written(tmp_path, encoded(picture(1200, 900), "PNG"), "other")
        whole = reduced(other, (32, 32))
        assert whole.image.size == whole.size == whole.extent[2:] == (1200, 900)

    def test_an_mpo_is_a_jpeg(self, tmp_path: Path) -> None:
        path = written(tmp_path, encoded(picture(1200, 900), "MPO"))
        assert reduced(path, (100, 100)).image.size == (300, 225)

    def test_nearest_wants_every_pixel(self, tmp_path: Path) -> None:
        wanted = wanted_size(Recipe(32, 32, interpolation="nearest"))
        path = written(tmp_path, encoded(picture(1200, 900), "JPEG"))
        assert wanted is None
        assert reduced(path, wanted).image.size == (1200, 900)

    def test_who_wants_no_size_gets_every_pixel(self, tmp_path: Path) -> None:
        path = written(tmp_path, encoded(picture(1601, 1201), "JPEG"))
        assert decoded(path).size == (1601, 1201)


class TestPartialPixels:
    """Where a side does not divide, the last pixel as stored lies partly beyond the picture."""

    RECIPE = Recipe(80, 80, fit="stretch", interpolation="bilinear", margin=(91, 80))

    @pytest.mark.parametrize(
        ("orientation", "left", "top"),
        [
            (1, 0, 0),
            (2, 0.875, 0),
            (3, 0.875, 0.375),
            (4, 0, 0.375),
            (5, 0, 0),
            (6, 0.875, 0),
            (7, 0.875, 0.375),
            (8, 0, 0.375),
        ],
    )
    def test_it_is_turned_with_the_picture(
        self, tmp_path: Path, orientation: int, left: float, top: float
    ) -> None:
        upright = picture(2001, 1501)  # 251 × 188, of which 250.125 × 187.625
        path = written(tmp_path, turned(upright, orientation, "JPEG"))
        got = reduced(path, (64, 64))
        assert got.size == upright.size
        assert got.image.size == (251, 188)
        assert got.extent == (left, top, left + 250.125, top + 187.625)

    @pytest.mark.parametrize("orientation", range(1, 9))
    @pytest.mark.parametrize("size", [(1601, 1497), (1497, 1601)])
    def test_the_wrong_extent_would_show(
        self, tmp_path: Path, orientation: int, size: tuple[int, int]
    ) -> None:
        """All of the image, or the picture at any other of its corners, is out of tolerance."""
        path = written(tmp_path, turned(waves(*size, 20), orientation, "JPEG", quality=95))
        full = shown(reduced(path, None), self.RECIPE)
        fast = reduced(path, wanted_size(self.RECIPE))
        assert fast.image.size == (-(-size[0] // 8), -(-size[1] // 8))
        assert apart(shown(fast, self.RECIPE), full) < TOLERANCE
        left, top, right, bottom = fast.extent
        width, height = right - left, bottom - top
        corners: list[Extent] = [
            (x, y, x + width, y + height)
            for x in (0, fast.image.width - width)
            for y in (0, fast.image.height - height)
        ]
        corners.remove(fast.extent)
        for wrong in (*corners, (0, 0, *fast.image.size)):
            assert apart(shown(fast, self.RECIPE, wrong), full) > 2 * TOLERANCE

    @pytest.mark.parametrize("shift", [-0.5, 0.5])
    def test_half_a_pixel_would_show(self, tmp_path: Path, shift: float) -> None:
        path = written(tmp_path, encoded(waves(1600, 1496, 20), "JPEG", quality=95))
        full, fast = reduced(path, None), reduced(path, wanted_size(self.RECIPE))
        inside = shown(full, self.RECIPE, (8, 0, 1592, 1496))
        assert fast.image.size == (200, 187)
        assert apart(shown(fast, self.RECIPE, (1, 0, 199, 187)), inside) < TOLERANCE
        shifted = shown(fast, self.RECIPE, (1 + shift, 0, 199 + shift, 187))
        assert apart(shifted, inside) > 5 * TOLERANCE

    @settings(
        max_examples=60,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    @given(
        width=st.integers(1, 2500),
        height=st.integers(1, 2500),
        orientation=st.integers(1, 8),
        fit=st.sampled_from(get_args(Fit)),
        interpolation=st.sampled_from(["bilinear", "bicubic"]),
        crops=st.sampled_from([1, 10, 144]),
        side=st.integers(12, 128),
    )
    def test_any_size_turned_in_any_way(
        self,
        tmp_path: Path,
        width: int,
        height: int,
        orientation: int,
        fit: Fit,
        interpolation: Any,
        crops: int,
        side: int,
    ) -> None:
        fit = "crop" if crops == 144 else fit
        recipe = Recipe(side, side, fit=fit, interpolation=interpolation)
        content = turned(waves(width, height, side / 8), orientation, "JPEG", quality=95)
        path = written(tmp_path, content)
        wanted = wanted_size(recipe, crops)
        assert wanted is not None
        full, fast = reduced(path, None), reduced(path, wanted)
        assert full.size == fast.size == (width, height)
        assert (fast.image.width < width) == (min(width, height) >= 4 * max(wanted))
        left, top, right, bottom = fast.extent
        assert 0 <= left < right <= fast.image.width < right - left + 1
        assert 0 <= top < bottom <= fast.image.height < bottom - top + 1
        difference = apart(shown(full, recipe, crops=crops), shown(fast, recipe, crops=crops))
        assert difference < TOLERANCE if fast.image.width < width else difference == 0
