"""What is said of pictures that look alike."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from cnnkit.records.record import Cell, Record
from cnnkit.records.words import Metric


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


@dataclass(frozen=True, slots=True)
class Redundant:
    """A picture that another one of its group makes redundant; `similarity` is their cosine."""

    path: str
    row: int
    similarity: float
    store: str | None = None


@dataclass(frozen=True, slots=True)
class Group(Record):
    """Pictures that are nearly the same: the one to keep, and those that need not be.

    `store` is None where only one was looked through.
    """

    group: int
    path: str
    row: int
    redundant: tuple[Redundant, ...]
    store: str | None = None

    @property
    def listed(self) -> bool:
        """Paths and numbers speak for themselves."""
        return False

    @classmethod
    def columns_for(cls, *, several: bool = False) -> tuple[str, ...]:
        """The columns of a table with a row per picture; `several` stores were looked through."""
        where = ("store",) if several else ()
        return ("group", "status", "keep", "path", "row", "similarity", *where)

    def chosen(self) -> Sequence[str]:
        """The redundant ones, for whoever wants to be rid of them."""
        return [each.path for each in self.redundant]

    def to_dict(self) -> dict[str, Any]:
        """`{"group", "status": "ok", "path", "row", "redundant": [{"path", "row", …}]}`."""
        return {
            "group": self.group,
            "status": "ok",
            "path": self.path,
            "row": self.row,
            "redundant": [_without_nothing(asdict(each)) for each in self.redundant],
        } | ({"store": self.store} if self.store else {})

    def rows(self) -> Sequence[Mapping[str, Cell]]:
        """One row per picture, the one to keep first."""
        group: dict[str, Cell] = {"group": self.group, "status": "ok"}
        kept: dict[str, Cell] = {"keep": True, "path": self.path, "row": self.row}
        kept["store"] = self.store
        return [group | kept, *(group | {"keep": False} | asdict(e) for e in self.redundant)]

    def lines(self) -> Sequence[tuple[str, ...]]:
        """One line per picture."""
        number = str(self.group)
        stores = (self.store, *(each.store for each in self.redundant))
        lines = [("keep", self.path, *([""] if self.store else []))]
        lines += [("redundant", each.path, f"{each.similarity:.4f}") for each in self.redundant]
        return [
            (number, *line, *([store] if store else []))
            for line, store in zip(lines, stores, strict=True)
        ]


def _without_nothing(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
