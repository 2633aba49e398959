"""What a verb is asked about, as one value: arguments, a list on stdin, and what to leave out."""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from cnnkit.images.paths import STDIN, expand

Path = str | os.PathLike[str]


@dataclass(frozen=True, slots=True)
class Inputs:
    """Pictures by path, folder, glob or list; see `cnnkit.images.paths.expand`."""

    arguments: Iterable[str]
    stdin: BinaryIO | None = None
    null: bool = False
    exclude: Sequence[str] = ()

    @classmethod
    def of(cls, images: "Images") -> "Inputs":
        """One path, several, a stream of them, or what is already an `Inputs`."""
        if isinstance(images, Inputs):
            return images
        if isinstance(images, str | os.PathLike):
            return cls((os.fspath(images),))
        if isinstance(images, Sequence):
            return cls(tuple(os.fspath(image) for image in images))
        return cls(os.fspath(image) for image in images)

    def paths(self) -> Iterator[str]:
        """Every picture's path, in order."""
        return expand(self.arguments, stdin=self.stdin, null=self.null, exclude=self.exclude)

    def count(self) -> int | None:
        """How many there are; None where only reading the stream to its end would tell."""
        if not isinstance(self.arguments, Sequence) or STDIN in self.arguments:
            return None
        return sum(1 for _ in self.paths())


Images = Inputs | Path | Iterable[Path]
