"""The index finds nearly all, follows the store, and survives what befalls its file."""

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cnnkit.errors import UsageError
from cnnkit.search import ann, index_file
from cnnkit.search.ann import AnnIndex
from cnnkit.search.candidates import Found
from cnnkit.search.exact import nearest
from cnnkit.search.vectors import Matrix
from tests.conftest import ROOT
from tests.search.oracle import clustered, cut

pytest.importorskip("usearch.index", reason="usearch is not installed: pip install 'cnnkit[ann]'")
FEATURES = 32
VECTORS = clustered(3000, FEATURES, 30)
IDS = np.random.default_rng(3).permutation(10**6)[:3000].astype(np.uint64) + np.uint64(1 << 62)


def opened(path: Path, some: Any = slice(None), **changes: Any) -> AnnIndex:
    given = {"identity": "store", "metric": "l2", "vectors": VECTORS[some], "ids": IDS[some]}
    given |= changes
    matrix = cut(given.pop("vectors"), 100, 700)
    return AnnIndex.open(path, features=FEATURES, matrix=matrix, threads=2, **given)


def recall(index: AnnIndex, queries: Any, true: list[Found]) -> float:
    found = index.search(queries, len(true[0].rows))
    return float(
        np.mean([np.isin(t.rows, f.rows).mean() for t, f in zip(true, found, strict=True)])
    )


@pytest.fixture
def builds(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many rows were added, each time that some were."""
    counts: list[int] = []
    add = ann._Keeper._add

    def noted(self: Any, index: Any, ids: Any, rows: Any, matrix: Any) -> None:
        counts.append(len(rows))
        add(self, index, ids, rows, matrix)

    monkeypatch.setattr(ann._Keeper, "_add", noted)
    return counts


@pytest.mark.parametrize("metric", ["l2", "cosine"])
@pytest.mark.parametrize("features", [32, 256])
def test_nearly_all_neighbours_are_found(metric: Any, features: int, tmp_path: Path) -> None:
    vectors = clustered(5000, features, 50)
    queries = clustered(100, features, 50, seed=4) * np.float32(0.5) + vectors[:100]
    ids = np.arange(5000, dtype=np.uint64)
    matrix = Matrix.of(vectors)
    index = AnnIndex.open(tmp_path / "i", "s", features, metric, ids, matrix, threads=2)
    true = list(nearest(matrix, queries, metric=metric, count=10))
    assert recall(index, queries, true) >= 0.97
    for found, best in zip(index.search(queries, 10), true, strict=True):
        common = np.isin(found.rows, best.rows)
        assert set(found.values[common]) <= set(best.values)  # to the last bit


def test_the_file_is_used_again(tmp_path: Path, builds: list[int]) -> None:
    path = tmp_path / "folder" / "index"
    first = list(opened(path).search(VECTORS[:20], 5))
    before = path.stat()
    again = list(opened(path).search(VECTORS[:20], 5))
    assert builds == [3000] and path.stat() == before
    for one, two in zip(first, again, strict=True):
        assert one.rows.tolist() == two.rows.tolist()
    assert os.listdir(path.parent) == ["index"]


def test_rows_come_and_go_without_building_anew(tmp_path: Path, builds: list[int]) -> None:
    opened(tmp_path / "i", slice(0, 2500))
    some = np.random.default_rng(0).permutation(3000)[:2400]
    index = opened(tmp_path / "i", some)
    assert builds == [2500, int((some >= 2500).sum())]
    queries = VECTORS[::50]
    true = list(nearest(Matrix.of(VECTORS[some]), queries, metric="l2", count=10))
    assert recall(index, queries, true) >= 0.97
    assert recall(opened(tmp_path / "i", some), queries, true) >= 0.97
    assert len(builds) == 2


def test_most_rows_are_gone(tmp_path: Path, builds: list[int]) -> None:
    opened(tmp_path / "i")
    index = opened(tmp_path / "i", slice(0, 40))
    assert builds == [3000, 40]
    (found,) = index.search(VECTORS[:1], 100)
    assert len(found.rows) == 40
    (none,) = opened(tmp_path / "i", slice(0, 0)).search(VECTORS[:1], 3)
    assert len(none.rows) == 0


@pytest.mark.parametrize("change", [{"identity": "other"}, {"metric": "cosine"}])
def test_an_index_of_something_else_is_built_anew(
    change: Any, tmp_path: Path, builds: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    opened(tmp_path / "i")
    with caplog.at_level(logging.INFO):
        opened(tmp_path / "i", **change)
    assert builds == [3000, 3000] and "of something else" in caplog.text


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda b: b"",
    "short": lambda b: b[: len(b) // 2],
    "without its end": lambda b: b[:-1],
    "foreign": lambda b: b"SQLite format 3\0" * 1000,
    "graph": lambda b: b[:250_000] + bytes([b[250_000] ^ 255]) + b[250_001:],
    "head": lambda b: b"\xff" * 8 + b[8:],
    "keys": lambda b: b.replace(b'{"identity"', b'\0"identity"'),
    "said": lambda b: b[:-30] + b"\xff" * 30,
    "longer": lambda b: b + b"more",
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_built_anew(
    damage: str, tmp_path: Path, builds: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "i"
    opened(path)
    path.write_bytes(DAMAGES[damage](path.read_bytes()))
    (found,) = opened(path).search(VECTORS[:1], 3)
    assert builds == [3000, 3000] and found.rows[0] == 0
    assert "is built anew" in caplog.text
    opened(path)
    assert len(builds) == 2


def test_a_file_that_the_library_refuses(tmp_path: Path, builds: list[int]) -> None:
    contents = index_file.Contents("store", FEATURES, "l2")

    def save(name: str) -> None:
        Path(name).write_bytes(bytes(64))

    index_file.write(tmp_path / "i", save, contents, IDS)
    (found,) = opened(tmp_path / "i").search(VECTORS[:1], 3)
    assert builds == [3000] and found.rows[0] == 0


def test_killed_while_it_writes(tmp_path: Path, builds: list[int]) -> None:
    path = tmp_path / "i"
    opened(path, slice(0, 2000))
    whole = path.read_bytes()
    script = (
        "import os, signal, sys; from pathlib import Path\n"
        "from cnnkit.search import index_file\n"
        "from tests.search.test_ann import opened\n"
        f"index_file.{{}} = lambda *_: os.kill(os.getpid(), {signal.SIGKILL.value})\n"
        "opened(Path(sys.argv[1]))\n"
    )
    for dies_in in ("_append_end", "_sync"):
        done = subprocess.run(
            [sys.executable, "-c", script.format(dies_in), str(path)], cwd=ROOT, check=False
        )
        assert done.returncode == -signal.SIGKILL
        assert (path.read_bytes() == whole) == (dies_in == "_append_end")
        (found,) = opened(path, slice(0, 2000)).search(VECTORS[:1], 3)
        assert found.rows[0] == 0
        whole = path.read_bytes()
    assert builds == [2000, 0]
    (part,) = tmp_path.glob(".i.*.part")
    os.utime(part, (time.time() - 10**6,) * 2)
    opened(path)
    assert os.listdir(tmp_path) == ["i"]


def test_it_serves_where_it_cannot_be_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_bytes(b"")
    (found,) = opened(tmp_path / "file" / "index").search(VECTORS[:1], 3)
    assert found.rows[0] == 0 and "could not be kept" in caplog.text


@pytest.mark.parametrize("asked", [1, 7])
def test_thresholds_and_rows_to_leave_out(asked: int, tmp_path: Path) -> None:
    index = opened(tmp_path / "i")
    for threshold in (1e-6, 4.0, 5.0):
        left: list[int | None] = [*range(asked - 1), None]
        true = nearest(Matrix.of(VECTORS), VECTORS[:asked], metric="l2", count=None,
                       threshold=threshold, leave_out=left)  # fmt: skip
        found = index.search(VECTORS[:asked], None, threshold, left)
        for one, two, row in zip(found, true, left, strict=True):
            assert len(one.rows) >= 0.97 * len(two.rows) and row not in one.rows
            assert (one.values <= threshold).all() and (np.diff(one.values) >= 0).all()
    (few,) = index.search(VECTORS[:1], 10_000)
    assert 0.97 * 3000 <= len(few.rows) <= 3000
    (none,) = index.search(VECTORS[:1], 0)
    assert len(none.rows) == 0


def test_rows_and_queries_that_are_no_vectors(tmp_path: Path) -> None:
    vectors = VECTORS.copy()
    vectors[::3] = np.nan
    for _ in range(2):
        index = opened(tmp_path / "i", vectors=vectors)
        queries = np.stack([vectors[1], np.full(FEATURES, np.nan, np.float32)])
        found, none = index.search(queries, 20)
        assert found.rows[0] == 1 and (found.rows % 3 != 0).all() and len(found.rows) == 20
        assert len(none.rows) == 0


def test_building_tells_how_it_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ann, "_ADDED", FEATURES * 1000)
    told: list[tuple[int, int]] = []
    opened(tmp_path / "i", progress=lambda done, of: told.append((done, of)))
    assert told == [(1000, 3000), (2000, 3000), (3000, 3000)]


def test_ids_that_do_not_fit(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="3000 rows"):
        opened(tmp_path / "i", ids=IDS[1:])


def test_without_the_package_it_says_what_to_type(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "usearch.index", None)
    with pytest.raises(UsageError, match=r"pip install 'cnnkit\[ann\]'"):
        opened(tmp_path / "i")
