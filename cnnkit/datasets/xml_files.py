"""XML files from anywhere: read with care, and written so that they read the same."""

from __future__ import annotations

import os
import re
import stat
from typing import Any
from xml.etree import ElementTree

from cnnkit.errors import InputError

# A label file has some kilobytes. Python's own parser limits neither size nor depth.
LARGEST = 4 << 20
DEEPEST = 32

# What XML 1.0 has no way to write: a file's name may hold it.
_UNWRITABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def read_xml(path: str) -> ElementTree.Element:
    """Read the outermost element.

    Raises `InputError`, which names the reason, for a file that is not there, is no XML, is larger
    than `LARGEST` bytes or deeper than `DEEPEST` elements, or has a document type: with one, a
    small file can claim to be a huge one, or ask for other files.
    """
    content = _content(path)
    try:
        return ElementTree.fromstring(content, ElementTree.XMLParser(target=_Builder()))
    except _Refused as error:
        raise InputError(f"{path!r} is not read: {error}.") from error
    # An encoding may be unknown (LookupError) or one that the parser does not take (ValueError).
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise InputError(f"{path!r} is no XML: {error}.") from error


def xml_bytes(tree: ElementTree.Element) -> bytes:
    """The file of an element: UTF-8, the same bytes for the same tree."""
    text = ElementTree.tostring(tree, encoding="unicode")
    # As itself a carriage return would be read back as the end of a line.
    return text.replace("\r", "&#13;").rstrip("\n").encode() + b"\n"


def writable(text: str) -> str:
    """The text with a replacement character for each that XML has no way to write."""
    return _UNWRITABLE.sub("\N{REPLACEMENT CHARACTER}", text)


class _Refused(Exception):
    """What was met in the XML is not read further."""


class _Builder(ElementTree.TreeBuilder):
    """Builds the tree, and stops at a document type or at elements without end in each other."""

    def __init__(self) -> None:
        super().__init__()
        self._depth = 0

    def doctype(self, name: str, public: str | None, system: str | None) -> None:
        """Refuse: entities are declared there, and no label file has any."""
        raise _Refused("it has a document type (<!DOCTYPE …>), which label files do not need")

    def start(self, tag: Any, attributes: Any) -> Any:
        """Open an element."""
        self._depth += 1
        if self._depth > DEEPEST:
            raise _Refused(f"its elements are nested more than {DEEPEST} deep")
        return super().start(tag, attributes)

    def end(self, tag: Any) -> Any:
        """Close one."""
        self._depth -= 1
        return super().end(tag)


def _content(path: str) -> bytes:
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise InputError(f"{path!r} is no file. Expected an XML file.")
        with open(path, "rb") as file:  # noqa: PTH123 — a Path would not carry every name
            content = file.read(LARGEST + 1)
    except OSError as error:
        raise InputError(f"{path!r} cannot be read: {error.strerror}.") from error
    except ValueError as error:  # NUL, or a surrogate that stands for no byte
        raise InputError(f"{path!r} cannot be read: no file can have this name.") from error
    if len(content) > LARGEST:
        raise InputError(
            f"{path!r} has more than {LARGEST >> 20} MiB. Expected a label file, which has "
            "some kilobytes."
        )
    return content
