"""Augmentation beside ImageDataGenerator's: ``python -m tests.benchmarks.augment_speed``.

With the set of configs/augment-blog.toml, in one process and in turns, so that a slow minute
befalls both: the transform alone on one core; pictures into training; files into files. Figures
are pictures a second, and the ratio is the median over the rounds. Files are JPEG of the size that
is asked for, and Keras writes its copies with Pillow's quality of 75, so ours are written with it.
The last ratio is that of processor seconds, which other programs on the machine hardly change: it
says what one core does. What a round has written stays until the end: some disks make new files
ten times slower in the minutes after many were removed. Needs photographs, found through
``CNNKIT_TEST_DATA``.
"""

import argparse
import hashlib
import itertools
import resource
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import cnnkit
from cnnkit.images.augment import Augmentation, draw, read_augmentation, transformed
from cnnkit.records import Recipe
from cnnkit.tasks.cores import available_cores
from cnnkit.tasks.pictures import Pictures
from tests.benchmarks.figures import median_ratio, spread
from tests.conftest import DATA, ROOT

RECIPE = str(ROOT / "configs" / "augment-blog.toml")
# Width and height.
SIZES = ((224, 224), (500, 375))
FLOORS = {"transform, one core": 9.0, "into training": 6.0, "files": 6.0}
_BATCH = 32
# Of each picture: what the command makes where nothing is said. Keras makes one an epoch.
_COPIES = 5
# Keras takes so much longer that a part of the pictures is enough for it.
_THEIR_SHARE = 4

# Pictures in a second on the clock, and in a second of a processor.
Rates = tuple[float, float]
Work = Callable[[], Rates]
Pair = tuple[Work, Work]


def main(arguments: list[str]) -> int:
    """Print a table; 1 where a ratio is below its floor."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--inputs", type=int, default=1000, help="pictures of either size")
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args(arguments)
    photos = DATA / "photos" / "imagenet"
    if not photos.is_dir():
        print(f"no photographs in {DATA}: augmentation is left out", file=sys.stderr)
        return 0
    print(f"\n{available_cores()} cores, {given.inputs} pictures, {given.rounds} rounds\n")
    print("| what | size | cnnkit | Keras | times | floor | rounds apart | times, a core |")
    print("|---|---|---|---|---|---|---|---|")
    held = []
    for size in SIZES:
        with tempfile.TemporaryDirectory() as folder:
            files = prepare(photos, Path(folder) / "in" / "all", size, given.inputs)
            for name, pair in (
                ("transform, one core", alone(files)),
                ("into training", training(files, size)),
                ("files", on_disk(files, size, Path(folder))),
            ):
                held.append(told(name, size, alternated(pair, given.rounds)))
    return 0 if all(held) else 1


def prepare(photos: Path, folder: Path, size: tuple[int, int], count: int) -> list[Path]:
    """`count` JPEG files of exactly this size, no two alike."""
    folder.mkdir(parents=True)
    sources = sorted(p for p in photos.iterdir() if p.suffix.lower() in (".jpg", ".jpeg"))
    paths = [folder / f"picture-{number:04}.jpg" for number in range(count)]
    for number, path in enumerate(paths):
        with Image.open(sources[number % len(sources)]) as picture:
            rgb = picture.convert("RGB").resize(size, Image.Resampling.BICUBIC)
        rgb.rotate(90 * (number // len(sources))).save(path, quality=90)
    return paths


def alone(files: list[Path]) -> Pair:
    """The transform of pictures in memory, its draw with it, on one core."""
    import cv2

    augmentation = read_augmentation(RECIPE)
    pictures = [np.asarray(Image.open(file)) for file in files]
    floats = [pixels.astype(np.float32) for pixels in pictures[: their_part(len(files))]]
    contents = [hashlib.sha256(pixels.tobytes()).hexdigest() for pixels in pictures]
    keras = generator(augmentation)

    def one(pixels: NDArray[np.uint8], content: str) -> None:
        height, width = pixels.shape[:2]
        drawn = draw(augmentation, seed=0, content=content, copy=0, height=height, width=width)
        transformed(pixels, drawn, augmentation)

    def ours() -> Rates:
        threads = cv2.getNumThreads()
        cv2.setNumThreads(1)
        try:
            return timed(lambda: list(map(one, pictures, contents)), len(files))
        finally:
            cv2.setNumThreads(threads)

    def theirs() -> Rates:
        return timed(lambda: [keras.random_transform(pixels) for pixels in floats], len(floats))

    return ours, theirs


def training(files: list[Path], size: tuple[int, int]) -> Pair:
    """Files into augmented batches, everything decoded anew."""
    augmentation = read_augmentation(RECIPE)
    contents = [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]
    recipe = Recipe(width=size[0], height=size[1], fit="stretch")

    def ours() -> Rates:
        pictures = Pictures([*map(str, files)], contents, recipe, available_cores(), augmentation)

        def epoch() -> None:
            for first in range(0, len(files), _BATCH):
                pictures.inputs(np.arange(first, min(first + _BATCH, len(files))), 0)

        return timed(epoch, len(files))

    return ours, flow(files, size, augmentation, None)


def on_disk(files: list[Path], size: tuple[int, int], folder: Path) -> Pair:
    """Files into several augmented files each, by the command's own function."""
    some, numbers = [*map(str, files)], itertools.count()

    def ours() -> Rates:
        out = folder / f"out-{next(numbers)}"
        return timed(lambda: command(out), _COPIES * len(some))

    def command(out: Path) -> None:
        records = list(
            cnnkit.augment(some, out=str(out), copies=_COPIES, recipe=RECIPE, seed=0, quality=75)
        )
        if len(records) != _COPIES * len(some) or any(record.failed for record in records):
            raise RuntimeError(f"{len(some)} files, but {len(records)} copies")

    return ours, flow(files, size, read_augmentation(RECIPE), folder / "theirs")


def flow(
    files: list[Path], size: tuple[int, int], augmentation: Augmentation, save_to: Path | None
) -> Work:
    """flow_from_directory over a part of the files; written below `save_to` if it is given."""
    numbers = itertools.count()
    keras, batches = generator(augmentation), their_part(len(files)) // _BATCH

    def theirs() -> Rates:
        out = save_to and save_to / str(next(numbers))
        if out:
            out.mkdir(parents=True)
        with redirect_stdout(sys.stderr):
            batch = keras.flow_from_directory(
                str(files[0].parent.parent), target_size=size[::-1], class_mode=None,
                batch_size=_BATCH, shuffle=False, save_to_dir=out, save_format="jpeg",
            )  # fmt: skip
        return timed(lambda: list(islice(batch, batches)), batches * _BATCH)

    return theirs


def generator(augmentation: Augmentation) -> Any:
    """Keras's own, with the same parameters."""
    with warnings.catch_warnings():
        # Keras still takes a function from scipy's old namespace.
        warnings.simplefilter("ignore")
        from keras.src.legacy.preprocessing.image import ImageDataGenerator
    return ImageDataGenerator(**asdict(augmentation))


def their_part(count: int) -> int:
    """How many pictures Keras gets, in whole batches."""
    return max(1, count // _THEIR_SHARE // _BATCH) * _BATCH


def timed(work: Callable[[], object], count: int) -> Rates:
    """How fast it was at making so many."""
    clock, processors = time.perf_counter(), processor_seconds()
    work()
    return count / (time.perf_counter() - clock), count / (processor_seconds() - processors)


def processor_seconds() -> float:
    """Of this process, and of those that it started and that have ended."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + ended.ru_utime + ended.ru_stime


def alternated(pair: Pair, rounds: int) -> list[tuple[Rates, Rates]]:
    """The rates of both, round after round; before them comes a round that nobody counts."""
    for work in pair:
        work()
    return [(pair[0](), pair[1]()) for _ in range(rounds)]


def told(name: str, size: tuple[int, int], rounds: list[tuple[Rates, Rates]]) -> bool:
    """Print a row; whether the ratio reaches the floor."""
    ours, theirs = ([each[which][0] for each in rounds] for which in (0, 1))
    times, floor = median_ratio(ours, theirs), FLOORS[name]
    a_core = statistics.median(own[1] / other[1] for own, other in rounds)
    apart = max(spread(ours), spread(theirs))
    own, other = statistics.median(ours), statistics.median(theirs)
    verdict = "reached" if times >= floor else "MISSED"
    print(
        f"| {name} | {size[0]}×{size[1]} | {own:.0f} | {other:.0f} | {times:.1f} "
        f"| {floor:.0f}: {verdict} | {apart:.0%} | {a_core:.1f} |",
        flush=True,
    )
    return times >= floor


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
