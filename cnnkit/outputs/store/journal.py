"""A file that h5py writes to, and that changes on disk only in whole commits.

h5py reads and writes through `JournaledFile`; what it writes waits in memory, page by page. A
commit then goes to the disk in four steps, each of them safe to die in:

1. pages beyond the old end are written to the file itself, where no reader looks yet;
2. pages within it are written to the journal, and that to the disk: from here on it has happened;
3. they are written to their places, last of all the file's first ones, which say how long
   everything is: so other programs, too, see all rows of a commit that only adds, or none;
4. the journal is emptied.

Whoever opens the file next and finds a whole journal does step 3 again (`recovery`). A journal that
is not whole was never committed, and is dropped. Readers hold the journal's lock, shared, while
they look at what step 3 changes, and never longer.
"""

import fcntl
import os
import stat
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PAGE = 4096
MAGIC = b"cnnkit journal 1\n"
HEAD = struct.Struct("<17sQQ")  # magic, size of the file afterwards, number of pages
# Page number, and the CRC-32 of each of the page's sectors before the commit.
_SECTOR = 512
ENTRY = struct.Struct(f"<Q{PAGE // _SECTOR}I")
CHECK = struct.Struct("<I")


def journal_of(path: Path) -> Path:
    """Where the journal of the file lies while somebody writes."""
    return path.with_name(f".{path.name}.journal")


class JournaledFile:
    """The file object that h5py's `fileobj` driver takes.

    Args:
        path: an existing file.
        journaled: False for a file that nobody else sees yet: pages go straight to their places.

    Whoever makes one has made sure to be the only writer.
    """

    def __init__(self, path: Path, *, journaled: bool = True) -> None:
        """Open the file, and an empty journal beside it."""
        self._descriptor = os.open(path, os.O_RDWR)
        self._journal: int | None = None
        self._journal_path = journal_of(path)
        try:
            if journaled:
                flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC
                mode = stat.S_IMODE(os.fstat(self._descriptor).st_mode)
                self._journal = os.open(self._journal_path, flags, mode)
        except OSError:
            os.close(self._descriptor)
            raise
        self._committed = self._size = os.fstat(self._descriptor).st_size
        self._pages: dict[int, bytearray] = {}
        self._position = 0

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """As a file does."""
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        self._position = start + offset
        return self._position

    def tell(self) -> int:
        """As a file does."""
        return self._position

    def readinto(self, buffer: bytearray | memoryview) -> int:
        """As a file does; what is not committed yet is seen."""
        view = memoryview(buffer).cast("B")
        start, length = self._position, min(len(view), max(0, self._size - self._position))
        for number, inner, outer in _spans(start, length):
            page = self._pages.get(number)
            view[outer] = page[inner] if page is not None else self._read(number)[inner]
        self._position += length
        return length

    def read(self, size: int) -> bytes:
        """As a file does; h5py wants it to be there, and reads by `readinto`."""
        data = bytearray(size)
        return bytes(data[: self.readinto(data)])

    def write(self, data: bytes | memoryview) -> int:
        """As a file does, in memory alone."""
        view = memoryview(data).cast("B")
        for number, inner, outer in _spans(self._position, len(view)):
            page = self._pages.get(number)
            if page is None:
                whole = inner.stop - inner.start == PAGE
                page = self._pages[number] = bytearray(PAGE) if whole else self._read(number)
            page[inner] = view[outer]
        self._position += len(view)
        self._size = max(self._size, self._position)
        return len(view)

    def truncate(self, size: int) -> int:
        """Grow. The file never shrinks: a reader may have mapped it."""
        self._size = max(self._size, size)
        return self._size

    def flush(self) -> None:
        """Nothing: only `commit` writes to the disk."""

    def commit(self) -> None:
        """Bring all that was written to the disk, whole or not at all; durable on return.

        Raises `OSError`, and then the file holds what it held before; this object is of no use
        any more.
        """
        edge = -(-self._committed // PAGE)
        fresh = sorted(number for number in self._pages if number >= edge)
        changed = sorted((number for number in self._pages if number < edge), reverse=True)
        try:
            if self._size > self._committed:
                # A full disk must be found out before anything is promised.
                _reserve(self._descriptor, self._committed, self._size)
            self._write_all(fresh)
            if fresh or self._size > self._committed:
                os.fsync(self._descriptor)
            self._note(changed)
        except OSError:
            self._forget()
            os.ftruncate(self._descriptor, self._committed)
            raise
        # What goes wrong from here on is left to whoever opens the file next: the journal stays.
        with locked(self._journal, fcntl.LOCK_EX):
            self._write_all(changed)
            os.fsync(self._descriptor)
            self._forget()
        self._committed = self._size
        self._pages.clear()

    def close(self) -> None:
        """Drop what was not committed, and the journal unless there is something in it."""
        os.close(self._descriptor)
        if self._journal is not None:
            if os.fstat(self._journal).st_size == 0:
                self._journal_path.unlink(missing_ok=True)
            os.close(self._journal)

    def _read(self, number: int) -> bytearray:
        data = os.pread(self._descriptor, PAGE, number * PAGE)
        return bytearray(data.ljust(PAGE, b"\0"))

    def _write_all(self, numbers: list[int]) -> None:
        """Write pages in this order; those that follow one another on disk go in one call."""
        for run in _neighbours(numbers):
            data = b"".join(self._pages[number] for number in run)
            write_at(self._descriptor, data[: self._size - run[0] * PAGE], run[0] * PAGE)

    def _note(self, changed: list[int]) -> None:
        """Write the journal, and that to the disk."""
        if self._journal is None:
            return
        parts = [HEAD.pack(MAGIC, self._size, len(changed))]
        for number in changed:
            parts.append(ENTRY.pack(number, *checks_of(self._read(number))))
            parts.append(bytes(self._pages[number]))
        record = b"".join(parts)
        write_at(self._journal, record + CHECK.pack(zlib.crc32(record)), 0)
        os.fsync(self._journal)

    def _forget(self) -> None:
        if self._journal is not None:
            os.ftruncate(self._journal, 0)


def checks_of(page: bytes | bytearray) -> list[int]:
    """The CRC-32 of each sector of a page: what a disk writes whole or not at all."""
    return [zlib.crc32(page[at : at + _SECTOR]) for at in range(0, PAGE, _SECTOR)]


@contextmanager
def locked(descriptor: int | None, kind: int) -> Iterator[None]:
    """Hold a lock on a file for the block: `LOCK_SH` or `LOCK_EX`."""
    if descriptor is None:
        yield
        return
    fcntl.flock(descriptor, kind)
    try:
        yield
    finally:
        fcntl.flock(descriptor, fcntl.LOCK_UN)


def _neighbours(numbers: list[int]) -> Iterator[range]:
    """The runs of consecutive numbers in an ascending or descending list, in its order."""
    start = 0
    for end in range(1, len(numbers) + 1):
        if end == len(numbers) or abs(numbers[end] - numbers[end - 1]) != 1:
            low, high = sorted((numbers[start], numbers[end - 1]))
            yield range(low, high + 1)
            start = end


def _spans(start: int, length: int) -> Iterator[tuple[int, slice, slice]]:
    """The pages of a range of bytes: number, slice of the page, slice of the range."""
    done = 0
    while done < length:
        number, inner = divmod(start + done, PAGE)
        part = min(PAGE - inner, length - done)
        yield number, slice(inner, inner + part), slice(done, done + part)
        done += part


def write_at(descriptor: int, data: bytes | bytearray, offset: int) -> None:
    """Write all of the data there."""
    rest = memoryview(data)
    while rest:
        written = os.pwrite(descriptor, rest, offset)
        rest, offset = rest[written:], offset + written


def _reserve(descriptor: int, start: int, end: int) -> None:
    """Make the file longer, and the disk keep room for it where the system can be asked to."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, start, end - start)
    else:
        os.ftruncate(descriptor, end)
