"""What is said of a model whose answers were held against the truth."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from cnnkit.records.record import Cell, Record

Bounds = tuple[float, float]
# The most classes whose confusion matrix a terminal shows.
_SHOWN_CLASSES = 12


@dataclass(frozen=True, slots=True)
class ClassRow:
    """How one class fares; figures are in 0..1, or None where there is nothing to divide by.

    `support` is the number of its pictures.
    """

    label: str
    precision: float | None
    recall: float | None
    f1: float | None
    support: int

    @property
    def seen(self) -> bool:
        """Whether any picture is of the class or was called by its name."""
        return self.support > 0 or self.precision is not None


@dataclass(frozen=True, slots=True)
class Evaluation(Record):
    """How well a model does on pictures whose classes are known.

    Figures are in 0..1, or None where there is nothing to divide by. `top1_interval` and
    `top5_interval` are those of `metrics.bootstrap` at `level`. Of the `pictures`, `unknown` are of
    classes that the model does not know: wrong answers, which no class and no cell of `confusion`
    counts. `confusion` holds how many pictures of each class (rows) are called what (columns), both
    in the order of `classes`.
    """

    pictures: int
    top1: float | None
    top5: float | None
    top1_interval: Bounds | None
    top5_interval: Bounds | None
    macro_f1: float | None
    balanced_accuracy: float | None
    ece: float | None
    classes: tuple[ClassRow, ...]
    confusion: tuple[tuple[int, ...], ...]
    unknown: int = 0
    level: float = 0.95

    @property
    def selected(self) -> bool:
        """Never: it stands for no picture of its own."""
        return False

    @property
    def listed(self) -> bool:
        """It brings headers of its own."""
        return False

    @classmethod
    def columns(cls) -> tuple[str, ...]:
        """The columns of a table with a row per class."""
        return ("label", "precision", "recall", "f1", "support")

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of the classes, which are those of the matrix's rows and columns."""
        return tuple(each.label for each in self.classes)

    def to_dict(self) -> dict[str, Any]:
        """The figures, `classes` as `[{"label", …}]`, then `labels` and `confusion` as lists."""
        return {
            **self.cells(),
            "top1_interval": _listed(self.top1_interval),
            "top5_interval": _listed(self.top5_interval),
            "level": self.level,
            "classes": [asdict(each) for each in self.classes],
            "labels": list(self.labels),
            "confusion": [list(row) for row in self.confusion],
        }

    def cells(self) -> Mapping[str, Cell]:
        """The figures of the whole as one flat row."""
        return {
            "pictures": self.pictures,
            "unknown": self.unknown,
            "top1": self.top1,
            "top5": self.top5,
            "macro_f1": self.macro_f1,
            "balanced_accuracy": self.balanced_accuracy,
            "ece": self.ece,
        }

    def rows(self) -> Sequence[Mapping[str, Cell]]:
        """One row per class."""
        return [asdict(each) for each in self.classes]

    def lines(self) -> Sequence[tuple[str, ...]]:
        """The figures of the whole, a line per class that was seen, and for few the confusions."""
        shown = [i for i, each in enumerate(self.classes) if each.seen]
        few = 0 < len(shown) <= _SHOWN_CLASSES
        return [*self.summary(), *self._per_class(shown), *(self._matrix(shown) if few else ())]

    def summary(self) -> Sequence[tuple[str, ...]]:
        """The figures of the whole."""
        unseen = sum(not each.seen for each in self.classes)
        of_known = ("", "of the known classes alone") if self.unknown else ()
        return [
            ("pictures", str(self.pictures)),
            *([("of unknown classes", str(self.unknown))] if self.unknown else []),
            *([("unseen classes", str(unseen))] if unseen else []),
            ("top-1 accuracy", _figure(self.top1), *self._interval(self.top1_interval)),
            ("top-5 accuracy", _figure(self.top5), *self._interval(self.top5_interval)),
            ("macro F1", _figure(self.macro_f1), *of_known),
            ("balanced accuracy", _figure(self.balanced_accuracy), *of_known),
            ("calibration error", _figure(self.ece)),
        ]

    def _interval(self, bounds: Bounds | None) -> tuple[str, ...]:
        if bounds is None:
            return ()
        return (f"{bounds[0]:.4f}–{bounds[1]:.4f}", f"{100 * self.level:.4g}% interval")

    def _per_class(self, shown: Sequence[int]) -> list[tuple[str, ...]]:
        lines = [("",), tuple(column.upper() for column in self.columns())] if shown else []
        for each in (self.classes[i] for i in shown):
            figures = (_figure(each.precision), _figure(each.recall), _figure(each.f1))
            lines.append((each.label, *figures, str(each.support)))
        return lines

    def _matrix(self, shown: Sequence[int]) -> list[tuple[str, ...]]:
        header = ("TRUE / ANSWERED", *(self.classes[i].label for i in shown))
        cells = [
            (self.classes[i].label, *(str(self.confusion[i][j]) for j in shown)) for i in shown
        ]
        return [("",), header, *cells]


@dataclass(frozen=True, slots=True)
class Judged(Record):
    """What a model says of one picture, and what is true.

    `label` is the truth and `rank` where it stands among the answers, 1 for the best one and None
    for a class that the model does not know; `score` is the probability, 0..1, of `predicted`.
    """

    path: str
    label: str
    predicted: str
    score: float
    rank: int | None
    correct: bool

    @property
    def listed(self) -> bool:
        """Labels and scores speak for themselves."""
        return False

    @classmethod
    def columns(cls) -> tuple[str, ...]:
        """The columns of a table that holds what could not be answered, too."""
        return ("path", "status", "label", "predicted", "score", "rank", "correct", "error")

    def to_dict(self) -> dict[str, Any]:
        """`{"path", "status": "ok", "label", "predicted", "score", "rank", "correct"}`."""
        told = asdict(self)
        return {"path": told.pop("path"), "status": "ok", **told}

    def text(self) -> tuple[str, ...]:
        """The path, the verdict, the truth, the answer with its score, the rank of the truth."""
        verdict = "right" if self.correct else "wrong"
        rank = "unknown class" if self.rank is None else f"rank {self.rank}"
        return (self.path, verdict, self.label, f"{self.predicted} {self.score:.4f}", rank)


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"


def _listed(bounds: Bounds | None) -> list[float] | None:
    return None if bounds is None else list(bounds)
