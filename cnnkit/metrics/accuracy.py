"""How often a model is right: top-k accuracy, the confusion matrix, and what follows from it.

Legend, for one class: TP are its pictures that are called by its name, FP the others that are, FN
its pictures that are not. Precision is TP / (TP + FP), recall TP / (TP + FN), and
F1 = 2 TP / (2 TP + FP + FN) is their harmonic mean. Support is the number of its pictures, TP + FN.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cnnkit.metrics.truth import UNKNOWN, Indices, indices, table

# Rows whose scores are compared at a time.
_ROWS = 4096


@dataclass(frozen=True, slots=True)
class ClassFigures:
    """How one class fares, each figure in 0..1 or None for 0 / 0.

    `precision` is None where no picture is called by the class's name, `recall` where no picture
    is of the class, `f1` where both hold: then the pictures say nothing of the class.
    """

    precision: float | None
    recall: float | None
    f1: float | None
    support: int


@dataclass(frozen=True, slots=True)
class Averages:
    """Figures of all classes in one, each in 0..1; all are None where there is no picture."""

    precision: float | None
    recall: float | None
    f1: float | None


def ranks(scores: ArrayLike, truth: ArrayLike) -> Indices:
    """At which rank each true class stands: int64 (n,), 1 for the best score, 0 for no rank.

    Scores are (n, classes), the higher the better; of equal ones the first class wins, as in
    ``np.argsort(-scores, kind="stable")``. A truth that the model does not know has no rank, and
    neither has one whose score is NaN; other NaNs stand last. Raises `ValueError` for shapes and
    truths that do not fit.
    """
    rows = table(scores, "scores")
    true = indices(truth, rows.shape[1], len(rows))
    found = np.zeros(len(rows), np.int64)
    for first in range(0, len(rows), _ROWS):
        part = slice(first, first + _ROWS)
        found[part] = _ranks(rows[part], true[part])
    return found


def _ranks(scores: NDArray[np.floating], truth: Indices) -> Indices:
    classes = np.arange(scores.shape[1])
    found = np.zeros(len(scores), np.int64)
    known = np.flatnonzero(truth != UNKNOWN)
    own = scores[known, truth[known]]
    known, own = known[~np.isnan(own)], own[~np.isnan(own), None]
    better = scores[known] > own
    better |= (scores[known] == own) & (classes < truth[known, None])
    found[known] = 1 + np.count_nonzero(better, axis=1)
    return found


def hits(scores: ArrayLike, truth: ArrayLike, k: int) -> NDArray[np.bool_]:
    """Which true classes are among the `k` best: bool (n,), never for an unknown one.

    Raises `ValueError` as `ranks` does, and for a `k` below 1.
    """
    if k < 1:
        raise ValueError(f"Expected k of at least 1. Received: k={k}.")
    found = ranks(scores, truth)
    return (found >= 1) & (found <= k)


def top_k(scores: ArrayLike, truth: ArrayLike, k: int) -> float | None:
    """The share of pictures, 0..1, whose true class is among the `k` best; None without pictures.

    Pictures of an unknown class count as wrong. Raises `ValueError` as `hits` does.
    """
    found = hits(scores, truth, k)
    return float(found.mean()) if len(found) else None


def confusion(truth: ArrayLike, guess: ArrayLike, classes: int) -> Indices:
    """How many pictures of each class (rows) are called what (columns): int64 (classes, classes).

    Pictures of an unknown class are left out; `truth.unknown` counts them. Raises `ValueError` for
    truths and guesses that do not fit, and for a guess below 0.
    """
    true = indices(truth, classes)
    guessed = indices(guess, classes, len(true))
    if (guessed == UNKNOWN).any():
        raise ValueError(f"Expected guesses from 0 to {classes - 1}. Received: {UNKNOWN}.")
    known = true != UNKNOWN
    cells = true[known] * classes + guessed[known]
    return np.bincount(cells, minlength=classes * classes).reshape(classes, classes)


def per_class(confusion: Indices) -> tuple[ClassFigures, ...]:
    """The figures of each class, in the order of the matrix (classes, classes).

    A class with pictures that is never guessed has no precision, a recall of 0 and an F1 of 0.
    """
    right = np.diagonal(confusion).tolist()
    guessed = confusion.sum(axis=0).tolist()
    support = confusion.sum(axis=1).tolist()
    return tuple(
        ClassFigures(_share(tp, said), _share(tp, true), _share(2 * tp, said + true), true)
        for tp, said, true in zip(right, guessed, support, strict=True)
    )


def macro(figures: Sequence[ClassFigures]) -> Averages:
    """The plain means over the classes that have pictures or are guessed.

    What such a class lacks counts as 0, as in scikit-learn with ``zero_division=0``.
    """
    seen = [each for each in figures if each.f1 is not None]
    return _averages(seen, [1] * len(seen))


def weighted(figures: Sequence[ClassFigures]) -> Averages:
    """The means over all classes, weighted by support; what a class lacks counts as 0."""
    return _averages(figures, [each.support for each in figures])


def balanced_accuracy(figures: Sequence[ClassFigures]) -> float | None:
    """The mean recall of the classes that have pictures, 0..1; None where none has.

    Source: Brodersen et al. 2010, The balanced accuracy and its posterior distribution.
    """
    recalls = [each.recall for each in figures if each.recall is not None]
    return sum(recalls) / len(recalls) if recalls else None


def _averages(figures: Sequence[ClassFigures], weights: Sequence[int]) -> Averages:
    def mean(values: Sequence[float | None]) -> float | None:
        whole = sum((v or 0.0) * w for v, w in zip(values, weights, strict=True))
        return whole / sum(weights) if sum(weights) else None

    return Averages(
        precision=mean([each.precision for each in figures]),
        recall=mean([each.recall for each in figures]),
        f1=mean([each.f1 for each in figures]),
    )


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
