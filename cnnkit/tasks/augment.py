"""Pictures → changed copies of them as files, each traceable and the same on every machine."""

import os
import threading
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import cache
from importlib.util import find_spec
from itertools import chain
from typing import Any, get_args

from cnnkit.errors import UnknownName, UsageError
from cnnkit.images.augment import Augmentation, Drawn, read_augmentation, varies
from cnnkit.images.augment.parameters import PARAMETERS, parameter_table
from cnnkit.images.augment.standardise import STANDARDISING
from cnnkit.outputs.copies import Copies
from cnnkit.outputs.manifest import refuse_if_foreign
from cnnkit.outputs.sheets import refuse_unless_sheet
from cnnkit.records import Augmented, Augmenter, Labels, Skipped
from cnnkit.tasks.ahead import in_order
from cnnkit.tasks.copying import Block, Copier
from cnnkit.tasks.cores import available_cores
from cnnkit.tasks.inputs import Images, Inputs
from cnnkit.tasks.previews import previewed
from cnnkit.tasks.processes import Processes
from cnnkit.tasks.sources import Source, Sources
from cnnkit.tasks.variations import Order, Pixels, Size, Transform, Variation, Way, made_here
from cnnkit.tasks.wishes import whole

Recipe = str | os.PathLike[str] | Mapping[str, Any] | Augmentation

# Copies for which a picture is decoded once.
_BLOCK = 8
# The longest side of a copy in pixels: that of a WebP.
_LONGEST = 16383


def augment(
    images: Images,
    *,
    out: str | os.PathLike[str],
    copies: int = 5,
    recipe: Recipe | None = None,
    seed: int = 0,
    jobs: int | None = None,
    augmenter: Augmenter = "fast",
    size: str | Size = "keep",
    random_crop: str | Size | None = None,
    boxes: Labels | None = None,
    preview: str | os.PathLike[str] | None = None,
    quality: int = 95,
    **parameters: Any,
) -> Generator[Augmented | Skipped]:
    """Write `copies` changed copies of each picture below `out`, and yield a record for each.

    ::

        for copy in cnnkit.augment("photos/", out="more/", rotation_range=40, zoom_range=0.2):
            print(copy.path, copy.output, copy.line["drawn"])

    A copy is a function of the picture's bytes, `seed`, its number and the parameters, whatever
    `jobs` is and in whatever order pictures come. Class folders come along: where the copies of a
    picture go is told in `tasks/sources`, what `out/manifest.jsonl` says of each in
    `tasks/copying`. It is written when the last record has been taken. What is there as it should
    be is left alone, so that a run which ended early is completed by another; sources, and files
    that nobody knows, are never overwritten.

    Args:
        images: a path, paths, folders, globs, a stream of them, or `Inputs`.
        out: the folder of copies.
        copies: how many of each picture, numbered from 1.
        recipe: a TOML file of ImageDataGenerator's parameters, a mapping, or an `Augmentation`.
        seed: another one, other copies.
        jobs: pictures that are worked on at a time; by default one for each core.
        augmenter: "fast", or "keras" for ImageDataGenerator itself: within one grey level.
        size: "keep", or "224x224", (width, height) in pixels that pictures are stretched to before
            they are transformed, as by ImageDataGenerator's target_size.
        random_crop: "224x224", a patch that is cut at a drawn place out of the transformed
            picture (Krizhevsky et al. 2012, section 4.1).
        boxes: "voc" to move the boxes of Pascal VOC's label files along.
        preview: a picture file, for a sheet that shows the first pictures beside their copies.
        quality: of JPEG and WebP, 1 to 100. PNG, BMP and TIFF lose nothing.
        parameters: ImageDataGenerator's; stronger than the recipe's.

    Raises `UsageError` at once for arguments that make no sense, and for two pictures whose copies
    would have the same names; `InputError` for a folder without pictures or a recipe that cannot
    be read; `OutputError` when a copy cannot be written. A picture that cannot be copied raises
    nothing: its one record is a `Skipped`.
    """
    way = Way(
        augmentation=_augmentation(recipe, parameters),
        seed=whole("seed", seed, 0),
        augmenter=augmenter,
        size=_sides("size", size, "keep"),
        random_crop=_sides("random_crop", random_crop, None),
        quality=whole("quality", quality, 1),
        labelled=boxes is not None,
    )
    whole("copies", copies, 1)
    jobs = available_cores() if jobs is None else whole("jobs", jobs, 1)
    _check(way, boxes)
    if preview is not None:
        refuse_unless_sheet(os.fspath(preview))
    refuse_if_foreign(out)
    folder = Copies(out)
    wanted = Sources(Inputs.of(images), folder, count=copies, labelled=way.labelled)
    sources = wanted.checked()
    records = _records(sources, folder, way, copies, jobs)
    return records if preview is None else previewed(records, os.fspath(preview))


def _augmentation(recipe: Recipe | None, parameters: Mapping[str, Any]) -> Augmentation:
    """What the recipe says, and what is said besides, which is stronger."""
    base = Augmentation()
    if isinstance(recipe, Augmentation):
        base = recipe
    elif isinstance(recipe, Mapping):
        base = Augmentation.of(_of_pictures(recipe, ""))
    elif recipe is not None:
        path = os.fspath(recipe)
        _of_pictures(parameter_table(path), f"{path}: ")
        base = read_augmentation(path, besides=STANDARDISING)
    ours = _of_pictures(parameters, "")
    checked, said = Augmentation.of(ours), {name.replace("-", "_") for name in ours}
    return replace(base, **{name: getattr(checked, name) for name in PARAMETERS if name in said})


def _of_pictures(parameters: Mapping[str, Any], place: str) -> dict[str, Any]:
    """The parameters without those of tensors, which are refused unless they say that they are off.

    Raises `UsageError`.
    """
    kept = {}
    for key, value in parameters.items():
        if key.replace("-", "_") not in STANDARDISING:
            kept[key] = value
        elif value not in (None, False):
            raise UsageError(
                f"{place}{key} acts on the numbers that a network is trained on, not on picture "
                "files: with rescale = 1/255, say, every copy would be black. Leave it out here. "
                "It belongs to training: cnnkit finetune DATA --augment FILE.toml"
            )
    return kept


def _sides(name: str, value: str | Size | None, none: str | None) -> Size | None:
    """`224x224`, or two whole numbers → (width, height)."""
    if value is None or value == none:
        return None
    parts: Any = value.lower().split("x") if isinstance(value, str) else value
    try:
        # int() would also take 1_0, and digits of other scripts.
        width, height = (
            int(part) if isinstance(part, str) and part.isascii() and part.isdigit() else part
            for part in parts
        )
        whole(name, width, 1)
        whole(name, height, 1)
        fits = max(width, height) <= _LONGEST
    except (TypeError, ValueError, UsageError):
        fits = False
    if not fits:
        also = f" or {none!r}" if none else ""
        raise UsageError(
            f"{name}: expected width and height in pixels, 1 to {_LONGEST}, such as '224x224'"
            f"{also}. Received: {value!r}."
        )
    return width, height


def _check(way: Way, boxes: str | None) -> None:
    if way.augmenter not in get_args(Augmenter):
        raise UnknownName("augmenter", str(way.augmenter), get_args(Augmenter))
    if boxes is not None and boxes not in get_args(Labels):
        raise UnknownName("format of label files", str(boxes), get_args(Labels))
    if way.quality > 100:
        raise UsageError(f"Expected quality from 1 to 100. Received: {way.quality}.")
    crop, size = way.random_crop, way.size
    if crop and size and (crop[0] > size[0] or crop[1] > size[1]):
        raise UsageError(
            f"random_crop: expected a patch within the size {size[0]}x{size[1]}. "
            f"Received: {crop[0]}x{crop[1]}."
        )
    if not crop and not varies(way.augmentation):
        raise UsageError(
            "Expected something that varies, or all copies would be alike. Type: --recipe "
            "FILE.toml, a parameter such as --rotation-range 40, or --random-crop 224x224"
        )
    needs_scipy = way.augmenter == "keras" or way.augmentation.interpolation_order > 1
    if needs_scipy and find_spec("scipy") is None:
        raise UsageError(
            "Expected scipy, which augmenter 'keras' and interpolation_order above 1 need. It is "
            "not installed. Type: pip install 'cnnkit[splines]'"
        )


def _records(
    sources: Iterator[Source | Skipped], folder: Copies, way: Way, copies: int, jobs: int
) -> Generator[Augmented | Skipped]:
    stop = threading.Event()
    with folder, _one_thread_each(), Processes(jobs, stop) as processes:
        fast = way.augmenter == "fast"
        copier = Copier(way, folder, processes.variations if fast else _by_keras(stop), stop)

        def made(item: Block | Skipped) -> tuple[Block | Skipped, list[Augmented] | Skipped]:
            return item, item if isinstance(item, Skipped) else copier.copied(item)

        blocks = chain.from_iterable(_blocks(source, copies) for source in sources)
        # While one thread writes what a process has made, another waits for the next.
        threads = 2 * jobs if fast and jobs > 1 else jobs
        with closing(in_order(blocks, made, threads=threads, stop=stop)) as results:
            yield from _told(results, folder)


def _blocks(source: Source | Skipped, copies: int) -> Iterator[Block | Skipped]:
    if isinstance(source, Skipped):
        yield source
        return
    for first in range(1, copies + 1, _BLOCK):
        yield Block(source, range(first, min(first + _BLOCK, copies + 1)), copies)


def _told(
    results: Generator[tuple[Block | Skipped, list[Augmented] | Skipped]], folder: Copies
) -> Iterator[Augmented | Skipped]:
    failed: Source | None = None
    for item, answer in results:
        if isinstance(item, Skipped):
            yield item
        elif isinstance(answer, Skipped):
            if failed is not item.source:  # told once for all of its copies
                yield answer
            failed = item.source
        else:
            for record in answer:
                if not item.source.again:
                    folder.keep(record.line)
                yield record


def _by_keras(stop: threading.Event) -> Callable[[Order], list[Variation]]:
    """By the reference, which is opened when it is first needed."""
    opening = threading.Lock()

    @cache
    def opened() -> Transform:
        from cnnkit.engines.quiet import quiet
        from cnnkit.images.augment.by_keras import open_keras

        with quiet():
            return open_keras()

    def vary(order: Order) -> list[Variation]:
        def transform(pixels: Pixels, drawn: Drawn, augmentation: Augmentation) -> Pixels:
            with opening:
                keras = opened()
            return keras(pixels, drawn, augmentation)

        return made_here(order, stop, transform)

    return vary


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Turn OpenCV's own threads off: ours would compete with them."""
    import cv2

    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)
