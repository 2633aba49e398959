"""What a killed process has left of a commit: found by readers, and finished or dropped."""

import fcntl
import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cnnkit.outputs.store import layout, texts, trust
from cnnkit.outputs.store.journal import (
    CHECK,
    ENTRY,
    HEAD,
    MAGIC,
    PAGE,
    checks_of,
    journal_of,
    locked,
    write_at,
)

# The beginning of an HDF5 file as "libver earliest" lays it out: signature, version of the
# superblock, size of addresses, base address and end of file (HDF5 File Format 3.0, II.A.1).
_SUPERBLOCK = struct.Struct("<8sB4xB10xQ8xQ")
# No commit changes as many pages; a larger number was not written by us.
_MOST_PAGES = 1 << 22
_Page = tuple[int, tuple[int, ...], bytes]


@dataclass(frozen=True, slots=True)
class Watch:
    """What a reader knows while it reads; `whole` unless there is something to recover."""

    whole: bool
    _path: Path
    _before: tuple[int, ...]
    _journal: int | None

    def kept(self) -> bool:
        """Whether the file is still as it was when the reader came."""
        now = _state(self._path)
        if self._journal is not None and _is(journal_of(self._path), self._journal):
            return now[:2] == self._before[:2]  # the lock held commits back
        return now == self._before


@contextmanager
def undisturbed_reading(path: Path) -> Iterator[Watch]:
    """Hold commits back for the block where somebody writes, and tell what was there."""
    before = _state(path)
    try:
        descriptor = os.open(journal_of(path), os.O_RDONLY)
    except FileNotFoundError:
        yield Watch(True, path, before, None)
        return
    try:
        with locked(descriptor, fcntl.LOCK_SH):
            whole = os.fstat(descriptor).st_size == 0
            yield Watch(whole, path, before, descriptor)
    finally:
        os.close(descriptor)


def recover(path: Path) -> str:
    """Finish or drop what a killed process left of a commit; what was done, "" for nothing.

    Whoever calls it has made sure that nobody writes. Raises `OSError` where it cannot be done.
    """
    journal = journal_of(path)
    found = _parsed(journal.read_bytes()) if journal.exists() else None
    descriptor = os.open(path, os.O_RDWR)
    try:
        done = _finished(descriptor, *found) if found else ""
        done = done or _trimmed(descriptor, path)
    finally:
        os.close(descriptor)
    journal.unlink(missing_ok=True)
    return done


def _finished(descriptor: int, size: int, pages: list[_Page]) -> str:
    # Another file may have come in the place of the one that the journal is about.
    fits = size <= os.fstat(descriptor).st_size
    if not fits or not all(_belongs(descriptor, *page) for page in pages):
        return ""
    for number, _, page in pages:
        write_at(descriptor, page[: size - number * PAGE], number * PAGE)
    os.fsync(descriptor)
    return "a commit that had been cut off was finished"


def _trimmed(descriptor: int, path: Path) -> str:
    """Cut off what lies beyond the end that a store of ours tells, if it holds all there is."""
    head = os.pread(descriptor, _SUPERBLOCK.size, 0)
    if len(head) < _SUPERBLOCK.size:
        return ""
    signature, version, sizes, base, end = _SUPERBLOCK.unpack(head)
    beyond = os.fstat(descriptor).st_size - end
    known = (signature, version, sizes, base) == (b"\x89HDF\r\n\x1a\n", 0, 8, 0)
    if not known or beyond <= 0 or not _lies_within(path, end):
        return ""
    os.ftruncate(descriptor, end)
    os.fsync(descriptor)
    return f"{beyond:,} bytes of a commit that had been cut off were dropped"


def _lies_within(path: Path, end: int) -> bool:
    """Whether all that a store of ours holds lies in the first `end` bytes of its file.

    Where that cannot be told, the number itself may be what is damaged.
    """
    ends = [0]
    try:
        with trust.opened(path) as file:
            ours = trust.stamp_of(file, path)[0] is not None
            trust.refuse_odd_parts(file, path, ours=ours)
            for name in (layout.VECTORS, layout.PATHS, layout.FILES):
                file[name].id.chunk_iter(lambda chunk: ends.append(chunk.byte_offset + chunk.size))
            texts.refuse_odd_texts(file[layout.PATHS], path)
            file[layout.PATHS][:]  # they lie elsewhere; HDF5 itself reads nothing beyond its end
            return ours and max(ends) <= end
    except Exception:  # whatever h5py makes of bytes that are not what they were
        return False


def _parsed(record: bytes) -> tuple[int, list[_Page]] | None:
    """The journal's size of the file, and its pages; None unless it is whole."""
    if len(record) < HEAD.size + CHECK.size:
        return None
    magic, size, count = HEAD.unpack_from(record)
    step = ENTRY.size + PAGE
    end = HEAD.size + count * step
    if magic != MAGIC or count > _MOST_PAGES or len(record) < end + CHECK.size:
        return None
    if CHECK.unpack_from(record, end)[0] != zlib.crc32(record[:end]):
        return None
    pages = []
    for at in range(HEAD.size, end, step):
        number, *before = ENTRY.unpack_from(record, at)
        pages.append((number, tuple(before), record[at + ENTRY.size : at + step]))
    return size, pages


def _belongs(descriptor: int, number: int, before: tuple[int, ...], page: bytes) -> bool:
    """Whether each sector of this page is as it was before the commit, or as it is after it.

    Where the power failed, a part of a page may be old and another new.
    """
    now = checks_of(os.pread(descriptor, PAGE, number * PAGE).ljust(PAGE, b"\0"))
    return all(
        is_ in (old, new) for is_, old, new in zip(now, before, checks_of(page), strict=True)
    )


def _state(path: Path) -> tuple[int, ...]:
    """Which file this is, and when it was last written to: a store made anew is another file."""
    status = path.stat()
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def _is(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except OSError:
        return False
