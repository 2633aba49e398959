"""Where a fit stands, on disk: all that a killed run needs to go on as if nothing had happened.

One .npz (no pickle): the arrays of the variables, of the kept epoch's and of the optimizer, and a
JSON text with the position in the data, early stopping, the schedule and the history. Every draw
(order, dropout, augmentation, mixing) is a function of the seed and the position, or its generator
is among the variables.
"""

import json
import os
import zipfile
import zlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnkit.errors import InputError, OutputError
from cnnkit.records import EpochRow

Arrays = list[NDArray[Any]]
_GROUPS = ("now", "kept", "optimizer")
# What numpy, zipfile and json make of a file that is none; RuntimeError is zipfile's.
_DAMAGED = (
    *(OSError, ValueError, KeyError, TypeError, EOFError, RuntimeError),
    *(zipfile.BadZipFile, zlib.error),
)


@dataclass(slots=True)
class Progress:
    """The position, `epoch` and `step` both counted from 0: the next one to be done.

    `sums` are loss, hits and pictures of the epoch's steps so far; `waited` the epochs since the
    best one and `since_reduced` those since the schedule last reduced the rate, or the best one.
    """

    epoch: int = 0
    step: int = 0
    sums: tuple[float, float, float] = (0.0, 0.0, 0.0)
    best_loss: float = float("inf")
    waited: int = 0
    since_reduced: int = 0
    reductions: int = 0
    finished: bool = False
    history: list[EpochRow] = field(default_factory=list)

    def copy(self) -> "Progress":
        """One that goes on by itself."""
        return replace(self, history=list(self.history))


@dataclass(slots=True)
class Checkpoint:
    """A moment of a fit; `identity` says of which fit: settings, data and network."""

    identity: str
    progress: Progress
    now: Arrays
    kept: Arrays
    optimizer: Arrays


def save(checkpoint: Checkpoint, path: Path) -> None:
    """Put it under its name, whole and on disk, in the place of an earlier one.

    Raises `OutputError` where the disk refuses.
    """
    told = asdict(checkpoint.progress)
    told["identity"] = checkpoint.identity
    arrays: dict[str, Any] = {
        f"{group}{number}": array
        for group in _GROUPS
        for number, array in enumerate(getattr(checkpoint, group))
    }
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("wb") as file:
            np.savez(file, progress=np.array(json.dumps(told)), **arrays)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise OutputError(f"{path} cannot be written: {error.strerror or error}.") from error


def load(path: Path) -> Checkpoint:
    """What `save` wrote. Raises `InputError` for a file that is none, or damaged."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            told = dict(json.loads(str(stored["progress"])))
            identity = str(told.pop("identity"))
            told["history"] = [EpochRow.of(row) for row in told["history"]]
            told["sums"] = tuple(told["sums"])
            groups = [_numbered(stored, group) for group in _GROUPS]
        return Checkpoint(identity, Progress(**told), *groups)
    except _DAMAGED as error:
        raise InputError(f"{path} cannot be read as a checkpoint: {error}.") from error


def assign(variables: Sequence[Any], arrays: Arrays, what: str) -> None:
    """Give Keras variables these values. Raises `InputError` where they do not fit."""
    if [tuple(v.shape) for v in variables] != [array.shape for array in arrays]:
        raise InputError(f"The checkpoint's {what} are those of another network.")
    for variable, array in zip(variables, arrays, strict=True):
        variable.assign(array)


def _numbered(stored: Any, group: str) -> Arrays:
    count = sum(name.startswith(group) for name in stored.files)
    return [stored[f"{group}{number}"] for number in range(count)]
