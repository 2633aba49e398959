"""Pascal VOC labels: read as they are meant, changed for a copy, and nothing else lost."""

from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.sax.saxutils import escape

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnnkit.datasets import voc
from cnnkit.datasets.voc import Annotation, Labelled, as_xml, read_boxes, relabelled, write_boxes
from cnnkit.datasets.xml_files import writable
from cnnkit.errors import InputError, OutputError

PERSON = """<annotation verified="yes">
	<folder>VOC2007</folder>
	<filename>000001.jpg</filename>
	<source><database>The VOC2007 Database</database><flickrid>341012865</flickrid></source>
	<owner><name>nobody &amp; sons</name></owner>
	<path>/home/somebody/000001.jpg</path>
	<size><width>353</width><height>500</height><depth>3</depth></size>
	<segmented>1</segmented>
	<object>
		<name>dog</name>
		<pose>Left</pose>
		<truncated>1</truncated>
		<difficult>0</difficult>
		<bndbox><xmin>48</xmin><ymin>240</ymin><xmax>195</xmax><ymax>371</ymax></bndbox>
	</object>
	<object>
		<name>person</name>
		<difficult>1</difficult>
		<bndbox><xmax>352.4</xmax><xmin>8</xmin><ymin>12</ymin><ymax>498</ymax></bndbox>
		<actions><running>1</running></actions>
		<point><x>100</x><y>200</y></point>
		<part>
			<name>head</name>
			<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>1</xmax><ymax>1</ymax></bndbox>
		</part>
	</object>
</annotation>
"""
BOX = "<bndbox><xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax><ymax>{}</ymax></bndbox>"
ONE = "<annotation><object><name>{name}</name>{box}</object></annotation>"


def read(text: str, folder: Path) -> Annotation:
    path = folder / "label.xml"
    path.write_text(text, encoding="utf-8")
    return read_boxes(path)


def copied(
    annotation: Annotation, boxes: Any = None, shares: Any = None, **given: Any
) -> Annotation:
    boxes = annotation.boxes if boxes is None else np.array(boxes, float)
    shares = np.ones(len(boxes)) if shares is None else shares
    known: dict[str, Any] = {
        "width": 353,
        "height": 500,
        "filename": "copy.jpg",
        "folder": "copies",
    }
    return relabelled(annotation, boxes, shares, **known | given)


class TestRead:
    def test_every_part_of_it(self, tmp_path: Path) -> None:
        annotation = read(PERSON, tmp_path)
        assert (annotation.width, annotation.height) == (353, 500)
        assert annotation.labelled == (
            Labelled("dog", (47, 239, 195, 371), truncated=True),
            Labelled("person", (7, 11, 352.4, 498), difficult=True),
            Labelled("head", (0, 0, 1, 1), part=True),
        )
        assert annotation.boxes.dtype == np.float64
        assert annotation.boxes.shape == (3, 4)

    def test_a_picture_without_objects(self, tmp_path: Path) -> None:
        annotation = read("<annotation/>", tmp_path)
        assert annotation.boxes.shape == (0, 4)
        assert (annotation.width, annotation.height) == (0, 0)
        assert copied(annotation).labelled == ()

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("<html/>", "expected <annotation>"),
            (ONE.format(name="", box=BOX.format(1, 2, 3, 4)), "box 1 has no <name>"),
            (ONE.format(name="a", box=""), "expected a number in <xmin> of 'a'"),
            (ONE.format(name="a", box=BOX.format(1, 2, "NaN", 4)), "<xmax> of 'a', received 'NaN'"),
            (ONE.format(name="a", box=BOX.format(1, 2, "inf", 4)), "<xmax> of 'a'"),
            (ONE.format(name="a", box=BOX.format(1, 2, "1e999", 4)), "<xmax> of 'a'"),
            (ONE.format(name="a", box=BOX.format(1, 2, "9" * 5000, 4)), "<xmax> of 'a'"),
            (ONE.format(name="a", box=BOX.format(1, 2, 3, 4) * 2), "a second <bndbox>"),
            (ONE.format(name="a", box=BOX.format(9, 2, 3, 4)), "ends before it begins"),
            (ONE.format(name="a", box=BOX.format(1, 9, 3, 4)), "ends before it begins"),
            ("<annotation><size><width>-3</width></size></annotation>", "whole pixels in <width>"),
            ("<annotation><size><height>1e3</height></size></annotation>", "whole pixels"),
            ("<!DOCTYPE annotation><annotation/>", "document type"),
        ],
    )
    def test_what_is_no_annotation(self, text: str, reason: str, tmp_path: Path) -> None:
        with pytest.raises(InputError, match=reason) as caught:
            read(text, tmp_path)
        assert len(str(caught.value)) < len(str(tmp_path)) + 300

    @given(st.binary(max_size=300) | st.text(alphabet="<>/abxmin&;!'\"= 1").map(str.encode))
    def test_no_content_brings_a_traceback(self, content: bytes) -> None:
        import tempfile

        with tempfile.NamedTemporaryFile(suffix=".xml") as file:
            file.write(b"<annotation><object>" + content)
            file.flush()
            with pytest.raises(InputError):
                read_boxes(file.name)

    @pytest.mark.real
    def test_raccoons(self, data: Path) -> None:
        labels = sorted((data / "photos" / "raccoon" / "annotations").glob("*.xml"))
        annotations = [read_boxes(label) for label in labels]
        assert sum(len(each.labelled) for each in annotations) == 217
        assert {each.name for one in annotations for each in one.labelled} == {"raccoon"}
        for label, one in zip(labels, annotations, strict=True):
            edges = [one.width, one.height] * 2
            assert (one.boxes >= 0).all()
            assert (one.boxes <= edges).all()
            same = copied(
                one,
                width=one.width,
                height=one.height,
                filename=one.tree.findtext("filename"),
                folder=one.tree.findtext("folder"),
            )
            place = one.tree.findtext("path", "").encode()
            name = one.tree.findtext("filename", "").encode()
            wanted = label.read_bytes().replace(b"\r\n", b"\n").replace(place, name)
            # But for a path on another machine and a grey picture, not a byte of it is changed.
            wanted = wanted.replace(b"<depth>1<", b"<depth>3<").strip()
            assert as_xml(same).strip() == wanted


class TestSize:
    def test_the_pictures_own_and_none_pass(self, tmp_path: Path) -> None:
        voc.check_size(read(PERSON, tmp_path), 353, 500)
        voc.check_size(read("<annotation/>", tmp_path), 353, 500)

    def test_another_size_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match=r"of 706 × 1000 pixels.*of one of 353 × 500"):
            voc.check_size(read(PERSON, tmp_path), 706, 1000)
        with pytest.raises(InputError, match="EXIF"):
            voc.check_size(read(PERSON, tmp_path), 500, 353)


class TestCopies:
    def test_names_size_and_flags(self, tmp_path: Path) -> None:
        source = read(PERSON, tmp_path)
        before = as_xml(source)
        tree = copied(source, width=224, height=200, filename="ä<&>.jpg").tree
        texts = {tag: tree.findtext(tag) for tag in ("folder", "filename", "path", "segmented")}
        assert texts == {
            "folder": "copies", "filename": "ä<&>.jpg", "path": "ä<&>.jpg", "segmented": "0",
        }  # fmt: skip
        sides = [tree.findtext(f"size/{tag}") for tag in ("width", "height", "depth")]
        assert sides == ["224", "200", "3"]
        assert as_xml(source) == before

    def test_what_is_not_known_stays(self, tmp_path: Path) -> None:
        tree = copied(read(PERSON, tmp_path)).tree
        assert tree.get("verified") == "yes"
        assert tree.findtext("source/flickrid") == "341012865"
        assert tree.findtext("owner/name") == "nobody & sons"
        assert tree.findtext("object/actions/running") == "1"
        assert tree.find("object/point") is None

    def test_boxes_are_rounded_to_pixels_counted_from_one(self, tmp_path: Path) -> None:
        boxes = [(10.4, 20.6, 30.5, 40.49), (0, 0, 353, 500), (352.8, 499.9, 353, 500)]
        copy = copied(read(PERSON, tmp_path), boxes)
        assert copy.boxes.tolist() == [[10, 21, 31, 40], [0, 0, 353, 500], [352, 499, 353, 500]]
        assert copy.tree.findtext("object/bndbox/xmin") == "11"

    def test_little_of_it_left(self, tmp_path: Path) -> None:
        source = read(PERSON, tmp_path)
        assert [each.name for each in copied(source, shares=[0.09, 1, 1]).labelled] == [
            "person", "head",
        ]  # fmt: skip
        assert [each.name for each in copied(source, shares=[1, 0.05, 1]).labelled] == ["dog"]
        assert [each.name for each in copied(source, shares=[1, 1, 0]).labelled] == [
            "dog", "person",
        ]  # fmt: skip
        assert copied(source, shares=[0, 0, 0]).labelled == ()
        assert copied(source, shares=[0, 0, 0], least=0).labelled == ()
        assert len(copied(source, shares=[0.01] * 3, least=0).labelled) == 3

    def test_truncated_says_that_more_than_a_seventh_is_gone(self, tmp_path: Path) -> None:
        source = read(PERSON, tmp_path)
        for share, truncated in ((1.0, False), (0.86, False), (0.84, True), (0.1, True)):
            dog, person, head = copied(source, shares=[share] * 3).labelled
            assert dog.truncated  # as it was before
            assert person.truncated == truncated
            assert not head.truncated  # parts have no such mark

    @pytest.mark.parametrize(
        ("pose", "mirrored", "upside_down", "wanted"),
        [
            ("Left", True, False, "Right"),
            ("right", True, False, "Left"),
            ("Left", False, False, "Left"),
            ("Frontal", True, False, "Frontal"),
            ("Frontal", False, True, "Unspecified"),
            ("Left", True, True, "Unspecified"),
        ],
    )
    def test_a_pose_follows_the_mirror(
        self, pose: str, mirrored: bool, upside_down: bool, wanted: str, tmp_path: Path
    ) -> None:
        source = read(PERSON.replace("Left", pose), tmp_path)
        copy = copied(source, mirrored=mirrored, upside_down=upside_down)
        assert copy.tree.findtext("object/pose") == wanted

    def test_a_dropped_object_leaves_no_gap(self, tmp_path: Path) -> None:
        lines = as_xml(copied(read(PERSON, tmp_path), shares=[1, 0, 0])).decode().splitlines()
        assert lines[-2:] == ["\t</object>", "</annotation>"]
        assert all(line.strip() for line in lines)

    def test_as_many_boxes_as_there_were(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="zip"):
            copied(read(PERSON, tmp_path), [(0, 0, 1, 1)])

    @given(
        st.tuples(*[st.floats(0, 1) for _ in range(4)]),
        st.integers(1, 60),
        st.integers(1, 60),
    )
    def test_a_box_has_a_pixel_within_the_copy_and_its_edges_within_one(
        self, shares: tuple[float, float, float, float], width: int, height: int
    ) -> None:
        x, y = sorted(shares[::2]), sorted(shares[1::2])
        box = np.array([x[0] * width, y[0] * height, x[1] * width, y[1] * height])
        tree = ElementTree.fromstring(ONE.format(name="a", box=BOX.format(1, 1, 1, 1)))
        source = voc._annotation("label.xml", tree)
        (row,) = copied(source, [box], width=width, height=height).boxes
        assert (row[:2] >= 0).all()
        assert (row[:2] + 1 <= row[2:]).all()
        assert (row[2:] <= [width, height]).all()
        assert np.abs(row - box).max() <= 1


class TestWrite:
    @given(st.text(min_size=1).map(writable).filter(str.strip))
    def test_any_name_comes_back(self, name: str) -> None:
        box = BOX.format(1, 1, 2, 2)
        text = ONE.format(name=escape(name, {"\r": "&#13;"}), box=box)
        source = voc._annotation("label.xml", ElementTree.fromstring(text))
        again = ElementTree.fromstring(as_xml(copied(source)))
        assert again.findtext("object/name") == name

    def test_whole_and_the_same_each_time(self, tmp_path: Path) -> None:
        source = read(PERSON, tmp_path)
        target = tmp_path / "new" / "folder" / "copy.xml"
        for _ in range(2):
            write_boxes(copied(source), target)
            assert [file.name for file in target.parent.iterdir()] == ["copy.xml"]
            assert target.read_bytes() == as_xml(copied(source))
        assert read_boxes(target).boxes.tolist() == np.rint(source.boxes).tolist()

    def test_a_name_that_no_file_can_have_in_xml(self, tmp_path: Path) -> None:
        target = tmp_path / "copy.xml"
        write_boxes(copied(read(PERSON, tmp_path), filename="a\udcff\x01.jpg"), target)
        assert read_boxes(target).tree.findtext("filename") == "a\ufffd\ufffd.jpg"

    def test_where_it_cannot_be_written(self, tmp_path: Path) -> None:
        source = read(PERSON, tmp_path)
        (tmp_path / "file").write_text("")
        (tmp_path / "folder.xml").mkdir()
        for target in (tmp_path / "file" / "copy.xml", tmp_path / "folder.xml"):
            with pytest.raises(OutputError, match="cannot be written"):
                write_boxes(copied(source), target)
        assert sorted(file.name for file in tmp_path.iterdir()) == [
            "file", "folder.xml", "label.xml",
        ]  # fmt: skip
