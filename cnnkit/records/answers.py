"""What is said of one picture."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from cnnkit.records.record import Cell, Record


@dataclass(frozen=True, slots=True)
class Skipped(Record):
    """One input that could not be answered, and why."""

    path: str
    kind: str
    message: str

    @property
    def failed(self) -> bool:
        """Always true: that is what the record says."""
        return True

    @property
    def listed(self) -> bool:
        """It stands among answers of another kind."""
        return False

    def to_dict(self) -> dict[str, Any]:
        """`{"path", "status": "error", "error": {"kind", "message"}}`."""
        error = {"kind": self.kind, "message": self.message}
        return {"path": self.path, "status": "error", "error": error}

    def cells(self) -> Mapping[str, Cell]:
        """The path, the status, and the reason in the column `error`."""
        return {"path": self.path, "status": "error", "error": f"{self.kind}: {self.message}"}

    def text(self) -> tuple[str, ...]:
        """The path and the reason."""
        return (self.path, f"error: {self.message}")


@dataclass(frozen=True, slots=True)
class Prediction:
    """One class that a network sees in a picture; `score` is a probability in 0..1."""

    rank: int
    id: str
    label: str
    score: float


@dataclass(frozen=True, slots=True)
class Classification(Record):
    """What a network sees in one picture, the best class first."""

    path: str
    model: str
    predictions: tuple[Prediction, ...]

    @property
    def selected(self) -> bool:
        """Whether any class was left by the least score."""
        return bool(self.predictions)

    @property
    def listed(self) -> bool:
        """Labels and scores speak for themselves."""
        return False

    @staticmethod
    def columns_for(top: int) -> tuple[str, ...]:
        """The columns of a table that holds the best `top` classes of each picture."""
        ranked = (
            f"{name}_{rank}" for rank in range(1, top + 1) for name in ("label", "score", "id")
        )
        return ("path", "status", *ranked, "error")

    def to_dict(self) -> dict[str, Any]:
        """`{"path", "status": "ok", "model", "predictions": [{"rank", "id", …}]}`."""
        return {
            "path": self.path,
            "status": "ok",
            "model": self.model,
            "predictions": [asdict(prediction) for prediction in self.predictions],
        }

    def cells(self) -> Mapping[str, Cell]:
        """One row per picture: label, score and id of each rank side by side."""
        row: dict[str, Cell] = {"path": self.path, "status": "ok"}
        for prediction in self.predictions:
            row[f"label_{prediction.rank}"] = prediction.label
            row[f"score_{prediction.rank}"] = prediction.score
            row[f"id_{prediction.rank}"] = prediction.id
        return row

    def text(self) -> tuple[str, ...]:
        """The path, then each label with its score."""
        return (self.path, *(f"{p.label} {p.score:.4f}" for p in self.predictions))


@dataclass(frozen=True, slots=True)
class Drawn(Record):
    """One drawn picture; `state` is drawn, or present where it was there already."""

    path: str
    label: str
    seed: int
    index: int
    state: str

    @property
    def listed(self) -> bool:
        """They come by the thousand: a header says little."""
        return False
