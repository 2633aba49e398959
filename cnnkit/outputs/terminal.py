"""Records → aligned columns on a person's terminal."""

from collections.abc import Iterable, Sequence
from itertools import takewhile
from typing import BinaryIO

from cnnkit.outputs.writer import Writer, safe
from cnnkit.records import Record

_WIDEST_COLUMN = 48


class Terminal(Writer):
    """Aligned columns for a person; the columns widen as longer cells come."""

    def __init__(self, stream: BinaryIO, columns: Sequence[str]) -> None:
        """Start with columns of no width."""
        super().__init__(stream, columns)
        self._widths: list[int] = []

    def fit(self, records: Iterable[Record]) -> None:
        """Make the columns wide enough for all of these."""
        for record in records:
            self._fit(record.lines())

    def _fit(self, lines: Sequence[tuple[str, ...]]) -> None:
        """The same for lines, up to an empty one: what follows that is another table."""
        for line in takewhile(any, lines):
            self._widen(safe(line))

    def write(self, record: Record) -> None:
        """Write its lines, and before the first one of a listing its header."""
        if record.listed and self.columns:
            header = [column.upper() for column in self.columns]
            self._widen(header)
            self._row(header)
            self.columns = ()
        lines = record.lines()
        for place, line in enumerate(lines):
            if not any(line):
                self._widths = []
                self._fit(lines[place + 1 :])
            cells = safe(line)
            # A long reason why not must not push the answers of the others apart.
            self._widen(cells[:1] if record.failed else cells)
            self._row(cells)

    def _row(self, cells: Sequence[str]) -> None:
        widths = self._widths + [0] * (len(cells) - len(self._widths))
        padded = [cell.ljust(width) for cell, width in zip(cells, widths, strict=False)]
        self.put("  ".join(padded).rstrip() + "\n")

    def _widen(self, cells: Sequence[str]) -> None:
        self._widths += [0] * (len(cells) - len(self._widths))
        for i, cell in enumerate(cells):
            self._widths[i] = max(self._widths[i], min(len(cell), _WIDEST_COLUMN))
