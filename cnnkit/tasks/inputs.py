"""What a verb is asked about, as one value: arguments, a list on stdin, and what to leave out."""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from cnnkit.errors import UsageError
from cnnkit.images.paths import STDIN, expand

Path = str | bytes | os.PathLike[str]


@dataclass(frozen=True, slots=True)
class Inputs:
    """Pictures by path, folder, glob or list; see `cnnkit.images.paths.expand`."""

    arguments: Iterable[str]
    stdin: BinaryIO | None = None
    null: bool = False
    exclude: Sequence[str] = ()
    closed: Sequence[str] = ()

    def __post_init__(self) -> None:
        """Refuse what would be taken apart letter by letter, `/` of them the whole disk."""
        if isinstance(self.arguments, str | bytes):
            raise UsageError(
                f"Expected several paths; `Inputs.of` takes one. Received: {self.arguments!r}."
            )

    @classmethod
    def of(cls, images: "Images") -> "Inputs":
        """One path, several, a stream of them, or what is already an `Inputs`."""
        if isinstance(images, Inputs):
            return images
        if isinstance(images, str | bytes | os.PathLike):
            return cls((os.fsdecode(images),))
        if isinstance(images, Sequence):
            return cls(tuple(map(os.fsdecode, images)))
        return cls(map(os.fsdecode, images))

    def paths(self) -> Iterator[str]:
        """Every picture's path, in order."""
        return expand(
            self.arguments,
            stdin=self.stdin,
            null=self.null,
            exclude=self.exclude,
            closed=self.closed,
        )

    def count(self) -> int | None:
        """How many there are; None where only reading the stream to its end would tell."""
        if not isinstance(self.arguments, Sequence) or STDIN in self.arguments:
            return None
        return sum(1 for _ in self.paths())


Images = Inputs | Path | Iterable[Path]
