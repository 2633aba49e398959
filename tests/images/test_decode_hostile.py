"""Files that are no pictures, or made to break a decoder, are skipped with the reason."""

import errno
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, UnidentifiedImageError

from cnnkit.images.decode import decode, decode_reduced
from cnnkit.records import Skipped
from tests.conftest import picture
from tests.images.picture_files import chunk, decoded, distance, encoded, kind, png, written

# As the program does it: decoders warn about odd files, records say what matters.
pytestmark = pytest.mark.filterwarnings(r"ignore:::PIL\.")


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
        picture = decode_reduced(written(folder, content), (8, 8))
        if isinstance(picture, Skipped):
            assert picture.kind in (
                *("empty", "format", "truncated", "damaged", "unreadable", "too_large"),
            )
        else:
            image = picture.image
            assert image.mode == "RGB"
            assert min(image.size) > 0
            assert np.asarray(image).shape == (image.height, image.width, 3)
            left, top, right, bottom = picture.extent
            assert 0 <= left < right <= image.width
            assert 0 <= top < bottom <= image.height

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
