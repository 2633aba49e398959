"""Runs of `augment`, and what they leave."""

import json
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import cnnkit
from cnnkit.images.decode import decode
from cnnkit.records import Augmented, Skipped
from tests.conftest import picture

TURNED = {"rotation_range": 40, "horizontal_flip": True}


def run(images: Any, out: Path, **options: Any) -> list[Augmented | Skipped]:
    wishes: dict[str, Any] = {"copies": 2, "recipe": TURNED} | options
    return list(cnnkit.augment(images, out=out, **wishes))


def states(records: Iterable[Augmented | Skipped]) -> list[str]:
    return [record.state if isinstance(record, Augmented) else record.kind for record in records]


def manifest(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()]


def digests(folder: Path) -> dict[str, str]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(p.relative_to(folder)): sha256(p.read_bytes()).hexdigest() for p in files}


def pixels(path: str | Path) -> np.ndarray[Any, Any]:
    image = decode(str(path))
    assert isinstance(image, Image.Image)
    return np.asarray(image, np.int16)


def two_classes(folder: Path) -> Path:
    """Four pictures; a name that is in both classes, several sizes and formats."""
    for seed, name in enumerate(("cats/1.png", "cats/2.jpg", "dogs/1.png", "dogs/wild/a b.png")):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        picture(60 + 9 * seed, 50, seed).save(path)
    return folder
