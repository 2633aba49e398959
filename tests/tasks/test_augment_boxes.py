"""Boxes in label files go with what they are around."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cnnkit.datasets.voc import read_boxes
from cnnkit.errors import UsageError
from tests.images.augment.keras_reference import BLOG
from tests.tasks.copies import digests, manifest, pixels, run, states

XML = """<annotation><folder>in</folder><filename>a.png</filename><source>mine</source>
<size><width>80</width><height>60</height><depth>3</depth></size>
<object><name>cat &amp; dog</name><truncated>0</truncated><difficult>0</difficult>
<bndbox><xmin>21</xmin><ymin>16</ymin><xmax>50</xmax><ymax>40</ymax></bndbox></object>
</annotation>"""


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    """A white box (20, 15, 50, 40) on black, and its labels."""
    picture = np.zeros((60, 80, 3), np.uint8)
    picture[15:40, 20:50] = 255
    folder = tmp_path / "in"
    folder.mkdir()
    Image.fromarray(picture).save(folder / "a.png")
    (folder / "a.xml").write_text(XML)
    return folder


def seen(path: Path) -> tuple[int, ...]:
    """The rectangle around what is bright: left, top, right, bottom."""
    rows, columns = np.nonzero(pixels(path)[..., 0] > 127)
    return (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)


WAYS: tuple[dict[str, Any], ...] = (
    {"recipe": BLOG | {"fill_mode": "constant"}},
    {"recipe": {"zoom_range": 0.3, "vertical_flip": True, "fill_mode": "constant"}},
    {"recipe": {"horizontal_flip": True}, "size": "160x90"},
    {"recipe": {"horizontal_flip": True}, "random_crop": "60x50"},
    {"recipe": BLOG | {"fill_mode": "constant"}, "size": "120x120", "random_crop": "100x90"},
)


@pytest.mark.parametrize("way", WAYS, ids=["blog", "zoom", "size", "crop", "all"])
def test_boxes_lie_around_what_is_seen(labelled: Path, tmp_path: Path, way: dict[str, Any]) -> None:
    out = tmp_path / "out"
    assert states(run(labelled, out, copies=12, boxes="voc", **way)) == ["made"] * 12
    found = 0
    for line in manifest(out):
        annotation = read_boxes(out / line["labels"]["output"])
        assert (annotation.width, annotation.height) == (line["width"], line["height"])
        for box in annotation.boxes:
            assert np.abs(box - seen(out / line["output"])).max() <= 2
            found += 1
        text = (out / line["labels"]["output"]).read_text()
        assert f"<filename>{line['output']}</filename>" in text
        assert "<source>mine</source>" in text
    assert found >= 10


def test_labels_are_copied_again_when_they_change(labelled: Path, tmp_path: Path) -> None:
    out, wishes = tmp_path / "out", {"boxes": "voc", "jobs": 1}
    run(labelled, out, **wishes)
    before = digests(out)
    assert set(before) == {f"a__aug-00{n}.{kind}" for n in (1, 2) for kind in ("png", "xml")} | {
        "manifest.jsonl"
    }
    assert states(run(labelled, out, **wishes)) == ["present"] * 2
    (out / "a__aug-002.xml").unlink()
    assert states(run(labelled, out, **wishes)) == ["present", "remade"]
    assert digests(out) == before
    (labelled / "a.xml").write_text(XML.replace("<xmax>50<", "<xmax>48<"))
    assert states(run(labelled, out, **wishes)) == ["remade"] * 2
    pictures = {name: found for name, found in before.items() if name.endswith(".png")}
    assert pictures.items() <= digests(out).items()


def test_pictures_made_again_without_boxes_keep_no_old_labels(
    labelled: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    run(labelled, out, boxes="voc")
    assert states(run(labelled, out, seed=1)) == ["remade"] * 2
    assert not list(out.glob("*.xml"))
    assert states(run(labelled, out, seed=1, boxes="voc")) == ["remade"] * 2
    assert len(list(out.glob("*.xml"))) == 2


def test_where_labels_are_looked_for(labelled: Path, tmp_path: Path) -> None:
    for place in ("Annotations", "annotations"):
        (tmp_path / place).mkdir()
        (labelled / "a.xml").rename(tmp_path / place / "a.xml")
        assert states(run(labelled, tmp_path / f"{place}-out", boxes="voc")) == ["made"] * 2
        (tmp_path / place / "a.xml").rename(labelled / "a.xml")
    assert states(run(labelled, tmp_path / "in", boxes="voc")) == ["made"] * 2  # beside it
    assert states(run(labelled, tmp_path / "in", boxes="voc")) == ["present"] * 2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "no labels: expected '.*a.xml'"),
        ("<html>", "a.xml"),
        ('<!DOCTYPE a [<!ENTITY b "b">]><annotation/>', "a.xml"),
        (XML.replace("<width>80<", "<width>60<").replace("<height>60<", "<height>80<"), "turned"),
        (XML.replace("<xmax>50<", "<xmax>NaN<"), "a.xml"),
    ],
    ids=["none", "html", "entity", "swapped", "nan"],
)
def test_bad_labels_are_one_row(
    labelled: Path, tmp_path: Path, text: str | None, words: str
) -> None:
    if text is None:
        (labelled / "a.xml").unlink()
    else:
        (labelled / "a.xml").write_text(text)
    records = run(labelled, tmp_path / "out", boxes="voc", copies=20)
    assert states(records) == ["labels"]
    assert re.search(words, records[0].message)  # type: ignore[union-attr]
    assert set(digests(tmp_path / "out")) == {"manifest.jsonl"}


def test_pictures_that_share_labels_are_told_apart(labelled: Path, tmp_path: Path) -> None:
    Image.open(labelled / "a.png").save(labelled / "a.webp")
    with pytest.raises(UsageError, match="would have the names"):
        run(labelled, tmp_path / "out", boxes="voc")
    (labelled / "a.webp").unlink()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a__aug-002.xml").write_text("mine")
    assert states(run(labelled, tmp_path / "out", boxes="voc")) == ["taken"]


@pytest.mark.real
def test_raccoons(data: Path, tmp_path: Path) -> None:
    folder = data / "photos" / "raccoon" / "images"
    some = sorted(folder.glob("*.jpg"))[:12]
    records = run(some, tmp_path / "out", copies=3, recipe=BLOG, boxes="voc")
    assert states(records) == ["made"] * 36
    for line in manifest(tmp_path / "out"):
        copy = read_boxes(tmp_path / "out" / line["labels"]["output"])
        assert len(copy.boxes) <= len(read_boxes(line["labels"]["source"]).boxes)
        assert (copy.boxes >= 0).all()
        assert (copy.boxes <= [line["width"], line["height"]] * 2).all()
