"""Thumbnails: small, no more than a page can bear, and a reason where there is none."""

import numpy as np
import pytest
from PIL import Image

from cnnkit.outputs.thumbnails import SIDE, Thumbnails, data_uri
from tests.conftest import picture
from tests.outputs.test_gallery import decoded


def test_a_tile() -> None:
    tile = Thumbnails(lambda _: picture(320, 80)).of("flowers/daisy/1.jpg")
    assert (tile.path, tile.folder, tile.name) == ("flowers/daisy/1.jpg", "flowers/daisy/", "1.jpg")
    assert tile.note == ""
    assert decoded(tile.source).size == (SIDE, SIDE // 4)


def test_what_cannot_be_had() -> None:
    tile = Thumbnails(lambda path: f"{path} is empty").of("a.jpg")
    assert (tile.source, tile.note) == ("", "a.jpg is empty")


def test_no_more_than_so_many_are_asked_for() -> None:
    asked: list[str] = []

    def counted(path: str) -> Image.Image:
        asked.append(path)
        return picture()

    thumbnails = Thumbnails(counted, most=2)
    tiles = [thumbnails.of(str(i)) for i in range(4)]
    assert asked == ["0", "1"]
    assert [bool(tile.source) for tile in tiles] == [True, True, False, False]
    assert [tile.note for tile in tiles] == ["", "", "not shown here", "not shown here"]


def test_those_that_cannot_be_had_take_no_room() -> None:
    thumbnails = Thumbnails(lambda path: "gone" if path == "gone" else picture(), most=1)
    assert thumbnails.of("gone").note == "gone"
    assert thumbnails.of("there").source


def test_no_more_than_so_many_characters() -> None:
    thumbnails = Thumbnails(lambda _: picture(), most_bytes=1)
    assert thumbnails.of("a").source
    assert thumbnails.of("b").note == "not shown here"
    assert thumbnails.drawn(np.zeros((4, 4, 3), np.uint8), "c").note == "not shown here"


def test_pixels() -> None:
    tile = Thumbnails(lambda _: "").drawn(np.full((6, 9, 3), 200, np.uint8), "augmented, 1")
    assert (tile.path, tile.name) == ("", "augmented, 1")
    image = decoded(tile.source)
    assert image.size == (9, 6)
    assert np.abs(np.asarray(image).astype(int) - 200).max() <= 3


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "1", "CMYK"])
def test_any_mode(mode: str) -> None:
    assert decoded(data_uri(Image.new(mode, (300, 20)))).size == (SIDE, 11)


def test_a_long_name_is_shortened_but_there_in_full() -> None:
    path = f"{'f' * 400}/{'x' * 400}.jpg"
    tile = Thumbnails(lambda _: "").of(path)
    assert (len(tile.folder), len(tile.name), tile.path) == (96, 64, path)
