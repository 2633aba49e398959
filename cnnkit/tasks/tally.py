"""Probabilities and truths, batch by batch → an evaluation.

Of each picture only four numbers are kept: a million pictures of a thousand classes fit.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cnnkit.metrics.accuracy import balanced_accuracy, confusion, macro, per_class, ranks
from cnnkit.metrics.bootstrap import interval
from cnnkit.metrics.calibration import expected_calibration_error
from cnnkit.metrics.truth import UNKNOWN, Indices, unknown
from cnnkit.records import ClassRow, Evaluation, Example, Judged
from cnnkit.tasks.truths import Truths

# Up to so many classes, all are in the table; of more, those that the pictures are about.
_ALL_CLASSES = 200


@dataclass(frozen=True, slots=True)
class Tally:
    """What the figures are made of: one value per picture, in arrays as they came."""

    truths: Truths
    truth: list[Indices] = field(default_factory=list)
    guess: list[Indices] = field(default_factory=list)
    rank: list[Indices] = field(default_factory=list)
    confidence: list[NDArray[np.float64]] = field(default_factory=list)

    def add(self, examples: Sequence[Example], scores: NDArray[np.float32]) -> list[Judged]:
        """Count pictures with their probabilities (n, classes), and say what they come to."""
        truth = np.array([self.truths.places[each.label] for each in examples], np.int64)
        rank = ranks(scores, truth)
        guess = scores.argmax(axis=1)
        confidence = scores[np.arange(len(scores)), guess].astype(np.float64)
        self.truth.append(truth)
        self.guess.append(guess)
        self.rank.append(rank)
        self.confidence.append(confidence)
        names = self.truths.names
        return [
            Judged(
                path=example.path,
                label=self.truths.name(example.label),
                predicted=names[said],
                score=round(sure, 6),
                rank=place or None,
                correct=place == 1,
            )
            for example, said, sure, place in zip(
                examples, guess.tolist(), confidence.tolist(), rank.tolist(), strict=True
            )
        ]

    def evaluation(self, seed: int) -> Evaluation:
        """The figures."""
        truth, guess, rank = _joined(self.truth), _joined(self.guess), _joined(self.rank)
        first, five = rank == 1, (rank >= 1) & (rank <= 5)
        classes = self._concerned(truth, guess)
        matrix = _confusion(truth, guess, classes, len(self.truths.names))
        figures = per_class(matrix)
        return Evaluation(
            pictures=len(rank),
            top1=_mean(first),
            top5=_mean(five),
            top1_interval=interval(first, seed=seed),
            top5_interval=interval(five, seed=seed),
            macro_f1=macro(figures).f1,
            balanced_accuracy=balanced_accuracy(figures),
            ece=_calibration(np.concatenate([np.empty(0), *self.confidence]), truth, first),
            classes=tuple(
                ClassRow(self.truths.names[place], of.precision, of.recall, of.f1, of.support)
                for place, of in zip(classes.tolist(), figures, strict=True)
            ),
            confusion=tuple(tuple(row) for row in matrix.tolist()),
            unknown=unknown(truth),
        )

    def _concerned(self, truth: Indices, guess: Indices) -> Indices:
        """The classes in the table, in the order of the network's outputs."""
        if len(self.truths.names) <= _ALL_CLASSES:
            return np.arange(len(self.truths.names))
        told = [place for place in self.truths.places.values() if place != UNKNOWN]
        return np.union1d(np.array(told, np.int64), guess[truth != UNKNOWN])


def _joined(parts: Sequence[Indices]) -> Indices:
    return np.concatenate([np.empty(0, np.int64), *parts])


def _mean(hits: NDArray[np.bool_]) -> float | None:
    return float(hits.mean()) if len(hits) else None


def _confusion(truth: Indices, guess: Indices, classes: Indices, count: int) -> Indices:
    """The matrix of these classes alone, out of `count`."""
    row = np.full(count, UNKNOWN)
    row[classes] = np.arange(len(classes))
    known = truth != UNKNOWN
    return confusion(row[truth[known]], row[guess[known]], len(classes))


def _calibration(
    confidence: NDArray[np.float64], truth: Indices, right: NDArray[np.bool_]
) -> float | None:
    # It asks only for the best class's probability and whether that class is the true one: two
    # columns tell it, where a row of every class for each picture would fill the memory.
    rows = np.stack([confidence, np.zeros_like(confidence)], axis=1)
    return expected_calibration_error(
        rows, np.where(truth == UNKNOWN, UNKNOWN, (~right).astype(np.int64))
    )
