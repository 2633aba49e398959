"""The pictures that every runner answers: photographs, and the same four times as wide."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from PIL import Image

# Width and height of a picture that lies; one that stands has them the other way round.
SIZES = {"500×375": (500, 375), "2000×1500": (2000, 1500)}
_QUALITY = 90


def prepare(photos: Path, folder: Path, size: str, count: int) -> list[str]:
    """`count` JPEG files of one size, under names of their own; each photograph as often as any."""
    folder.mkdir(parents=True)
    originals = [folder / f"original-{number}.jpg" for number, _ in enumerate(_files(photos))]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(_resized, _files(photos), originals, [SIZES[size]] * len(originals)))
    paths = [folder / f"picture-{number:06}.jpg" for number in range(count)]
    for number, path in enumerate(paths):
        path.symlink_to(originals[number % len(originals)])
    return [str(path) for path in paths]


def _files(photos: Path) -> list[Path]:
    return sorted(path for path in photos.iterdir() if path.suffix.lower() in (".jpg", ".jpeg"))


def _resized(source: Path, target: Path, size: tuple[int, int]) -> None:
    with Image.open(source) as picture:
        rgb = picture.convert("RGB")
    wanted = size if rgb.width >= rgb.height else size[::-1]
    if rgb.size != wanted:
        rgb = rgb.resize(wanted, Image.Resampling.BICUBIC)
    rgb.save(target, quality=_QUALITY)
