"""A folder of copies: what each of them is, and that none is there by halves.

`manifest.jsonl` has a line for every file, and is whole or not there. While a run is under way,
each line goes into a hidden journal before its file gets its name. So whatever ends a run, all
that lies in the folder under a final name is whole, and known to the next run as ours; a file
that is not known is somebody's, and never overwritten.
"""

import errno
import fcntl
import logging
import os
import threading
from collections.abc import Iterable, Mapping
from contextlib import suppress
from hashlib import file_digest, sha256
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from cnnkit.errors import InputError, OutputError
from cnnkit.outputs.interrupts import undisturbed
from cnnkit.outputs.manifest import (
    JOURNAL,
    MANIFEST,
    Line,
    as_bytes,
    files_of,
    foreign,
    names,
    parsed,
    refuse_if_foreign,
    refused,
)

_PART = ".augment-manifest.part"

log = logging.getLogger(__name__)
# Where a line is: in which open file, from where on, how many bytes.
_Place = tuple[int, int, int]


class Copies:
    """The folder, for as long as one run writes to it; nobody else does meanwhile.

    Left without an error, the manifest tells of this run's copies in the order in which they were
    kept, and then of earlier ones that are there still. Threads may share it, but for `keep`.

    Raises `OutputError` where the folder cannot be written to, or where another process does so,
    `InputError` where its manifest is none of ours.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        self._known: dict[str, list[_Place]] = {}
        self._kept: set[str] = set()
        self._before: frozenset[str] | None = None
        self._noting = threading.Lock()
        # Threads that make files in one folder at a time spin in the kernel, and are no faster.
        self._placing = threading.Lock()
        self._made: list[Path] = []
        self._folders: set[Path] = set()
        self._journal = -1
        self._manifest: BinaryIO | None = None
        self._part: BinaryIO | None = None

    def __enter__(self) -> "Copies":
        """Make the folder, and read what is known of it."""
        refuse_if_foreign(self.folder)
        try:
            self._open()
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Write the manifest, if all went well; otherwise the journal tells the next run."""
        try:
            if kind is None:
                with undisturbed():
                    self._finish()
        except OSError as refusal:
            raise refused(self.folder / MANIFEST, refusal) from refusal
        finally:
            self._close()

    def _open(self) -> None:
        try:
            self._made = [each for each in (self.folder, *self.folder.parents) if not each.exists()]
            self.folder.mkdir(parents=True, exist_ok=True)
            self._journal = _locked(self.folder / JOURNAL)
            self._part = os.fdopen(_new(self.folder / _PART), "wb")
        except OSError as error:
            raise refused(self.folder, error) from error
        with suppress(FileNotFoundError):
            self._manifest = (self.folder / MANIFEST).open("rb")
            self._learn(self._manifest, of_journal=False)
        with open(os.dup(self._journal), "rb") as journal:  # noqa: PTH123
            journal.seek(0)
            self._learn(journal, of_journal=True)

    def _close(self) -> None:
        with suppress(OSError):  # what it holds goes nowhere
            if self._part:
                self._part.close()
        with suppress(OSError):
            if self._part:
                (self.folder / _PART).unlink(missing_ok=True)
        if self._journal >= 0:
            if os.fstat(self._journal).st_size == 0:
                self._leave_no_trace()
            os.close(self._journal)
            self._journal = -1  # its number may soon be another file's
        if self._manifest:
            self._manifest.close()

    def line_of(self, output: str) -> dict[str, Any] | None:
        """What is known of the file at this place below the folder, last; None for nothing."""
        places = self._known.get(output)
        return self._read(places[-1]) if places else None

    def holds(self, line: Line) -> bool:
        """Whether the files that a line tells of are there, byte by byte."""
        return all(
            _is_file(self.folder / output, size, digest) for output, size, digest in files_of(line)
        )

    def knows(self, output: str) -> bool:
        """Whether a run of ours, this one too, has put something at this place below the folder."""
        if self._journal >= 0:
            return output in self._known
        if self._before is None:
            self._before = frozenset(names(self.folder))
        return output in self._before

    def stranger(self, outputs: Iterable[str]) -> Path | None:
        """The first of these places where something lies that no run of ours has put there."""
        for output in outputs:
            if output in self._known or not os.path.lexists(self.folder / output):
                continue
            if output not in self._known:  # or another thread has just put it there
                return self.folder / output
        return None

    def write(self, line: Line, files: Mapping[str, bytes]) -> None:
        """Put files in their places, each whole or not at all; the line that tells of them first.

        The last of them is the picture: where it is, the others are. Label files of ours that were
        beside the picture before, and would no longer fit it, are taken away. Raises `OutputError`.
        """
        earlier = [self._read(place) for place in self._known.get(line["output"], ())]
        self._note(line)
        for output, size, digest in chain.from_iterable(map(files_of, earlier)):
            path = self.folder / output
            if output not in files and _is_file(path, size, digest):
                with suppress(OSError):
                    path.unlink()
        for output, data in files.items():
            path = self.folder / output
            part = _part_of(path)
            try:
                if path.parent not in self._folders:
                    path.parent.mkdir(parents=True, exist_ok=True)
                    self._folders.add(path.parent)
                with self._placing:
                    put(part, data)
                    os.replace(part, path)
            except OSError as error:
                with suppress(OSError):
                    part.unlink()
                raise refused(path, error) from error

    def keep(self, line: Line) -> None:
        """Have the manifest tell of these files, after those that were kept before."""
        self._kept.update(output for output, _, _ in files_of(line))
        try:
            self._tell(line)
        except OSError as error:
            raise refused(self.folder / MANIFEST, error) from error

    def _tell(self, line: Line) -> None:
        if self._part:
            self._part.write(as_bytes(line))

    def _note(self, line: Line) -> None:
        data = as_bytes(line)
        with self._noting:
            offset = os.fstat(self._journal).st_size
            try:
                if os.write(self._journal, data) < len(data):
                    os.ftruncate(self._journal, offset)
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            except OSError as error:
                raise refused(self.folder / JOURNAL, error) from error
        for output, _, _ in files_of(line):
            self._known.setdefault(output, []).append((self._journal, offset, len(data)))

    def _learn(self, file: BinaryIO, *, of_journal: bool) -> None:
        descriptor = self._journal if of_journal else file.fileno()
        offset = 0
        for raw in file:
            line = parsed(raw)
            if line is None and not of_journal:
                raise foreign(self.folder)
            for output, _, _ in files_of(line) if line else ():
                self._known.setdefault(output, []).append((descriptor, offset, len(raw)))
                if of_journal:  # of a run that was killed
                    with suppress(OSError):
                        _part_of(self.folder / output).unlink()
            offset += len(raw)

    def _read(self, place: _Place) -> dict[str, Any]:
        descriptor, offset, length = place
        line = parsed(os.pread(descriptor, length, offset))
        if line is None:
            raise InputError(f"{self.folder / MANIFEST} was changed while it was read.")
        return line

    def _finish(self) -> None:
        earlier = 0
        for output, places in self._known.items():
            line = None if output in self._kept else self._true(places)
            if line and line["output"] == output:  # and not a label file's name
                self._tell(line)
                earlier += 1
        if self._part:
            self._part.flush()
            os.fsync(self._part.fileno())
        os.replace(self.folder / _PART, self.folder / MANIFEST)
        os.unlink(self.folder / JOURNAL)
        if earlier:
            log.warning(
                "%s also holds %d copies of earlier runs; the manifest tells of them at its end.",
                self.folder,
                earlier,
            )

    def _true(self, places: list[_Place]) -> Line | None:
        """The last of the lines for a file that tells the truth; None where it is gone."""
        for place in reversed(places):
            line = self._read(place)
            # What was under way when a run ended may not have come to its end.
            unsure = place[0] == self._journal
            if self.holds(line) if unsure else os.path.isfile(self.folder / line["output"]):
                return line
        return None

    def _leave_no_trace(self) -> None:
        """Nothing was written: take away what was made for it."""
        with suppress(OSError):
            (self.folder / JOURNAL).unlink(missing_ok=True)
            for folder in self._made:
                folder.rmdir()


def put(path: Path, data: bytes) -> None:
    """Write a file in one go: half of the time that it takes by Python's own files."""
    descriptor = _new(path)
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
    finally:
        os.close(descriptor)


def _new(path: Path) -> int:
    """An empty file of that name, and of no other: where it is a link, nobody follows it."""
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o666)


def _is_file(path: Path, size: int, digest: str) -> bool:
    try:
        with path.open("rb") as file:
            return os.fstat(file.fileno()).st_size == size and digest == (
                file_digest(file, "sha256").hexdigest()
            )
    except (OSError, ValueError):
        return False


def _part_of(path: Path) -> Path:
    """What a file is called before it is whole: the next run writes over what a killed one left."""
    return path.with_name(f".{sha256(os.fsencode(path.name)).hexdigest()[:16]}.part")


def _locked(path: Path) -> int:
    """The journal, opened to be read and continued, and locked; a line cut off is cut away."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(descriptor)
            raise OutputError(
                f"Another process writes copies to {str(path.parent)!r}. Expected it to end first, "
                "or another --out."
            ) from error
        except OSError:  # a disk that knows no locks
            log.info("%s lies where files cannot be locked.", path.parent)
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), os.stat(path)):
                break
        os.close(descriptor)  # whoever had it was just done with it
    data = os.pread(descriptor, os.fstat(descriptor).st_size, 0)
    os.ftruncate(descriptor, data.rfind(b"\n") + 1)
    return descriptor
