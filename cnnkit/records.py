"""What the stages hand to one another: small frozen records, and nothing that computes.

A record that leaves the program offers itself in three shapes: `to_dict` (json and jsonl, the
stable contract), `cells` (one flat row for csv and tsv) and `text` (what a person reads).
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

# What a file's name ends in where a folder is searched for pictures.
PICTURE_SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".gif", ".bmp", ".dib", ".webp", ".tif", ".tiff"),
    *(".mpo", ".ppm", ".pgm", ".pbm", ".pnm", ".jp2", ".j2k", ".jpx", ".avif"),
)

Cell = str | int | float | bool | None
Fit = Literal["stretch", "crop", "pad"]
Interpolation = Literal["nearest", "bilinear", "bicubic"]
Crops = Literal[1, 5, 10, 144]
Style = Literal["flat", "room"]
Runtime = Literal["auto", "keras", "openvino"]
Precision = Literal["auto", "float32", "bfloat16"]


@dataclass(frozen=True, slots=True)
class Record:
    """A record that can be printed: by default, its fields as they are."""

    @property
    def failed(self) -> bool:
        """Whether this record stands for an input that could not be answered."""
        return False

    @property
    def selected(self) -> bool:
        """Whether `--print0` prints this record's path: it was answered, and not with nothing."""
        return not self.failed

    @property
    def listed(self) -> bool:
        """Whether a person reads such records as a table with a header."""
        return True

    @classmethod
    def columns(cls) -> tuple[str, ...]:
        """The names of the flat row's cells, in order."""
        return tuple(field.name for field in fields(cls))

    def to_dict(self) -> dict[str, Any]:
        """The record as json holds it."""
        return asdict(self)

    def cells(self) -> Mapping[str, Cell]:
        """The record as one flat row; a cell that is not there is empty."""
        return self.to_dict()

    def text(self) -> tuple[str, ...]:
        """The record as a person reads it: one string per column on the terminal."""
        return tuple("" if cell is None else str(cell) for cell in self.cells().values())


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
class BenchRow(Record):
    """One speed that `cnnkit bench` measured.

    `measure` is peak (a product of large matrices), network (pixels in memory), decode (files to
    pixels) or files (files to answers). `images_per_second` and `latency_ms`, of one picture alone,
    are medians; `gflops` are 10⁹ floating point operations per second, and `share_of_peak` is 0..1
    of the peak's in the same precision.
    """

    measure: str
    model: str
    weights: str
    engine: str
    precision: str
    batch: int | None
    threads: int
    images_per_second: float | None = None
    latency_ms: float | None = None
    gflops: float | None = None
    share_of_peak: float | None = None
    note: str = ""

    def text(self) -> tuple[str, ...]:
        """As many digits as a repetition would confirm."""
        share = "" if self.share_of_peak is None else f"{self.share_of_peak:.0%}"
        speeds = (self.images_per_second, self.latency_ms, self.gflops)
        shown = ["" if speed is None else f"{speed:.4g}" for speed in speeds]
        batch = "" if self.batch is None else str(self.batch)
        who = (self.measure, self.model, self.weights, self.engine, self.precision)
        return (*who, batch, str(self.threads), *shown, share, self.note)


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


@dataclass(frozen=True, slots=True)
class Finding(Record):
    """One matter that `cnnkit doctor` looked into; `state` is ok, missing or broken.

    `mend` is the command to type, or "".
    """

    matter: str
    state: str
    detail: str
    mend: str = ""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a file becomes a network's input, from decoding to scaling; a part of the model.

    The picture is decoded (turned as its EXIF says, transparency over white), fitted to
    `height` × `width`, and each channel `c`, in the order of `channels`, becomes
    `(value · scale − mean[c]) / std[c]` with values from 0 to 255.

    `fit` is `stretch` (both sides to size, aspect lost), `crop` (the short side to `margin` times
    the size, then the centre) or `pad` (the long side to size, the rest filled with grey).
    `margin` is as exact as two integers: (256, 224) for the usual ImageNet evaluation.
    """

    height: int
    width: int
    fit: Fit = "crop"
    interpolation: Interpolation = "bicubic"
    margin: tuple[int, int] = (256, 224)
    channels: Literal["rgb", "bgr"] = "rgb"
    scale: float = 1.0
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    decoder: str = "pillow-exif-white-draft2box"

    @property
    def hash(self) -> str:
        """A sha256 over every field: two recipes with one hash give the same pixels."""
        canonical = json.dumps(asdict(self), sort_keys=True)
        return hashlib.sha256(canonical.encode()).hexdigest()
