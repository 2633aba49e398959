"""A store's rows in NumPy's own files and in Parquet, read back by those who own the formats."""

import json
import logging
import os
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from pyarrow import parquet

import cnnkit
from cnnkit.errors import InputError, OutputError, UsageError
from cnnkit.tasks import store_export
from tests.outputs.store.rows import plain
from tests.stores import names, vectors, write_plain, write_store

ODD = os.fsdecode(b"caf\xe9/\xf0\x9f\x98\x80\n.jpg")


@pytest.fixture(params=["float32", "float16"])
def store(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    paths = [*names(49), ODD]
    return write_store(tmp_path / "s.h5", vectors(50).astype(request.param), paths)


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_export, "_BLOCK_BYTES", 7 * 64)


def matrix(store: Path) -> Any:
    with h5py.File(store) as file:
        return file["img_emb"][:]


def test_numpy_reads_the_matrix_and_json_the_paths(store: Path, tmp_path: Path) -> None:
    out = tmp_path / "v.npy"
    told = cnnkit.export_store(out, store=store)
    assert [(each.path, each.count, each.bytes) for each in told] == [
        (str(path), 50, path.stat().st_size) for path in (out, tmp_path / "v.paths.jsonl")
    ]
    found = np.load(out)
    assert found.dtype == matrix(store).dtype
    np.testing.assert_array_equal(found, matrix(store))
    lines = (tmp_path / "v.paths.jsonl").read_text().splitlines()
    files = plain(store)["files"]
    assert [json.loads(line) for line in lines] == [
        {"row": row, "path": path, "sha256": files[row]["sha256"].decode()}
        for row, path in enumerate([*names(49), ODD])
    ]


def test_parquet_holds_everything(store: Path, tmp_path: Path) -> None:
    out = tmp_path / "v.parquet"
    cnnkit.export_store(out, store=store)
    table, files = parquet.read_table(out), plain(store)["files"]
    assert table.column_names == ["path", "sha256", "size", "mtime", "embedding"]
    found = np.stack(table["embedding"].to_numpy())
    np.testing.assert_array_equal(found, matrix(store).astype(np.float32))
    assert table["path"].to_pylist() == [*names(49), "caf\\xe9/😀\n.jpg"]
    assert table["sha256"].to_pylist() == [each.decode() for each in files["sha256"]]
    assert table["size"].to_pylist() == files["size"].tolist()
    assert table["mtime"].cast("int64").to_pylist() == files["mtime_ns"].tolist()
    assert str(table.schema.field("embedding").type).endswith("float>[16]") or (
        table.schema.field("embedding").type.list_size == 16
    )
    assert parquet.ParquetFile(out).num_row_groups > 3


@pytest.mark.parametrize("out", ["v.npy", "v.parquet"])
@pytest.mark.parametrize("rows", [0, 6])
def test_vectors_of_others_and_empty_stores(tmp_path: Path, rows: int, out: str) -> None:
    bare = write_plain(tmp_path / "bare.h5", vectors(rows or 1)[:rows])
    empty = write_store(tmp_path / "s.h5", vectors(1)[:0], features=16)
    for store in (bare, empty):
        cnnkit.export_store(tmp_path / out, store=store, force=True)
        if out == "v.npy":
            np.testing.assert_array_equal(np.load(tmp_path / out), matrix(store))
        else:
            assert parquet.read_table(tmp_path / out).num_rows == len(matrix(store))


@pytest.mark.parametrize("out", ["v.npy", "v.parquet"])
def test_what_is_there_is_replaced_only_by_force(store: Path, tmp_path: Path, out: str) -> None:
    target = tmp_path / out
    target.write_bytes(b"precious")
    with pytest.raises(OutputError, match="--force"):
        cnnkit.export_store(target, store=store)
    assert target.read_bytes() == b"precious"
    cnnkit.export_store(target, store=store, force=True)
    assert target.read_bytes() != b"precious"


def test_the_paths_beside_it_are_not_overwritten_either(store: Path, tmp_path: Path) -> None:
    (tmp_path / "v.paths.jsonl").write_text("precious")
    with pytest.raises(OutputError, match=r"v\.paths\.jsonl is there"):
        cnnkit.export_store(tmp_path / "v.npy", store=store)
    assert sorted(each.name for each in tmp_path.glob("v*")) == ["v.paths.jsonl"]


@pytest.mark.parametrize("out", ["v.npy", "v.parquet"])
@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(28, "No space left on device")])
def test_an_export_that_is_cut_off_leaves_nothing(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, out: str, error: BaseException
) -> None:
    (tmp_path / out).write_bytes(b"an earlier one")
    before, blocks = sorted(tmp_path.iterdir()), store_export._blocks

    def cut_off(reader: Any) -> Any:
        yield from list(blocks(reader))[:3]
        raise error

    monkeypatch.setattr(store_export, "_blocks", cut_off)
    expected = KeyboardInterrupt if isinstance(error, KeyboardInterrupt) else OutputError
    with pytest.raises(expected):
        cnnkit.export_store(tmp_path / out, store=store, force=True)
    assert sorted(tmp_path.iterdir()) == before
    assert (tmp_path / out).read_bytes() == b"an earlier one"


def test_what_makes_no_sense_is_said(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match=r"FILE\.npy or FILE\.parquet"):
        cnnkit.export_store(tmp_path / "v.csv", store=store)
    with pytest.raises(InputError, match="There is no store"):
        cnnkit.export_store(tmp_path / "v.npy", store=tmp_path / "absent.h5")
    for nowhere in ("s.h5/v.npy", f"{'x' * 300}.npy"):
        with pytest.raises(OutputError, match="cannot be written: "):
            cnnkit.export_store(tmp_path / nowhere, store=store)
    with pytest.raises(OutputError, match="No such file"):
        cnnkit.export_store(tmp_path / "absent" / "v.npy", store=store)
    (tmp_path / "folder.npy").mkdir()
    with pytest.raises(OutputError, match="is a folder"):
        cnnkit.export_store(tmp_path / "folder.npy", store=store, force=True)
    own = store.rename(tmp_path / "own.npy")
    with pytest.raises(UsageError, match="the store itself"):
        cnnkit.export_store(own, store=own, force=True)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(UsageError, match=r"pip install 'cnnkit\[parquet\]'"):
        cnnkit.export_store(tmp_path / "v.parquet", store=own)


def test_damaged_vectors_are_told(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(logging.getLogger("cnnkit"), "propagate", True)
    with h5py.File(store, "r+") as file:
        file["img_emb"][20:22] += 1
    cnnkit.export_store(tmp_path / "v.npy", store=store)
    assert "2 of the vectors are not those that were stored" in caplog.text
