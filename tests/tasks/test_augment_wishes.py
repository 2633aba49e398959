"""Changed copies: what is asked for, what is refused, and what is never touched."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, Image

import cnnkit
from cnnkit.errors import InputError, OutputError, UnknownName, UsageError
from cnnkit.outputs import copies
from cnnkit.outputs.copies import Copies
from cnnkit.records import Augmented, Skipped
from cnnkit.tasks import augment as augment_task
from tests.conftest import picture
from tests.images.augment.keras_reference import BLOG
from tests.tasks.copies import TURNED, digests, manifest, pixels, run, states, two_classes


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return two_classes(tmp_path / "photos")


class TestNothingIsLost:
    def test_a_file_that_nobody_knows_is_never_overwritten(
        self, photos: Path, tmp_path: Path
    ) -> None:
        out = tmp_path / "out"
        (out / "cats").mkdir(parents=True)
        mine = out / "cats" / "1__aug-002.png"
        mine.write_bytes(b"mine")
        records = run(photos, out)
        assert states(records) == ["taken", *["made"] * 6]
        assert str(mine) in records[0].message  # type: ignore[union-attr]
        assert mine.read_bytes() == b"mine"
        far = out / "dogs" / "1__aug-013.png"
        far.parent.mkdir(exist_ok=True)
        far.write_bytes(b"mine")
        again = run(photos, out, copies=20)  # several blocks: of a picture, all copies or none
        assert states(again).count("taken") == 2
        assert not any("dogs/1__" in each.output for each in again if isinstance(each, Augmented))
        mine.unlink()
        mine.symlink_to(photos / "dogs" / "1.png")
        assert states(run(photos, out))[0] == "taken"

    def test_copies_beside_their_sources_are_no_sources(
        self, photos: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        before = digests(photos)
        assert states(run(photos, photos)) == ["made"] * 8
        assert states(run(photos, photos)) == ["present"] * 8
        assert "8 pictures are copies" in caplog.text
        named = photos / "cats" / "1__aug-001.png"
        assert states(run([named], photos)) == ["copy"]
        assert before.items() <= digests(photos).items()

    def test_a_list_that_grows_with_the_copies(self, photos: Path) -> None:
        out = photos / "more"

        def found() -> Iterator[str]:
            yield str(photos / "cats" / "1.png")
            while not list(out.rglob("1__aug-002.png")):
                time.sleep(0.01)
            yield from map(str, sorted(out.rglob("*__aug-*.png")))
            yield str(photos / "dogs" / "1.png")

        records = run(found(), out)
        assert states(records) == ["made", "made", "copy", "copy", "made", "made"]
        assert not list(out.rglob("*__aug*__aug*"))

    def test_a_folder_of_copies_within_is_not_entered(self, photos: Path) -> None:
        out = photos / "more"
        first, second = run(photos, out), run(photos, out)
        assert states(first) == ["made"] * 8
        assert states(second) == ["present"] * 8

    def test_a_full_disk_ends_the_run_and_the_next_one_completes_it(
        self, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        out, whole = tmp_path / "out", copies.put

        def full(path: Path, data: bytes) -> None:
            whole(path, data[:9] if "dogs" in str(path) else data)
            if "dogs" in str(path):
                raise OSError(28, "No space left on device")

        monkeypatch.setattr(copies, "put", full)
        with pytest.raises(OutputError, match=r"dogs.*No space left"):
            run(photos, out)
        assert not [path for path in out.rglob("*") if ".part" in path.name]
        monkeypatch.undo()
        assert set(states(run(photos, out))) == {"present", "made"}

    def test_one_run_at_a_time(self, photos: Path, tmp_path: Path) -> None:
        with Copies(tmp_path / "out"), pytest.raises(OutputError, match="Another process"):
            run(photos, tmp_path / "out")
        assert not (tmp_path / "out" / "manifest.jsonl").read_bytes()

    def test_a_file_where_the_folder_should_be(self, photos: Path, tmp_path: Path) -> None:
        (tmp_path / "out").write_text("mine")
        with pytest.raises(OutputError, match="Not a directory"):
            run(photos, tmp_path / "out")


class TestHow:
    def test_a_patch_is_a_part_of_the_same_copy(self, photos: Path, tmp_path: Path) -> None:
        run(photos / "dogs", tmp_path / "whole", copies=9)
        run(photos / "dogs", tmp_path / "cut", copies=9, random_crop="20x30")
        corners = set()
        for whole, cut in zip(
            manifest(tmp_path / "whole"), manifest(tmp_path / "cut"), strict=True
        ):
            assert whole["drawn"] == cut["drawn"]
            left, top, right, bottom = cut["patch"]
            corners.add((left, top))
            part = pixels(tmp_path / "whole" / whole["output"])[top:bottom, left:right]
            assert part.shape == (30, 20, 3)
            assert (part == pixels(tmp_path / "cut" / cut["output"])).all()
        assert len(corners) > 9

    def test_patches_alone_reach_every_place(self, tmp_path: Path) -> None:
        picture(12, 11).save(tmp_path / "a.png")
        run(tmp_path / "a.png", tmp_path / "out", copies=60, recipe=None, random_crop=(10, 10))
        corners = {tuple(line["patch"][:2]) for line in manifest(tmp_path / "out")}
        assert corners == {(left, top) for left in range(3) for top in range(2)}

    def test_a_picture_smaller_than_the_patch_is_one_row(
        self, photos: Path, tmp_path: Path
    ) -> None:
        records = run(photos, tmp_path / "out", random_crop="70x50", copies=20)
        assert states(records) == ["too_small", "too_small", *["made"] * 40]
        assert "60x50" in records[0].message  # type: ignore[union-attr]

    def test_the_size_comes_before_the_transform(self, photos: Path, tmp_path: Path) -> None:
        run(photos, tmp_path / "out", size="40x30", recipe={"width_shift_range": 0.5})
        for line in manifest(tmp_path / "out"):
            assert (line["width"], line["height"], line["size"]) == (40, 30, [40, 30])
            assert abs(line["drawn"]["ty"]) <= 20
            assert pixels(tmp_path / "out" / line["output"]).shape == (30, 40, 3)

    def test_no_orientation_is_left_over(self, tmp_path: Path) -> None:
        exif = Image.Exif()
        exif[ExifTags.Base.Orientation] = 6
        picture(60, 40).save(tmp_path / "turned.jpg", exif=exif)
        run(tmp_path / "turned.jpg", tmp_path / "out", recipe={"channel_shift_range": 1})
        (line, _) = manifest(tmp_path / "out")
        with Image.open(tmp_path / "out" / line["output"]) as image:
            assert image.size == (40, 60)
            assert not image.getexif()
        upright, copy = pixels(tmp_path / "turned.jpg"), pixels(tmp_path / "out" / line["output"])
        assert np.abs(upright - copy).mean() < 6

    def test_quality(self, photos: Path, tmp_path: Path) -> None:
        sizes = []
        for quality in (30, 95):
            (record,) = run(
                photos / "cats/2.jpg", tmp_path / str(quality), copies=1, quality=quality
            )
            sizes.append(record.line["bytes"])  # type: ignore[union-attr]
        assert sizes[0] < sizes[1]

    @pytest.mark.network
    def test_keras_itself_within_a_level(self, photos: Path, tmp_path: Path) -> None:
        for augmenter in ("fast", "keras"):
            records = run(photos / "dogs", tmp_path / augmenter, recipe=BLOG, augmenter=augmenter)
            assert states(records) == ["made"] * 4
        for one, other in zip(
            manifest(tmp_path / "fast"), manifest(tmp_path / "keras"), strict=True
        ):
            assert (one["output"], one["drawn"]) == (other["output"], other["drawn"])
            pair = [pixels(tmp_path / line["augmenter"] / line["output"]) for line in (one, other)]
            assert np.abs(pair[0] - pair[1]).max() <= 1
            assert (pair[0] != pair[1]).mean() < 0.01

    def test_bad_pictures_are_rows(self, photos: Path, tmp_path: Path) -> None:
        (photos / "cats" / "0.png").write_bytes(b"")
        (photos / "cats" / "broken.jpg").write_bytes((photos / "cats/2.jpg").read_bytes()[:300])
        records = run([photos, "absent.png"], tmp_path / "out", copies=20)
        bad = [record for record in records if isinstance(record, Skipped)]
        assert states(bad) == ["empty", "damaged", "missing"]
        assert len(records) == 3 + 80


OF_NO_SENSE: tuple[dict[str, Any], ...] = (
    {"recipe": {"zoom_range": -1}},
    {"recipe": {"fill_mode": "mirror"}},
    {"recipe": {"rotation_range": 1e9}},
    {"recipe": {"rescale": 1 / 255}},
    {"featurewise_center": True},
    {"recipe": None},
    {"recipe": {"fill_mode": "reflect", "cval": 9}},
    {"recipe": {"width_shift_range": 1}},
    {"recipe": {"brightness_range": [0.5, 0.5], "zoom_range": [0.7, 0.7]}},
    {"recipe": {"rotation_range": 9, "samplewise-center": True}},
    {"copies": 0},
    {"copies": 1.5},
    {"seed": -1},
    {"jobs": 0},
    {"augmenter": "slow"},
    {"boxes": "coco"},
    {"quality": 101},
    {"quality": 0},
    {"size": "224"},
    {"size": "0x5"},
    {"size": (5, 2.0)},
    {"size": "99999x5"},
    {"size": "-3x5"},
    {"size": 224},
    {"random_crop": "axb"},
    {"random_crop": "50x50", "size": "40x60"},
    {"preview": "sheet.txt"},
)


@pytest.mark.parametrize("options", OF_NO_SENSE, ids=str)
def test_nonsense_is_refused_before_anything_is_made(
    photos: Path, tmp_path: Path, options: dict[str, Any]
) -> None:
    with pytest.raises(UsageError) as caught:
        cnnkit.augment(photos, out=tmp_path / "out", **{"recipe": TURNED} | options)
    assert (
        "Expected" in str(caught.value)
        or "expected" in str(caught.value)
        or (isinstance(caught.value, UnknownName) or "finetune" in str(caught.value))
    )
    assert not (tmp_path / "out").exists()


def test_tensors_that_are_left_alone_are_no_wish(photos: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "a.toml"
    recipe.write_text("rotation_range = 9\nsamplewise_center = false")
    assert states(run(photos / "cats", tmp_path / "out", recipe=recipe)) == ["made"] * 4
    assert states(run(photos / "cats", tmp_path / "out", zca_whitening=False)) == ["remade"] * 4


def test_names_may_be_as_long_as_names_may_be(tmp_path: Path) -> None:
    for length in (242, 243):
        picture().save(tmp_path / f"{'y' * length}.jpg")
    assert states(run(tmp_path, tmp_path / "out", copies=1)) == ["made", "name"]
    assert states(run(tmp_path, tmp_path / "out", copies=1000)) == ["name", "name"]


def test_no_picture_and_no_recipe(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="No picture"):
        run(tmp_path / "empty", tmp_path / "out")
    with pytest.raises(InputError, match="cannot be read"):
        run(photos, tmp_path / "out", recipe=tmp_path / "absent.toml")
    assert not (tmp_path / "out").exists()
    assert run([], tmp_path / "out") == []


def test_what_is_said_besides_is_stronger_than_the_recipe(photos: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "a.toml"
    recipe.write_text("rotation_range = 40\nhorizontal_flip = true")
    options = {"recipe": recipe, "rotation_range": 5, "shear_range": 2, "copies": 1}
    run(photos, tmp_path / "out", **options)
    told = manifest(tmp_path / "out")[0]["recipe"]
    assert (told["rotation_range"], told["shear_range"], told["horizontal_flip"]) == (5, 2, True)
    recipe.write_text("[augment]\nrescale = 0.0039\nrotation_range = 4")
    with pytest.raises(UsageError, match=r"a\.toml: rescale acts on .*black.*cnnkit finetune"):
        run(photos, tmp_path / "out", recipe=recipe)


@pytest.mark.parametrize(
    "wish",
    [{"augmenter": "keras", "rotation_range": 9}, {"interpolation_order": 3, "zoom_range": 0.1}],
)
def test_without_scipy_the_error_names_the_extra(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wish: dict[str, Any]
) -> None:
    monkeypatch.setattr(augment_task, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"pip install 'cnnkit\[splines\]'"):
        cnnkit.augment(photos, out=tmp_path / "out", **wish)
    assert not (tmp_path / "out").exists()
