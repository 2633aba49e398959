"""What a store knows of a picture, by its path and by its content, and of one that is gone."""

import hashlib
import logging
import os
import stat
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnkit.outputs.store.reading import Reader
from cnnkit.outputs.store.rows import Facts
from cnnkit.outputs.store.writing import Writer

log = logging.getLogger(__name__)
Vector = NDArray[np.float32]


def plain(path: str) -> str:
    """A path as the store has it: without what says nothing, such as `./`."""
    return path if os.pardir in path.split(os.sep) else os.path.normpath(path)


@dataclass(frozen=True, slots=True)
class Cached:
    """A picture that is in the store as it is."""

    row: int


@dataclass(frozen=True, slots=True)
class Known:
    """A picture whose content is in the store; or was, and then with its vector."""

    facts: Facts
    vector: Vector | None = None


@dataclass(slots=True)
class Desk:
    """Where it is looked up what the store knows of a picture, on several threads."""

    writer: Writer
    rehash: bool
    dropped: Mapping[str, Vector]
    _sent: dict[str, tuple[Facts, int]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def row_at_once(self, path: str) -> int | None:
        """The row of a picture whose file has not been touched; None where more has to be done."""
        if self.rehash:
            return None
        try:
            status = os.stat(path)
        except (OSError, ValueError):  # the decoder says what it is
            return None
        return self.writer.unchanged(plain(path), status.st_size, status.st_mtime_ns)

    def look(self, path: str) -> Cached | Known | None:
        """What is known of a picture; None where its vector has to be computed."""
        row = self.row_at_once(path)
        if row is not None:
            return Cached(row)
        facts = facts_of(path)
        if facts is None:
            return None
        row = self.writer.holds(plain(path), facts)
        if row is not None:
            return Cached(row)
        if self.writer.knows(facts.sha256):
            return Known(facts)
        vector = self.dropped.get(facts.sha256)
        if vector is not None:
            return Known(facts, vector)
        with self._lock:
            first, times = self._sent.get(path, (facts, 0))
            self._sent[path] = first, times + 1
        return None

    def taken_back(self, path: str) -> Facts | None:
        """What a picture's file was before it was decoded; None where it could not be read.

        A path may be under way several times. What its file was at first is kept for all of them:
        if it is that still, none of them was decoded from anything else.
        """
        with self._lock:
            facts, times = self._sent.pop(path, (None, 0))
            if facts and times > 1:
                self._sent[path] = facts, times - 1
        return facts


def facts_of(path: str) -> Facts | None:
    """Size, time and hash of a plain file that can be read."""
    try:
        with open(path, "rb", opener=_without_waiting) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                return None
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ValueError):
        return None
    return Facts(digest, status.st_size, status.st_mtime_ns)


def is_another(path: str, status: os.stat_result, file: Any) -> bool:
    """Whether a file is not the one that a row of a store's `files` tells of.

    Of one that was only touched or copied the bytes decide.
    """
    if status.st_size != int(file["size"]):
        return True
    if status.st_mtime_ns == int(file["mtime_ns"]):
        return False
    facts = facts_of(path)
    return facts is None or facts.sha256.encode() != file["sha256"]


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)  # a pipe that nobody writes to


def touched(path: str, facts: Facts) -> bool:
    """Whether a file is another one than it was when it was read."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):  # gone since; what was read is what its hash says
        return False
    return (status.st_size, status.st_mtime_ns) != (facts.size, facts.mtime_ns)


def pruned(writer: Writer, folders: Sequence[str]) -> Mapping[str, Vector]:
    """Drop the rows of files that are gone from the folders; content → vector of what was dropped.

    A file that was only renamed is found by it.
    """
    starts = ["" if folder == os.curdir else os.path.join(folder, "") for folder in folders]
    gone = {
        row
        for row, path in enumerate(writer.paths)
        if any(_is_below(path, start) for start in starts) and writer.is_gone(row)
    }
    if not gone:
        return {}
    before = Reader(writer.path)
    dropped = before.vectors_by_content(sorted(gone))
    writer.keep_only([row for row in range(before.rows) if row not in gone])
    log.warning("%d rows of files that are gone were dropped.", len(gone))
    return dropped


def _is_below(path: str, start: str) -> bool:
    """Whether a path leads into the folder that it starts with, "" for where we are, and stays."""
    if not path.startswith(start) or (not start and os.path.isabs(path)):
        return False
    return os.pardir not in path[len(start) :].split(os.sep)


@contextmanager
def renames_told(writer: Writer) -> Iterator[None]:
    """Say at the end how many rows got another name: where a disk is only away, that is a loss."""
    try:
        yield
    finally:
        if writer.renamed:
            log.warning(
                "%d rows of files that are gone now stand for files of the same content.",
                writer.renamed,
            )
