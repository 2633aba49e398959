"""The drawer is a function of its arguments, and its classes are what their names say."""

import hashlib
import os
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest

from cnnkit.images.drawn import CLASSES, draw


def digest(task: tuple[str, int]) -> str:
    name, index = task
    return hashlib.sha256(draw(name, 3, index, 64).tobytes()).hexdigest()


TASKS = [(name, index) for name in CLASSES for index in range(2)]


def test_there_are_enough_distinct_names() -> None:
    assert len(set(CLASSES)) == len(CLASSES) >= 32
    assert list(CLASSES) == sorted(CLASSES)


@pytest.mark.parametrize("name", CLASSES)
def test_every_class_draws_at_every_size_and_strength(name: str) -> None:
    for size in (32, 112, 256):
        for strength in (0.0, 1.0, 2.0):
            picture = draw(name, 1, 0, size, strength)
            assert picture.shape == (size, size, 3)
            assert picture.dtype == np.uint8
            assert picture.std() > 1.5, "a picture with nothing on it"


def test_many_pictures_of_every_class_draw() -> None:
    # A rare rounding once indexed past a table's end: only numbers find such things.
    drawn = [draw(name, 9, index, 40, 1.1).shape for name in CLASSES for index in range(40)]
    assert set(drawn) == {(40, 40, 3)}


def test_same_bytes_in_any_order_and_process() -> None:
    here = [digest(task) for task in TASKS]
    assert [digest(task) for task in reversed(TASKS)] == here[::-1]
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        assert list(pool.map(digest, TASKS, chunksize=7)) == here


def test_the_hash_seed_of_the_process_plays_no_part() -> None:
    code = (
        "import hashlib; from cnnkit.images.drawn import CLASSES, draw;"
        "print(hashlib.sha256(b''.join(draw(c, 5, 1, 48).tobytes() for c in CLASSES)).hexdigest())"
    )
    seen = set()
    for value in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": value}
        run = subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, text=True
        )
        assert run.returncode == 0, run.stderr
        seen.add(run.stdout)
    assert len(seen) == 1


def test_seed_index_class_and_strength_each_change_the_picture() -> None:
    base = draw("stars", 1, 1, 64, 1.0)
    for other in (
        draw("stars", 2, 1, 64, 1.0),
        draw("stars", 1, 2, 64, 1.0),
        draw("crosses", 1, 1, 64, 1.0),
        draw("stars", 1, 1, 64, 0.5),
    ):
        assert (base != other).mean() > 0.5


def test_strength_0_draws_few_hues() -> None:
    picture = draw("striped", 1, 1, 112, 0.0).astype(float)
    # Two colours and the soft edge between them lie on one line in colour space.
    spread = np.linalg.svd(picture.reshape(-1, 3) - picture.mean((0, 1)), compute_uv=False)
    assert spread[1] < 0.02 * spread[0]


def test_the_same_picture_at_another_size_shows_the_same_scene() -> None:
    small = draw("ringed", 4, 2, 64, 0.0).astype(float)
    large = draw("ringed", 4, 2, 128, 0.0).astype(float)
    halved = large.reshape(64, 2, 64, 2, 3).mean(axis=(1, 3))
    assert np.corrcoef(small.ravel(), halved.ravel())[0, 1] > 0.95


def test_stripes_vary_across_and_not_along_themselves() -> None:
    field = draw("striped", 2, 3, 112, 0.0).astype(float).mean(axis=2)
    waves = np.abs(np.fft.fft2(field - field.mean())) ** 2
    # Parallel stripes put their power on one line through the origin of the spectrum.
    v, u = np.unravel_index(waves.argmax(), waves.shape)
    assert waves.max() / waves.sum() > 0.1
    assert (int(u), int(v)) != (0, 0)


@pytest.mark.parametrize(
    ("name", "seed", "index", "size", "strength"),
    [
        ("tartan", 0, 0, 64, 1.0),
        ("plaid", -1, 0, 64, 1.0),
        ("plaid", 0, -1, 64, 1.0),
        ("plaid", 0, 0, 8, 1.0),
        ("plaid", 0, 0, 64, -0.1),
        ("plaid", 0, 0, 64, float("nan")),
    ],
)
def test_what_cannot_be_drawn_is_refused(
    name: str, seed: int, index: int, size: int, strength: float
) -> None:
    with pytest.raises(ValueError, match="Received"):
        draw(name, seed, index, size, strength)
