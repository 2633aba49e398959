"""Whether a faster precision answers as float32 does, decided on the user's own pictures."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnkit.engines.base import Answers

log = logging.getLogger(__name__)
# How many pictures decide, and what has to hold on them.
PICTURES = 64
LEAST_SAME_LABEL = 0.97
LEAST_MEDIAN_COSINE = 0.998


@dataclass(frozen=True, slots=True)
class Verdict:
    """How the answers of two precisions compare.

    `same_label` is the share of pictures with the same best class, 0 to 1; the cosines are those
    between a picture's two embeddings.
    """

    pictures: int
    same_label: float
    median_cosine: float
    least_cosine: float

    @classmethod
    def of(cls, figures: Mapping[str, Any]) -> "Verdict | None":
        """The verdict that was written down; None where another version, or nobody, wrote it."""
        try:
            values = {field.name: figures[field.name] for field in fields(cls)}
            return cls(int(values.pop("pictures")), **{k: float(v) for k, v in values.items()})
        except (KeyError, TypeError, ValueError, OverflowError):
            return None

    @property
    def holds(self) -> bool:
        """Whether the faster precision is good enough to be the default."""
        return self.same_label >= LEAST_SAME_LABEL and self.median_cosine >= LEAST_MEDIAN_COSINE

    def __str__(self) -> str:
        """The figures, as a person reads them."""
        return (
            f"same label on {self.same_label:.1%} of {self.pictures} pictures, "
            f"cosine median {self.median_cosine:.4f}, least {self.least_cosine:.4f}"
        )


def compare(reference: Answers, other: Answers) -> Verdict:
    """Judge `other` by `reference`; both hold scores (n, classes), then embeddings (n, …).

    One value in `other` that is no number makes it worthless.
    """
    if not all(np.isfinite(array).all() for array in other):
        return Verdict(len(other[0]), 0.0, -1.0, -1.0)
    labels = [np.argmax(answers[0], axis=1) for answers in (reference, other)]
    cosines = _cosines(reference[1], other[1])
    return Verdict(
        pictures=len(cosines),
        same_label=float(np.mean(labels[0] == labels[1])),
        median_cosine=float(np.median(cosines)),
        least_cosine=float(cosines.min()),
    )


def _cosines(left: NDArray[np.float32], right: NDArray[np.float32]) -> NDArray[np.float64]:
    one = left.reshape(len(left), -1).astype(np.float64)
    two = right.reshape(len(right), -1).astype(np.float64)
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(two, axis=1)
    products = np.einsum("ij,ij->i", one, two)
    # Two empty embeddings are alike.
    cosines: NDArray[np.float64] = np.where(lengths > 0, products / np.maximum(lengths, 1e-300), 1)
    return cosines


class Trial:
    """Collects the first pictures of a run with their answers, then lets the other precision try.

    Args:
        predict: what answers in the other precision, as `Engine.predict` does.
        keep: is told the verdict, once.
    """

    def __init__(
        self, predict: Callable[[NDArray[np.uint8]], Answers], keep: Callable[[Verdict], None]
    ) -> None:
        """Wait for pictures."""
        self._predict, self._keep = predict, keep
        self._pixels: list[NDArray[np.uint8]] = []
        self._answers: list[Answers] = []
        self._missing = PICTURES

    def watch(self, pixels: NDArray[np.uint8], answers: Answers) -> None:
        """Take a batch and its answers in float32; at the last one that is needed, decide."""
        if not self._missing:
            return
        taken = min(len(pixels), self._missing)
        self._pixels.append(pixels[:taken])
        self._answers.append(tuple(array[:taken] for array in answers))
        self._missing -= taken
        if not self._missing:
            self._decide()

    def _decide(self) -> None:
        reference = tuple(np.concatenate(arrays) for arrays in zip(*self._answers, strict=True))
        pixels = np.concatenate(self._pixels)
        self._pixels, self._answers = [], []
        try:
            verdict = compare(reference, self._predict(pixels))
        except Exception as error:  # the answers are there: what is lost is only a verdict
            log.info("bfloat16 could not be tried: %s.", error)
            return
        log.info("bfloat16: %s; later runs use %s.", verdict, "it" if verdict.holds else "float32")
        self._keep(verdict)
