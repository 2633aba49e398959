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
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnkit.errors import InputError
from cnnkit.images.augment import Augmentation, Drawn, draw, transformed
from cnnkit.images.augment.patch import Patch, draw_patch
from cnnkit.images.decode import decode_reduced
from cnnkit.images.geometry import render, views, wanted_size
from cnnkit.outputs.copies import Copies
from cnnkit.records import Augmented, Augmenter, Recipe, Skipped
from cnnkit.tasks.content import facts_of, touched
from cnnkit.tasks.label_files import LabelFile, label_file, moved_labels
from cnnkit.tasks.sources import Source

Pixels = NDArray[np.uint8]
Size = tuple[int, int]
_FORMATS = {".png": "PNG", ".webp": "WEBP", ".bmp": "BMP", ".dib": "DIB", ".tif": "TIFF",
            ".tiff": "TIFF"}  # fmt: skip
# Beyond so many pixels a picture is transformed alone: it takes 20 bytes for each.
_GIANT = 1 << 24


@dataclass(frozen=True, slots=True)
class Way:
    """How copies are made; sizes are (width, height)."""

    augmentation: Augmentation
    seed: int
    augmenter: Augmenter
    size: Size | None
    random_crop: Size | None
    quality: int
    labelled: bool

    def facts(self) -> dict[str, Any]:
        """What a line tells of it."""
        recipe = {name: _listed(value) for name, value in asdict(self.augmentation).items()}
        return {
            "seed": self.seed,
            "recipe": recipe,
            "augmenter": self.augmenter,
            "size": _listed(self.size),
            "random_crop": _listed(self.random_crop),
            "quality": self.quality,
        }


@dataclass(frozen=True, slots=True)
class Block:
    """Some copies of one picture; it is decoded once for all of them."""

    source: Source
    copies: range


@dataclass(frozen=True, slots=True)
class Loaded:
    """A picture as it is transformed, and the (width, height) that it has in its file."""

    pixels: Pixels
    size: Size


class Skip(Exception):
    """A picture that cannot be copied; `record` says why."""

    def __init__(self, path: str, kind: str, message: str) -> None:
        super().__init__(message)
        self.record = Skipped(path, kind, message)


@dataclass(slots=True)
class Copier:
    """Makes the copies of pictures in a folder, on any number of threads.

    `keras` opens the reference, where it is wanted, when it is first needed.
    """

    way: Way
    folder: Copies
    keras: Callable[[], Callable[[Pixels, Drawn, Augmentation], Pixels]]
    stop: threading.Event
    _facts: dict[str, Any] = field(init=False)
    _transform: Callable[[Pixels, Drawn, Augmentation], Pixels] | None = None
    _opening: threading.Lock = field(default_factory=threading.Lock)
    _giant: threading.Lock = field(default_factory=threading.Lock)
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
        source = block.source
        path = source.path
        facts = facts_of(path)
        if facts is None:
            self._load(path)  # it says why
            raise Skip(path, "unreadable", "the picture cannot be read")
        labels = self._labels(path)
        self._refuse_strangers(block, labels)
        loaded: Loaded | None = None
        for copy in block.copies:
            if self.stop.is_set():
                return
            wanted = self._wanted(source, copy, facts.sha256, labels)
            target = self.folder.folder / wanted["output"]
            line = self.folder.line_of(wanted["output"])
            if line is not None and _matches(line, wanted) and self.folder.holds(line):
                state, line = "present", line | {"source": path}
            else:
                if loaded is None:
                    loaded = self._load(path)
                    if touched(path, facts):
                        raise Skip(path, "changed", "the file was changed while it was read")
                    self._check(path, loaded, labels)
                state = "remade" if os.path.lexists(target) else "made"
                line = self._make(wanted, loaded, labels)
            yield Augmented(path, state, str(target), line)

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
        outputs = [block.source.output(copy) for copy in block.copies]
        if labels:
            outputs += [labels.output(output) for output in outputs]
        stranger = self.folder.stranger(outputs)
        if stranger is not None:
            why = (
                f"{str(stranger)!r} is there, and no copy that cnnkit knows; nothing overwrites it"
            )
            raise Skip(block.source.path, "taken", why)

    def _load(self, path: str) -> Loaded:
        recipe = self.way.size and _stretched(*self.way.size)
        picture = decode_reduced(path, wanted_size(recipe) if recipe else None)
        if isinstance(picture, Skipped):
            raise Skip(picture.path, picture.kind, picture.message)
        if not recipe:
            return Loaded(np.asarray(picture.image), picture.size)
        cuts = views(*picture.size, recipe)
        return Loaded(render(picture.image, cuts, recipe, picture.extent)[0], picture.size)

    def _check(self, path: str, loaded: Loaded, labels: LabelFile | None) -> None:
        height, width, _ = loaded.pixels.shape
        crop = self.way.random_crop
        if crop and (width < crop[0] or height < crop[1]):
            why = f"it has {width}x{height} pixels, and a patch of {crop[0]}x{crop[1]} is wanted"
            raise Skip(path, "too_small", why)
        if labels:
            try:
                labels.check(loaded.size)
            except InputError as error:
                raise Skip(path, "labels", str(error).rstrip(".")) from error

    def _make(
        self, wanted: dict[str, Any], loaded: Loaded, labels: LabelFile | None
    ) -> dict[str, Any]:
        """Draw one copy, write it, and tell of it."""
        height, width, _ = loaded.pixels.shape
        key: dict[str, Any] = {
            "seed": self.way.seed, "content": wanted["content"], "copy": wanted["copy"],
            "height": height, "width": width,
        }  # fmt: skip
        drawn, patch = draw(self.way.augmentation, **key), None
        if self.way.random_crop:
            patch = draw_patch(**key, size=self.way.random_crop)
        data, size = self._encoded(loaded.pixels, drawn, patch, wanted["output"])
        files: dict[str, bytes] = {}
        told = wanted["labels"]
        if labels:
            name = (self.folder.folder / wanted["output"]).absolute()
            text = moved_labels(
                labels, loaded.size, (width, height), drawn, patch, (name.parent.name, name.name)
            )
            files[told["output"]] = text
            told = told | _weighed(text)
        files[wanted["output"]] = data
        line = wanted | {
            "drawn": drawn.parameters(), "patch": _listed(patch), "labels": told,
            "width": size[0], "height": size[1], **_weighed(data),
        }  # fmt: skip
        self.folder.write(line, files)
        return line

    def _encoded(
        self, pixels: Pixels, drawn: Drawn, patch: Patch | None, output: str
    ) -> tuple[bytes, Size]:
        """The copy as its file holds it, and its (width, height)."""
        from PIL import Image

        with self._giant if pixels.shape[0] * pixels.shape[1] > _GIANT else nullcontext():
            copy = self._transformed()(pixels, drawn, self.way.augmentation)
            if patch:
                left, top, right, bottom = patch
                copy = copy[top:bottom, left:right]
            image = Image.fromarray(np.ascontiguousarray(copy))
            file = BytesIO()
            form = _FORMATS.get(os.path.splitext(output)[1].lower(), "JPEG")
            # PNG takes a third of the time at this level, and 9 % more room.
            image.save(file, form, quality=self.way.quality, compress_level=3)
        return file.getvalue(), image.size

    def _transformed(self) -> Callable[[Pixels, Drawn, Augmentation], Pixels]:
        if self.way.augmenter == "fast":
            return transformed
        with self._opening:
            self._transform = self._transform or self.keras()
        return self._transform


def _matches(line: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether a line tells of a copy that is wanted: the same picture, made in the same way."""
    for name, value in wanted.items():
        told = line.get(name)
        if name == "labels" and value and told:
            told, value = ((each["content"], each["output"]) for each in (told, value))
        if name != "source" and told != value:
            return False
    return True


def _stretched(width: int, height: int) -> Recipe:
    """Bilinear, as training resizes: of what is then turned and zoomed, nobody sees more."""
    return Recipe(height, width, fit="stretch", interpolation="bilinear")


def _listed(value: Any) -> Any:
    """The value as JSON holds it."""
    return list(value) if isinstance(value, Sequence) and not isinstance(value, str) else value


def _weighed(data: bytes) -> dict[str, Any]:
    return {"bytes": len(data), "sha256": sha256(data).hexdigest()}
