"""Pixels come back from the files that are made of them."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from cnnkit.errors import InputError
from cnnkit.images.encode import FORMATS, encoded
from tests.conftest import picture

PIXELS = np.asarray(picture(61, 43))


def read(data: bytes) -> Image.Image:
    image = Image.open(BytesIO(data))
    image.load()
    return image


@pytest.mark.parametrize("suffix", [*FORMATS, ".JPG"])
def test_every_format_holds_the_picture(suffix: str) -> None:
    image = read(encoded(PIXELS, suffix, 95))
    assert (image.format, image.mode) == (FORMATS[suffix.lower()].replace("DIB", "BMP"), "RGB")
    apart = np.abs(np.asarray(image, float) - PIXELS)
    if image.format in ("JPEG", "WEBP"):
        assert apart.mean() < 8
    else:
        assert not apart.any()


@pytest.mark.parametrize("quality", [1, 30, 75, 95, 100])
def test_jpeg_is_as_pillow_writes_it(quality: int) -> None:
    file = BytesIO()
    picture(61, 43).save(file, "JPEG", quality=quality)
    ours, theirs = (np.asarray(read(data), int) for data in (
        encoded(PIXELS, ".jpg", quality), file.getvalue()
    ))  # fmt: skip
    assert np.abs(ours - theirs).max() <= 2


@pytest.mark.parametrize(("suffix", "most"), [(".jpg", 65_500), (".webp", 16_383)])
def test_a_picture_that_is_too_large_for_its_format(suffix: str, most: int) -> None:
    widest = np.zeros((1, most, 3), np.uint8)
    assert read(encoded(widest, suffix, 95)).size == (most, 1)
    with pytest.raises(InputError, match=rf"at most {most:,} pixels .* Received: {most + 1:,}x1"):
        encoded(np.zeros((1, most + 1, 3), np.uint8), suffix, 95)


def test_a_part_of_a_picture_and_a_single_pixel() -> None:
    part = PIXELS[5:20:2, 30:3:-1]
    assert (np.asarray(read(encoded(part, ".png", 95))) == part).all()
    assert read(encoded(part, ".jpg", 95)).size == (27, 8)
    assert read(encoded(PIXELS[:1, :1], ".jpg", 95)).size == (1, 1)
