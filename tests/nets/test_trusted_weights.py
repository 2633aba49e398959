"""Weight files from strangers: what they may not hold, and those of other networks."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from tests.nets.stranger_files import WEIGHTS, members, refusal, with_weights, zipped

pytestmark = pytest.mark.network


def external(weights: Any) -> None:
    del weights["layers/dense/vars/0"]
    weights["layers/dense/vars/0"] = h5py.ExternalLink("/etc/hostname", "/")


def soft(weights: Any) -> None:
    weights["layers/dense/vars/9"] = h5py.SoftLink("/layers/conv/vars/0")


def in_other_files(weights: Any) -> None:
    weights.create_dataset("x", (4,), "u1", external=[("/etc/hostname", 0, 4)])


def virtual(weights: Any) -> None:
    layout = h5py.VirtualLayout((2,), "f4")
    layout[:] = h5py.VirtualSource("/tmp/other.h5", "kernel", (2,))
    weights.create_virtual_dataset("x", layout)


def giant(weights: Any) -> None:
    weights.create_dataset("x", (1 << 40,), "f4", chunks=(1,))


def packed(weights: Any) -> None:
    weights.create_dataset("x", data=np.zeros(9, "f4"), compression="gzip")


def in_chunks(weights: Any) -> None:
    weights.create_dataset("x", (2,), "f4", chunks=(1 << 20,), maxshape=(None,))


def never_written(weights: Any) -> None:
    weights.create_dataset("x", (99,), "f4")


def texts(weights: Any) -> None:
    weights["x"] = ["a", "b"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (external, "links elsewhere"),
        (soft, "links elsewhere"),
        (in_other_files, "in other files"),
        (virtual, "in other files"),
        (giant, "claims tensors of 4,398,0"),
        (packed, "'x' is no plain tensor"),
        (in_chunks, "'x' is no plain tensor"),
        (texts, "'x' is no plain tensor"),
        (never_written, "'x' is not all there"),
    ],
)
def test_what_no_weight_file_may_hold(
    change: Callable[[Any], None], said: str, honest: Path, tmp_path: Path
) -> None:
    message = refusal(with_weights(honest, tmp_path / "model.keras", change))
    assert said in message
    assert "cnnkit-" not in message, "the private copy is named"


def test_weights_of_another_network(honest: Path, tmp_path: Path) -> None:
    def smaller(weights: Any) -> None:
        del weights["layers/dense/vars/0"]
        weights["layers/dense/vars/0"] = np.ones((3, 2), "f4")

    said = refusal(with_weights(honest, tmp_path / "model.keras", smaller))
    assert "cannot be loaded" in said
    path = zipped(tmp_path / "model.keras", members(honest) | {WEIGHTS: b"garbage"})
    assert "cannot be opened as an HDF5 weight file" in refusal(path)
