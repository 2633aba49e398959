"""Pictures → what a network sees in them."""

import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import cnnkit
from cnnkit.errors import InputError, OutputError, UsageError, WeightsError, WeightsUnavailable
from cnnkit.records import Classification, Skipped
from cnnkit.tasks.classify import answered_before, classify
from cnnkit.tasks.pipeline import pictures_at_once
from tests.conftest import picture

REFERENCE = {  # top-1 and top-5 in per cent, plain Keras 3.15.1, float32
    ("mobilenet_0.25", "stretch", "nearest"): (59.5, 79.0),
    ("mobilenet_0.25", "stretch", "bilinear"): (57.5, 80.0),
    ("mobilenet_0.25", "crop", "bicubic"): (60.0, 86.5),
    ("mobilenet_0.25", "crop", "bilinear"): (61.5, 86.0),
    ("mobilenet_0.75", "stretch", "nearest"): (83.5, 96.5),
    ("mobilenet_0.75", "stretch", "bilinear"): (83.0, 97.0),
    ("mobilenet_0.75", "crop", "bicubic"): (87.5, 98.0),
    ("mobilenet_0.75", "crop", "bilinear"): (86.0, 98.0),
}
SMALL: dict[str, Any] = {
    "model": "mobilenet_0.25", "weights": "none", "threads": 2, "precision": "float32"
}  # fmt: skip
# What is measured against plain Keras, where the engine is not what is in question.
REFERENCE_ENGINE: dict[str, Any] = {"engine": "keras", "precision": "float32"}


def accuracy(photos: Path, **options: Any) -> tuple[float, float]:
    """Top-1 and top-5 in per cent; a photograph's name begins with its class."""
    first = among_five = count = 0
    for record in classify(photos, **options):
        assert isinstance(record, Classification)
        ids = [prediction.id for prediction in record.predictions]
        truth = Path(record.path).name.split("_")[0]
        first += ids[0] == truth
        among_five += truth in ids
        count += 1
    assert count == 200
    return 100 * first / count, 100 * among_five / count


@pytest.mark.real
@pytest.mark.network
@pytest.mark.parametrize(("case", "expected"), REFERENCE.items(), ids=lambda each: str(each))
def test_200_photographs_are_recognised_as_plain_keras_does(
    case: tuple[str, Any, Any], expected: tuple[float, float], photos: Path, keras_home: Path
) -> None:
    model, fit, interpolation = case
    found = accuracy(photos, model=model, fit=fit, interpolation=interpolation, **REFERENCE_ENGINE)
    assert found == pytest.approx(expected, abs=0.5)


@pytest.mark.real
@pytest.mark.network
@pytest.mark.parametrize("model", ["mobilenet_0.25", "mobilenet_0.75"])
def test_ten_crops_are_no_worse_than_one(model: str, photos: Path, keras_home: Path) -> None:
    ten = accuracy(photos, model=model, crops=10, **REFERENCE_ENGINE)
    assert ten[0] >= accuracy(photos, model=model, crops=1, **REFERENCE_ENGINE)[0]


@pytest.mark.real
@pytest.mark.network
@pytest.mark.parametrize("alpha", [0.25, 0.75])
def test_scores_are_plain_keras_scores_on_the_same_pixels(
    alpha: float, photos: Path, keras_home: Path
) -> None:
    import keras

    from tests import plain_keras

    # A picture so large that it is decoded at half size has other pixels, within a tolerance.
    some = [path for path in sorted(photos.iterdir()) if shorter_side(path) < 1024][:40]
    with plain_keras.files_from(keras_home / "models"):
        model = keras.applications.MobileNet(alpha=alpha)
        pixels = plain_keras.centre_cropped(some, 224, Image.Resampling.BICUBIC)
        expected = model.predict(keras.applications.mobilenet.preprocess_input(pixels), verbose=0)
        named = keras.applications.mobilenet.decode_predictions(expected, top=5)
    records = classify(some, model=f"mobilenet_{alpha}", **REFERENCE_ENGINE)
    for record, answers in zip(records, named, strict=True):
        assert isinstance(record, Classification)
        assert [p.label for p in record.predictions] == [label for _, label, _ in answers]
        assert [p.score for p in record.predictions] == pytest.approx(
            [float(score) for _, _, score in answers], abs=1e-4
        )


def shorter_side(path: Path) -> int:
    with Image.open(path) as image:
        return min(image.size)


@pytest.mark.real
@pytest.mark.network
def test_the_same_picture_in_any_guise_gets_the_same_answer(
    tmp_path: Path, photos: Path, keras_home: Path
) -> None:
    upright = Image.open(photos / "n01806567_quail.JPEG").convert("RGB")
    guises = dict(_guises(upright, tmp_path))
    records = list(
        classify(list(guises.values()), model="mobilenet_0.75", top=1, precision="float32")
    )
    scores = {}
    for name, record in zip(guises, records, strict=True):
        assert isinstance(record, Classification), (name, record)
        assert record.predictions[0].label == "quail", name
        scores[name] = record.predictions[0].score
    expected = scores["png"]
    assert scores == pytest.approx(dict.fromkeys(scores, expected), abs=1e-3)


def _guises(upright: Image.Image, folder: Path) -> Iterator[tuple[str, str]]:
    """The picture, losslessly, in every orientation, and in modes and formats that can hold it."""
    turns = [None, "FLIP_LEFT_RIGHT", "ROTATE_180", "FLIP_TOP_BOTTOM", "TRANSPOSE", "ROTATE_90"]
    turns += ["TRANSVERSE", "ROTATE_270"]
    for orientation, turn in enumerate(turns, 1):
        exif = Image.Exif()
        exif[0x0112] = orientation
        stored = upright.transpose(Image.Transpose[turn]) if turn else upright
        path = folder / f"exif{orientation}.png"
        stored.save(path, exif=exif)
        yield f"exif{orientation}", str(path)
    for suffix in ("png", "bmp", "tiff", "ppm"):
        upright.save(folder / f"plain.{suffix}")
        yield suffix, str(folder / f"plain.{suffix}")
    upright.save(folder / "plain.webp", lossless=True, quality=50)
    yield "webp", str(folder / "plain.webp")
    upright.convert("RGBA").save(folder / "opaque.png")
    yield "opaque", str(folder / "opaque.png")
    upright.save(folder / "lies.gif", format="PNG")
    yield "lying suffix", str(folder / "lies.gif")
    inverted = [Image.eval(band, lambda level: 255 - level) for band in upright.split()]
    Image.merge("CMYK", (*inverted, Image.new("L", upright.size))).save(folder / "ink.tiff")
    yield "cmyk", str(folder / "ink.tiff")


@pytest.mark.network
def test_every_input_gets_one_record_in_order(tmp_path: Path) -> None:
    picture().save(tmp_path / "good.png")
    (tmp_path / "empty.jpg").touch()
    paths = [str(tmp_path / n) for n in ("good.png", "empty.jpg", "absent.jpg", "good.png")]
    records = list(classify(paths, **SMALL))
    assert [r.path for r in records] == paths
    assert [r.failed for r in records] == [False, True, True, False]
    assert [r.kind for r in records if isinstance(r, Skipped)] == ["empty", "missing"]
    assert records[0] == records[3]


@pytest.mark.network
@pytest.mark.parametrize("crops", [1, 5, 10, 144])
def test_scores_are_means_over_views(tmp_path: Path, crops: int) -> None:
    picture(300, 260).save(tmp_path / "a.png")
    (record,) = classify(tmp_path, **SMALL, crops=crops, top=1000)
    assert isinstance(record, Classification)
    assert sum(p.score for p in record.predictions) == pytest.approx(1, abs=2e-3)
    assert [p.score for p in record.predictions] == sorted(
        (p.score for p in record.predictions), reverse=True
    )


@pytest.mark.network
def test_top_and_min_score_limit_the_predictions(tmp_path: Path) -> None:
    picture().save(tmp_path / "a.png")
    (all_of_them,) = classify(tmp_path, **SMALL, top=5000)
    (best,) = classify(tmp_path, **SMALL, top=2)
    (none,) = classify(tmp_path, **SMALL, min_score=1.0)
    assert isinstance(all_of_them, Classification)
    assert isinstance(best, Classification)
    assert isinstance(none, Classification)
    assert len(all_of_them.predictions) == 1000
    assert best.predictions == all_of_them.predictions[:2]
    assert none.predictions == ()
    assert not none.failed


@pytest.mark.parametrize(
    ("batch_size", "crops", "pictures"),
    [(4, 10, 2),
     (8, 1, 8), (8, 5, 8), (8, 10, 4), (8, 144, 1), (32, 10, 16), (1, 10, 1), (7, 144, 1),
     (4096, 1, 4096), (4096, 144, 28), (32, 144, 2)],
)  # fmt: skip
def test_views_fill_batches_without_a_rest_where_that_is_cheap(
    batch_size: int, crops: int, pictures: int
) -> None:
    assert pictures_at_once(batch_size, crops) == pictures


@pytest.mark.network
def test_batch_size_changes_nothing(tmp_path: Path) -> None:
    for i in range(7):
        picture(seed=i).save(tmp_path / f"{i}.png")
    answers = {}
    for size in (1, 2, 4, 32):
        records = list(classify(tmp_path, **SMALL, batch_size=size, top=1))
        assert all(isinstance(r, Classification) for r in records)
        answers[size] = [r.predictions[0].score for r in records if isinstance(r, Classification)]
    for size in (2, 4, 32):
        assert answers[size] == pytest.approx(answers[1], abs=1e-5)


@pytest.mark.real
@pytest.mark.network
def test_weights_from_a_file_are_those_of_the_store(photos: Path, keras_home: Path) -> None:
    some = [str(p) for p in sorted(photos.iterdir())[:3]]
    file = keras_home / "models" / "mobilenet_2_5_224_tf.h5"
    from_store = list(classify(some, model="mobilenet_0.25"))
    assert list(classify(some, model="mobilenet_0.25", weights=file)) == from_store
    with pytest.raises(WeightsError, match=r"mobilenet_0\.75 cannot be read"):
        list(classify(some, model="mobilenet_0.75", weights=file))


def test_wrong_arguments_are_refused_before_anything_is_read() -> None:
    wrong: list[dict[str, Any]] = [
        {"model": "resnet49"},
        {"crops": 3},
        {"crops": 144, "fit": "pad"},
        {"top": 0},
        {"batch_size": 0},
        {"min_score": 1.5},
        {"weights": "no-such-file.h5"},
        {"weights": __file__},
        {"fit": "square"},
        {"interpolation": "lanczos"},
        {"threads": 0},
        {"seed": -1},
        {"top": "1"},
        {"top": 1.5},
    ]
    for options in wrong:
        with pytest.raises(UsageError):
            classify("absent.jpg", **options)


def test_a_folder_without_pictures_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no picture")
    with pytest.raises(InputError, match="No picture"):
        classify(tmp_path)


def test_no_network_is_needed_where_nothing_can_be_read(tmp_path: Path) -> None:
    records = list(classify([str(tmp_path / "absent.jpg")], model="resnet50", offline=True))
    assert [r.failed for r in records] == [True]


def test_missing_weights_say_how_to_get_them(tmp_path: Path) -> None:
    picture().save(tmp_path / "a.png")
    with pytest.raises(WeightsUnavailable) as caught:
        list(classify(tmp_path, model="vgg16", offline=True))
    message = str(caught.value)
    for part in ("vgg16", "553.4 MB", "64373286793e3c8b2b4e3219cbf3544b", "keras/models", "import"):
        assert part in message


def test_a_weight_file_that_is_none_is_refused(tmp_path: Path) -> None:
    picture().save(tmp_path / "a.png")
    (tmp_path / "weights.h5").write_bytes(b"not HDF5 at all")
    with pytest.raises(WeightsError, match="HDF5"):
        list(classify(tmp_path / "a.png", weights=tmp_path / "weights.h5"))


def test_what_an_earlier_run_answered_is_known(tmp_path: Path) -> None:
    file = tmp_path / "done.jsonl"
    ok = {"path": "a.jpg", "status": "ok", "model": "vgg16", "predictions": []}
    lines = [ok, ok | {"path": "b\udcff.jpg"}, ok | {"path": "c.jpg", "status": "error"}]
    lines += [ok | {"path": "d.jpg", "model": "vgg19"}]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"path": "torn')
    assert answered_before(file, "vgg16") == {"a.jpg", "b\udcff.jpg"}
    assert answered_before(tmp_path / "absent.jsonl", "vgg16") == set()
    file.write_text("path,label\n")
    with pytest.raises(InputError, match="line 1: expected a jsonl record"):
        answered_before(file, "vgg16")


@pytest.mark.network
def test_annotated_copies_mirror_the_folders_and_spare_the_sources(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in" / "deep").mkdir(parents=True)
    for name in ("in/a.png", "in/deep/b.jpg"):
        picture(320, 240).save(tmp_path / name)
    before = (tmp_path / "in" / "a.png").read_bytes()
    monkeypatch.chdir(tmp_path)
    list(cnnkit.classify("in", **SMALL, annotate_in="out"))
    with Image.open(tmp_path / "out" / "in" / "deep" / "b.jpg") as copy:
        assert copy.width == 320
        assert copy.height > 240
    assert (tmp_path / "in" / "a.png").read_bytes() == before


@pytest.mark.network
def test_values_that_are_no_numbers_never_come_out_as_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture().save(tmp_path / "a.png")
    monkeypatch.setattr(
        "cnnkit.engines.keras_engine.KerasEngine.run",
        lambda self, pixels: (np.full((len(pixels), 1000), np.nan, np.float32),),
    )
    with pytest.raises(WeightsError, match="no numbers"):
        list(classify(tmp_path, **SMALL | REFERENCE_ENGINE))


@pytest.mark.network
def test_a_copy_that_cannot_be_written_is_one_failed_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a.png", "b.png"):
        picture().save(name)
    (tmp_path / "out" / "a.png").mkdir(parents=True)
    records = list(classify(["a.png", "b.png"], **SMALL, annotate_in="out"))
    assert [r.failed for r in records] == [True, False]
    assert isinstance(records[0], Skipped)
    assert records[0].kind == "annotation"


def test_a_folder_that_cannot_be_made_is_an_error_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be made"):
        classify("a.png", annotate_in=tmp_path / "file" / "out")


@pytest.mark.network
def test_copies_below_the_pictures_are_no_new_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    for i in range(40):  # more than are read ahead
        picture(seed=i).save(tmp_path / "in" / f"{i}.png")
    for _ in range(2):
        records = list(classify("in", **SMALL, batch_size=4, annotate_in="in/labelled"))
        assert len(records) == 40
    assert len(list((tmp_path / "in" / "labelled").rglob("*.png"))) == 40


@pytest.mark.network
def test_two_at_once_from_threads_answer_alike(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    picture().save(tmp_path / "a.png")
    with ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(lambda _: list(classify(tmp_path, **SMALL)), range(3)))
    assert answers[0] == answers[1] == answers[2]
    os.write(1, b"stdout is still here")
    assert capfd.readouterr().out == "stdout is still here"


@pytest.mark.network
def test_the_callers_settings_are_neither_used_nor_changed(tmp_path: Path) -> None:
    import random

    import keras

    picture().save(tmp_path / "a.png")
    expected = list(classify(tmp_path, **SMALL))
    keras.config.set_dtype_policy("mixed_float16")
    keras.config.set_image_data_format("channels_first")
    try:
        assert list(classify(tmp_path, **SMALL)) == expected
        assert keras.config.dtype_policy().name == "mixed_float16"
        assert keras.config.image_data_format() == "channels_first"
    finally:
        keras.config.set_dtype_policy("float32")
        keras.config.set_image_data_format("channels_last")
    random.seed(5)
    before = random.getstate()
    assert list(classify(tmp_path, model="patternnet"))
    assert random.getstate() == before


def test_paths_of_every_kind_and_none(tmp_path: Path) -> None:
    absent = str(tmp_path / "absent.jpg")
    for images in (absent, Path(absent), absent.encode(), [Path(absent)], iter([absent])):
        assert [record.path for record in classify(images)] == [absent]
    assert list(classify([])) == []
    with pytest.raises(UsageError, match="Expected several paths"):
        cnnkit.Inputs("photos/")


def test_a_weight_file_that_would_fill_the_memory_is_refused_unread(tmp_path: Path) -> None:
    import h5py

    picture().save(tmp_path / "a.png")
    with h5py.File(tmp_path / "bomb.h5", "w") as file:  # a gibibyte of nothing
        file.create_dataset("kernel", (1 << 28,), "f4", chunks=(1 << 20,))
    assert (tmp_path / "bomb.h5").stat().st_size < 1 << 20
    with pytest.raises(WeightsError, match=r"claims tensors of 1,073,741,824 bytes"):
        list(classify(tmp_path / "a.png", **SMALL | {"weights": tmp_path / "bomb.h5"}))
