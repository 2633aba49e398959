"""What is said of one changed copy of a picture."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from cnnkit.records.record import Cell, Record

Augmenter = Literal["fast", "keras"]
Labels = Literal["voc"]


@dataclass(frozen=True, slots=True)
class Augmented(Record):
    """One copy of one picture, and how it was made.

    `state` is made, remade where another file of ours stood in its place, or present where it was
    there as it should be. `output` is the copy's path. `line` is what the manifest says of it; see
    `cnnkit.tasks.copying`.
    """

    path: str
    state: str
    output: str
    line: Mapping[str, Any]

    @property
    def first(self) -> bool:
        """A picture has a record for each of its copies."""
        return bool(self.line["copy"] == 1)

    @property
    def listed(self) -> bool:
        """They come by the thousand: a header says little."""
        return False

    @classmethod
    def columns(cls) -> tuple[str, ...]:
        """The cells of a flat row; those from `theta` to `brightness` are Keras's own words."""
        return (
            *("path", "status", "state", "copy", "output", "width", "height"),
            *("theta", "tx", "ty", "shear", "zx", "zy", "flip_horizontal", "flip_vertical"),
            *("channel_shift_intensity", "brightness", "seed", "sha256", "error"),
        )

    def to_dict(self) -> dict[str, Any]:
        """`{"path", "status": "ok", "state", "output", …}`, then the manifest's line."""
        own = {"path": self.path, "status": "ok", "state": self.state, "output": self.output}
        return own | {key: value for key, value in self.line.items() if key not in _OWN}

    def cells(self) -> Mapping[str, Cell]:
        """One flat row: the parameters drawn side by side."""
        told = self.to_dict()
        flat = told | told["drawn"]
        return {name: flat[name] for name in self.columns() if name in flat}

    def text(self) -> tuple[str, ...]:
        """The picture, its copy, the copy's size, and whether it was there already."""
        return (self.path, self.output, f"{self.line['width']}x{self.line['height']}", self.state)


# The line calls a picture `source`, and an output by its place below the manifest's folder.
_OWN = ("source", "output")
