"""Weight files from strangers: what they hold is told, what they could do is not let happen."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from cnnkit.errors import WeightsError
from cnnkit.zoo.tensors import tensor_shapes

Fill = Callable[[Any], object]


def hdf5(path: Path, fill: Fill) -> Path:
    with h5py.File(path, "w") as file:
        fill(file)
    return path


def secret(folder: Path) -> Path:
    path = folder / "secret.h5"
    return hdf5(path, lambda file: file.create_dataset("kernel", data=np.ones((2, 3))))


def test_shapes_of_every_depth(tmp_path: Path) -> None:
    def fill(file: Any) -> None:
        file.create_dataset("a/b/kernel", data=np.ones((2, 3), "f4"))
        file.create_dataset("a/bias", data=np.ones(3, "f4"))
        file.create_dataset("scalar", data=1.0)
        file.create_group("without_weights")
        file.attrs["layer_names"] = ["a"]

    path = hdf5(tmp_path / "net.h5", fill)
    assert sorted(tensor_shapes(path)) == [(), (2, 3), (3,)]
    tensor_shapes(path)


def test_an_empty_file_has_no_tensors(tmp_path: Path) -> None:
    assert tensor_shapes(hdf5(tmp_path / "net.h5", lambda file: None)) == []


@pytest.mark.real
def test_the_real_files(data: Path) -> None:
    folder = data / "keras_home" / "models"
    assert len(tensor_shapes(folder / "mobilenet_2_5_224_tf.h5")) == 137
    assert len(tensor_shapes(folder / "mobilenet_2_5_224_tf_no_top.h5")) == 135


@pytest.mark.parametrize("content", [b"", b"garbage" * 99, b"\x89HDF\r\n\x1a\n" + b"\0" * 999])
def test_garbage(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "net.h5"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match="cannot be opened as an HDF5 weight file") as caught:
        tensor_shapes(path)
    assert f"{len(content):,} bytes" in str(caught.value)


def test_nothing_and_a_folder(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nothing.h5"):
        with pytest.raises(WeightsError, match="cannot be opened"):
            tensor_shapes(path)


@pytest.mark.real
@pytest.mark.parametrize("share", [0.001, 0.1, 0.5, 0.99])
def test_a_real_file_cut_short(tmp_path: Path, data: Path, share: float) -> None:
    whole = (data / "keras_home" / "models" / "mobilenet_2_5_224_tf.h5").read_bytes()
    path = tmp_path / "net.h5"
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(WeightsError, match="cannot be opened"):
        tensor_shapes(path)


def test_a_real_structure_with_any_byte_wrong(tmp_path: Path) -> None:
    """Whatever the damage, the answer is shapes or a `WeightsError`."""
    path = hdf5(
        tmp_path / "net.h5", lambda file: file.create_dataset("a/b/kernel", data=np.ones((2, 3)))
    )
    whole = path.read_bytes()
    refused = 0
    for position in range(0, len(whole), 11):
        damaged = tmp_path / "damaged.h5"
        damaged.write_bytes(whole[:position] + b"\xfe" + whole[position + 1 :])
        try:
            tensor_shapes(damaged)
        except WeightsError:
            refused += 1
    assert refused > 5


@pytest.mark.parametrize(
    ("name", "fill", "why"),
    [
        ("soft", lambda f: f.__setitem__("x", h5py.SoftLink("/a")), "links elsewhere"),
        ("external", lambda f: f.__setitem__("x", h5py.ExternalLink("secret.h5", "kernel")),
         "links elsewhere"),
        ("nowhere", lambda f: f.__setitem__("x", h5py.ExternalLink("nothing.h5", "/")),
         "links elsewhere"),
        ("deep", lambda f: f.create_group("a/b").__setitem__("x", h5py.SoftLink("/a")),
         "links elsewhere"),
        ("external dataset",
         lambda f: f.create_dataset("x", (4,), "u1", external=[("/etc/hostname", 0, 4)]),
         "keeps its data in other files"),
        ("type", lambda f: f.__setitem__("x", np.dtype("f4")), "is no tensor"),
        ("empty", lambda f: f.__setitem__("x", h5py.Empty("f4")), "is no tensor"),
    ],
)  # fmt: skip
def test_what_is_not_plain_tensors(tmp_path: Path, name: str, fill: Fill, why: str) -> None:
    secret(tmp_path)
    path = hdf5(tmp_path / "net.h5", fill)
    with pytest.raises(WeightsError, match=f"'x' {why}") as caught:
        tensor_shapes(path)
    assert str(path) in str(caught.value)


def test_virtual_datasets(tmp_path: Path) -> None:
    layout = h5py.VirtualLayout((2, 3), "f8")
    layout[:] = h5py.VirtualSource(secret(tmp_path), "kernel", (2, 3))
    path = hdf5(tmp_path / "net.h5", lambda file: file.create_virtual_dataset("x", layout))
    with pytest.raises(WeightsError, match="'x' keeps its data in other files"):
        tensor_shapes(path)


@pytest.mark.parametrize("shape", [(1 << 40,), (1 << 32, 1 << 32), (1 << 62,), (1 << 20, 1 << 12)])
def test_absurd_sizes(tmp_path: Path, shape: tuple[int, ...]) -> None:
    """A few hundred bytes may claim any size; (2^32, 2^32) is 0 in 64 bits."""
    path = hdf5(
        tmp_path / "net.h5",
        lambda file: file.create_dataset("x", shape, "f4", chunks=(1,) * len(shape)),
    )
    assert path.stat().st_size < 10_000
    with pytest.raises(WeightsError, match=r"claims tensors of .* bytes"):
        tensor_shapes(path)


def test_sizes_add_up(tmp_path: Path) -> None:
    def fill(file: Any) -> None:
        for number in range(5):
            file.create_dataset(str(number), (1 << 29,), "f4", chunks=(1,))

    with pytest.raises(WeightsError, match="claims tensors of"):
        tensor_shapes(hdf5(tmp_path / "net.h5", fill))


def _itself(file: Any) -> None:
    group = file.create_group("a")
    group["again"] = group


def _the_root(file: Any) -> None:
    file.create_group("a")["root"] = file


def _doubling(file: Any) -> None:
    """Thirty groups, each holding the next one twice: 2 to the 30th ways to the last."""
    for number in range(30):
        file.create_group(f"all/{number}")
    for number in range(29):
        for name in ("left", "right"):
            file[f"all/{number}/{name}"] = file[f"all/{number + 1}"]


def _twice(file: Any) -> None:
    file["a"] = np.ones(3)
    file["b"] = file["a"]


@pytest.mark.timeout(60)
@pytest.mark.parametrize("fill", [_itself, _the_root, _doubling, _twice])
def test_hard_links_in_circles(tmp_path: Path, fill: Fill) -> None:
    with pytest.raises(WeightsError, match="is linked twice"):
        tensor_shapes(hdf5(tmp_path / "net.h5", fill))


def test_groups_too_deep(tmp_path: Path) -> None:
    path = hdf5(tmp_path / "net.h5", lambda file: file.create_group("/".join("a" * 3000)))
    with pytest.raises(WeightsError, match="is one too many"):
        tensor_shapes(path)


def test_the_file_is_not_written_to(tmp_path: Path) -> None:
    path = secret(tmp_path)
    before, time = path.read_bytes(), path.stat().st_mtime_ns
    path.chmod(0o444)
    tensor_shapes(path)
    assert (path.read_bytes(), path.stat().st_mtime_ns) == (before, time)
    assert os.listdir(tmp_path) == ["secret.h5"]
