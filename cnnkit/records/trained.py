"""What a training run came to, and what it would do."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields

from cnnkit.records.record import Cell, Record
from cnnkit.records.training import Strategy


@dataclass(frozen=True, slots=True)
class Compared(Record):
    """How one strategy of a run did on the validation pictures; None without any.

    `kept_epoch` is the one whose weights it ended with, counted from 1, 0 for those that it started
    from; `share`, 0 to 1, how far of the way to them fine-tuning went, None for others.
    `interval` is the 95 % one of `metrics.bootstrap`; `loss` is the mean cross-entropy
    at the temperature that suits best; `computed` are the pictures that the frozen network had to
    be run on, the others were known.
    """

    strategy: Strategy
    epochs: int
    kept_epoch: int
    share: float | None
    accuracy: float | None
    interval: tuple[float, float] | None
    loss: float | None
    seconds: float
    computed: int
    kept: bool

    @property
    def weights(self) -> str:
        """Which weights it ended with, in words."""
        if not self.kept_epoch:
            return "as they were"
        if self.share not in (None, 1.0):
            return f"{self.share:.0%} of the way to epoch {self.kept_epoch}"
        return f"epoch {self.kept_epoch} of {self.epochs}"


@dataclass(frozen=True, slots=True)
class Trained(Record):
    """What a training run came to.

    `run` is its folder, which `--model` takes. `train` and `val` count pictures. `ece` is the
    expected calibration error with the temperature in place, `ece_before` without it. With `refit`
    the network has since been fitted once more, on the validation pictures too: the figures are
    those of the fit that had not seen them.
    """

    run: str
    model: str
    strategy: Strategy
    classes: int
    train: int
    val: int
    accuracy: float | None
    interval: tuple[float, float] | None
    temperature: float
    ece_before: float | None
    ece: float | None
    seconds: float
    interrupted: bool
    refit: bool
    skipped: int
    strategies: tuple[Compared, ...]
    report: str

    @property
    def selected(self) -> bool:
        """A run is no picture."""
        return False

    @classmethod
    def columns(cls) -> tuple[str, ...]:
        """One row per strategy."""
        return ("run", "model", *(field.name for field in fields(Compared)))

    def rows(self) -> Sequence[Mapping[str, Cell]]:
        """One row per strategy."""
        return [{**_flat(each), "run": self.run, "model": self.model} for each in self.strategies]

    def lines(self) -> Sequence[tuple[str, ...]]:
        """One line per strategy."""
        return [_line(self, each) for each in self.strategies]


def _flat(row: Compared) -> dict[str, Cell]:
    cells: dict[str, Cell] = asdict(row)
    if row.interval is not None:
        cells["interval"] = f"{row.interval[0]:.4f} {row.interval[1]:.4f}"
    return cells


def _line(run: Trained, row: Compared) -> tuple[str, ...]:
    accuracy = interval = loss = ""
    if row.accuracy is not None and row.interval is not None:
        accuracy = f"{row.accuracy:.1%}"
        interval = f"{row.interval[0]:.1%} to {row.interval[1]:.1%}"
    if row.loss is not None:
        loss = f"{row.loss:.3f}"
    kept = "kept" if row.kept else ""
    return (
        run.run, run.model, row.strategy, str(row.epochs), str(row.kept_epoch),
        "" if row.share is None else f"{row.share:.0%}", accuracy, interval, loss,
        f"{row.seconds:.1f} s", f"{row.computed:,}", kept,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Planned(Record):
    """What a run would do, before anything is fetched or built.

    `balance` holds each class with its pictures in training, validation and test. `memory` is in
    bytes and `seconds` from start to end, both estimates. `notices` say what was left out.
    """

    data: str
    model: str
    strategies: tuple[Strategy, ...]
    train: int
    val: int
    test: int
    skipped: int
    kept_together: int
    straddling: int
    balance: tuple[tuple[str, int, int, int], ...]
    parameters: int
    weights: str
    memory: int
    seconds: float
    notices: tuple[str, ...]

    @property
    def selected(self) -> bool:
        """A plan is no picture."""
        return False

    @property
    def listed(self) -> bool:
        """It is read from top to bottom."""
        return False

    @classmethod
    def columns(cls) -> tuple[str, ...]:
        """One row per class."""
        return ("label", "train", "val", "test")

    def rows(self) -> Sequence[Mapping[str, Cell]]:
        """One row per class."""
        return [dict(zip(self.columns(), row, strict=True)) for row in self.balance]

    def lines(self) -> Sequence[tuple[str, ...]]:
        """What would be done, then how many pictures each class has."""
        most = max((row[1] for row in self.balance), default=0)
        bars = [
            (label, f"{train:>6,} {val:>6,} {test:>6,}  {'█' * round(20 * train / max(most, 1))}")
            for label, train, val, test in self.balance
        ]
        return [*self.summary(), *bars]

    def summary(self) -> Sequence[tuple[str, ...]]:
        """What would be done, and what it would take."""
        counts = f"{self.train:,} to train on, {self.val:,} to validate, {self.test:,} to test"
        told = [
            ("data", self.data),
            ("pictures", counts),
            ("classes", f"{len(self.balance):,}"),
            ("strategies", ", ".join(self.strategies)),
            ("model", f"{self.model}, {self.parameters:,} parameters, weights {self.weights}"),
            ("memory", f"about {self.memory / 1e9:.1f} GB"),
            ("time", f"about {_duration(self.seconds)}, or less where it stops early"),
        ]
        if self.kept_together:
            told.append(("kept together", f"{self.kept_together:,} near-duplicates or of a group"))
        if self.straddling:
            told.append(("straddling", f"{self.straddling:,} near-duplicates on two sides"))
        return [*told, *(("left out", notice) for notice in self.notices)]


def _duration(seconds: float) -> str:
    for unit, size in (("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} seconds"
