"""What a training run came to, made ready for its page."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cnnkit.images.decode import decode_reduced
from cnnkit.metrics.accuracy import confusion, per_class
from cnnkit.metrics.calibration import expected_calibration_error, reliability, softmax
from cnnkit.outputs import report as page
from cnnkit.records import Compared, Skipped, Trained
from cnnkit.records import bundle as names
from cnnkit.search.exact import nearest
from cnnkit.search.vectors import Matrix
from cnnkit.tasks.feeding import Floats
from cnnkit.tasks.ground import Ground
from cnnkit.tasks.strategies import Outcome

if TYPE_CHECKING:
    from PIL import Image

# What is enough to look at: pictures of a cell, wrong answers, neighbours of one, suspects.
_IN_A_CELL, _MISTAKES, _NEIGHBOURS, _SUSPECTS = 24, 24, 4, 24
_SAMPLES, _SHOWN_CLASSES, _AUGMENTED = 8, 12, 16
# A label is suspected where so many of the nearest pictures agree on another one, and none on it.
_VOTERS, _AGREED = 10, 0.8
# With more pictures all pairs of them take too long for a page.
_MOST_COMPARED = 20_000
_THUMBNAIL = 320


def write_report(folder: Path, ground: Ground, outcomes: Sequence[Outcome], run: Trained) -> None:
    """Write `report.html` into the run's folder; the outcomes are those of `run.strategies`.

    Raises `OutputError` where it cannot be.
    """
    pairs = list(zip(outcomes, run.strategies, strict=True))
    [logits] = [outcome.logits for outcome, row in pairs if row.kept]
    # Random weights see nothing by which pictures could be alike.
    seeing = ground.job is not None and ground.job.weights != "none"
    known = ground.known().gathered() if seeing else None
    scores = _Scores.of(ground, logits, run.temperature) if logits is not None else None
    report = page.Report(
        title=f"{ground.examples.name}: {run.model}, {run.strategy}",
        facts=_facts(run, ground.examples.kept_together),
        notices=_notices(ground, run),
        strategies=tuple(_strategy(*pair) for pair in pairs),
        labels=ground.examples.labels,
        confusion=scores.confusion if scores else (),
        cells=scores.cells(ground) if scores else {},
        scores=scores.classes(ground) if scores else (),
        calibration=scores.calibration(run.temperature) if scores else None,
        mistakes=scores.mistakes(ground, known) if scores else (),
        suspects=_suspects(ground, known) if known is not None else (),
        straddles=_straddles(ground),
        samples=_samples(ground),
        augmented=_augmented(ground),
        commands=_commands(folder, ground),
        configuration=(folder / names.CONFIG).read_text("utf-8", errors="replace"),
        environment=_environment(folder),
    )
    page.write_report(report, folder / names.REPORT, _picture)


def _picture(path: str) -> "Image.Image | str":
    picture = decode_reduced(path, (_THUMBNAIL, _THUMBNAIL))
    return picture.message if isinstance(picture, Skipped) else picture.image


def _facts(run: Trained, kept: int) -> page.Facts:
    return (
        ("network", run.model),
        ("classes", f"{run.classes:,}"),
        ("trained on", f"{run.train:,} pictures"),
        ("validated on", f"{run.val:,} pictures"),
        ("kept on one side", f"{kept:,} near-duplicates or of one group"),
        ("time", f"{run.seconds:.1f} s"),
    )


def _notices(ground: Ground, run: Trained) -> tuple[str, ...]:
    examples = ground.examples
    told = [*examples.notices, *(f"left out: {s.path}: {s.message}" for s in examples.skipped)]
    if run.refit:
        told.insert(
            0,
            "The figures are of a network that had not seen the validation pictures; it was then "
            "fitted once more, on those as well.",
        )
    if run.interrupted:
        told.insert(0, "This run was interrupted; it is what it was by then.")
    if not run.val:
        told.insert(0, "Nothing was held out: nobody knows how good this network is.")
    return tuple(told)


def _strategy(outcome: Outcome, row: Compared) -> page.Strategy:
    epochs = tuple(
        page.Epoch(
            each.epoch, each.loss, each.accuracy, each.val_loss, each.val_accuracy,
            each.learning_rate, each.seconds,
        )
        for each in outcome.history
    )  # fmt: skip
    return page.Strategy(
        row.strategy, epochs, row.accuracy, row.interval, outcome.seconds, row.kept, row.weights,
        row.loss,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Scores:
    """What the best network says of the validation pictures.

    `logits` (n, C), `scores` (n, C) the probabilities, `truth` and `guess` (n,) classes.
    """

    logits: NDArray[np.float32]
    scores: NDArray[np.float64]
    truth: NDArray[np.int64]
    guess: NDArray[np.int64]
    table: NDArray[np.int64]

    @classmethod
    def of(cls, ground: Ground, logits: Floats, temperature: float) -> "_Scores":
        truth = ground.examples.truth(ground.held)
        scores = softmax(logits, temperature)
        guess = scores.argmax(axis=1)
        return cls(logits, scores, truth, guess, confusion(truth, guess, ground.classes))

    @property
    def confusion(self) -> tuple[tuple[int, ...], ...]:
        return tuple(tuple(row) for row in self.table.tolist())

    def cells(self, ground: Ground) -> dict[tuple[int, int], tuple[str, ...]]:
        """The pictures of each cell, the surest first."""
        found: dict[tuple[int, int], list[str]] = defaultdict(list)
        paths = ground.examples.paths(ground.held)
        for at in np.argsort(-self.scores.max(axis=1), kind="stable").tolist():
            found[int(self.truth[at]), int(self.guess[at])].append(paths[at])
        return {cell: tuple(each[:_IN_A_CELL]) for cell, each in found.items()}

    def classes(self, ground: Ground) -> tuple[page.ClassScore, ...]:
        return tuple(
            page.ClassScore(
                label, _figure(each.precision), _figure(each.recall), _figure(each.f1), each.support
            )
            for label, each in zip(ground.examples.labels, per_class(self.table), strict=True)
        )

    def calibration(self, temperature: float) -> page.Calibration:
        before = softmax(self.logits)
        return page.Calibration(
            _bins(before, self.truth),
            _bins(self.scores, self.truth),
            expected_calibration_error(before, self.truth) or 0.0,
            expected_calibration_error(self.scores, self.truth) or 0.0,
            temperature,
        )

    def mistakes(
        self, ground: Ground, known: NDArray[np.float32] | None
    ) -> tuple[page.Mistake, ...]:
        """The surest wrong answers, each with the training pictures that look most like it."""
        wrong = np.flatnonzero(self.guess != self.truth)
        worst = wrong[np.argsort(-self.scores[wrong, self.guess[wrong]], kind="stable")]
        worst = worst[:_MISTAKES]
        labels, paths = ground.examples.labels, ground.examples.paths(ground.held)
        alike = _alike(ground, known, worst)
        return tuple(
            page.Mistake(
                paths[at],
                labels[self.truth[at]],
                labels[self.guess[at]],
                float(self.scores[at, self.guess[at]]),
                near,
            )
            for at, near in zip(worst.tolist(), alike, strict=True)
        )


def _figure(value: float | None) -> float:
    return float("nan") if value is None else value


def _bins(probabilities: NDArray[np.float64], truth: NDArray[np.int64]) -> tuple[page.Bin, ...]:
    return tuple(
        page.Bin(each.confidence, each.accuracy, each.count)
        for each in reliability(probabilities, truth)
        if each.confidence is not None and each.accuracy is not None
    )


def _alike(
    ground: Ground, known: NDArray[np.float32] | None, places: NDArray[np.int64]
) -> list[tuple[page.Neighbour, ...]]:
    """For each of these validation pictures, the training pictures nearest to it."""
    if known is None or not len(places):
        return [() for _ in places]
    count, examples = len(ground.train), ground.examples
    found = nearest(
        Matrix.of(known[:count]), known[count:][places], metric="cosine", count=_NEIGHBOURS
    )
    return [
        tuple(
            page.Neighbour(examples.examples[place].path, examples.examples[place].label, value)
            for place, value in (
                (ground.train[row], value)
                for row, value in zip(each.rows.tolist(), each.values.tolist(), strict=True)
            )
        )
        for each in found
    ]


def _suspects(ground: Ground, known: NDArray[np.float32]) -> tuple[page.Suspect, ...]:
    """Pictures whose nearest ones, themselves left out, agree on another class (Wilson 1972).

    Of a class that could not speak for them, nothing is said: of too few pictures.
    """
    if len(known) > _MOST_COMPARED:
        return ()
    places, examples = [*ground.train, *ground.held], ground.examples
    truth = examples.truth(places)
    heard = np.bincount(truth, minlength=ground.classes) > _VOTERS // 2
    found = nearest(
        Matrix.of(known), known, metric="cosine", count=_VOTERS, leave_out=range(len(known))
    )
    suspects = []
    for at, each in enumerate(found):
        votes = np.bincount(truth[each.rows], minlength=ground.classes) / max(1, len(each.rows))
        first = int(votes.argmax())
        agreed = first != truth[at] and votes[first] >= _AGREED
        if agreed and heard[truth[at]] and not votes[truth[at]]:
            example = examples.examples[places[at]]
            label = examples.labels[first]
            suspects.append(page.Suspect(example.path, example.label, label, float(votes[first])))
    return tuple(sorted(suspects, key=lambda each: -each.confidence)[:_SUSPECTS])


def _straddles(ground: Ground) -> tuple[page.Straddle, ...]:
    rows = ground.examples.examples
    return tuple(
        page.Straddle(rows[one].path, rows[one].split, rows[two].path, rows[two].split)
        for one, two in ground.examples.straddling
    )


def _samples(ground: Ground) -> tuple[page.Row, ...]:
    """The first training pictures of the first classes."""
    found: dict[str, list[str]] = defaultdict(list)
    for place in ground.train:
        example = ground.examples.examples[place]
        found[example.label].append(example.path)
    labels = [label for label in ground.examples.labels if found[label]][:_SHOWN_CLASSES]
    return tuple(page.Row(label, tuple(found[label][:_SAMPLES])) for label in labels)


def _augmented(ground: Ground) -> tuple[page.Row, ...]:
    """The beginning of the first epoch's pictures, as they were changed."""
    if ground.augmentation is None:
        return ()
    places = np.linspace(0, len(ground.train) - 1, min(_AUGMENTED, len(ground.train))).astype(int)
    pictures = ground.pictures([ground.train[place] for place in places], augmented=True)
    shown = pictures.inputs(np.arange(len(places)), 0)
    return (page.Row("as the network saw them in the first epoch", shown.astype(np.uint8)),)


def _commands(folder: Path, ground: Ground) -> str:
    return "\n".join(
        [
            f"cnnkit --config {quote(str(folder / names.CONFIG))} finetune "
            f"{quote(str(folder / names.SPLIT))}",
            f"cnnkit classify PICTURES --model {quote(str(folder))}",
            f"cnnkit evaluate DATA --model {quote(str(folder))}",
        ]
    )


def _environment(folder: Path) -> page.Facts:
    import json

    told = json.loads((folder / names.ENVIRONMENT).read_text("utf-8"))
    return tuple((name, str(value)) for name, value in told.items())
