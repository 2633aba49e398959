"""Stores, files that others have made, and files that were made to do harm."""

import os
import resource
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

from cnnkit.errors import InputError
from cnnkit.outputs.store.reading import Reader
from cnnkit.outputs.store.writing import Writer
from tests.outputs.store.rows import assert_reader, fill, known, new, news, numbered, plain, vector
from tests.stores import write_plain

VALUES = np.random.default_rng(0).random((50, 8), np.float32)
MOST_MEGABYTES = 200


def all_of(reader: Reader) -> NDArray[Any]:
    return np.stack([reader.vector(row) for row in range(reader.rows)])


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"chunks": (16, 8)},
        {"chunks": (7, 3)},
        {"chunks": (50, 1)},
        {"chunks": True, "compression": "gzip", "shuffle": True},
        {"chunks": (16, 8), "fletcher32": True},
        {"chunks": (16, 8), "maxshape": (None, 8)},
        {"chunks": (16, 8), "maxshape": (None, None)},
        {"compression": "lzf"},
    ],
)
@pytest.mark.parametrize("kind", ["<f4", ">f4", "<f8", ">f8", "<f2", ">f2"])
def test_vectors_as_others_lay_them_out(tmp_path: Path, options: Any, kind: str) -> None:
    reader = Reader(write_plain(tmp_path / "theirs.h5", VALUES.astype(kind), **options))
    assert (reader.rows, reader.features) == VALUES.shape
    assert reader.stamp is None
    assert reader.files is None
    assert reader.norms is None
    assert reader.paths is None
    expected = VALUES.astype(kind).astype(np.float32)
    np.testing.assert_array_equal(all_of(reader), expected)
    assert reader.vector(3).dtype == np.float32


@pytest.mark.parametrize("libver", ["earliest", "v110", "latest"])
@pytest.mark.parametrize("userblock", [0, 512])
@pytest.mark.parametrize("chunks", [None, (16, 8)])
def test_files_of_every_version(
    tmp_path: Path, libver: str, userblock: int, chunks: tuple[int, int] | None
) -> None:
    with h5py.File(tmp_path / "a.h5", "w", libver=libver, userblock_size=userblock) as file:
        file.create_dataset("img_emb", data=VALUES, chunks=chunks)
        file.create_dataset("paths", data=[f"{row}.jpg" for row in range(50)])
    reader = Reader(tmp_path / "a.h5")
    np.testing.assert_array_equal(all_of(reader), VALUES)
    assert reader.path_of(49) == "49.jpg"


@pytest.mark.parametrize("fixed", [False, True])
@pytest.mark.parametrize("options", [{}, {"compression": "gzip"}])
def test_paths_as_others_write_them(tmp_path: Path, fixed: bool, options: Any) -> None:
    names = [f"photos/{row}.jpg" for row in range(49)] + ["ü.jpg"]
    path = write_plain(tmp_path / "theirs.h5", VALUES, names, fixed=fixed, **options)
    reader = Reader(path)
    assert reader.paths == names
    assert reader.has_paths
    assert reader.find("photos/3.jpg") == 3
    assert reader.find("./photos/x/../3.jpg") == 3
    assert reader.find("nowhere.jpg") is None
    assert [reader.find(f"photos/{row}.jpg") for row in range(40)] == list(range(40))


def test_no_vectors_at_all(tmp_path: Path) -> None:
    reader = Reader(write_plain(tmp_path / "theirs.h5", VALUES[:0], []))
    assert (reader.rows, reader.features, reader.paths) == (0, 8, [])


def external_link(file: h5py.File) -> None:
    write_plain(Path(file.filename).with_name("other.h5"), VALUES)
    file["img_emb"] = h5py.ExternalLink("other.h5", "img_emb")


def external_link_to_a_pipe(file: h5py.File) -> None:
    os.mkfifo(Path(file.filename).with_name("pipe"))
    file["img_emb"] = h5py.ExternalLink("pipe", "img_emb")


def external_link_for_paths(file: h5py.File) -> None:
    write_plain(Path(file.filename).with_name("other.h5"), VALUES, ["x"] * 50)
    file["img_emb"] = VALUES
    file["paths"] = h5py.ExternalLink("other.h5", "paths")


def soft_link(file: h5py.File) -> None:
    file["elsewhere"] = VALUES
    file["img_emb"] = h5py.SoftLink("/elsewhere")


def soft_link_to_itself(file: h5py.File) -> None:
    file["img_emb"] = h5py.SoftLink("/img_emb")


def dangling_soft_link(file: h5py.File) -> None:
    file["img_emb"] = h5py.SoftLink("/nowhere")


def external_storage(file: h5py.File) -> None:
    other = Path(file.filename).with_name("secret")
    other.write_bytes(VALUES.tobytes())
    file.create_dataset("img_emb", VALUES.shape, "<f4", external=[(str(other), 0, VALUES.nbytes)])


def virtual(file: h5py.File) -> None:
    other = write_plain(Path(file.filename).with_name("other.h5"), VALUES)
    made_up = h5py.VirtualLayout(VALUES.shape, "<f4")
    made_up[:] = h5py.VirtualSource(str(other), "img_emb", VALUES.shape)
    file.create_virtual_dataset("img_emb", made_up)


def giant(file: h5py.File) -> None:
    file.create_dataset("img_emb", (1 << 40, 1 << 20), "<f4", chunks=(16, 1 << 20))


def giant_and_packed(file: h5py.File) -> None:
    data = file.create_dataset(
        "img_emb", (1 << 40, 8), "<f4", chunks=(16, 8), compression="gzip", maxshape=(None, 8)
    )
    data[:16] = 1


def giant_and_contiguous(file: h5py.File) -> None:
    file.create_dataset("img_emb", (1 << 40, 8), "<f4")


def giant_paths(file: h5py.File) -> None:
    file["img_emb"] = VALUES
    file.create_dataset("paths", (1 << 40,), h5py.string_dtype(), chunks=(16,))


def giant_fixed_paths(file: h5py.File) -> None:
    file["img_emb"] = VALUES
    file.create_dataset("paths", (50,), f"S{1 << 30}", chunks=(1,), compression="gzip")


def too_wide(file: h5py.File) -> None:
    file.create_dataset("img_emb", (1, 1 << 25), "<f4", chunks=(1, 1 << 20), compression="gzip")


def whole_numbers(file: h5py.File) -> None:
    file["img_emb"] = np.ones((3, 4), np.int32)


def texts(file: h5py.File) -> None:
    file["img_emb"] = np.array([["a", "b"]], h5py.string_dtype())


def complex_numbers(file: h5py.File) -> None:
    file["img_emb"] = np.ones((3, 4), np.complex64)


def compound(file: h5py.File) -> None:
    file["img_emb"] = np.zeros((3, 4), [("a", "<f4")])


def one_dimension(file: h5py.File) -> None:
    file["img_emb"] = np.ones(4, np.float32)


def three_dimensions(file: h5py.File) -> None:
    file["img_emb"] = np.ones((4, 2, 2), np.float32)


def no_dimension(file: h5py.File) -> None:
    file["img_emb"] = np.float32(3)


def nothing_in_it(file: h5py.File) -> None:
    file["img_emb"] = h5py.Empty("<f4")


def no_features(file: h5py.File) -> None:
    file["img_emb"] = np.ones((4, 0), np.float32)


def a_group(file: h5py.File) -> None:
    file.create_group("img_emb")


def a_type(file: h5py.File) -> None:
    file["img_emb"] = np.dtype("<f4")


def nothing(file: h5py.File) -> None:
    file["other"] = VALUES


def fewer_paths(file: h5py.File) -> None:
    file["img_emb"], file["paths"] = VALUES, [b"x"] * 49


def paths_in_two_dimensions(file: h5py.File) -> None:
    file["img_emb"] = VALUES
    file["paths"] = np.array([["a"]] * 50, h5py.string_dtype())


def half_a_stamp(file: h5py.File) -> None:
    file["img_emb"] = VALUES
    file.attrs["stamp"] = "{}"


def an_odd_stamp(file: h5py.File) -> None:
    file["img_emb"] = VALUES
    file.attrs["cnnkit_store"] = 1
    file.attrs["stamp"] = np.ones((10, 100))
    file.attrs["identity"] = h5py.Empty("f4")


def a_later_version(file: h5py.File) -> None:
    file["img_emb"] = VALUES
    file.attrs["cnnkit_store"] = 2


HOSTILE = [
    external_link, external_link_to_a_pipe, external_link_for_paths, soft_link,
    soft_link_to_itself, dangling_soft_link, external_storage, virtual, giant, giant_and_packed,
    giant_and_contiguous, giant_paths, giant_fixed_paths, too_wide, whole_numbers, texts,
    complex_numbers, compound, one_dimension, three_dimensions, no_dimension, nothing_in_it,
    no_features, a_group, a_type, nothing, fewer_paths, paths_in_two_dimensions, half_a_stamp,
    an_odd_stamp, a_later_version,
]  # fmt: skip


@pytest.mark.timeout(60)
@pytest.mark.parametrize("make", HOSTILE, ids=lambda make: make.__name__)
def test_what_is_no_store_is_refused(tmp_path: Path, make: Callable[[h5py.File], None]) -> None:
    path = tmp_path / "bad.h5"
    with h5py.File(path, "w") as file:
        make(file)
    before = path.read_bytes()
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(InputError, match=r"bad\.h5"):
        Reader(path)
    with pytest.raises(InputError, match=r"bad\.h5"):
        Writer(path)
    more = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - used
    assert more < MOST_MEGABYTES << 10, f"{more >> 10} MB"
    assert path.read_bytes() == before


def test_paths_of_another_kind_are_no_paths(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["img_emb"], file["paths"] = VALUES, np.arange(50)
    reader = Reader(tmp_path / "a.h5")
    assert reader.paths is None
    assert reader.path_of(3) is None
    np.testing.assert_array_equal(all_of(reader), VALUES)


@pytest.mark.parametrize("content", [b"", b"\0", b"no HDF5 at all", b"\x89HDF\r\n\x1a\n" * 9])
def test_what_is_not_hdf5(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.h5"
    path.write_bytes(content)
    for side in (Reader, Writer):
        with pytest.raises(InputError, match=r"bad\.h5"):
            side(path)
    assert path.read_bytes() == content


def test_what_is_not_a_file(tmp_path: Path) -> None:
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "circle").symlink_to("circle")
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, *map(tmp_path.joinpath, ("dangling", "circle", "pipe", "none", "a/b"))):
        with pytest.raises(InputError, match="--store"):
            Reader(path)
    with pytest.raises(InputError):
        Reader("/dev/zero")


def test_a_store_that_was_cut_short(tmp_path: Path) -> None:
    store = fill(tmp_path / "s.h5", numbered(0, 5))
    whole = store.read_bytes()
    cut = tmp_path / "cut.h5"
    lengths = [*range(0, 120, 11), *range(120, 20_000, 517), *range(20_000, len(whole), 99_991)]
    for length in [*lengths, len(whole) - 4096, len(whole) - 1]:
        cut.write_bytes(whole[:length])
        for side in (Reader, Writer):
            with pytest.raises(InputError, match=r"cut\.h5"):
                side(cut)
        assert cut.stat().st_size == length, "what is left of it has been touched"


def test_a_store_with_altered_bytes_is_refused_or_read(tmp_path: Path) -> None:
    """HDF5 itself crashes on some bytes, so only those that matter to cnnkit are altered."""
    store = fill(tmp_path / "s.h5", numbered(0, 5))
    for name in ("img_emb", "files"):
        bad = Path(shutil.copy(store, tmp_path / f"{name}.h5"))
        with h5py.File(bad) as file:
            offset = file[name].id.get_chunk_info(0).byte_offset
        with bad.open("r+b") as raw:
            raw.seek(offset)
            raw.write(b"\xff" * 200)
        reader = Reader(bad)
        assert reader.rows == 5
        assert reader.paths == list(numbered(0, 5))


def test_a_reader_keeps_what_it_has_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    store = fill(tmp_path / "s.h5", numbered(0, 5))
    reader = Reader(store)
    with Writer(store) as writer:
        writer.put(news(numbered(5, 2000)))
        assert_kept(reader, range(5))
        writer.put([known("renamed.jpg", "picture 1")])
        assert_kept(reader, range(5))
        # A row is replaced in its place, and the file is mapped: only its own vector is new.
        writer.put([new("gone/2.jpg", "other")])
        assert_kept(reader, (0, 1, 3, 4))
        writer.keep_only([1999, 3])
        writer.put([new("x", "x")])
        assert_kept(reader, (0, 1, 3, 4))
    store.unlink()
    assert_kept(reader, (0, 1, 3, 4))


def assert_kept(reader: Reader, rows: Any) -> None:
    assert reader.rows == 5
    assert reader.paths == list(numbered(0, 5))
    for row in rows:
        assert (reader.stored(row) == vector(f"picture {row}")).all()


def test_vectors_by_content(tmp_path: Path) -> None:
    rows = numbered(0, 5)
    reader = assert_reader(fill(tmp_path / "s.h5", rows), rows)
    assert reader.files is not None
    found = reader.vectors_by_content([1, 3])
    assert len(found) == 2
    assert list(found) == [reader.files[row]["sha256"].decode() for row in (1, 3)]
    for key, content in zip(found, ("picture 1", "picture 3"), strict=True):
        np.testing.assert_array_equal(found[key], vector(content))
    assert reader.norms is not None
    np.testing.assert_allclose(reader.norms, np.linalg.norm(all_of(reader), axis=1), rtol=1e-6)
    assert len(plain(reader.path)["paths"]) == 5
