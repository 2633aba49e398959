"""What a user calls a dataset → labelled pictures.

::

    DATA/rose/1.jpg                a folder for each class, with pictures at any depth
    DATA/train/rose/1.jpg          the same, split: train, and if you like val and test
    DATA.csv, DATA.jsonl           a list of path and label, and if you like split and group
"""

import os
from collections.abc import Iterator, Sequence
from typing import Final

from cnnkit.datasets.folders import folders, pictures
from cnnkit.datasets.manifests import SIDES, SPLITS, SUFFIXES, listed
from cnnkit.datasets.notices import Notices, note_untrained, once
from cnnkit.errors import InputError
from cnnkit.records import PICTURE_SUFFIXES, Dataset, Example
from cnnkit.records.order import natural_key

LAYOUTS: Final = """Expected one of:
  DATA/rose/1.jpg  DATA/tulip/2.jpg              a folder for each class
  DATA/train/rose/1.jpg  DATA/val/rose/2.jpg     the same, split (train, and if you like val, test)
  DATA.csv                                       columns path,label and if you like split,group
  DATA.jsonl                                     {"path": "1.jpg", "label": "rose"} on each line"""


def read(data: str | os.PathLike[str]) -> Dataset:
    """Find the labelled pictures of a folder or a list; no picture is opened.

    A class is a folder that holds a picture, whatever its name; empty, hidden and junk folders are
    none, and are named in the notices. Splits may be called training, valid, validation, testing,
    in any case. A file that is named twice with the same label and split counts once.

    Raises `InputError` for what is not there, cannot be read, or is in no layout that is known,
    and for a list with a line that makes no sense. How many classes are enough is not asked here.
    """
    path = os.fspath(data)
    notices = Notices()
    try:
        found = _from_folder(path, notices) if os.path.isdir(path) else _from_list(path, notices)
    except OSError as error:
        raise InputError(f"{path!r} cannot be read: {error.strerror}.") from error
    examples = once(found, notices)
    if not examples:
        left_out = "".join(f"\n  {notice}" for notice in notices.told())
        raise InputError(f"No labelled picture in {path!r}.{left_out}\n{LAYOUTS}")
    note_untrained(examples, notices)
    labels = sorted({example.label for example in examples}, key=natural_key)
    return Dataset(_name(path), tuple(examples), tuple(labels), notices.told())


def _name(path: str) -> str:
    name = os.path.basename(os.path.abspath(path))
    return name if os.path.isdir(path) else os.path.splitext(name)[0]


def _from_list(path: str, notices: Notices) -> list[Example]:
    if not os.path.exists(path):
        raise InputError(f"There is no folder or list {path!r}.\n{LAYOUTS}")
    if not path.lower().endswith(SUFFIXES) or not os.path.isfile(path):
        raise InputError(f"{path!r} is neither a folder nor a CSV or JSONL list.\n{LAYOUTS}")
    return listed(path, notices)


def _from_folder(top: str, notices: Notices) -> list[Example]:
    names = folders(top, "", notices)
    if not names:
        raise InputError(f"The folder {top!r} has no class folder{_loose(top)}.\n{LAYOUTS}")
    named = [name for name in names if name.lower() in SPLITS]
    others = [name for name in names if name not in named]
    if any(_side(name) == "train" and _has_folders(top, name) for name in named):
        _refuse_doubt(top, named, others)
        for name in others:
            notices.add("folder that is no split", name)
        found = [e for name in named for e in _classes(top, name, _side(name), notices)]
        order = list(SIDES)
        return sorted(found, key=lambda e: (natural_key(e.label), order.index(e.split)))
    if named and not others:
        raise InputError(
            f"The folder {top!r} has {', '.join(named)}, but no train with class folders in it "
            f"that can be read. To evaluate on one of them, name it itself: "
            f"{os.path.join(top, named[0])}\n{LAYOUTS}"
        )
    return [e for name in names for e in _labelled(top, name, "", notices)]


def _loose(top: str) -> str:
    count = sum(name.lower().endswith(PICTURE_SUFFIXES) for name in os.listdir(top))
    return f", but pictures of no class ({count:,})" if count else ""


def _side(name: str) -> str:
    return SPLITS[name.lower()]


def _has_folders(top: str, name: str) -> bool:
    try:
        return bool(folders(top, name, Notices()))
    except OSError:
        return False


def _refuse_doubt(top: str, named: Sequence[str], others: Sequence[str]) -> None:
    """A folder `train` with no other split beside it may be a class that has folders."""
    if {_side(name) for name in named} != {"train"}:
        return
    beside = [name for name in others if any(pictures(top, name, Notices()))]
    if beside:
        here = os.path.join(top, named[0])
        raise InputError(
            f"Is {here!r} a class or a split? It has folders in it, and beside it are pictures in "
            f"{', '.join(map(repr, beside[:5]))}. Name {here!r} itself if it is all that you "
            f"mean; give it another name if it is a class.\n{LAYOUTS}"
        )


def _classes(top: str, under: str, side: str, notices: Notices) -> list[Example]:
    try:
        names = folders(top, under, notices)
    except OSError as error:
        notices.add(f"folder that cannot be read ({error.strerror})", under)
        return []
    if not names:
        notices.add("split without a class folder", under)
    return [e for name in names for e in _labelled(top, os.path.join(under, name), side, notices)]


def _labelled(top: str, under: str, side: str, notices: Notices) -> Iterator[Example]:
    label = os.path.basename(under)
    return (Example(path, label, side) for path in pictures(top, under, notices))
