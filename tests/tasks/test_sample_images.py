"""Drawn pictures in class folders."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cnnkit.errors import UnknownName, UsageError
from cnnkit.images.drawn import CLASSES
from cnnkit.tasks.sample_images import sample_images
from cnnkit.zoo import weights as store


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*.jpg"))
    }


def test_pictures_lie_in_class_folders(tmp_path: Path) -> None:
    records = list(sample_images(tmp_path, per_class=2, size=32))
    assert len(records) == 2 * len(CLASSES) >= 64
    assert {path.parent.name for path in tmp_path.rglob("*.jpg")} == set(CLASSES)
    for record in records:
        with Image.open(record.path) as image:
            assert image.size == (32, 32)
        assert Path(record.path).parent.name == record.label


@pytest.mark.parametrize("style", ["flat", "room"])
def test_the_same_seed_gives_the_same_bytes_whatever_the_workers(
    tmp_path: Path, style: str
) -> None:
    def drawn(name: str, seed: int, threads: int) -> dict[str, str]:
        folder = tmp_path / name
        for _ in sample_images(
            folder,
            classes=["brick", "spiral"],
            per_class=4 if threads == 1 else 201,
            size=24,
            seed=seed,
            style=style,  # type: ignore[arg-type]
            threads=threads,
        ):
            pass
        return digests(folder)

    alone, together = drawn("alone", 1, 1), drawn("together", 1, 2)
    assert len(together) == 402
    assert alone.items() <= together.items()
    other = drawn("other", 2, 1)
    assert not set(alone.values()) & set(other.values())
    assert len(set(together.values())) == 402


def test_what_is_there_is_left_alone(tmp_path: Path) -> None:
    (first,) = sample_images(tmp_path, classes=["maze"], per_class=1, size=32)
    Path(first.path).write_bytes(b"mine")
    states = [r.state for r in sample_images(tmp_path, classes=["maze"], per_class=2, size=32)]
    assert states == ["present", "drawn"]
    assert Path(first.path).read_bytes() == b"mine"


def test_wrong_arguments_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="Did you mean zigzag"):
        sample_images(tmp_path / "a", classes=["zigzags"])
    with pytest.raises(UsageError, match="size from 16"):
        sample_images(tmp_path / "a", size=4)
    assert not (tmp_path / "a").exists()


def test_the_shipped_pictures_are_what_the_verb_draws(tmp_path: Path) -> None:
    shipped = store.packaged_folder() / "pictures"
    rooms = {path.parent.name for path in shipped.glob("*/*-0-00000.jpg")}
    flat = {path.parent.name for path in shipped.glob("*/*-3-00000.jpg")}
    assert len(rooms) == len(flat) == 6
    for _ in sample_images(tmp_path, classes=sorted(rooms), per_class=1, size=256, style="room"):
        pass
    for _ in sample_images(tmp_path, classes=sorted(flat), per_class=1, size=224, seed=3):
        pass
    for path in tmp_path.rglob("*.jpg"):
        with Image.open(path) as again, Image.open(shipped / path.relative_to(tmp_path)) as stored:
            difference = np.abs(np.asarray(again, float) - np.asarray(stored, float)).mean()
        # Another libjpeg may round otherwise.
        assert difference < 2, path
