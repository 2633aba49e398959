"""What an HDF5 weight file holds, looked at before any framework opens it."""

import math
from pathlib import Path
from typing import Any

from cnnkit.errors import WeightsError

# Larger than any network of the catalog (ConvNeXt XLarge: 1.4 GB).
_LARGEST = 8 << 30
# So are these: NASNet Large has 1,546 tensors, and Keras nests its groups three deep.
_MOST, _DEEPEST = 100_000, 32


def tensor_shapes(path: Path, most: int = _LARGEST) -> list[tuple[int, ...]]:
    """The shape of every dataset in the file, without reading one.

    Raises `WeightsError` where the file cannot be opened, links to other files, keeps data in
    them, is no tree, or claims more than `most` bytes.
    """
    import h5py

    try:
        with h5py.File(path, "r") as file:
            return _Visit(path, most).shapes(file)
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
        size = f"{path.stat().st_size:,} bytes" if path.exists() else "not there"
        raise WeightsError(
            f"{path} ({size}) cannot be opened as an HDF5 weight file: {error}."
        ) from error


def is_layered(path: Path) -> bool:
    """Whether the file has the layout of Keras's published weights, which its cache holds."""
    import h5py

    with h5py.File(path, "r") as file:
        return "layer_names" in file.attrs


class _Visit:
    """One walk through a file that nobody vouches for."""

    def __init__(self, path: Path, most: int) -> None:
        self._path, self._most = path, most
        self._seen: set[int] = set()
        self._bytes = 0

    def shapes(self, group: Any, depth: int = 0) -> list[tuple[int, ...]]:
        import h5py

        found: list[tuple[int, ...]] = []
        for name in group:
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise self._refusal(name, "links elsewhere. Expected tensors")
            item = group[name]
            self._count(name, item, depth)
            if isinstance(item, h5py.Group):
                found += self.shapes(item, depth + 1)
            else:
                found.append(self._shape(name, item))
        return found

    def _count(self, name: str, item: Any, depth: int) -> None:
        import h5py

        # Linked twice, a group may hold itself, or thirty of them hold 2 to the 30th tensors.
        address = h5py.h5o.get_info(item.id).addr
        if address in self._seen:
            raise self._refusal(name, "is linked twice. Expected a tree of tensors")
        self._seen.add(address)
        if len(self._seen) > _MOST or depth > _DEEPEST:
            raise self._refusal(
                name,
                f"is one too many. Expected {_MOST:,} tensors, {_DEEPEST} groups deep, or less",
            )

    def _shape(self, name: str, item: Any) -> tuple[int, ...]:
        import h5py

        if not isinstance(item, h5py.Dataset) or item.shape is None:
            raise self._refusal(name, "is no tensor")
        if item.external or item.is_virtual:
            raise self._refusal(name, "keeps its data in other files")
        self._bytes += math.prod(item.shape) * item.dtype.itemsize
        if self._bytes > self._most:
            raise WeightsError(
                f"{self._path} claims tensors of {self._bytes:,} bytes and more. "
                f"Expected at most {self._most:,}."
            )
        return tuple(item.shape)

    def _refusal(self, name: str, why: str) -> WeightsError:
        return WeightsError(f"{self._path}: {name!r} {why}.")
