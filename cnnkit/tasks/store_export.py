"""A store's rows → files that other programs read: NumPy's own, or Parquet."""

import json
import logging
import os
import secrets
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from cnnkit.errors import OutputError, UsageError
from cnnkit.outputs.store.reading import Reader
from cnnkit.outputs.store.rows import sha256_of
from cnnkit.records import STORE, WrittenFile

log = logging.getLogger(__name__)
# How many bytes of vectors are in memory at once; in Parquet, a row group.
_BLOCK_BYTES = 16 << 20
Write = Callable[[Reader, BinaryIO], None]


def export_store(
    out: str | os.PathLike[str], *, store: str | os.PathLike[str] = STORE, force: bool = False
) -> list[WrittenFile]:
    """Write all rows into FILE.npy, with FILE.paths.jsonl beside it, or into FILE.parquet.

    Whole or not at all, and never more than a few rows in memory; a record per file. What is
    damaged is written as it is, with a warning.

    Raises `UsageError` for another suffix or where pyarrow is missing, `InputError` where there is
    no store, `OutputError` where a file is there already, unless `force` replaces it, or cannot be
    written.
    """
    path = Path(out)
    kind = path.suffix.lower()
    if kind not in (".npy", ".parquet"):
        raise UsageError(f"Expected --out FILE.npy or FILE.parquet. Received: {str(path)!r}.")
    if kind == ".parquet":
        _refuse_without_pyarrow()
    reader = Reader(store)
    files: Mapping[Path, Write] = {path: _write_parquet}
    if kind == ".npy":
        files = {path: _write_npy, path.with_suffix(".paths.jsonl"): _write_paths}
    with _in_place(files, reader.path, force=force) as parts:
        for target, write in files.items():
            write(reader, parts[target])
    return [WrittenFile(str(each), reader.rows, each.stat().st_size) for each in files]


@contextmanager
def _in_place(
    files: Iterable[Path], store: Path, *, force: bool
) -> Iterator[Mapping[Path, BinaryIO]]:
    """Open files that get their names at the end, whole and all of them, or are gone."""
    token = secrets.token_hex(8)
    parts = {file: file.with_name(f".{file.name}.{token}.part") for file in files}
    try:
        _refuse_if_taken(parts, store, force)
        with ExitStack() as opened:
            streams = {file: opened.enter_context(part.open("xb")) for file, part in parts.items()}
            yield streams
            for stream in streams.values():
                stream.flush()
                os.fsync(stream.fileno())
        _refuse_if_taken(parts, store, force)
        for file, part in parts.items():
            part.replace(file)
    except OSError as error:
        where = " and ".join(map(str, parts))
        raise OutputError(
            f"{where} cannot be written: {error.strerror or error}. Nothing was left of it."
        ) from error
    finally:
        for part in parts.values():
            with suppress(OSError):  # where there could never be one
                part.unlink(missing_ok=True)


def _refuse_if_taken(files: Iterable[Path], store: Path, force: bool) -> None:
    for file in files:
        if not os.path.lexists(file):
            continue
        if file.exists() and file.samefile(store):
            raise UsageError(f"{file} is the store itself. Expected another file after --out.")
        if file.is_dir():
            raise OutputError(f"{file} is a folder. Expected a file after --out.")
        if not force:
            raise OutputError(f"{file} is there already. Type: --force to replace it")


def _blocks(reader: Reader) -> Iterator[tuple[int, NDArray[Any]]]:
    """All rows, some at a time: the first one's number, and their vectors as one array."""
    damaged = 0
    for start, vectors in reader.blocks:
        step = max(1, _BLOCK_BYTES // (vectors.shape[1] * vectors.itemsize))
        for at in range(0, len(vectors), step):
            block = np.ascontiguousarray(vectors[at : at + step])
            damaged += _damaged(reader, start + at, block)
            yield start + at, block
    if damaged:
        log.warning(
            "%d of the vectors are not those that were stored. See which ones: "
            "cnnkit store verify --store %s", damaged, reader.path,
        )  # fmt: skip


def _damaged(reader: Reader, first: int, block: NDArray[Any]) -> int:
    if reader.files is None:
        return 0
    checks = reader.files["vector_crc32"][first : first + len(block)].tolist()
    return sum(zlib.crc32(vector) != check for vector, check in zip(block, checks, strict=True))


def _write_npy(reader: Reader, stream: BinaryIO) -> None:
    kind = reader.blocks[0][1].dtype
    header = {
        "descr": np.lib.format.dtype_to_descr(kind), "fortran_order": False, "shape": reader.shape,
    }  # fmt: skip
    np.lib.format.write_array_header_1_0(stream, header)
    for _, block in _blocks(reader):
        stream.write(block.data)


def _write_paths(reader: Reader, stream: BinaryIO) -> None:
    for row in range(reader.rows):
        told = {"row": row, "path": reader.path_of(row), "sha256": None}
        if reader.files is not None:
            told["sha256"] = sha256_of(reader.files[row])
        # In ASCII: bytes of a name that are no UTF-8 are escaped as the lone surrogates they are.
        stream.write(json.dumps(told).encode() + b"\n")


def _write_parquet(reader: Reader, stream: BinaryIO) -> None:
    import pyarrow
    from pyarrow import parquet

    columns = {
        "path": pyarrow.string(),
        "sha256": pyarrow.string(),
        "size": pyarrow.uint64(),
        "mtime": pyarrow.timestamp("ns", "UTC"),
        "embedding": pyarrow.list_(pyarrow.float32(), reader.features),
    }
    schema = pyarrow.schema(list(columns.items()))
    sink = pyarrow.PythonFile(stream, "w")
    with parquet.ParquetWriter(sink, schema, use_dictionary=False) as writer:
        for first, block in _blocks(reader):
            rows = range(first, first + len(block))
            flat = pyarrow.array(block.astype(np.float32).ravel())
            cells = [
                *_facts(reader, rows),
                pyarrow.FixedSizeListArray.from_arrays(flat, reader.features),
            ]
            arrays = [
                cell if isinstance(cell, pyarrow.Array) else pyarrow.array(cell, kind)
                for cell, kind in zip(cells, columns.values(), strict=True)
            ]
            writer.write_batch(pyarrow.record_batch(arrays, schema=schema))


def _facts(reader: Reader, rows: range) -> Iterator[Any]:
    """The columns path, sha256, size and mtime of some rows; of what is not known, nothing."""
    names = (reader.path_of(row) for row in rows)
    yield [name and os.fsencode(name).decode("utf-8", "backslashreplace") for name in names]
    if reader.files is None:
        yield from [[None] * len(rows)] * 3
        return
    files = reader.files[rows.start : rows.stop]
    yield [sha256_of(each) for each in files]
    yield np.ascontiguousarray(files["size"])
    yield np.ascontiguousarray(files["mtime_ns"]).view("datetime64[ns]")


def _refuse_without_pyarrow() -> None:
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError as error:
        raise UsageError(
            "Parquet files take pyarrow. Type: pip install 'cnnkit[parquet]', or --out FILE.npy"
        ) from error
