"""ImageDataGenerator's parameters that act on training tensors, whatever was drawn before.

Its `standardize`, in its order: rescale, each picture by itself, all pictures together, whitening.
The statistics are of the training pictures as the steps before leave them, so that they fit what
they are applied to; Keras's own `fit` leaves out the steps of each picture by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnkit.errors import UsageError
from cnnkit.images.augment.parameters import (
    Augmentation,
    checked,
    is_number,
    naming,
    parameter_table,
    read_augmentation,
    refused,
    yes_or_no,
)

Values = NDArray[np.float32]
# Keras divides by a deviation plus this.
LEAST_DEVIATION = 1e-6
# Values of a picture that are whitened at most, 32 × 32 RGB: their directions take the better part
# of a minute on two cores. The matrix of 224 × 224 would have 90 GB.
MOST_WHITENED = 32 * 32 * 3


@dataclass(frozen=True, slots=True)
class Standardisation:
    """What is done to every tensor, under ImageDataGenerator's own names.

    As there, a deviation is only taken where the mean is; whitening takes the mean of all pictures,
    and the place of their deviation.

    Attributes:
        rescale: a factor for all values, above 0; None for none.
        samplewise_center: subtract each picture's own mean.
        samplewise_std_normalization: then divide by its own deviation.
        featurewise_center: subtract the mean of all training pictures, channel by channel.
        featurewise_std_normalization: then divide by their deviation.
        zca_whitening: then make all values of a picture uncorrelated (Krizhevsky 2009, Learning
            multiple layers of features from tiny images, appendix A).
        zca_epsilon: is added to each singular value before it is divided by.
    """

    rescale: float | None = None
    samplewise_center: bool = False
    samplewise_std_normalization: bool = False
    featurewise_center: bool = False
    featurewise_std_normalization: bool = False
    zca_whitening: bool = False
    zca_epsilon: float = 1e-6

    @classmethod
    def of(cls, mapping: Mapping[str, Any]) -> Standardisation | None:
        """Check a mapping of these parameters; None where nothing would be done.

        Names may be spelled with hyphens. Raises `UsageError` for a value that makes no sense.
        """
        values = checked(mapping, _CHECKS)
        if values.get("samplewise_std_normalization"):
            values["samplewise_center"] = True
        if values.get("zca_whitening"):
            values["featurewise_std_normalization"] = False
        if values.get("featurewise_std_normalization") or values.get("zca_whitening"):
            values["featurewise_center"] = True
        made = cls(**values)
        return None if made in (cls(), cls(zca_epsilon=made.zca_epsilon)) else made

    @property
    def learns(self) -> bool:
        """Whether it needs statistics of the training pictures."""
        return self.featurewise_center

    def refuse_too_large(self, height: int, width: int) -> None:
        """Raise `UsageError` for whitening of pictures of this size that no memory would hold."""
        values = height * width * 3
        if self.zca_whitening and values > MOST_WHITENED:
            raise UsageError(
                "zca_whitening compares every value of a picture with every other: for "
                f"{width} × {height} pixels that is a matrix of {values**2 * 4 / 1e9:,.2f} GB, and "
                'its directions. Expected at most 32 × 32, such as --arch "INPUT32 -> …".'
            )


@dataclass(frozen=True, slots=True)
class Statistics:
    """Of the training pictures: `mean` and `deviation` (3,), `whitening` (H·W·3, H·W·3) or None."""

    mean: Values
    deviation: Values
    whitening: Values | None = None


def read_for_training(path: str) -> tuple[Augmentation | None, Standardisation | None]:
    """What a TOML file says of pictures, and what of tensors; at least one of them.

    Raises what `read_augmentation` and `Standardisation.of` do.
    """
    table = parameter_table(path)
    of_tensors = {
        key: value for key, value in table.items() if key.replace("-", "_") in STANDARDISING
    }
    with naming(path):
        standardisation = Standardisation.of(of_tensors)
    if of_tensors and len(of_tensors) == len(table):
        return None, standardisation
    return read_augmentation(path, besides=STANDARDISING), standardisation


def rescaled(pixels: Values, wanted: Standardisation) -> Values:
    """The steps that need no statistics, of pictures (n, H, W, 3) from 0 to 255."""
    values = pixels if wanted.rescale is None else pixels * np.float32(wanted.rescale)
    if wanted.samplewise_center:
        values = values - values.mean(axis=(1, 2, 3), keepdims=True)
    if wanted.samplewise_std_normalization:
        values = values / (values.std(axis=(1, 2, 3), keepdims=True) + np.float32(LEAST_DEVIATION))
    return values


def statistics(
    batches: Callable[[], Iterable[Values]], wanted: Standardisation
) -> Statistics | None:
    """What is learnt of training pictures; `batches` (n, H, W, 3) can be gone through twice."""
    if not wanted.learns:
        return None
    count, total, squares = 0, np.zeros(3), np.zeros(3)
    for batch in batches():
        values = rescaled(batch, wanted).astype(np.float64)
        count += values[..., 0].size
        total += values.sum(axis=(0, 1, 2))
        squares += (values**2).sum(axis=(0, 1, 2))
    mean = total / count
    deviation = np.sqrt(np.maximum(squares / count - mean**2, 0)) + LEAST_DEVIATION
    if not wanted.featurewise_std_normalization:
        deviation = np.ones(3)
    known = Statistics(mean.astype(np.float32), deviation.astype(np.float32))
    if not wanted.zca_whitening:
        return known
    return Statistics(known.mean, known.deviation, _whitening(batches, wanted, known))


def _whitening(
    batches: Callable[[], Iterable[Values]], wanted: Standardisation, known: Statistics
) -> Values:
    """The symmetric matrix that makes values uncorrelated, float32.

    Directions in which no pictures differ, since there are too few of them, are taken out.
    """
    scatter: Any = 0.0
    count = 0
    for batch in batches():
        rows = (rescaled(batch, wanted) - known.mean).reshape(len(batch), -1).astype(np.float64)
        scatter = scatter + rows.T @ rows
        count += len(rows)
    squares, directions = np.linalg.eigh(scatter)
    least = max(0, len(squares) - count)
    singular = np.sqrt(np.maximum(squares[least:], 0))
    kept = directions[:, least:] * (np.sqrt(count) / (singular + wanted.zca_epsilon))
    return np.asarray(kept @ directions[:, least:].T, np.float32)


def _factor(name: str, value: Any) -> float | None:
    # Beyond these float32 has no room for the values.
    if value is None or (is_number(value) and 1e-6 <= value <= 1e6):
        return None if value is None else float(value)
    raise refused(name, "a factor from 1e-6 to 1e6 such as 0.00392 (1/255)", value)


def _epsilon(name: str, value: Any) -> float:
    if not is_number(value) or not 0 < value < 1e6:
        raise refused(name, "a number above 0 such as 1e-6", value)
    return float(value)


_CHECKS: dict[str, Callable[[str, Any], Any]] = {
    field.name: yes_or_no for field in fields(Standardisation)
} | {"rescale": _factor, "zca_epsilon": _epsilon}
STANDARDISING = tuple(_CHECKS)
