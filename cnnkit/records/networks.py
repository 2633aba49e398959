"""What is said of networks and of their files."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from cnnkit.records.record import Cell, Record


@dataclass(frozen=True, slots=True)
class ModelRow(Record):
    """One network of the catalog, as `cnnkit models` lists it."""

    name: str
    height: int
    width: int
    parameters: int
    features: int
    embedding: str
    fit: str
    interpolation: str
    pixels: str
    weights: str


@dataclass(frozen=True, slots=True)
class LabelRow(Record):
    """One class that a network can name."""

    index: int
    id: str
    label: str


@dataclass(frozen=True, slots=True)
class WeightsRow(Record):
    """One weight file: where it is, or would be, and what is known of it.

    `state` is one of present, absent, pulled, imported, removed, verified, recorded, unpublished,
    changed, damaged, refused. `size` is in bytes.
    """

    model: str
    file: str
    state: str
    size: int | None
    path: str
    note: str = ""

    @property
    def failed(self) -> bool:
        """Whether this file, one of several, could not be taken."""
        return self.state == "refused"


@dataclass(frozen=True, slots=True)
class CacheRow(Record):
    """One converted network on disk, as `cnnkit cache` lists it.

    `state` is kept, unfit (Keras runs instead), damaged, unfinished, removed, busy or absent.
    `size` is in bytes, `used` in ISO 8601. `verdict` says which `precision` is used by default, and
    the figures that decided it: how the answers in bfloat16 compare with those in float32.
    """

    model: str
    state: str
    weights: str = ""
    size: int | None = None
    used: str = ""
    verdict: Mapping[str, str | float] | None = None
    note: str = ""
    path: str = ""

    @classmethod
    def columns(cls) -> tuple[str, ...]:
        """The note stands for the verdict's figures."""
        return tuple(field.name for field in fields(cls) if field.name != "verdict")

    def cells(self) -> Mapping[str, Cell]:
        """One row, with the verdict in words."""
        return {name: getattr(self, name) for name in self.columns()}

    def text(self) -> tuple[str, ...]:
        """The size in megabytes, the time to the minute."""
        size = "" if self.size is None else f"{self.size / 1e6:.1f} MB"
        used = self.used[:16].replace("T", " ")
        return (self.model, self.state, self.weights, size, used, self.note, self.path)


@dataclass(frozen=True, slots=True)
class ExportedFile(Record):
    """One file of an exported network; `size` is in bytes.

    The file that the runtime opens also says how it answered on `pictures` pictures, where there
    were any: the largest `difference` of a score from Keras's, and the share, 0 to 1, of pictures
    with the `same_label`.
    """

    path: str
    size: int
    sha256: str
    pictures: int | None = None
    difference: float | None = None
    same_label: float | None = None

    @property
    def listed(self) -> bool:
        """Names and sizes speak for themselves."""
        return False

    @classmethod
    def columns(cls) -> tuple[str, ...]:
        """The names of the flat row's cells; `error` is of a picture that cannot be read."""
        path, *others = (field.name for field in fields(cls))
        return (path, "status", *others, "error")

    def to_dict(self) -> dict[str, Any]:
        """The fields, and `"status": "ok"` after the path."""
        return {"path": self.path, "status": "ok", **asdict(self)}

    def text(self) -> tuple[str, ...]:
        """The path, the size, the hash's beginning, and how it compares with Keras."""
        told = (self.path, f"{self.size:,} bytes", f"sha256 {self.sha256[:12]}")
        if self.pictures is None:
            return told
        return (
            *told,
            f"at most {self.difference:.1e} from Keras, "
            f"same label on {self.same_label:.1%} of {self.pictures}",
        )
