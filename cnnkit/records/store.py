"""What is said of embeddings: how they were made, where they lie, and what they are near to."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from cnnkit.records.record import Cell, Record
from cnnkit.records.words import Metric, Pooling, StoredType


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


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A stored picture that is near a query; `value` is a distance or a cosine similarity.

    `path` is None in a store without paths, `store` in a search of one store alone.
    """

    rank: int
    path: str | None
    row: int
    value: float
    store: str | None = None


@dataclass(frozen=True, slots=True)
class Neighbours(Record):
    """What is near one query, nearest first. A query is a path, or a row where there are none."""

    query: str | int
    metric: Metric
    neighbours: tuple[Neighbour, ...]

    @staticmethod
    def measure(metric: Metric) -> str:
        """What the value of a neighbour is called."""
        return "distance" if metric == "l2" else "similarity"

    @property
    def selected(self) -> bool:
        """Whether anything is near."""
        return bool(self.neighbours)

    @property
    def listed(self) -> bool:
        """Paths and numbers speak for themselves."""
        return False

    @classmethod
    def columns_for(cls, metric: Metric, *, several: bool = False) -> tuple[str, ...]:
        """The columns of a table with a row per neighbour; `several` stores were searched."""
        where = ("store",) if several else ()
        return ("query", "status", "rank", "path", "row", cls.measure(metric), *where, "error")

    def to_dict(self) -> dict[str, Any]:
        """`{"query", "status": "ok", "metric", "neighbours": [{"rank", "path", "row", …}]}`."""
        return {
            "query": self.query,
            "status": "ok",
            "metric": self.metric,
            "neighbours": [self._told(neighbour) for neighbour in self.neighbours],
        }

    def rows(self) -> Sequence[Mapping[str, Cell]]:
        """One row per neighbour; one without any where nothing is near."""
        query: dict[str, Cell] = {"query": self.query, "status": "ok"}
        return [query | self._told(each) for each in self.neighbours] or [query]

    def lines(self) -> Sequence[tuple[str, ...]]:
        """One line per neighbour: the query, the rank, the path and the value."""
        query = str(self.query)
        return [
            (query, str(each.rank), f"row {each.row}" if each.path is None else each.path,
             f"{each.value:.4f}", *((each.store,) if each.store else ()))
            for each in self.neighbours
        ] or [(query, "nothing near")]  # fmt: skip

    def _told(self, neighbour: Neighbour) -> dict[str, Any]:
        told: dict[str, Any] = {
            "rank": neighbour.rank,
            "path": neighbour.path,
            "row": neighbour.row,
            self.measure(self.metric): neighbour.value,
        }
        return told | ({"store": neighbour.store} if neighbour.store else {})


@dataclass(frozen=True, slots=True)
class Unanswered(Record):
    """A query that could not be answered, and why."""

    query: str
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
        """`{"query", "status": "error", "error": {"kind", "message"}}`."""
        error = {"kind": self.kind, "message": self.message}
        return {"query": self.query, "status": "error", "error": error}

    def cells(self) -> Mapping[str, Cell]:
        """The query, the status, and the reason in the column `error`."""
        return {"query": self.query, "status": "error", "error": f"{self.kind}: {self.message}"}

    def text(self) -> tuple[str, ...]:
        """The query and the reason."""
        return (self.query, f"error: {self.message}")
