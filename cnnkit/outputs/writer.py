"""What every format writes with: text → bytes, whole, odd bytes of file names as they were."""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import BinaryIO

from cnnkit.errors import OutputError
from cnnkit.outputs.interrupts import undisturbed
from cnnkit.records import Record

# Surrogates that stand for no byte of a name: only a list of JSON records can bring them.
_NO_BYTES = re.compile("[\ud800-\udc7f\udd00-\udfff]")
# C0, DEL and C1 (some terminals obey U+009B as they obey ESC [), and what starts an escape.
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\\]")


class Writer(ABC):
    """Writes records to a binary stream, one at a time."""

    def __init__(self, stream: BinaryIO, columns: Sequence[str]) -> None:
        """`columns` name the flat row's cells, for the formats that are tables."""
        self.stream = stream
        self.columns = columns

    def begin(self) -> None:
        """Write what stands before the first record."""
        return

    @abstractmethod
    def write(self, record: Record) -> None:
        """Write one record."""

    def end(self) -> None:
        """Write what stands after the last record."""
        return

    def put(self, text: str) -> None:
        """Write text as UTF-8; a file name's odd bytes come out as they were."""
        self.put_bytes(_NO_BYTES.sub(json_escaped, text).encode("utf-8", "surrogateescape"))

    def put_bytes(self, data: bytes) -> None:
        """Write bytes, whole even where Ctrl-C comes meanwhile."""
        try:
            with undisturbed():
                rest = memoryview(data)
                while rest:  # a signal may end a write early, with a part of it done
                    rest = rest[self.stream.write(rest) :]
                self.stream.flush()
        except BrokenPipeError:  # the reader has what it wanted
            raise
        except OSError as error:
            raise OutputError(f"Answers cannot be written: {error.strerror}.") from error


def safe(cells: Iterable[str]) -> list[str]:
    """Cells without control characters, which could break the line or command the terminal."""
    return [_CONTROLS.sub(_escaped, cell) for cell in cells]


def json_escaped(match: re.Match[str]) -> str:
    """A character as JSON writes it in ASCII."""
    return f"\\u{ord(match[0]):04x}"


def _escaped(match: re.Match[str]) -> str:
    named = {"\t": "\\t", "\n": "\\n", "\r": "\\r", "\\": "\\\\"}
    return named.get(match[0], f"\\x{ord(match[0]):02x}")
