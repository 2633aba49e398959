"""Standardisation of training tensors: checks, and ImageDataGenerator's own numbers."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cnnkit.errors import InputError, UnknownName, UsageError
from cnnkit.images.augment import Augmentation, Standardisation, read_for_training
from cnnkit.images.augment.standardise import rescaled, statistics

FACTOR = 1 / 255


def test_nothing_wished_for_is_none() -> None:
    assert Standardisation.of({}) is None
    assert Standardisation.of({"rescale": None, "zca_epsilon": 1e-3}) is None
    assert Standardisation.of({"featurewise_center": False}) is None


def test_a_deviation_brings_its_mean_as_in_keras() -> None:
    of_all = Standardisation.of({"featurewise_std_normalization": True})
    assert of_all and of_all.featurewise_center and of_all.learns
    of_each = Standardisation.of({"samplewise_std_normalization": True})
    assert of_each and of_each.samplewise_center and not of_each.learns
    white = Standardisation.of({"zca_whitening": True})
    assert white and white.featurewise_center
    both = Standardisation.of({"zca_whitening": True, "featurewise_std_normalization": True})
    assert both == white


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("rescale", each) for each in (0, -1, 1e-300, "1/255", True, float("nan"), 1e9)),
        *(("zca_epsilon", each) for each in (0, -1e-6, None)),
        *(("featurewise_center", each) for each in (1, "yes", None)),
    ],
)
def test_what_makes_no_sense_is_refused(name: str, value: Any) -> None:
    with pytest.raises(UsageError, match=f"{name}: expected"):
        Standardisation.of({name: value})


def test_whitening_of_large_pictures_is_refused_with_what_it_would_take() -> None:
    white = Standardisation.of({"zca_whitening": True})
    assert white
    white.refuse_too_large(32, 32)
    with pytest.raises(UsageError, match=r"224 × 224 pixels that is a matrix of 90\.63 GB"):
        white.refuse_too_large(224, 224)
    plain = Standardisation.of({"rescale": FACTOR})
    assert plain
    plain.refuse_too_large(4000, 4000)


def test_one_spelling_at_a_time(tmp_path: Path) -> None:
    file = tmp_path / "a.toml"
    file.write_text("rotation_range = 9\nsamplewise-center = true\nsamplewise_center = false\n")
    with pytest.raises(UsageError, match=r"a\.toml: Expected samplewise_center once"):
        read_for_training(str(file))


def test_one_file_says_both(tmp_path: Path) -> None:
    file = tmp_path / "a.toml"
    file.write_text("[augment]\nrotation-range = 9\nrescale = 0.5\nfeaturewise-center = true\n")
    assert read_for_training(str(file)) == (
        Augmentation(rotation_range=9.0),
        Standardisation(rescale=0.5, featurewise_center=True),
    )
    file.write_text("rescale = 0.5\n")
    assert read_for_training(str(file)) == (None, Standardisation(rescale=0.5))
    file.write_text("rotation_range = 9\n")
    assert read_for_training(str(file)) == (Augmentation(rotation_range=9.0), None)


@pytest.mark.parametrize(
    ("text", "error"),
    [("", UsageError), ("rescale = -1", UsageError), ("rescal = 1", UnknownName),
     ("dtype = 'float16'", UsageError), ("rescale", UsageError),
     ("rescale = 0.1\n[augment]\nrotation_range = 9", UsageError)],
)  # fmt: skip
def test_files_that_make_no_sense_are_named(tmp_path: Path, text: str, error: type) -> None:
    file = tmp_path / "a.toml"
    file.write_text(text)
    with pytest.raises(error, match=r"a\.toml"):
        read_for_training(str(file))
    with pytest.raises(InputError):
        read_for_training(str(tmp_path / "none.toml"))


def test_steps_of_one_picture() -> None:
    pixels = np.random.default_rng(1).uniform(0, 255, (3, 4, 5, 3)).astype(np.float32)
    np.testing.assert_allclose(rescaled(pixels, Standardisation(0.5)), pixels / 2)
    centred = rescaled(pixels, Standardisation(samplewise_center=True))
    np.testing.assert_allclose(centred.mean(axis=(1, 2, 3)), 0, atol=1e-4)
    whole = Standardisation(samplewise_center=True, samplewise_std_normalization=True)
    np.testing.assert_allclose(rescaled(pixels, whole).std(axis=(1, 2, 3)), 1, rtol=1e-5)
    blank = np.full((1, 2, 2, 3), 7, np.float32)
    np.testing.assert_array_equal(rescaled(blank, whole), 0)


def test_statistics_do_not_depend_on_how_pictures_are_cut_into_batches() -> None:
    pixels = np.random.default_rng(2).uniform(0, 255, (20, 4, 4, 3)).astype(np.float32)
    wanted = Standardisation.of({"featurewise_std_normalization": True})
    assert wanted
    one = statistics(lambda: [pixels], wanted)
    several = statistics(lambda: np.array_split(pixels, 7), wanted)
    assert one and several
    np.testing.assert_allclose(one.mean, pixels.mean(axis=(0, 1, 2)), rtol=1e-5)
    np.testing.assert_allclose(one.deviation, pixels.std(axis=(0, 1, 2)), rtol=1e-5)
    np.testing.assert_allclose(several.mean, one.mean, rtol=1e-6)
    np.testing.assert_allclose(several.deviation, one.deviation, rtol=1e-6)
    assert statistics(lambda: [pixels], Standardisation(0.5)) is None


def test_whitened_values_are_uncorrelated() -> None:
    rng = np.random.default_rng(3)
    pixels = rng.uniform(0, 255, (400, 2, 2, 3)).astype(np.float32)
    pixels[:, 1] = 0.7 * pixels[:, 0] + 0.3 * pixels[:, 1]
    wanted = Standardisation.of({"zca_whitening": True, "rescale": FACTOR})
    assert wanted
    known = statistics(lambda: [pixels], wanted)
    assert known and known.whitening is not None
    rows = ((rescaled(pixels, wanted) - known.mean) / known.deviation).reshape(400, -1)
    white = rows @ known.whitening
    np.testing.assert_allclose(white.T @ white / 400, np.eye(12), atol=1e-2)
