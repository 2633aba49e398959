"""What a store knows of a picture, by its path and by its content."""

import hashlib
import os
import stat
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cnnkit.outputs.store.rows import Facts
from cnnkit.outputs.store.writing import Writer

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
        if facts.sha256 in self.dropped:
            return Known(facts, self.dropped[facts.sha256])
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


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)  # a pipe that nobody writes to


def touched(path: str, facts: Facts) -> bool:
    """Whether a file is another one than it was when it was read."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):  # gone since; what was read is what its hash says
        return False
    return (status.st_size, status.st_mtime_ns) != (facts.size, facts.mtime_ns)
