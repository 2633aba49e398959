"""What an HDF5 weight file holds, looked at before any framework opens it."""

from pathlib import Path
from typing import Any

from cnnkit.errors import WeightsError

# Larger than any network of the catalog (ConvNeXt XLarge: 1.4 GB).
_LARGEST = 8 << 30


def refuse_unsafe(path: Path) -> None:
    """Raise `WeightsError` for a file that is no HDF5, reaches into other files, or is a bomb."""
    tensor_shapes(path)


def tensor_shapes(path: Path) -> list[tuple[int, ...]]:
    """The shape of every dataset in the file, without reading one.

    Raises `WeightsError` where the file cannot be opened, links to other files, keeps data in
    them, or claims more than 8 GiB.
    """
    import h5py

    shapes: list[tuple[int, ...]] = []
    try:
        with h5py.File(path, "r") as file:
            total = _visit(file, shapes)
    except (OSError, RuntimeError, KeyError) as error:
        raise WeightsError(
            f"{path} ({path.stat().st_size:,} bytes) cannot be opened as an HDF5 weight file: "
            f"{error}. A download may have been cut off: fetch it again with "
            "`cnnkit weights pull --force MODEL`."
        ) from error
    if total > _LARGEST:
        raise WeightsError(
            f"{path} claims tensors of {total:,} bytes. Expected at most {_LARGEST:,}."
        )
    return shapes


def _visit(group: Any, shapes: list[tuple[int, ...]]) -> int:
    import h5py

    total = 0
    for name in group:
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise WeightsError(
                f"{group.file.filename}: {name!r} links elsewhere. Expected tensors."
            )
        item = group[name]
        if isinstance(item, h5py.Group):
            total += _visit(item, shapes)
        elif item.external or item.is_virtual:
            raise WeightsError(f"{group.file.filename}: {name!r} keeps its data in other files.")
        else:
            shapes.append(tuple(item.shape))
            total += item.nbytes
    return total
