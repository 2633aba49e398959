"""What is said of embeddings: how they were made, and where they lie."""

import json
from dataclasses import asdict, dataclass, fields
from typing import Any

from cnnkit.records.record import Record
from cnnkit.records.words import Pooling, StoredType


@dataclass(frozen=True, slots=True)
class Stamp:
    """How the vectors of a store were made: what has to be equal for two to be comparable.

    `weights` is the sha256 of the weight file, or "random, seed N". `recipe` is the hash of
    `Recipe`; `crops` the views whose embeddings are averaged; `features` the numbers of a vector.
    """

    model: str
    weights: str
    layer: str
    pooling: Pooling
    crops: int
    recipe: str
    precision: str
    dtype: StoredType
    features: int

    def json(self) -> str:
        """The stamp as a store's attribute holds it."""
        return json.dumps(asdict(self))

    @classmethod
    def of(cls, text: str) -> "Stamp | None":
        """The stamp that `json` wrote; None where the text is anything else."""
        try:
            values = json.loads(text)
            stamp = cls(**values)
        except (ValueError, TypeError, RecursionError):
            return None
        kinds = all(type(getattr(stamp, f.name)) is (f.type if f.type is int else str)
                    for f in fields(cls))  # fmt: skip
        return stamp if kinds else None

    def differences(self, other: "Stamp") -> list[tuple[str, str, str]]:
        """Each field that differs: its name, the value here, the value there."""
        names = (field.name for field in fields(self))
        pairs = ((name, str(getattr(self, name)), str(getattr(other, name))) for name in names)
        return [(name, one, two) for name, one, two in pairs if one != two]


@dataclass(frozen=True, slots=True)
class Embedded(Record):
    """One picture whose embedding lies in the store, in `row`; `cached` if it lay there before."""

    path: str
    row: int
    cached: bool

    @property
    def listed(self) -> bool:
        """They come by the thousand: a header says little."""
        return False

    @classmethod
    def columns(cls) -> tuple[str, ...]:
        """The names of the flat row's cells."""
        return ("path", "status", "row", "cached", "error")

    def to_dict(self) -> dict[str, Any]:
        """`{"path", "status": "ok", "row", "cached"}`."""
        return {"path": self.path, "status": "ok", "row": self.row, "cached": self.cached}

    def text(self) -> tuple[str, ...]:
        """The path, the row, and whether there was anything to do."""
        return (self.path, f"row {self.row}", "cached" if self.cached else "embedded")
