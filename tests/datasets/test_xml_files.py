"""XML that was made to hurt is refused in words; what is written reads the same."""

import os
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnnkit.datasets.xml_files import DEEPEST, LARGEST, read_xml, writable, xml_bytes
from cnnkit.errors import InputError

LAUGHS = b"""<!DOCTYPE a [<!ENTITY a "ha">%s]><a>&i;</a>""" % b"".join(
    b'<!ENTITY %c "%s">' % (name, b"&%c;" % (name - 1) * 10) for name in range(98, 106)
)
HOSTILE = {
    "billion laughs": (LAUGHS, "document type"),
    "another file": (
        b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
        "document",
    ),
    "a document type elsewhere": (
        b'<!DOCTYPE a SYSTEM "http://127.0.0.1:9/a.dtd"><a/>',
        "document",
    ),
    "parameter entities": (b'<!DOCTYPE a [<!ENTITY % b "c"> %b;]><a/>', "document type"),
    "an entity from nowhere": (b"<a>&b;</a>", "no XML"),
    "too deep": (b"<a>" * 100_000, "deep"),
    "too large": (b"<a>" + b" " * LARGEST, "MiB"),
    "empty": (b"", "no XML"),
    "a picture": (b"\xff\xd8\xff\xe0\x00\x10JFIF", "no XML"),
    "cut off": (b"<annotation><size>", "no XML"),
    "two roots": (b"<a/><a/>", "no XML"),
    "an unknown encoding": (b'<?xml version="1.0" encoding="klingon"?><a/>', "no XML"),
    "an encoding of several bytes": (b'<?xml version="1.0" encoding="gb2312"?><a/>', "no XML"),
    "not UTF-8": (b"<a>\xff</a>", "no XML"),
    "NUL": (b"<a>\0</a>", "no XML"),
}


@pytest.mark.parametrize(("content", "reason"), HOSTILE.values(), ids=HOSTILE)
def test_what_hurts_is_refused(content: bytes, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    path.write_bytes(content)
    with pytest.raises(InputError, match=reason) as caught:
        read_xml(str(path))
    assert len(str(caught.value)) < len(str(path)) + 200


@pytest.mark.parametrize("name", ["absent.xml", "no\0name.xml", "\udcff\ud800.xml"], ids=repr)
def test_a_file_that_is_not_there(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_xml(os.path.join(tmp_path, name))


def test_a_folder_and_a_pipe_are_no_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.xml")
    for path in (tmp_path, tmp_path / "pipe.xml"):  # a pipe must not be waited for
        with pytest.raises(InputError, match="is no file"):
            read_xml(str(path))


def test_up_to_the_limits_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    path.write_bytes(b"<a>" * DEEPEST + b"</a>" * DEEPEST)
    assert sum(1 for _ in read_xml(str(path)).iter()) == DEEPEST
    path.write_bytes(b"<a>" + b" " * (LARGEST - 7) + b"</a>")
    assert read_xml(str(path)).tag == "a"


def test_byte_order_marks_and_utf_16(tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    for encoding in ("utf-8-sig", "utf-16"):
        path.write_bytes("<a>ä</a>".encode(encoding))
        assert read_xml(str(path)).text == "ä"


@given(st.text())
def test_any_text_is_written_and_read_the_same(text: str) -> None:
    tree = ElementTree.Element("a", {"b": writable(text)})
    tree.text = writable(text)
    again = ElementTree.fromstring(xml_bytes(tree))
    assert (again.text or "") == tree.text
    assert again.get("b") == tree.get("b")


def test_only_what_cannot_be_written_is_replaced() -> None:
    assert writable("a<&>\r\n\t\x00\x1b\udcff\ufffe😀") == "a<&>\r\n\t\ufffd\ufffd\ufffd\ufffd😀"
