"""Whether a network is good enough: a least accuracy, and the most that it may have lost."""

import json
import logging
import math
import os
from dataclasses import dataclass
from typing import Any

from cnnkit.errors import GateFailed, InputError, UsageError
from cnnkit.records import Evaluation

log = logging.getLogger(__name__)
# Far above the real size, a matrix of some thousand classes: what is larger is something else.
_LARGEST = 1 << 28
# 0.83 − 0.82 is a little more than 0.01 in binary, and is not to fail for that.
_ROUNDING = 1e-9
_FIELDS = ("top1", "accuracy")


@dataclass(frozen=True, slots=True)
class Baseline:
    """An earlier top-1 accuracy, 0..1, of so many pictures; None where the file does not say."""

    file: str
    accuracy: float
    pictures: int | None


@dataclass(frozen=True, slots=True)
class Gate:
    """What top-1 accuracy has to hold; all figures are shares, 0..1."""

    min_accuracy: float | None = None
    baseline: Baseline | None = None
    max_drop: float = 0.0

    @classmethod
    def of(
        cls,
        *,
        min_accuracy: float | str | None = None,
        baseline: str | os.PathLike[str] | None = None,
        max_drop: float | str | None = None,
    ) -> "Gate":
        """Check the wishes, and read the baseline.

        Raises `UsageError` for figures that are no shares and for `max_drop` alone, `InputError`
        for a baseline that cannot be read.
        """
        if max_drop is not None and baseline is None:
            raise UsageError("--max-drop goes with --baseline FILE.json, which is not there.")
        return cls(
            None if min_accuracy is None else share("--min-accuracy", min_accuracy),
            None if baseline is None else read_baseline(baseline),
            0.0 if max_drop is None else share("--max-drop", max_drop),
        )

    def check(self, evaluation: Evaluation) -> None:
        """Raise `GateFailed` where the accuracy is too low, or nobody knows it."""
        failed = [
            reason for reason in (self._too_low(evaluation), self._lost(evaluation)) if reason
        ]
        if failed:
            raise GateFailed(" ".join(failed))

    def _too_low(self, evaluation: Evaluation) -> str | None:
        least, found = self.min_accuracy, evaluation.top1
        if least is None or (found is not None and found >= least - _ROUNDING):
            return None
        return (
            f"Expected a top-1 accuracy of at least {least:.6g}. Received: {_figure(found)} on "
            f"{evaluation.pictures:,} pictures."
        )

    def _lost(self, evaluation: Evaluation) -> str | None:
        before, found = self.baseline, evaluation.top1
        if before is None:
            return None
        if before.pictures not in (None, evaluation.pictures):
            log.warning(
                "%s is of %d pictures, and this is of %d: they may differ for that alone",
                *(before.file, before.pictures, evaluation.pictures),
            )
        if found is not None and before.accuracy - found <= self.max_drop + _ROUNDING:
            return None
        drop = "" if found is None else f", a drop of {before.accuracy - found:.6g}"
        return (
            f"Expected a top-1 accuracy at most {self.max_drop:.6g} below {before.accuracy:.6g}, "
            f"that of {before.file}. Received: {_figure(found)}{drop}."
        )


def share(name: str, value: float | str) -> float:
    """A figure from 0 to 1. Raises `UsageError` for others, with what a percentage would be."""
    text = str(value).strip()
    percent = text.endswith("%")
    try:
        number = float(text.rstrip("% ")) if percent else float(text)
    except ValueError:
        number = math.nan
    if not percent and 0 <= number <= 1:
        return number
    meant = f" Type: {name} {number / 100:.6g}" if 0 <= number <= 100 else ""
    raise UsageError(
        f"Expected {name} as a share from 0 to 1, such as 0.9 for 90 %. Received: {text!r}.{meant}"
    )


def read_baseline(path: str | os.PathLike[str]) -> Baseline:
    """The accuracy that `evaluate --format json` (or jsonl) wrote, or a run's `metrics.json`.

    Raises `InputError` for another file, and for one without an accuracy.
    """
    name = os.fspath(path)
    try:
        told = _told(name)
    except (OSError, ValueError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{name!r} cannot be read as a baseline: {reason}. {_ADVICE}") from error
    values = [told[field] for field in _FIELDS if field in told]
    accuracy = values[0] if values else None
    if not (isinstance(accuracy, int | float) and _is_share(accuracy)):
        had = f"which says {accuracy!r:.40}" if values else "which has neither"
        raise InputError(
            f"Expected a baseline with an accuracy from 0 to 1, as top1 or accuracy. "
            f"Received: {name!r}, {had}. {_ADVICE}"
        )
    pictures = told.get("pictures", told.get("val"))
    return Baseline(name, float(accuracy), pictures if type(pictures) is int else None)


def _is_share(value: float) -> bool:
    return not isinstance(value, bool) and 0 <= value <= 1


def _figure(value: float | None) -> str:
    return "no accuracy" if value is None else f"{value:.6g}"


_ADVICE = "Make one: cnnkit evaluate --format json -o OLD.json"


def _told(name: str) -> dict[str, Any]:
    with open(name, "rb") as file:  # noqa: PTH123
        text = file.read(_LARGEST + 1)
    if len(text) > _LARGEST:
        raise ValueError("it is larger than 256 MiB")
    told = json.loads(text)
    if isinstance(told, list) and len(told) == 1:
        told = told[0]
    if not isinstance(told, dict):
        raise ValueError("it is no JSON object, nor a list of one")
    return told
