"""Whatever a file holds, `decode` gives a picture as a viewer shows it, or says why not."""

import errno
import io
import os
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from cnnkit.images.decode import FORMATS, decode, to_rgb
from cnnkit.images.geometry import render, views, wanted_size
from cnnkit.records import PICTURE_SUFFIXES, Recipe, Skipped
from tests.conftest import picture

# As the program does it: decoders warn about odd files, records say what matters.
pytestmark = pytest.mark.filterwarnings(r"ignore:::PIL\.")

ORIENTATION = 0x0112
# What was done to the upright picture before it was stored, by the tag that undoes it.
STORED_AS = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def encoded(image: Image.Image, format: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def written(folder: Path, content: bytes, name: str = "picture") -> str:
    path = folder / name
    path.write_bytes(content)
    return str(path)


def decoded(path: str, wanted: tuple[int, int] | None = None) -> Image.Image:
    image = decode(path, wanted)
    assert isinstance(image, Image.Image), image
    assert image.mode == "RGB"
    return image


def kind(path: str) -> str:
    skipped = decode(path)
    assert isinstance(skipped, Skipped), skipped
    assert skipped.path == path
    assert len(skipped.message) > 5
    assert "()" not in skipped.message
    return skipped.kind


def levels(image: Image.Image) -> NDArray[np.int64]:
    return np.asarray(image).astype(np.int64)


def distance(one: Image.Image, other: Image.Image) -> float:
    """The mean difference in grey levels."""
    assert one.size == other.size
    return float(np.abs(levels(one) - levels(other)).mean())


def png(width: int, height: int, depth: int, color: int, rows: bytes, *more: bytes) -> bytes:
    """A PNG by hand; `more` are whole chunks that stand before the pixels."""
    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    chunks = [chunk(b"IHDR", header), *more, chunk(b"IDAT", zlib.compress(rows, 9))]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks) + chunk(b"IEND", b"")


def chunk(name: bytes, content: bytes) -> bytes:
    crc = struct.pack(">I", zlib.crc32(name + content))
    return struct.pack(">I", len(content)) + name + content + crc


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
        how = STORED_AS[orientation]
        stored = upright if how is None else upright.transpose(how)
        exif = Image.Exif()
        exif[ORIENTATION] = orientation
        path = written(tmp_path, encoded(stored, format, exif=exif, **options))
        assert distance(decoded(path), upright) <= tolerance

    @pytest.mark.parametrize("orientation", [5, 6, 7, 8])
    def test_a_reduced_jpeg_is_turned_too(self, tmp_path: Path, orientation: int) -> None:
        upright = picture(800, 600)
        exif = Image.Exif()
        exif[ORIENTATION] = orientation
        how = STORED_AS[orientation]
        assert how is not None
        path = written(tmp_path, encoded(upright.transpose(how), "JPEG", exif=exif))
        image = decoded(path, (100, 100))
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


class TestNoPicture:
    @pytest.mark.parametrize("format", ["JPEG", "PNG"])
    def test_a_truncated_file(self, tmp_path: Path, format: str) -> None:
        content = encoded(picture(200, 150), format)
        assert kind(written(tmp_path, content[: len(content) // 2])) == "truncated"

    @pytest.mark.parametrize("format", ["GIF", "BMP", "WEBP", "TIFF", "PPM", "JPEG2000", "AVIF"])
    def test_a_truncated_file_of_another_format(self, tmp_path: Path, format: str) -> None:
        content = encoded(picture(200, 150), format)
        path = written(tmp_path, content[: len(content) // 3])
        assert kind(path) in ("truncated", "damaged", "format")

    def test_an_empty_file(self, tmp_path: Path) -> None:
        assert kind(written(tmp_path, b"")) == "empty"

    @pytest.mark.parametrize(
        ("head", "named"),
        [
            (b"just some words\n", "known format"),
            (b"\n <!DOCTYPE html><html>404</html>", "HTML"),
            (b"%PDF-1.7\n", "PDF"),
            (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC"),
            (b"PK\x03\x04....", "ZIP"),
            (b"\x1f\x8b\x08\0", "gzip"),
            (b"\x89HDF\r\n\x1a\n", "HDF5"),
            (b"8BPS\0\x01", "Photoshop"),
            (b"\0", "known format"),
        ],
    )
    def test_what_it_is_instead(self, tmp_path: Path, head: bytes, named: str) -> None:
        path = written(tmp_path, head + b" " * 40, "cat.jpg")
        skipped = decode(path)
        assert isinstance(skipped, Skipped)
        assert skipped.kind == "format"
        assert named in skipped.message

    def test_a_folder(self, tmp_path: Path) -> None:
        assert kind(str(tmp_path)) == "folder"

    @pytest.mark.timeout(20)
    def test_a_fifo_is_not_waited_for(self, tmp_path: Path) -> None:
        path = tmp_path / "pipe.jpg"
        os.mkfifo(path)
        assert kind(str(path)) == "not_a_file"

    def test_a_device(self) -> None:
        assert kind("/dev/zero") == "not_a_file"

    def test_names_that_lead_nowhere(self, tmp_path: Path) -> None:
        inside_a_file = written(tmp_path, b"x") + "/a.jpg"
        loop = tmp_path / "loop.jpg"
        loop.symlink_to(loop)
        dangling = tmp_path / "dangling.jpg"
        dangling.symlink_to(tmp_path / "nowhere")
        for path in (
            *("", "no such file.jpg", inside_a_file, str(loop), str(dangling)),
            *("x" * 300, "/tmp" + "/x" * 3000, "nul\0inside", "\ud800 is no byte"),
        ):
            assert kind(path) == "missing", path

    def test_what_the_system_says_is_passed_on(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = written(tmp_path, encoded(picture(), "PNG"))
        for number, expected in (
            *((errno.EACCES, "permission"), (errno.EPERM, "permission")),
            *((errno.ENOENT, "missing"), (errno.EIO, "unreadable")),
        ):

            def fail(*_: object, number: int = number, **__: object) -> None:
                raise OSError(number, os.strerror(number))

            monkeypatch.setattr(Image, "open", fail)
            assert kind(path) == expected

    def test_a_decoder_that_raises_nonsense(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = written(tmp_path, encoded(picture(), "PNG"))
        for error in (KeyError("x"), AssertionError(), RecursionError(), ZeroDivisionError()):

            def fail(*_: object, error: Exception = error, **__: object) -> None:
                raise error

            monkeypatch.setattr(Image, "open", fail)
            assert kind(path) == "damaged"
        monkeypatch.setattr(Image, "open", lambda *_, **__: (_ for _ in ()).throw(MemoryError()))
        assert kind(path) == "too_large"

    def test_a_file_that_goes_away_while_it_is_looked_at(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = written(tmp_path, b"not a picture")

        def vanish(*_: object, **__: object) -> None:
            Path(path).unlink()
            raise UnidentifiedImageError

        monkeypatch.setattr(Image, "open", vanish)
        assert kind(path) == "format"


class TestBombs:
    def test_a_header_that_claims_too_much(self, tmp_path: Path) -> None:
        assert kind(written(tmp_path, png(50_000, 50_000, 8, 2, b""))) == "too_large"

    def test_a_real_one(self, tmp_path: Path) -> None:
        side = 20_000
        packer = zlib.compressobj(9)
        rows = [packer.compress(bytes(side // 8 + 1)) for _ in range(side)]
        packed = b"".join(rows) + packer.flush()
        assert len(packed) < 1 << 17
        header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
        content = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", packed)
        assert kind(written(tmp_path, content + chunk(b"IEND", b""))) == "too_large"

    def test_nothing_is_allocated_for_it(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*_: object, **__: object) -> None:
            raise AssertionError("pixels of a bomb were asked for")

        path = written(tmp_path, png(50_000, 50_000, 8, 2, b""))
        decode(path)  # loads the plugins
        monkeypatch.setattr("PIL.Image.core.new", refuse)
        monkeypatch.setattr("PIL.Image.core.fill", refuse)
        assert kind(path) == "too_large"

    def test_a_text_chunk_that_unpacks_without_end(self, tmp_path: Path) -> None:
        text = chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(80 << 20), 9))
        image = decode(written(tmp_path, png(1, 1, 8, 0, b"\0\x07", text)))
        assert isinstance(image, Skipped) or image.getpixel((0, 0)) == (7, 7, 7)


class TestNames:
    @pytest.mark.parametrize(
        "name",
        [
            b"a b.jpg",
            b"new\nline.jpg",
            b"\xff\xfe.jpg",
            "日本語.jpg".encode(),
            b"-rf",
            b"[a]*?.jpg",
        ],
    )
    def test_any_name_that_the_disk_can_hold(self, tmp_path: Path, name: bytes) -> None:
        path = os.path.join(os.fsencode(tmp_path), name)
        with open(path, "wb") as file:  # noqa: PTH123
            file.write(encoded(picture(), "PNG"))
        assert distance(decoded(os.fsdecode(path)), picture()) == 0

    def test_a_link_is_followed(self, tmp_path: Path) -> None:
        target = written(tmp_path, encoded(picture(), "PNG"))
        link = tmp_path / "link"
        link.symlink_to(target)
        assert decoded(str(link)).size == picture().size


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


VALID = {
    "JPEG": encoded(picture(24, 16), "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0"),
    "PNG": encoded(picture(24, 16), "PNG"),
    "GIF": encoded(picture(24, 16), "GIF", save_all=True, append_images=[picture(24, 16, 1)]),
    "TIFF": encoded(picture(24, 16), "TIFF", compression="tiff_lzw"),
    "WEBP": encoded(picture(24, 16), "WEBP"),
    "BMP": encoded(picture(24, 16), "BMP"),
    "PPM": encoded(picture(24, 16), "PPM"),
    "JPEG2000": encoded(picture(24, 16), "JPEG2000"),
}
PATIENT = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


class TestAnyBytes:
    """Neither an exception nor a picture of no size, whatever stands in the file."""

    def settled(self, folder: Path, content: bytes) -> None:
        image = decode(written(folder, content), (8, 8))
        if isinstance(image, Skipped):
            assert image.kind in (
                *("empty", "format", "truncated", "damaged", "unreadable", "too_large"),
            )
        else:
            assert image.mode == "RGB"
            assert min(image.size) > 0
            assert np.asarray(image).shape == (image.height, image.width, 3)

    @PATIENT
    @given(content=st.binary(max_size=300))
    def test_any(self, tmp_path: Path, content: bytes) -> None:
        self.settled(tmp_path, content)

    @PATIENT
    @given(
        content=st.sampled_from(sorted(VALID.values())),
        at=st.integers(0, 1 << 16),
        value=st.integers(0, 255),
    )
    def test_one_wrong_byte(self, tmp_path: Path, content: bytes, at: int, value: int) -> None:
        at %= len(content)
        self.settled(tmp_path, content[:at] + bytes([value]) + content[at + 1 :])

    @PATIENT
    @given(content=st.sampled_from(sorted(VALID.values())), end=st.integers(0, 1 << 16))
    def test_cut_off(self, tmp_path: Path, content: bytes, end: int) -> None:
        self.settled(tmp_path, content[: end % len(content)])

    @PATIENT
    @given(head=st.sampled_from(sorted(VALID.values())), tail=st.binary(max_size=200))
    def test_a_good_head_and_any_tail(self, tmp_path: Path, head: bytes, tail: bytes) -> None:
        self.settled(tmp_path, head[:40] + tail)

    @pytest.mark.parametrize("format", VALID)
    def test_headers_byte_by_byte(self, tmp_path: Path, format: str) -> None:
        """Every byte of the header set to its extremes: sizes of nothing, sizes beyond reason."""
        content = VALID[format]
        for at in range(min(64, len(content))):
            for value in (0, 255):
                self.settled(tmp_path, content[:at] + bytes([value]) + content[at + 1 :])
