"""What every record that leaves the program can do."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

Cell = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Record:
    """A record that can be printed: by default, its fields as they are."""

    @property
    def failed(self) -> bool:
        """Whether this record stands for an input that could not be answered."""
        return False

    @property
    def first(self) -> bool:
        """Whether it is the first that is said of its input, so that inputs can be counted."""
        return True

    @property
    def selected(self) -> bool:
        """Whether `--print0` prints this record's path: it was answered, and not with nothing."""
        return not self.failed

    def chosen(self) -> Sequence[str]:
        """The paths that `--print0` prints."""
        return (str(self.cells()["path"]),) if self.selected else ()

    @property
    def listed(self) -> bool:
        """Whether a person reads such records as a table with a header."""
        return True

    @classmethod
    def columns(cls) -> tuple[str, ...]:
        """The names of the flat row's cells, in order."""
        return tuple(field.name for field in fields(cls))

    def to_dict(self) -> dict[str, Any]:
        """The record as json holds it."""
        return asdict(self)

    def cells(self) -> Mapping[str, Cell]:
        """The record as one flat row; a cell that is not there is empty."""
        return self.to_dict()

    def text(self) -> tuple[str, ...]:
        """The record as a person reads it: one string per column on the terminal."""
        return tuple("" if cell is None else str(cell) for cell in self.cells().values())

    def rows(self) -> Sequence[Mapping[str, Cell]]:
        """The record as csv and tsv hold it: one flat row, unless it says several things."""
        return (self.cells(),)

    def lines(self) -> Sequence[tuple[str, ...]]:
        """The record as a person reads it: one line, unless it says several things."""
        return (self.text(),)

    def summary(self) -> Sequence[tuple[str, ...]]:
        """What `lines` tell beyond the rows, for whoever is given rows alone."""
        return ()
