"""One store or several as one matrix that is searched."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations

from cnnkit.errors import InputError, UsageError
from cnnkit.outputs.store.reading import Reader
from cnnkit.outputs.store.upkeep import refuse_other_stamp
from cnnkit.records import Stamp
from cnnkit.search.vectors import Block, Floats, Matrix

Stores = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a row of the matrix lies: its store, its row there, its path if it has one."""

    reader: Reader
    row: int
    path: str | None


class Collection:
    """The vectors of stores that were made alike, the rows of one after those of the other."""

    def __init__(self, stores: Stores) -> None:
        """Open them.

        Raises `InputError` where one cannot be read, `UsageError` where they cannot be compared.
        """
        several = (stores,) if isinstance(stores, str | os.PathLike) else stores
        self.readers = [Reader(path) for path in several]
        if not self.readers:
            raise UsageError("Expected a store. Received: none.")
        for one, other in combinations(self.readers, 2):
            _refuse_unlike(one, other)
        self._firsts = [0]
        for reader in self.readers:
            self._firsts.append(self._firsts[-1] + reader.rows)
        self.matrix = Matrix(
            [
                Block(start + first, vectors)
                for start, reader in zip(self._firsts, self.readers, strict=False)
                for first, vectors in reader.blocks
                if len(vectors)
            ],
            _norms(self.readers),
            features=self.readers[0].features,
        )

    @property
    def stamp(self) -> Stamp | None:
        """How the vectors were made; None where that is not known."""
        return next((reader.stamp for reader in self.readers if reader.stamp), None)

    @property
    def several(self) -> bool:
        """Whether it takes a store's name to say where a row lies."""
        return len(self.readers) > 1

    @property
    def has_paths(self) -> bool:
        """Whether rows can be named by paths."""
        return any(reader.has_paths for reader in self.readers)

    def find(self, path: str) -> int | None:
        """The row of the matrix that is of this path; None for none.

        A stored path in another spelling (relative to the folder one works in, say) leads to its
        row only unless there is another picture under the name that was given.
        """
        return self._found(path, lambda reader, row: _spelled(path, reader.path_of(row)))

    def find_picture(self, path: str) -> int | None:
        """As `find`, but None too where the picture has changed since its vector was made."""
        return self._found(path, lambda reader, row: False)

    def _found(self, path: str, trusted: Callable[[Reader, int], bool]) -> int | None:
        """The row of a path in the first store where the path is trusted, or the file is that."""
        if not path:  # no file has this name, and no path leads to it
            return None
        for start, reader in zip(self._firsts, self.readers, strict=False):
            row = reader.find(path)
            if row is not None and (
                trusted(reader, row) or not _leads_elsewhere(path, reader, row)
            ):
                return start + row
        return None

    def place(self, row: int) -> Place:
        """Where a row of the matrix lies."""
        number = next(i for i in reversed(range(len(self.readers))) if self._firsts[i] <= row)
        reader, inner = self.readers[number], row - self._firsts[number]
        return Place(reader, inner, reader.path_of(inner))

    def store_of(self, place: Place) -> str | None:
        """The name of a place's store, where there are several."""
        return str(place.reader.path) if self.several else None

    def row_at(self, row: int, store: str | None) -> int:
        """The row of the matrix for a row of the store of that name; None for the only one."""
        names = [str(reader.path) for reader in self.readers]
        return self._firsts[names.index(store) if store else 0] + row

    def where(self, path: str | None) -> str | None:
        """A picture's path as it can be opened from here, or beside one of the stores."""
        if path is None:
            return None
        beside = (os.path.join(reader.path.parent, path) for reader in self.readers)
        return next((each for each in (path, *beside) if os.path.exists(each)), path)

    def name(self, row: int) -> str | int:
        """The path of a row, or the row itself where there is none."""
        place = self.place(row)
        return place.row if place.path is None else place.path


def _spelled(path: str, stored: str | None) -> bool:
    from cnnkit.tasks.content import plain

    return stored in (path, plain(path))


def _leads_elsewhere(path: str, reader: Reader, row: int) -> bool:
    """Whether there is a file, and not the one whose vector the row holds."""
    from cnnkit.tasks.content import is_another

    if reader.files is None:
        return False
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return False
    return is_another(path, status, reader.files[row])


def _norms(readers: Sequence[Reader]) -> Floats | None:
    if len(readers) == 1 and readers[0].norms is not None:
        return readers[0].norms.copy()
    return None


def _refuse_unlike(one: Reader, other: Reader) -> None:
    if one.path.samefile(other.path):
        raise UsageError(f"{other.path} is named twice.")
    if one.stamp and other.stamp:
        refuse_other_stamp(one.stamp, other.stamp, str(one.path), str(other.path))
    if one.features != other.features:
        raise InputError(
            f"Vectors of {one.features} numbers ({one.path}) cannot be compared with vectors of "
            f"{other.features} ({other.path})."
        )
