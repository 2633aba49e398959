"""What is said of a store itself: what it holds, whether it is whole, what was done to it.

`count` is what the records call `rows` where they leave the program.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from cnnkit.records.record import Cell, Record
from cnnkit.records.store import Stamp


@dataclass(frozen=True, slots=True)
class StoreInfo(Record):
    """One store; `bytes` is its size, `spare` how many of them compacting would give back.

    `stamp` is None, and `spare` too, where cnnkit has not made the vectors.
    """

    path: str
    count: int
    features: int
    dtype: str
    bytes: int
    spare: int | None
    stamp: Stamp | None

    @classmethod
    def columns(cls) -> tuple[str, ...]:
        """The store's own fields, then those of the stamp that are not among them."""
        own = ("path", "rows", "features", "dtype", "bytes", "spare")
        return (*own, *(field.name for field in fields(Stamp) if field.name not in own))

    def to_dict(self) -> dict[str, Any]:
        """`{"path", "rows", "features", "dtype", "bytes", "spare", "stamp": {…} or null}`."""
        return _named(self)

    def cells(self) -> Mapping[str, Cell]:
        """One flat row; without a stamp, the column `model` says so."""
        told = self.to_dict()
        stamp = told.pop("stamp") or {"model": "no stamp"}
        return stamp | told

    def text(self) -> tuple[str, ...]:
        """Sizes in megabytes, hashes by their beginnings."""
        cells = dict(self.cells())
        cells["bytes"] = f"{self.bytes / 1e6:.1f} MB"
        cells["spare"] = "" if self.spare is None else f"{self.spare / 1e6:.1f} MB"
        for name in ("weights", "recipe"):
            told = str(cells.get(name) or "")
            cells[name] = told if " " in told else told[:12]
        return tuple(str(cells.get(name, "")) for name in self.columns())


@dataclass(frozen=True, slots=True)
class _Checked(Record):
    """What `verify` tells: rows and the store, in one table."""

    @property
    def listed(self) -> bool:
        """They say what they are."""
        return False

    @classmethod
    def columns(cls) -> tuple[str, ...]:
        """The columns of a table that holds rows and, last of all, the store."""
        return ("row", "path", "status", "reason")


@dataclass(frozen=True, slots=True)
class DamagedRow(_Checked):
    """A row that is not what was stored, and why; `path` is None in a store without paths."""

    row: int
    path: str | None
    reason: str

    def to_dict(self) -> dict[str, Any]:
        """`{"row", "path", "status": "damaged", "reason"}`."""
        return {"row": self.row, "path": self.path, "status": "damaged", "reason": self.reason}

    def text(self) -> tuple[str, ...]:
        """The path, the row, and the reason."""
        return (self.path or "", f"row {self.row}", f"damaged: {self.reason}")


@dataclass(frozen=True, slots=True)
class StoreState(_Checked):
    """Whether a store is whole: how many rows it has, and how many of them are damaged.

    Both are None where it cannot even be opened; `note` says why, or what could not be checked.
    """

    store: str
    count: int | None
    damaged: int | None
    state: Literal["whole", "damaged"]
    note: str = ""

    def to_dict(self) -> dict[str, Any]:
        """`{"store", "rows", "damaged", "state", "note"}`."""
        return _named(self)

    def cells(self) -> Mapping[str, Cell]:
        """The store in the place of a path, its state as the status, the numbers as the reason."""
        return {"path": self.store, "status": self.state, "reason": self._in_words()}

    def text(self) -> tuple[str, ...]:
        """The store, its state, and the numbers."""
        return (self.store, self.state, self._in_words())

    def _in_words(self) -> str:
        numbers = "" if self.count is None else f"{self.damaged} of {self.count} rows damaged"
        return "; ".join(filter(None, (numbers, self.note)))


@dataclass(frozen=True, slots=True)
class _Done(Record):
    """What was done, told in a line of its own."""

    @property
    def listed(self) -> bool:
        """Numbers stand with what they count."""
        return False


@dataclass(frozen=True, slots=True)
class Compacted(_Done):
    """A store that was made anew, with its size in bytes before and after."""

    path: str
    count: int
    before: int
    after: int

    @classmethod
    def columns(cls) -> tuple[str, ...]:
        """The names of the flat row's cells."""
        return ("path", "rows", "before", "after")

    def to_dict(self) -> dict[str, Any]:
        """`{"path", "rows", "before", "after"}`."""
        return _named(self)

    def text(self) -> tuple[str, ...]:
        """The store, its rows, and the two sizes."""
        sizes = f"{self.before:,} bytes before, {self.after:,} after"
        return (self.path, f"{self.count} rows", sizes)


@dataclass(frozen=True, slots=True)
class Merged(_Done):
    """A store whose rows went into another: how many are new there, and how many replaced one.

    `kept` are those paths for which the other store's row stayed as it was.
    """

    path: str
    added: int
    replaced: int
    kept: int

    def text(self) -> tuple[str, ...]:
        """The store, and the three numbers."""
        told = (f"{self.added} added", f"{self.replaced} replaced", f"{self.kept} kept")
        return (self.path, *told)


@dataclass(frozen=True, slots=True)
class Removed(_Done):
    """A picture whose row, and not the picture itself, was removed."""

    path: str
    row: int

    @classmethod
    def columns(cls) -> tuple[str, ...]:
        """The names of the flat row's cells; `error` is of what is not stored."""
        return ("path", "status", "row", "error")

    def to_dict(self) -> dict[str, Any]:
        """`{"path", "status": "removed", "row"}`."""
        return {"path": self.path, "status": "removed", "row": self.row}

    def text(self) -> tuple[str, ...]:
        """The path, and where its row was."""
        return (self.path, f"row {self.row}", "removed")


@dataclass(frozen=True, slots=True)
class WrittenFile(_Done):
    """A file that rows were exported to; `bytes` is its size."""

    path: str
    count: int
    bytes: int

    @classmethod
    def columns(cls) -> tuple[str, ...]:
        """The names of the flat row's cells."""
        return ("path", "rows", "bytes")

    def to_dict(self) -> dict[str, Any]:
        """`{"path", "rows", "bytes"}`."""
        return _named(self)

    def text(self) -> tuple[str, ...]:
        """The file, the rows, and the size."""
        return (self.path, f"{self.count} rows", f"{self.bytes:,} bytes")


def _named(record: Record) -> dict[str, Any]:
    """The fields, `count` by the name that it has outside."""
    told = asdict(record)
    return {"rows" if name == "count" else name: value for name, value in told.items()}
