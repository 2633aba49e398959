"""Large JPEGs are decoded at a fraction of their size, within a tolerance."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cnnkit.images.geometry import render, views, wanted_size
from cnnkit.records import Recipe
from tests.conftest import picture
from tests.images.picture_files import decoded, encoded, written

# As the program does it: decoders warn about odd files, records say what matters.
pytestmark = pytest.mark.filterwarnings(r"ignore:::PIL\.")


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


def moved_by_draft(path: str, recipe: Recipe) -> float:
    """How far, in mean grey levels, reduced decoding moves what the network sees."""
    full, fast = decoded(path), decoded(path, wanted_size(recipe))
    assert fast.width < full.width
    assert min(fast.size) >= 2 * max(wanted_size(recipe) or (0, 0))
    seen = [render(i, views(*i.size, recipe), recipe).astype(np.int64) for i in (full, fast)]
    return float(np.abs(seen[0] - seen[1]).mean())


class TestDraft:
    @pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
    def test_a_large_jpeg_is_decoded_smaller_and_looks_the_same(
        self, tmp_path: Path, fit: Any
    ) -> None:
        path = written(tmp_path, encoded(noise(2000, 1500), "JPEG", quality=90))
        assert moved_by_draft(path, Recipe(224, 224, fit=fit)) < 1

    @pytest.mark.parametrize(
        ("size", "expected"),
        [
            ((2000, 1504), (250, 188)),  # an eighth
            ((2000, 1500), (500, 375)),  # an eighth would not be whole
            ((2002, 1502), (1001, 751)),
            ((2000, 1501), (2000, 1501)),
            ((1600, 792), (400, 198)),  # an eighth leaves too few pixels
        ],
    )
    def test_sides_are_divided_only_where_nothing_is_left_over(
        self, tmp_path: Path, size: tuple[int, int], expected: tuple[int, int]
    ) -> None:
        path = written(tmp_path, encoded(picture(*size), "JPEG"))
        assert decoded(path, (64, 50)).size == expected

    def test_a_fraction_moves_no_view(self, tmp_path: Path) -> None:
        path = written(tmp_path, encoded(noise(2002, 1502), "JPEG", quality=90))
        assert moved_by_draft(path, Recipe(96, 96, interpolation="bilinear")) < 1

    @pytest.mark.real
    def test_a_photograph(self, tmp_path: Path, photos: Path) -> None:
        largest = max(sorted(photos.iterdir()), key=lambda p: p.stat().st_size)
        with Image.open(largest) as image:
            big = image.convert("RGB").resize((2000, 1500), Image.Resampling.LANCZOS)
        path = written(tmp_path, encoded(big, "JPEG", quality=90))
        assert moved_by_draft(path, Recipe(224, 224)) < 1

    def test_small_pictures_and_other_formats_are_decoded_whole(self, tmp_path: Path) -> None:
        small = written(tmp_path, encoded(picture(500, 400), "JPEG"), "small")
        assert decoded(small, (256, 256)).size == (500, 400)
        other = written(tmp_path, encoded(picture(1200, 900), "PNG"), "other")
        assert decoded(other, (32, 32)).size == (1200, 900)

    def test_an_mpo_is_a_jpeg(self, tmp_path: Path) -> None:
        path = written(tmp_path, encoded(picture(1200, 900), "MPO"))
        assert decoded(path, (100, 100)).width < 1200

    def test_nearest_wants_every_pixel(self, tmp_path: Path) -> None:
        wanted = wanted_size(Recipe(32, 32, interpolation="nearest"))
        path = written(tmp_path, encoded(picture(1200, 900), "JPEG"))
        assert wanted is None
        assert decoded(path, wanted).size == (1200, 900)
