"""Pictures to be copied → where their copies go, below a folder of copies.

The pictures of one folder keep their places below it; those of several folders keep them below
the folder's own name. Pictures that are named themselves, or by a list, keep their path as given.
"""

import logging
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from cnnkit.errors import UsageError
from cnnkit.images.encode import FORMATS
from cnnkit.images.paths import STDIN
from cnnkit.outputs.copies import Copies
from cnnkit.records import Skipped
from cnnkit.tasks.inputs import Inputs

_OF_A_COPY = re.compile(r"__aug-\d{3,}\.\w+$")

# In bytes, on all disks that are in use.
_LONGEST_NAME = 255

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Source:
    """A picture, and its copies' common name: `stem` and `suffix`, below the folder of copies.

    `again` says that the same picture has come before.
    """

    path: str
    stem: str
    suffix: str
    again: bool = False

    def output(self, copy: int) -> str:
        """The place of one copy below the folder, with slashes."""
        return f"{self.stem}__aug-{copy:03}{self.suffix}"


class Sources:
    """Every picture of the inputs, in order, with a place of its own for its copies.

    `count` is the highest number of a copy. With `labelled`, copies also have a label file, called
    as they are but for the suffix.
    """

    def __init__(
        self, inputs: Inputs, folder: Copies, *, count: int = 1, labelled: bool = False
    ) -> None:
        self._inputs = replace(inputs, closed=(*inputs.closed, str(folder.folder)))
        self._folder = folder
        self._out = os.path.realpath(folder.folder)
        self._count = count
        self._labelled = labelled
        self._taken: dict[str, str] = {}
        self._passed = 0

    def checked(self) -> "Iterator[Source | Skipped]":
        """The pictures, those of a list as it comes.

        Raises at once what `Inputs.paths` raises, and `UsageError` where two pictures would be
        copied to one place; where a list brings such pictures, the second one is a `Skipped`.
        """
        self._inputs.paths()
        arguments = self._inputs.arguments
        if not isinstance(arguments, Sequence) or STDIN in arguments:
            return self._all()
        found = list(self._all())
        for each in found:
            if isinstance(each, Skipped) and each.kind == "collision":
                raise UsageError(f"{each.path!r}: {each.message}.")
        return iter(found)

    def _all(self) -> "Iterator[Source | Skipped]":
        arguments = self._inputs.arguments
        several = isinstance(arguments, Sequence) and sum(map(os.path.isdir, arguments)) > 1
        alone = isinstance(arguments, Sequence) and not several
        for argument in arguments:
            own = replace(self._inputs, arguments=(argument,)).paths()
            if os.path.isdir(argument) and argument != STDIN:
                top = "" if alone else _name_of(argument)
                places = (
                    (path, os.path.join(top, os.path.relpath(path, argument))) for path in own
                )
                yield from self._without_copies(places)
            elif argument == STDIN:
                yield from self._without_copies((path, _as_given(path)) for path in own)
            else:
                yield from (self._placed(path, _as_given(path)) for path in own)
        if self._passed:
            log.warning(
                "%d pictures are copies that an earlier run wrote, and are not copied again.",
                self._passed,
            )

    def _without_copies(self, places: Iterable[tuple[str, str]]) -> "Iterator[Source | Skipped]":
        """Those of (path, place) that a folder or a list brings along, and no copies of ours."""
        for path, place in places:
            placed = self._placed(path, place)
            if isinstance(placed, Skipped) and placed.kind == "copy":
                self._passed += 1  # nobody has named it
            else:
                yield placed

    def _placed(self, path: str, place: str) -> Source | Skipped:
        if _OF_A_COPY.search(path) and self._is_copy(path):
            return Skipped(path, "copy", "it is a copy that cnnkit augment wrote there")
        stem, suffix = os.path.splitext(place)
        if suffix.lower() not in FORMATS:  # of other pictures, copies are PNG
            stem, suffix = place, ".png"
        stem = str(PurePosixPath(stem))
        if _is_too_long(Source(path, stem, suffix).output(self._count)):
            return Skipped(
                path, "name", "the names of its copies would be longer than names may be"
            )
        key = stem if self._labelled else stem + suffix
        first = self._taken.get(key)
        if first is None:
            self._taken[key] = path
            return Source(path, stem, suffix)
        if _is_same(first, path):
            return Source(path, stem, suffix, again=True)
        why = (
            f"its copies would have the names of those of {first!r}; leave one out, or give "
            "each an --out of its own"
        )
        return Skipped(path, "collision", why)

    def _is_copy(self, path: str) -> bool:
        try:
            place = os.path.relpath(os.path.realpath(path), self._out)
        except ValueError:  # a name that no file can have
            return False
        return self._folder.knows(place)


def _is_too_long(place: str) -> bool:
    try:
        return len(os.fsencode(os.path.basename(place))) > _LONGEST_NAME
    except ValueError:  # surrogates that stand for no byte: the decoder says so
        return False


def _name_of(folder: str) -> str:
    return os.path.basename(os.path.abspath(folder))


def _as_given(path: str) -> str:
    """A path as a place below another folder: one that leads upwards has `_` for each `..`."""
    parts = [part for part in path.split(os.sep) if part not in ("", os.curdir)]
    return os.path.join("", *("_" if part == os.pardir else part for part in parts)) or "_"


def _is_same(one: str, other: str) -> bool:
    if one == other:
        return True
    try:
        return os.path.samefile(one, other)
    except (OSError, ValueError):
        return False
