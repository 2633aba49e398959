"""Pictures with their labels on them: nothing covered, nothing lost, nothing outside the folder."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from cnnkit.errors import OutputError
from cnnkit.outputs.pictures import annotate, annotated_path, save_picture
from tests.conftest import picture

LINES = [("tabby_cat", 0.75), ("golden_retriever", 0.2), ("a", 0.0)]


def panel(page: Image.Image, above: int) -> np.ndarray:
    return np.asarray(page)[above:]


def untouched(page: Image.Image, image: Image.Image) -> bool:
    upper = page.crop((0, 0, *image.size))
    return upper.tobytes() == image.tobytes()


class TestAnnotate:
    @pytest.mark.parametrize("size", [(240, 180), (500, 375), (1001, 333), (300, 1), (240, 3000)])
    def test_the_picture_is_untouched_above_a_panel(self, size: tuple[int, int]) -> None:
        image = picture(*size)
        page = annotate(image, LINES)
        assert untouched(page, image)
        assert page.width == image.width
        assert page.height >= image.height + 3 * 13

    def test_the_panel_grows_with_the_lines(self) -> None:
        image = picture(300, 200)
        heights = [annotate(image, LINES[:n]).height for n in range(4)]
        assert heights[0] == 200
        assert heights == sorted(set(heights))

    def test_the_given_picture_is_not_drawn_into(self) -> None:
        image = picture(300, 200)
        before = image.tobytes()
        annotate(image, LINES)
        assert image.tobytes() == before

    def test_no_lines_no_panel(self) -> None:
        image = picture(300, 200)
        assert annotate(image, []).tobytes() == image.tobytes()

    def test_each_bar_is_as_long_as_its_score(self) -> None:
        image = picture(400, 300)
        widths = {}
        for score in (0.0, 0.25, 0.5, 1.0):
            blue = (panel(annotate(image, [("", score)]), 300) == (37, 99, 235)).all(axis=-1)
            widths[score] = int(blue.any(axis=0).sum())
        assert widths[0.0] <= 2
        assert abs(widths[0.5] - widths[1.0] / 2) <= 2
        assert abs(widths[0.25] - widths[1.0] / 4) <= 2
        assert widths[1.0] > 360

    def test_labels_are_written(self) -> None:
        image = picture(400, 300)
        pages = {annotate(image, [(label, 0.5)]).tobytes() for label in ("cat", "dog", "")}
        assert len(pages) == 3

    @pytest.mark.parametrize("length", [30, 300, 3000])
    def test_a_long_label_fits_beside_its_score(self, length: int) -> None:
        image = picture(240, 200)
        edge = round(13 * 0.6)
        page = panel(annotate(image, [("W" * length, 0.5)]), 200)
        bare = panel(annotate(image, [("", 0.5)]), 200)
        # The margins and the number at the right are as without a label.
        assert (page[:, :edge] == bare[:, :edge]).all()
        number = slice(page.shape[1] - edge - 26, None)
        assert (page[:, number] == bare[:, number]).all()
        assert (page != bare).any()

    @pytest.mark.parametrize("label", ["two\nlines", "\udcff", "日本語 🦝", "\t", "x" * 200, ""])
    def test_any_label_can_be_drawn(self, label: str) -> None:
        assert annotate(picture(300, 200), [(label, 0.5)]).height > 200

    @pytest.mark.parametrize("size", [(1, 1), (32, 32), (239, 10), (10, 239), (1, 500)])
    def test_a_tiny_picture_is_enlarged_until_labels_can_be_read(
        self, size: tuple[int, int]
    ) -> None:
        page = annotate(Image.new("RGB", size, (255, 0, 0)), LINES)
        assert page.width == 240
        assert page.getpixel((0, 0)) == (255, 0, 0)
        assert page.height > size[1]

    def test_a_small_square_fills_the_width(self) -> None:
        page = annotate(Image.new("RGB", (32, 32), (255, 0, 0)), LINES)
        assert page.getpixel((239, 239)) == (255, 0, 0)

    def test_a_strip_is_not_enlarged_into_a_bomb(self) -> None:
        page = annotate(Image.new("RGB", (1, 60_000), (255, 0, 0)), LINES)
        assert page.width == 240
        assert 60_000 < page.height < 60_200
        assert page.getpixel((0, 59_999)) == (255, 0, 0)


class TestPath:
    @pytest.mark.parametrize(
        ("path", "expected"),
        [
            ("a.jpg", "out/a.jpg"),
            ("p/q/a.PNG", "out/p/q/a.PNG"),
            ("/abs/a.webp", "out/abs/a.webp"),
            ("./p//a.jpeg", "out/p/a.jpeg"),
            ("../a.jpg", "out/_/a.jpg"),
            ("p/../../a.jpg", "out/p/_/_/a.jpg"),
            ("a.gif", "out/a.gif.png"),
            ("a", "out/a.png"),
            (".jpg", "out/.jpg.png"),
            ("..", "out/_.png"),
            ("", "out/_.png"),
            ("/", "out/_.png"),
        ],
    )
    def test_the_same_place_below_the_folder(self, path: str, expected: str) -> None:
        assert annotated_path("out", path) == expected

    @given(
        st.lists(st.sampled_from(["..", ".", "", "a", "a.jpg", "~", "...", "b.tif"]), max_size=8),
        st.booleans(),
    )
    def test_parts_never_lead_out(self, parts: list[str], absolute: bool) -> None:
        self.inside("/" * absolute + "/".join(parts))

    @given(st.text())
    def test_nothing_leads_out(self, path: str) -> None:
        self.inside(path)

    def inside(self, path: str) -> None:
        place = annotated_path("/some/folder", path)
        assert os.path.normpath(place).startswith("/some/folder/")
        assert place.lower().endswith((".jpg", ".jpeg", ".png", ".webp"))


class TestSave:
    @pytest.mark.parametrize(
        ("name", "format"),
        [("a.jpg", "JPEG"), ("a.JPEG", "JPEG"), ("a.png", "PNG"), ("a.WebP", "WEBP")],
    )
    def test_the_suffix_tells_the_format(self, tmp_path: Path, name: str, format: str) -> None:
        path = tmp_path / "new" / "folders" / name
        save_picture(picture(), str(path))
        with Image.open(path) as image:
            assert image.format == format
            assert image.size == picture().size
        assert os.listdir(path.parent) == [name]

    def test_the_source_is_not_overwritten(self, tmp_path: Path) -> None:
        source = tmp_path / "a.png"
        picture().save(source)
        before = source.read_bytes()
        link, hard = tmp_path / "link.png", tmp_path / "hard.png"
        link.symlink_to(source)
        hard.hardlink_to(source)
        for path in (source, link, hard, tmp_path / "." / "a.png"):
            with pytest.raises(OutputError, match="the picture itself"):
                save_picture(picture(), str(path), str(source))
        assert source.read_bytes() == before

    def test_an_older_copy_is_replaced(self, tmp_path: Path) -> None:
        source, path = tmp_path / "a.png", tmp_path / "out.png"
        picture().save(source)
        path.write_bytes(b"old")
        save_picture(picture(30, 20), str(path), str(source))
        with Image.open(path) as image:
            assert image.size == (30, 20)

    @pytest.mark.parametrize("error", [OSError(28, "No space left"), KeyboardInterrupt()])
    def test_whole_or_not_at_all(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
    ) -> None:
        path = tmp_path / "a.png"
        path.write_bytes(b"old")

        def torn(self: Image.Image, to: Path, **_: object) -> None:
            Path(to).write_bytes(b"half of a pic")
            raise error

        monkeypatch.setattr(Image.Image, "save", torn)
        with pytest.raises((OutputError, KeyboardInterrupt)) as caught:
            save_picture(picture(), str(path))
        assert path.read_bytes() == b"old"
        assert os.listdir(tmp_path) == ["a.png"]
        assert caught.type is KeyboardInterrupt or "No space left" in str(caught.value)

    def test_where_nothing_can_be_written(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"")
        (tmp_path / "folder.png").mkdir()
        (tmp_path / "folder.png" / "x").mkdir()
        for path in ("file/a.png", "folder.png", "x" * 300 + ".png"):
            with pytest.raises(OutputError, match="cannot be written: "):
                save_picture(picture(), str(tmp_path / path))

    @pytest.mark.parametrize(("suffix", "width"), [(".webp", 16_384), (".jpg", 65_536)])
    def test_more_pixels_than_the_format_holds(
        self, tmp_path: Path, suffix: str, width: int
    ) -> None:
        with pytest.raises(OutputError, match="cannot be written: "):
            save_picture(Image.new("RGB", (width, 1)), str(tmp_path / f"a{suffix}"))
        assert os.listdir(tmp_path) == []

    def test_the_longest_name(self, tmp_path: Path) -> None:
        path = tmp_path / ("x" * 251 + ".png")
        save_picture(picture(), str(path))
        assert path.stat().st_size > 0

    def test_odd_bytes_in_the_name(self, tmp_path: Path) -> None:
        path = os.path.join(str(tmp_path), os.fsdecode(b"\xff\n.png"))
        save_picture(picture(), path)
        assert os.path.getsize(path) > 0


def test_a_label_of_many_letters_is_measured_few_times(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each measurement takes as long as the label; one per letter took minutes."""
    measured: list[str] = []
    measure = ImageDraw.ImageDraw.textlength

    def counted(self: ImageDraw.ImageDraw, text: str, *more: Any) -> float:
        measured.append(text)
        return measure(self, text, *more)

    monkeypatch.setattr(ImageDraw.ImageDraw, "textlength", counted)
    annotate(picture(300, 200), [("W" * 20_000, 0.5)])
    assert 2 < len(measured) < 30
