"""One picture → its changed copies, as files.

A line of the manifest, and with it a copy, is a function of the picture's bytes and of `Way`::

    source       the picture's path as it was given
    output       the copy's place below the manifest's folder, with slashes
    copy, seed   which copy it is, and what its draw hangs on beside the picture's content
    drawn        ImageDataGenerator.get_random_transform's keys and values
    recipe       ImageDataGenerator's arguments
    augmenter    fast or keras
    size         [width, height] that the picture was stretched to before; null: its own
    patch        [left, top, right, bottom] cut out of it afterwards; null: all of it
    random_crop  [width, height] of the patch; null
    quality      of JPEG and WebP
    content      the picture's sha256
    labels       {source, content, output, bytes, sha256} of the label file; null
    width, height, bytes, sha256   of the copy
"""

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from cnnkit.errors import InputError
from cnnkit.outputs.copies import Copies
from cnnkit.outputs.store.rows import Facts
from cnnkit.records import Augmented, Skipped
from cnnkit.tasks.content import facts_of, touched
from cnnkit.tasks.label_files import LabelFile, label_file, moved_labels
from cnnkit.tasks.sources import Source
from cnnkit.tasks.variations import Order, Skip, Variation, Way, listed, suffix_of

Line = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Block:
    """Some of a picture's copies, of so many in all; it is decoded once for them."""

    source: Source
    copies: range
    count: int


@dataclass(slots=True)
class Copier:
    """Makes the copies of pictures in a folder, on any number of threads.

    `vary` makes them in memory.
    """

    way: Way
    folder: Copies
    vary: Callable[[Order], list[Variation]]
    stop: threading.Event
    _facts: dict[str, Any] = field(init=False)
    # The same picture may come twice: its copies are then made by one of the two.
    _places: list[threading.Lock] = field(
        default_factory=lambda: [threading.Lock() for _ in range(64)]
    )

    def __post_init__(self) -> None:
        """Tell what all lines have in common once."""
        self._facts = self.way.facts()

    def copied(self, block: Block) -> list[Augmented] | Skipped:
        """Make what is missing of a block; a record for each copy, or why there is none.

        Raises `OutputError` where nothing can be written any more.
        """
        source = block.source
        try:
            with self._places[hash(source.output(block.copies[0])) % len(self._places)]:
                return list(self._copied(block))
        except Skip as skip:
            return skip.record
        except MemoryError:
            return Skipped(
                source.path, "too_large", "there is not enough memory for the picture's copies"
            )

    def _copied(self, block: Block) -> Iterator[Augmented]:
        path = block.source.path
        facts = facts_of(path)
        if facts is None:
            self.vary(Order(path, "", (), "", self.way))  # it says why
            raise Skip(path, "unreadable", "the picture cannot be read")
        labels = self._labels(path)
        self._refuse_strangers(block, labels)
        wanted = [self._wanted(block.source, copy, facts.sha256, labels) for copy in block.copies]
        present = [self._present(each) for each in wanted]
        missing = [each["copy"] for each, line in zip(wanted, present, strict=True) if not line]
        order = Order(path, facts.sha256, tuple(missing), suffix_of(wanted[0]["output"]), self.way)
        made = iter(self.vary(order) if missing else ())
        for each, line in zip(wanted, present, strict=True):
            if self.stop.is_set():
                return
            target = self.folder.folder / each["output"]
            state = "present" if line else "remade" if os.path.lexists(target) else "made"
            if line is None:
                variation = next(made)
                if each["copy"] == missing[0]:
                    self._check(path, facts, variation, labels)
                line = self._write(each, variation, labels)
            yield Augmented(path, state, str(target), line)

    def _present(self, wanted: Mapping[str, Any]) -> Line | None:
        """The line of a copy that is there as it should be."""
        line = self.folder.line_of(wanted["output"])
        if line is not None and _matches(line, wanted) and self.folder.holds(line):
            return line | {"source": wanted["source"]}
        return None

    def _labels(self, path: str) -> LabelFile | None:
        try:
            return label_file(path) if self.way.labelled else None
        except InputError as error:
            raise Skip(path, "labels", str(error).rstrip(".")) from error

    def _wanted(
        self, source: Source, copy: int, content: str, labels: LabelFile | None
    ) -> dict[str, Any]:
        own = {"source": source.path, "output": source.output(copy), "copy": copy}
        told = labels.facts(source.output(copy)) if labels else None
        return own | self._facts | {"content": content, "labels": told}

    def _refuse_strangers(self, block: Block, labels: LabelFile | None) -> None:
        """For all of a picture's copies: either all of them are made or none."""
        outputs = [block.source.output(copy) for copy in range(1, block.count + 1)]
        if labels:
            outputs += [labels.output(output) for output in outputs]
        stranger = self.folder.stranger(outputs)
        if stranger is not None:
            why = (
                f"{str(stranger)!r} is there, and no copy that cnnkit knows; nothing overwrites it"
            )
            raise Skip(block.source.path, "taken", why)

    def _check(
        self, path: str, facts: Facts, variation: Variation, labels: LabelFile | None
    ) -> None:
        if touched(path, facts):
            raise Skip(path, "changed", "the file was changed while it was read")
        try:
            if labels:
                labels.check(variation.source)
        except InputError as error:
            raise Skip(path, "labels", str(error).rstrip(".")) from error

    def _write(self, wanted: Line, made: Variation, labels: LabelFile | None) -> Line:
        """Write one copy, and tell of it."""
        files: dict[str, bytes] = {}
        told = wanted["labels"]
        if labels:
            path = (self.folder.folder / wanted["output"]).absolute()
            name = (path.parent.name, path.name)
            text = moved_labels(labels, made.source, made.before, made.drawn, made.patch, name)
            files[told["output"]] = text
            told = told | _weighed(text)
        files[wanted["output"]] = made.data
        line = wanted | {
            "drawn": made.drawn.parameters(), "patch": listed(made.patch), "labels": told,
            "width": made.after[0], "height": made.after[1], "bytes": len(made.data),
            "sha256": made.sha256,
        }  # fmt: skip
        self.folder.write(line, files)
        return line


def _matches(line: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether a line tells of a copy that is wanted: the same picture, made in the same way."""
    for name, value in wanted.items():
        told = line.get(name)
        if name == "labels" and value and told:
            told, value = ((each.get("content"), each["output"]) for each in (told, value))
        if name != "source" and told != value:
            return False
    return True


def _weighed(data: bytes) -> dict[str, Any]:
    return {"bytes": len(data), "sha256": sha256(data).hexdigest()}
