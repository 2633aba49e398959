"""What a training run has to tell → one HTML file that needs nothing but itself.

The records say what the page shows; a part that has nothing to show is left out of it. Every share
is within 0..1, every time is in seconds, every path is shown as it is given.
"""

import os
import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cnnkit.errors import OutputError, UsageError

_SUFFIXES = (".html", ".htm")

# A path → its picture, as large as it likes, or in a few words why it cannot be had.
Picture = Callable[[str], Image.Image | str]
# Names and their values, in the order in which they are read.
Facts = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Epoch:
    """One pass over the training pictures; `epoch` counts from 1 within its strategy.

    A loss that is not finite is drawn as a gap. The `val_` fields are None without validation.
    """

    epoch: int
    loss: float
    accuracy: float
    val_loss: float | None
    val_accuracy: float | None
    learning_rate: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Strategy:
    """One way to train, such as "bottleneck"; `kept` is the one whose network was kept.

    `val_accuracy` is that of the weights that the strategy ended with, `interval` its confidence
    interval (low, high) and `val_loss` their loss once calibrated; all None without validation.
    `weights` says in words which these are.
    """

    name: str
    epochs: tuple[Epoch, ...]
    val_accuracy: float | None
    interval: tuple[float, float] | None
    seconds: float
    kept: bool = False
    weights: str = ""
    val_loss: float | None = None


@dataclass(frozen=True, slots=True)
class ClassScore:
    """How one class fares; `support` is the number of its pictures. What has no value is NaN."""

    label: str
    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True, slots=True)
class Bin:
    """Answers of about the same confidence: its mean, how many of the `count` are right."""

    confidence: float
    accuracy: float
    count: int


@dataclass(frozen=True, slots=True)
class Calibration:
    """What the scores are worth, with the temperature and without it (Guo et al. 2017, section 4).

    `ece` is the expected calibration error, a mean distance between confidence and accuracy.
    """

    before: tuple[Bin, ...]
    after: tuple[Bin, ...]
    ece_before: float
    ece_after: float
    temperature: float


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A training picture near another one; `similarity` is a cosine, -1..1."""

    path: str
    label: str
    similarity: float


@dataclass(frozen=True, slots=True)
class Mistake:
    """A picture that was named wrongly with the score 0..1, and the training pictures nearest."""

    path: str
    truth: str
    guess: str
    score: float
    neighbours: tuple[Neighbour, ...] = ()


@dataclass(frozen=True, slots=True)
class Suspect:
    """A picture whose own label may be wrong, the label it looks like, and how much it does."""

    path: str
    label: str
    suggested: str
    confidence: float


@dataclass(frozen=True, slots=True)
class Straddle:
    """Two pictures that are nearly one, in two splits that should have none in common."""

    path_a: str
    split_a: str
    path_b: str
    split_b: str


@dataclass(frozen=True, slots=True)
class Row:
    """Pictures that belong together: of one class, or one picture drawn several times.

    `pictures` are paths, or an array (n, height, width, 3) of uint8.
    """

    caption: str
    pictures: tuple[str, ...] | NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Report:
    """All that is on the page; only the title must be there.

    Args:
        title: what was trained, on what.
        facts: what to know at a glance, beside the headline figure of the kept strategy.
        notices: sentences that a reader must not miss.
        strategies: compared side by side, drawn in this order.
        labels: the classes, in the order of the confusion matrix.
        confusion: how many pictures; a row for each true class, a column for each guess.
        cells: (true class, guess) → paths of pictures that the cell counts.
        scores: one for each class.
        calibration: None where it was not measured.
        mistakes, suspects, straddles: the worst first; of many the page shows the first.
        samples: pictures of each class.
        augmented: training pictures as the network saw them.
        commands, configuration: what to type to have this run again; texts of several lines.
        environment: versions, hashes, the machine.
    """

    title: str
    facts: Facts = ()
    notices: tuple[str, ...] = ()
    strategies: tuple[Strategy, ...] = ()
    labels: tuple[str, ...] = ()
    confusion: tuple[tuple[int, ...], ...] = ()
    cells: Mapping[tuple[int, int], tuple[str, ...]] = field(default_factory=dict)
    scores: tuple[ClassScore, ...] = ()
    calibration: Calibration | None = None
    mistakes: tuple[Mistake, ...] = ()
    suspects: tuple[Suspect, ...] = ()
    straddles: tuple[Straddle, ...] = ()
    samples: tuple[Row, ...] = ()
    augmented: tuple[Row, ...] = ()
    commands: str = ""
    configuration: str = ""
    environment: Facts = ()

    def __post_init__(self) -> None:
        """Raises `UsageError` where the matrix is not one row and one column for each label."""
        count = len(self.labels)
        widths = {len(row) for row in self.confusion}
        if self.confusion and (len(self.confusion) != count or widths != {count}):
            raise UsageError(
                f"Expected a confusion matrix of {count} × {count}, as there are {count} labels. "
                f"Received: {len(self.confusion)} rows of {sorted(widths)}."
            )
        if wrong := [cell for cell in self.cells if not all(0 <= i < count for i in cell)]:
            raise UsageError(f"Expected cells of 0..{count - 1}. Received: {wrong[0]}.")


def write_report(report: Report, path: str | os.PathLike[str], picture: Picture) -> None:
    """Write the page, whole or not at all; at most 300 pictures are in it, of 160 pixels.

    `picture` is asked for those alone that are shown. Raises `UsageError` unless `path` ends in
    .html or .htm, and `OutputError` where it cannot be written.
    """
    from cnnkit.outputs.report_page import page

    if not os.fspath(path).lower().endswith(_SUFFIXES):
        raise UsageError(f"Expected a file name that ends in .html. Received: {os.fspath(path)!r}.")
    _write(Path(path), page(report, picture).encode())


def _write(target: Path, data: bytes) -> None:
    # A name of its own length: one made from the target's could be longer than names may be.
    part = target.with_name(f".{secrets.token_hex(8)}.part")
    made: list[Path] = []
    try:
        made = [folder for folder in target.parents if not folder.exists()]
        target.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(data)
        part.replace(target)
        made = []
    except (OSError, ValueError) as error:  # ValueError: NUL in the name
        reason = (isinstance(error, OSError) and error.strerror) or error
        raise OutputError(f"{os.fspath(target)!r} cannot be written: {reason}.") from error
    finally:
        with suppress(OSError, ValueError):
            part.unlink()
        for folder in made:
            with suppress(OSError):
                folder.rmdir()
