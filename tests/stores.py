"""Stores made by hand, so that no test waits for a network, and what brute force says of them."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from cnnkit.outputs.store import layout
from cnnkit.outputs.store.making import made_anew
from cnnkit.outputs.store.rows import Facts, described
from cnnkit.records import Neighbours, Stamp, Unanswered
from tests.search.oracle import clustered

STAMP = Stamp("resnet50", "0" * 64, "avg_pool", "none", 1, "", "float32", "float32", 16)


def vectors(rows: int, features: int = 16, seed: int = 0) -> NDArray[np.float32]:
    """Clouds, as pictures of like things lie."""
    return clustered(rows, features, max(1, rows // 8), seed)


def names(rows: int) -> list[str]:
    return [f"photos/{row % 4}/{row}.jpg" for row in range(rows)]


def stamp_for(values: NDArray[Any], **changes: Any) -> Stamp:
    known: dict[str, Any] = {name: getattr(STAMP, name) for name in STAMP.__slots__}
    return Stamp(**known | {"features": values.shape[1], "dtype": str(values.dtype)} | changes)


def write_store(
    path: Path, values: NDArray[Any], paths: Sequence[str] | None = None, **changes: Any
) -> Path:
    """A store of cnnkit's; pictures that are there are stored with what their files are."""
    paths = names(len(values)) if paths is None else paths
    with made_anew(path, stamp_for(values, **changes)) as pour:
        if len(values):
            facts = [_facts(each) for each in paths]
            rows = [described(*each) for each in zip(paths, facts, values, strict=True)]
            pour.add(values, paths, np.array(rows, layout.FILE))
    return path


def _facts(path: str) -> Facts:
    if not Path(path).exists():
        return Facts(hashlib.sha256(path.encode("utf-8", "surrogateescape")).hexdigest(), 1, 1)
    status = Path(path).stat()
    digest = hashlib.sha256(Path(path).read_bytes()).hexdigest()
    return Facts(digest, status.st_size, status.st_mtime_ns)


def write_plain(
    path: Path,
    values: NDArray[Any],
    paths: Sequence[str | bytes] | None = None,
    *,
    fixed: bool = False,
    **options: Any,
) -> Path:
    """A file as scripts write it: `img_emb`, and `paths` if there are any; nothing else."""
    with h5py.File(path, "w") as file:
        file.create_dataset("img_emb", data=values, **options)
        if paths is not None:
            kind = "S64" if fixed else h5py.string_dtype("utf-8")
            encoded = [each.encode() if isinstance(each, str) else each for each in paths]
            file.create_dataset("paths", data=np.array(encoded, object if not fixed else kind),
                                dtype=kind)  # fmt: skip
    return path


def brute_force(
    values: NDArray[Any], query: NDArray[Any], metric: str = "l2", leave_out: int | None = None
) -> list[tuple[int, float]]:
    """Every row and its value, nearest first; ties in the order of the rows."""
    wide, one = values.astype(np.float64), query.astype(np.float64)
    if metric == "l2":
        found = np.linalg.norm(wide - one, axis=1)
    else:
        found = (wide / np.linalg.norm(wide, axis=1, keepdims=True)) @ (one / np.linalg.norm(one))
    order = np.argsort(found if metric == "l2" else -found, kind="stable")
    return [(int(row), float(found[row])) for row in order if row != leave_out]


def told(record: Neighbours | Unanswered) -> list[tuple[int, float]]:
    """The rows and values of an answer."""
    assert isinstance(record, Neighbours), record
    assert [each.rank for each in record.neighbours] == list(range(1, len(record.neighbours) + 1))
    return [(each.row, each.value) for each in record.neighbours]


def agree(found: list[tuple[int, float]], expected: list[tuple[int, float]]) -> None:
    """Assert that both say the same, values to the digits that are told."""
    assert [row for row, _ in found] == [row for row, _ in expected]
    np.testing.assert_allclose(
        [value for _, value in found], [value for _, value in expected], rtol=1e-6, atol=1e-6
    )
