"""Pictures as training inputs."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cnnkit.errors import InputError
from cnnkit.images.augment import Augmentation
from cnnkit.images.drawn import CLASSES
from cnnkit.images.loading import loader
from cnnkit.records import Recipe
from cnnkit.tasks import pictures as module
from cnnkit.tasks.pictures import Pictures
from cnnkit.tasks.sample_images import sample_images

RECIPE = Recipe(24, 32, scale=1 / 255, mean=(0.5, 0.5, 0.5), channels="bgr")
AUGMENTATION = Augmentation(rotation_range=30, horizontal_flip=True, zoom_range=(0.8, 1.2))


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("drawn")
    drawn = sample_images(folder, classes=CLASSES[:2], per_class=6, size=48)
    return [each.path for each in drawn]


def made(paths: list[str], **more: Any) -> Pictures:
    contents = [hashlib.sha256(Path(path).read_bytes()).hexdigest() for path in paths]
    return Pictures(paths, contents, RECIPE, **{"threads": 2, **more})


def test_they_are_pixels_under_the_recipes_fit_and_not_scaled(paths: list[str]) -> None:
    source = made(paths)
    shown = source.inputs(np.array([3, 0]), 5)
    assert shown.shape == (2, 24, 32, 3)
    assert shown.dtype == np.float32
    for row, place in zip(shown, (3, 0), strict=True):
        np.testing.assert_array_equal(row, loader(RECIPE)(paths[place])[0])  # type: ignore[index]
    assert shown.max() > 1
    assert source.bytes_each == shown[0].nbytes


@pytest.mark.parametrize("augmentation", [None, AUGMENTATION])
def test_threads_change_nothing(paths: list[str], augmentation: Augmentation | None) -> None:
    places = np.arange(len(paths))
    one, many = (
        made(paths, threads=threads, augmentation=augmentation, seed=4).inputs(places, 2)
        for threads in (1, 8)
    )
    np.testing.assert_array_equal(one, many)


def test_augmentation_is_a_function_of_seed_content_and_epoch(paths: list[str]) -> None:
    places = np.arange(len(paths))
    source = made(paths, augmentation=AUGMENTATION, seed=4)
    once = source.inputs(places, 1)
    np.testing.assert_array_equal(source.inputs(places, 1), once)
    np.testing.assert_array_equal(source.inputs(places[::-1], 1)[::-1], once)
    assert not np.array_equal(source.inputs(places, 2), once)
    assert not np.array_equal(
        made(paths, augmentation=AUGMENTATION, seed=5).inputs(places, 1), once
    )
    plain = made(paths).inputs(places, None)
    np.testing.assert_array_equal(source.inputs(places, None), plain)
    assert not np.array_equal(once, plain)


def test_what_was_read_is_kept_and_not_written_into(
    paths: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "own.jpg"
    own.write_bytes(Path(paths[0]).read_bytes())
    other = tmp_path / "other.jpg"
    other.write_bytes(Path(paths[1]).read_bytes())
    # Room for one of them.
    monkeypatch.setattr(module, "_MOST_KEPT", 24 * 32 * 3)
    source = made([str(own), str(other)], threads=1, augmentation=AUGMENTATION)
    before = source.inputs(np.array([0, 1]), None)
    source.inputs(np.array([0, 1]), 3)[:] = 0
    own.unlink()
    np.testing.assert_array_equal(source.inputs(np.array([0, 1]), None), before)
    other.unlink()
    with pytest.raises(InputError, match=r"other\.jpg can no longer be read"):
        source.inputs(np.array([0, 1]), None)
