"""Contact sheets: every picture in its place, bounded, and never over a photograph."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cnnkit.errors import OutputError, UsageError
from cnnkit.outputs.pictures import save_picture
from cnnkit.outputs.sheets import (
    MOST_OTHERS,
    MOST_STRIPS,
    SIDES,
    contact_sheet,
    refuse_unless_sheet,
    save_sheet,
)
from cnnkit.outputs.strips import Shown, Strip
from tests.conftest import picture

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)
FRAME = (37, 99, 235)
Colour = tuple[int, int, int]


def plain(colour: Colour, size: tuple[int, int] = (50, 50), path: str | None = "") -> Shown:
    return Shown(path, "", Image.new("RGB", size, colour))


def extent(sheet: Image.Image, colour: Colour) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of all pixels of a colour, the last two beyond them."""
    y, x = np.nonzero((np.asarray(sheet) == colour).all(axis=-1))
    return int(x.min()), int(y.min()), int(x.max()) + 1, int(y.max()) + 1


def size(box: tuple[int, int, int, int]) -> tuple[int, int]:
    return box[2] - box[0], box[3] - box[1]


def has(sheet: Image.Image, colour: Colour) -> bool:
    return bool((np.asarray(sheet) == colour).all(axis=-1).any())


class TestGeometry:
    @pytest.mark.parametrize("side", [48, 100, 160, 200])
    def test_the_query_stands_first_in_its_frame(self, side: int) -> None:
        strip = Strip(plain(RED), (plain(GREEN), plain(BLUE)))
        sheet = contact_sheet([strip], side=side)
        query, first, second = (extent(sheet, colour) for colour in (RED, GREEN, BLUE))
        assert size(query) == size(first) == size(second) == (side, side)
        assert query[2] < first[0] < first[2] < second[0]
        assert query[1] == first[1] == second[1]
        # It is set apart by more than what lies between the others, and by a frame around it.
        assert first[0] - query[2] > second[0] - first[2]
        left, top, right, bottom = query
        assert extent(sheet, FRAME) == (left - 3, top - 3, right + 3, bottom + 3)
        assert second[2] < sheet.width

    def test_a_row_for_each_strip(self) -> None:
        strips = [Strip(plain(RED)), Strip(plain(GREEN), (plain(RED),)), Strip(plain(BLUE))]
        sheet = contact_sheet(strips)
        green, blue = extent(sheet, GREEN), extent(sheet, BLUE)
        assert green[0] == blue[0]
        assert green[3] < blue[1]
        assert sheet.getpixel((green[0], green[1] - (blue[1] - green[1]))) == RED

    @pytest.mark.parametrize(
        ("given", "expected"),
        [
            ((32, 32), (160, 160)),
            ((800, 400), (160, 80)),
            ((300, 600), (80, 160)),
            ((1, 60_000), (1, 160)),
        ],
    )
    def test_the_whole_picture_is_in_the_middle_of_its_tile(
        self, given: tuple[int, int], expected: tuple[int, int]
    ) -> None:
        tile = extent(contact_sheet([Strip(plain(RED))]), RED)
        box = extent(contact_sheet([Strip(plain(RED, given))]), RED)
        assert size(box) == expected
        assert abs((box[0] + box[2]) - (tile[0] + tile[2])) <= 1
        assert abs((box[1] + box[3]) - (tile[1] + tile[3])) <= 1

    def test_the_given_pictures_are_not_drawn_into(self) -> None:
        image = picture(160, 160)
        before = image.tobytes()
        contact_sheet([Strip(Shown("a", "b", image))])
        assert image.tobytes() == before

    def test_no_strips(self) -> None:
        sheet = contact_sheet([])
        assert sheet.width >= 320
        assert len(np.unique(np.asarray(sheet))) > 2  # it says so

    def test_a_strip_without_others(self) -> None:
        alone = contact_sheet([Strip(plain(RED))])
        assert has(alone, RED)
        assert alone.width < contact_sheet([Strip(plain(RED), (plain(RED),) * 3)]).width


class TestWords:
    def rendered(self, *shown: Shown) -> bytes:
        return contact_sheet([Strip(plain(RED), shown)]).tobytes()

    def test_the_name_without_its_folder_and_the_caption_stand_below(self) -> None:
        one = self.rendered(Shown("a/one.jpg", "0.5", picture()))
        assert one == self.rendered(Shown("/other/one.jpg", "0.5", picture()))
        assert one != self.rendered(Shown("a/two.jpg", "0.5", picture()))
        assert one != self.rendered(Shown("a/one.jpg", "0.6", picture()))

    def test_a_picture_that_cannot_be_had_is_a_grey_tile_with_the_reason(self) -> None:
        sheets = {self.rendered(Shown("a.jpg", "", None, note)) for note in ("gone", "torn", "")}
        assert len(sheets) == 3
        sheet = contact_sheet([Strip(Shown("a.jpg", "", None, "gone"))])
        assert size(extent(sheet, (228, 228, 231))) == (160, 160)

    @pytest.mark.parametrize(
        "text",
        ["two\nlines", "\udcff", "\ud800", "日本語 🦝", "photo\u202egpj.exe", "שלום.jpg", "\0\t",
         "x" * 4000, "word " * 800, "e\u0301" * 50, ""],
    )  # fmt: skip
    def test_any_text_can_be_drawn_and_stays_in_its_column(self, text: str) -> None:
        sheets = [
            contact_sheet([Strip(plain(RED), (Shown(each, each, None, each), plain(GREEN)))])
            for each in (text, "")
        ]
        tile, last = (extent(sheets[1], colour)[0] for colour in ((228, 228, 231), GREEN))
        one, other = (np.asarray(sheet) for sheet in sheets)
        changed = np.nonzero((one != other).any(axis=(0, 2)))[0]
        # A pixel either side: letters lean out a little.
        assert all(tile - 1 <= x < last - 10 for x in changed)

    def test_accents_are_not_boxes(self) -> None:
        one = self.rendered(Shown("été.jpg", "", picture()))
        assert one == self.rendered(Shown("ete.jpg", "", picture()))


class TestBounds:
    def strips(self, count: int, others: int = 0) -> Sequence[Strip]:
        return [Strip(plain(RED, (2, 2)), (plain(GREEN, (2, 2)),) * others)] * count

    def test_the_largest_sheet_is_no_bomb(self) -> None:
        side = SIDES[-1]
        sheet = contact_sheet(self.strips(MOST_STRIPS + 5, MOST_OTHERS + 5), side=side)
        assert sheet.width * sheet.height < 67_000_000
        assert max(sheet.size) <= 16_383

    def test_more_strips_are_counted_not_shown(self) -> None:
        full, over = (contact_sheet(self.strips(MOST_STRIPS + n), side=48) for n in (0, 1))
        assert 0 < over.height - full.height < 48
        assert over.tobytes() != contact_sheet(self.strips(MOST_STRIPS + 2), side=48).tobytes()
        counted = contact_sheet(self.strips(MOST_STRIPS), side=48, more=1)
        assert over.tobytes() == counted.tobytes()

    def test_more_others_are_counted_not_shown(self) -> None:
        widths = [contact_sheet(self.strips(1, MOST_OTHERS + n), side=48).width for n in range(4)]
        assert widths[0] < widths[1] == widths[2] == widths[3]
        one, two = (contact_sheet(self.strips(1, MOST_OTHERS + n), side=48) for n in (1, 2))
        assert extent(one, GREEN) == extent(two, GREEN)
        assert one.tobytes() != two.tobytes()

    @pytest.mark.parametrize("side", [0, -1, 47, 201, 10**9])
    def test_the_side_is_bounded(self, side: int) -> None:
        with pytest.raises(UsageError, match=f"48 to 200 pixels. Received: {side}"):
            contact_sheet([], side=side)


class TestSave:
    @pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.JPEG", "a.webp"])
    def test_a_sheet_is_replaced_by_the_next_one(self, tmp_path: Path, name: str) -> None:
        path = tmp_path / "new" / name
        sheets = [contact_sheet([Strip(plain(RED))] * count) for count in (1, 2)]
        for sheet in sheets:
            refuse_unless_sheet(str(path))
            save_sheet(sheet, str(path))
            with Image.open(path) as image:
                assert image.size == sheet.size
        assert os.listdir(path.parent) == [name]

    @pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp"])
    def test_a_photograph_is_never_overwritten(self, tmp_path: Path, name: str) -> None:
        path = tmp_path / name
        save_picture(picture(), str(path))
        self.kept(path)

    def test_nor_is_anything_else(self, tmp_path: Path) -> None:
        path = tmp_path / "a.png"
        path.write_bytes(b"no picture")
        self.kept(path)
        path.unlink()
        path.symlink_to(tmp_path / "nowhere")
        with pytest.raises(OutputError, match="is not a contact sheet"):
            save_sheet(contact_sheet([]), str(path))

    def kept(self, path: Path) -> None:
        before = path.read_bytes()
        for refuse in (refuse_unless_sheet, lambda path: save_sheet(contact_sheet([]), path)):
            with pytest.raises(OutputError, match="is not a contact sheet"):
                refuse(str(path))
        assert path.read_bytes() == before

    def test_a_place_that_takes_no_file(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("mine")
        for place in ("file/a.png", "file/deeper/a.png"):
            with pytest.raises(OutputError, match=r"file' is no folder that takes new files"):
                refuse_unless_sheet(str(tmp_path / place))

    @pytest.mark.parametrize("name", ["a.gif", "a", "a.html", "png"])
    def test_the_suffix_is_one_that_we_write(self, tmp_path: Path, name: str) -> None:
        with pytest.raises(UsageError, match=r"ends in \.png, \.jpg, \.jpeg, \.webp\. Received"):
            save_sheet(contact_sheet([]), str(tmp_path / name))
        assert os.listdir(tmp_path) == []
