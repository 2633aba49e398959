"""A folder → its class folders → the pictures in them.

Links are followed, and never in a circle. What cannot be read is noticed and passed over.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from cnnkit.datasets.notices import Notices
from cnnkit.records import PICTURE_SUFFIXES
from cnnkit.records.order import natural_key

# What systems and programs leave in folders of pictures.
_JUNK: Final = frozenset(
    (
        *("__macosx", "@eadir", "#recycle", "$recycle.bin", "lost+found"),
        *("system volume information", "__pycache__", "thumbs.db", "desktop.ini"),
    )
)


def folders(top: str, under: str, notices: Notices) -> list[str]:
    """The names of the folders that may be classes in the folder `under` in `top`, "" for itself.

    They come in natural order. Hidden and junk folders are noticed, and so is every file. Raises
    `OSError` where the folder cannot be read.
    """
    found = []
    here = os.path.join(top, under)
    for name in sorted(os.listdir(here), key=natural_key):
        told = os.path.join(under, name)
        if not os.path.isdir(os.path.join(here, name)):
            notices.add("file beside the folders", told)
        elif kind := _left_out(name):
            notices.add(kind, told)
        else:
            found.append(name)
    return found


@dataclass(slots=True)
class _Level:
    """A folder that is being read: who it is, what is left in it, its path, its name in notices."""

    identity: tuple[int, int]
    names: Iterator[str]
    path: str
    told: str


def pictures(top: str, under: str, notices: Notices) -> Iterator[str]:
    """The pictures of the folder `under` in `top`, at any depth, in natural order.

    Folders stand among pictures by their names. Noticed are other files, and folders that cannot
    be read or that lead back to one that they are in; and the folder itself if it has no picture.
    A stack of our own: folders may be nested deeper than Python's calls.
    """
    found = False
    stack = [_Level(_identity(os.stat(top)), iter(()), top, "")]
    if not _enter(stack, os.path.join(top, under), under, notices):
        return
    while len(stack) > 1:
        level = stack[-1]
        name = next(level.names, None)
        if name is None:
            stack.pop()
            continue
        path, told = os.path.join(level.path, name), os.path.join(level.told, name)
        if os.path.isdir(path):
            if kind := _left_out(name):
                notices.add(kind, told)
            else:
                _enter(stack, path, told, notices)
        elif path.lower().endswith(PICTURE_SUFFIXES) and not _left_out(name):
            found = True
            yield path
        else:
            notices.add("file that is no picture", told)
    if not found:
        notices.add("empty folder", under)


def _enter(stack: list[_Level], path: str, told: str, notices: Notices) -> bool:
    try:
        identity = _identity(os.stat(path))
        names = sorted(os.listdir(path), key=natural_key)
    except OSError as error:
        notices.add(f"folder that cannot be read ({error.strerror})", told)
        return False
    if any(identity == outer.identity for outer in stack):
        notices.add("folder linked in a circle", told)
        return False
    stack.append(_Level(identity, iter(names), path, told))
    return True


def _identity(status: os.stat_result) -> tuple[int, int]:
    return (status.st_dev, status.st_ino)


def _left_out(name: str) -> str:
    """Why a folder of this name is passed over; "" where it is not."""
    if name.startswith("."):
        return "hidden folder"
    return "junk folder" if name.lower() in _JUNK else ""
