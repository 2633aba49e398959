"""What is said of this machine."""

from dataclasses import asdict, dataclass
from typing import Any

from cnnkit.records.record import Record


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

    def to_dict(self) -> dict[str, Any]:
        """Four digits of each figure: a repetition would confirm no more."""
        figures = asdict(self).items()
        return {k: float(f"{v:.4g}") if isinstance(v, float) else v for k, v in figures}

    def text(self) -> tuple[str, ...]:
        """The share as a percentage."""
        share = "" if self.share_of_peak is None else f"{self.share_of_peak:.0%}"
        speeds = (self.images_per_second, self.latency_ms, self.gflops)
        shown = ["" if speed is None else f"{speed:.4g}" for speed in speeds]
        batch = "" if self.batch is None else str(self.batch)
        who = (self.measure, self.model, self.weights, self.engine, self.precision)
        return (*who, batch, str(self.threads), *shown, share, self.note)
