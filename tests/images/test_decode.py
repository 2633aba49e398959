"""Whatever a file holds, `decode` gives a picture as a viewer shows it, or says why not."""

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from cnnkit.images.decode import FORMATS, to_rgb
from cnnkit.records import PICTURE_SUFFIXES
from tests.conftest import picture
from tests.images.picture_files import (
    STORED_AS,
    chunk,
    decoded,
    distance,
    encoded,
    kind,
    levels,
    png,
    reduced,
    turned,
    written,
)

# As the program does it: decoders warn about odd files, records say what matters.
pytestmark = pytest.mark.filterwarnings(r"ignore:::PIL\.")


class TestOrientation:
    @pytest.mark.parametrize("orientation", STORED_AS)
    @pytest.mark.parametrize(
        ("format", "options", "tolerance"),
        [
            ("PNG", {}, 0.0),
            ("TIFF", {}, 0.0),
            ("TIFF", {"compression": "tiff_lzw"}, 0.0),
            ("WEBP", {"lossless": True, "exact": True}, 0.0),
            ("JPEG", {"quality": 95, "subsampling": 0}, 2.0),
        ],
    )
    def test_the_picture_comes_out_upright(
        self,
        tmp_path: Path,
        orientation: int,
        format: str,
        options: dict[str, Any],
        tolerance: float,
    ) -> None:
        upright = picture(40, 24)
        path = written(tmp_path, turned(upright, orientation, format, **options))
        assert distance(decoded(path), upright) <= tolerance

    @pytest.mark.parametrize("orientation", [5, 6, 7, 8])
    def test_a_reduced_jpeg_is_turned_too(self, tmp_path: Path, orientation: int) -> None:
        upright = picture(800, 600)
        path = written(tmp_path, turned(upright, orientation, "JPEG"))
        image = reduced(path, (100, 100)).image
        assert image.size == (400, 300)
        assert distance(image, upright.resize((400, 300), Image.Resampling.BOX)) < 2

    @pytest.mark.parametrize(
        "exif",
        [
            b"Exif\0\0garbage",
            b"Exif\0\0MM\0*\xff\xff\xff\xff",
            b"Exif\0\0II*\0\x08\0\0\0\xff\xff",
            b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x63\0\0\0\0\0\0",
        ],
        ids=["garbage", "far", "short", "orientation 99"],
    )
    def test_a_broken_exif_block_costs_no_picture(self, tmp_path: Path, exif: bytes) -> None:
        upright = picture()
        path = written(tmp_path, encoded(upright, "JPEG", exif=exif, quality=95, subsampling=0))
        assert distance(decoded(path), upright) < 2


class TestModes:
    """A known value of each mode, and the RGB that it stands for."""

    def exactly(self, folder: Path, content: bytes, *expected: tuple[int, int, int]) -> None:
        image = decoded(written(folder, content))
        assert [image.getpixel((x, 0)) for x in range(len(expected))] == list(expected)

    def test_one_bit(self, tmp_path: Path) -> None:
        image = Image.new("1", (2, 1), 1)
        image.putpixel((0, 0), 0)
        self.exactly(tmp_path, encoded(image, "PNG"), (0, 0, 0), (255, 255, 255))

    def test_grey(self, tmp_path: Path) -> None:
        self.exactly(tmp_path, encoded(Image.new("L", (1, 1), 77), "PNG"), (77, 77, 77))

    @pytest.mark.parametrize("format", ["PNG", "TIFF"])
    def test_transparency_is_over_white(self, tmp_path: Path, format: str) -> None:
        rgba = np.array([[[200, 100, 0, 0], [200, 100, 0, 51], [200, 100, 0, 255]]], np.uint8)
        # 255 · 0.8 + value · 0.2
        expected = ((255, 255, 255), (244, 224, 204), (200, 100, 0))
        self.exactly(tmp_path, encoded(Image.fromarray(rgba), format), *expected)

    def test_grey_with_transparency(self, tmp_path: Path) -> None:
        values = np.array([[[100, 0], [100, 51], [100, 255]]], np.uint8)
        expected = ((255, 255, 255), (224, 224, 224), (100, 100, 100))
        self.exactly(tmp_path, encoded(Image.fromarray(values, "LA"), "PNG"), *expected)

    def test_palette(self, tmp_path: Path) -> None:
        self.exactly(tmp_path, encoded(palette(), "PNG"), (10, 20, 30), (200, 100, 50))

    @pytest.mark.parametrize("format", ["PNG", "GIF"])
    def test_palette_with_a_transparent_entry(self, tmp_path: Path, format: str) -> None:
        content = encoded(palette(), format, transparency=1)
        self.exactly(tmp_path, content, (10, 20, 30), (255, 255, 255))

    def test_palette_with_half_transparent_entries(self, tmp_path: Path) -> None:
        content = encoded(palette(), "PNG", transparency=bytes([51, 255]))
        self.exactly(tmp_path, content, (206, 208, 210), (200, 100, 50))

    @pytest.mark.parametrize("mode", ["1", "L", "RGB"])
    def test_a_transparent_colour(self, tmp_path: Path, mode: str) -> None:
        black: Any = (0, 0, 0) if mode == "RGB" else 0
        content = encoded(Image.new(mode, (1, 1), black), "PNG", transparency=black)
        self.exactly(tmp_path, content, (255, 255, 255))

    @pytest.mark.parametrize("marked", [True, False], ids=["Adobe's marker", "no marker"])
    def test_cmyk_jpeg(self, tmp_path: Path, marked: bool) -> None:
        """Inks are stored inverted, as Adobe does, even where its marker was lost."""
        content = encoded(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG", quality=100)
        at = content.index(b"\xff\xee\0\x0eAdobe")
        red = decoded(written(tmp_path, content if marked else content[:at] + content[at + 16 :]))
        assert np.abs(levels(red) - (255, 0, 0)).max() <= 3

    def test_cmyk_tiff(self, tmp_path: Path) -> None:
        content = encoded(Image.new("CMYK", (2, 2), (0, 255, 255, 0)), "TIFF")
        self.exactly(tmp_path, content, (255, 0, 0))

    def test_ycbcr(self, tmp_path: Path) -> None:
        colour = Image.new("RGB", (8, 8), (200, 100, 50))
        content = encoded(colour.convert("YCbCr"), "TIFF")
        image = decoded(written(tmp_path, content))
        assert np.abs(levels(image) - (200, 100, 50)).max() <= 2

    def test_sixteen_bit_grey(self, tmp_path: Path) -> None:
        values = np.array([[0, 257, 32768, 65535]], np.uint16)
        expected = ((0, 0, 0), (1, 1, 1), (128, 128, 128), (255, 255, 255))
        self.exactly(tmp_path, encoded(Image.fromarray(values), "PNG"), *expected)
        self.exactly(tmp_path, encoded(Image.fromarray(values), "TIFF"), *expected)
        dark = Image.fromarray(np.array([[100, 200]], np.uint16))
        self.exactly(tmp_path, encoded(dark, "PNG"), (0, 0, 0), (1, 1, 1))

    def test_sixteen_bit_grey_with_a_transparent_level(self, tmp_path: Path) -> None:
        rows = b"\0" + struct.pack(">2H", 1000, 25700)
        see_through = chunk(b"tRNS", struct.pack(">H", 1000))
        content = png(2, 1, 16, 0, rows, see_through)
        self.exactly(tmp_path, content, (255, 255, 255), (100, 100, 100))

    def test_sixteen_bit_colour(self, tmp_path: Path) -> None:
        rows = b"\0" + struct.pack(">6H", 0, 257 * 99, 65535, 257 * 7, 257 * 8, 257 * 9)
        self.exactly(tmp_path, png(2, 1, 16, 2, rows), (0, 99, 255), (7, 8, 9))

    def test_sixteen_bit_colour_with_alpha(self, tmp_path: Path) -> None:
        rows = b"\0" + struct.pack(">8H", 0, 0, 0, 0, 257 * 7, 257 * 8, 257 * 9, 65535)
        self.exactly(tmp_path, png(2, 1, 16, 6, rows), (255, 255, 255), (7, 8, 9))

    @pytest.mark.parametrize(
        ("values", "expected"),
        [
            (np.array([[0, 128, 255]], np.int32), (0, 128, 255)),
            (np.array([[0, 257, 65535]], np.int32), (0, 1, 255)),
            (np.array([[0, 0.5, 1]], np.float32), (0, 128, 255)),
            (np.array([[0, 99.6, 255]], np.float32), (0, 100, 255)),
            (np.array([[0, 0, 65535]], np.float32), (0, 0, 255)),
        ],
        ids=["I as 8 bits", "I as 16 bits", "F to 1", "F to 255", "F to 65535"],
    )
    def test_wide_grey_levels(
        self, tmp_path: Path, values: NDArray[Any], expected: tuple[int, ...]
    ) -> None:
        content = encoded(Image.fromarray(values), "TIFF")
        self.exactly(tmp_path, content, *((level, level, level) for level in expected))

    @pytest.mark.parametrize("odd", [np.nan, np.inf, -1, 1e9])
    def test_levels_that_are_no_grey_are_refused(self, tmp_path: Path, odd: float) -> None:
        values = np.array([[0, odd, 1]], np.float32)
        assert kind(written(tmp_path, encoded(Image.fromarray(values), "TIFF"))) == "damaged"

    def test_plain_rgb_is_not_copied(self) -> None:
        image = picture()
        assert to_rgb(image) is image


def palette() -> Image.Image:
    """Two pixels by the entries 0 and 1."""
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.putpixel((1, 0), 1)
    return image


class TestFormats:
    @pytest.mark.parametrize(
        ("format", "options", "tolerance"),
        [
            ("JPEG", {"quality": 95, "subsampling": 0}, 2.0),
            ("JPEG", {"quality": 95, "subsampling": 0, "progressive": True}, 2.0),
            ("MPO", {"quality": 95, "subsampling": 0}, 2.0),
            ("PNG", {}, 0.0),
            ("BMP", {}, 0.0),
            ("DIB", {}, 0.0),
            ("WEBP", {"lossless": True}, 0.0),
            ("TIFF", {}, 0.0),
            ("PPM", {}, 0.0),
            ("JPEG2000", {"irreversible": False}, 0.0),
            ("AVIF", {"quality": 95}, 4.0),
            ("GIF", {}, 12.0),
        ],
    )
    @pytest.mark.parametrize("suffix", [".right", ".jpg", ".png", ".txt", ""])
    def test_the_content_decides_and_not_the_suffix(
        self, tmp_path: Path, format: str, options: dict[str, Any], tolerance: float, suffix: str
    ) -> None:
        original = picture()
        path = written(tmp_path, encoded(original, format, **options), "a" + suffix)
        assert distance(decoded(path), original) <= tolerance

    @pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG", "TIFF", "MPO", "AVIF"])
    def test_of_several_frames_the_first_is_taken(self, tmp_path: Path, format: str) -> None:
        red, blue = Image.new("RGB", (32, 32), "red"), Image.new("RGB", (32, 32), "blue")
        content = encoded(red, format, save_all=True, append_images=[blue, blue])
        image = decoded(written(tmp_path, content))
        assert np.abs(levels(image) - (255, 0, 0)).max() <= 4

    def test_every_format_can_be_opened(self) -> None:
        Image.init()
        assert [name for name in FORMATS if name not in Image.OPEN] == []

    def test_every_suffix_is_one_of_a_format_that_is_read(self) -> None:
        Image.init()
        by_suffix = Image.registered_extensions()
        foreign = {suffix: by_suffix.get(suffix) for suffix in PICTURE_SUFFIXES} | {".mpo": "JPEG"}
        assert {s: f for s, f in foreign.items() if f not in FORMATS} == {}

    def test_other_formats_are_left_alone(self, tmp_path: Path) -> None:
        """Pillow hands EPS to another program, and reads many that nobody has looked at lately."""
        for format in ("EPS", "PCX", "TGA", "ICO", "SGI"):
            assert kind(written(tmp_path, encoded(picture(), format))) == "format", format
