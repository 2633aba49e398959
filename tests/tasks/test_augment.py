"""Changed copies: where they go, and that they can be told and made again."""

import json
import os
import random
import warnings
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import cnnkit
from cnnkit.errors import InputError, UsageError
from cnnkit.records import Augmented
from tests.conftest import picture
from tests.images.augment.keras_reference import BLOG
from tests.tasks.copies import TURNED, digests, manifest, pixels, run, states, two_classes


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return two_classes(tmp_path / "photos")


class TestPlaces:
    def test_class_folders_come_along(self, photos: Path, tmp_path: Path) -> None:
        records = run(photos, tmp_path / "out", copies=2)
        names = [
            *("cats/1__aug-001.png", "cats/1__aug-002.png", "cats/2__aug-001.jpg"),
            *("cats/2__aug-002.jpg", "dogs/1__aug-001.png", "dogs/1__aug-002.png"),
            *("dogs/wild/a b__aug-001.png", "dogs/wild/a b__aug-002.png"),
        ]
        assert [line["output"] for line in manifest(tmp_path / "out")] == names
        assert set(digests(tmp_path / "out")) == {*names, "manifest.jsonl"}
        assert [record.output for record in records if isinstance(record, Augmented)] == [
            str(tmp_path / "out" / name) for name in names
        ]
        assert [line["copy"] for line in manifest(tmp_path / "out")] == [1, 2] * 4

    def test_several_folders_keep_their_own_names(self, photos: Path, tmp_path: Path) -> None:
        run([photos / "cats", photos / "dogs" / "wild"], tmp_path / "out", copies=1)
        outputs = [line["output"] for line in manifest(tmp_path / "out")]
        assert outputs == ["cats/1__aug-001.png", "cats/2__aug-001.jpg", "wild/a b__aug-001.png"]

    def test_a_picture_keeps_the_path_that_it_is_given_by(
        self, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(photos / "cats")
        run(["1.png", "../dogs/1.png", "./2.jpg", str(photos / "dogs/1.png")], Path("../o"))
        outputs = [line["output"] for line in manifest(photos / "o")][::2]
        whole = str(photos / "dogs/1__aug-001.png").lstrip("/")
        assert outputs == ["1__aug-001.png", "_/dogs/1__aug-001.png", "2__aug-001.jpg", whole]

    def test_formats_that_cannot_be_written_become_png(self, tmp_path: Path) -> None:
        for name in ("a.gif", "b.BMP", "c.tiff", "d.webp", "e.ppm", "f.jp2"):
            picture().save(tmp_path / name)
        picture().save(tmp_path / "naked", "PNG")
        run([tmp_path, tmp_path / "naked"], tmp_path / "out", copies=1)
        found = {Path(name).name for name in digests(tmp_path / "out")} - {"manifest.jsonl"}
        assert found == {
            *("a.gif__aug-001.png", "b__aug-001.BMP", "c__aug-001.tiff", "d__aug-001.webp"),
            *("e.ppm__aug-001.png", "f.jp2__aug-001.png", "naked__aug-001.png"),
        }

    def test_one_place_for_two_pictures_is_refused_before_anything_is_written(
        self, photos: Path, tmp_path: Path
    ) -> None:
        (tmp_path / "more" / "cats").mkdir(parents=True)
        picture(seed=9).save(tmp_path / "more" / "cats" / "1.png")
        pair = [photos / "cats", tmp_path / "more" / "cats"]
        with pytest.raises(UsageError, match="would have the names of those of"):
            run(pair, tmp_path / "out")
        assert not (tmp_path / "out").exists()
        records = run(iter(pair), tmp_path / "out", copies=1)
        assert states(records) == ["made", "made", "collision"]

    def test_a_picture_that_comes_twice(self, photos: Path, tmp_path: Path) -> None:
        path = photos / "cats" / "1.png"
        records = run([path, path], tmp_path / "out", copies=3, jobs=4)
        assert sorted(states(records)) == ["made"] * 3 + ["present"] * 3
        assert len(manifest(tmp_path / "out")) == 3

    def test_names_that_are_no_text(self, tmp_path: Path) -> None:
        odd = os.fsencode(tmp_path) + b"/odd\xff\n\t.png"
        with open(odd, "wb") as file:  # noqa: PTH123
            picture().save(file, "PNG")
        assert states(run([os.fsdecode(odd)], tmp_path / "out")) == ["made", "made"]
        assert states(run([os.fsdecode(odd)], tmp_path / "out")) == ["present", "present"]
        assert manifest(tmp_path / "out")[0]["source"] == os.fsdecode(odd)
        hopeless = ["\ud800.png", "a\0b.png", str(tmp_path / ("x" * 245 + ".png"))]
        assert states(run(hopeless, tmp_path / "two")) == ["missing", "missing", "name"]


class TestManifest:
    @pytest.mark.network
    @pytest.mark.parametrize("kind", ["png", "jpg"])
    def test_keras_draws_the_same_copies_from_it(
        self, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sides = ((224, 224), (150, 100), (60, 97), (250, 188), (33, 120))
        for seed, (width, height) in enumerate(sides):
            picture(width, height, seed).save(tmp_path / f"{seed}.{kind}")
        everything = BLOG | {"brightness_range": [0.7, 1.3], "vertical_flip": True}
        monkeypatch.chdir(tmp_path)
        run(".", Path("out"), copies=10, recipe=everything, seed=3)
        lines = manifest(tmp_path / "out")
        assert len(lines) == 50
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from keras.src.legacy.preprocessing.image import ImageDataGenerator

            for line in lines:
                source = pixels(line["source"])
                keras = ImageDataGenerator(**line["recipe"])
                redrawn = keras.apply_transform(source.astype(np.float32), line["drawn"])
                copy = pixels(Path("out", line["output"]))
                if kind == "png":
                    assert np.abs(copy - redrawn).max() <= 0.51
                else:  # compressed in the same way
                    Image.fromarray(np.rint(redrawn).astype(np.uint8)).save("a.jpg", quality=95)
                    assert np.abs(copy - pixels("a.jpg")).mean() < 0.2
                assert np.abs(copy - source).mean() > 4
                assert (
                    sha256(Path("out", line["output"]).read_bytes()).hexdigest() == (line["sha256"])
                )
        assert len({line["sha256"] for line in lines}) == 50

    def test_its_words(self, photos: Path, tmp_path: Path) -> None:
        (record,) = run(photos / "cats/1.png", tmp_path / "out", copies=1, seed=7)
        (line,) = manifest(tmp_path / "out")
        assert isinstance(record, Augmented)
        assert line == dict(record.line)
        assert line["content"] == sha256((photos / "cats/1.png").read_bytes()).hexdigest()
        assert (line["seed"], line["size"], line["patch"], line["augmenter"]) == (
            *(7, None, None, "fast"),
        )
        told = record.to_dict()
        assert list(told)[:4] == ["path", "status", "state", "output"]
        assert set(told) == {"path", "status", "state"} | (set(line) - {"source"})
        assert set(record.cells()) == set(Augmented.columns()) - {"error"}
        assert record.cells()["theta"] == line["drawn"]["theta"]

    @pytest.mark.parametrize("text", ["[1]\n", "{}\n", '{"path": "a"}\n', "\0\0", "x" * 99])
    def test_one_of_somebody_elses_is_left_alone(
        self, photos: Path, tmp_path: Path, text: str
    ) -> None:
        path = tmp_path / "manifest.jsonl"
        path.write_text(text)
        with pytest.raises(InputError, match="did not write it"):
            run(photos, tmp_path)
        assert path.read_text() == text

    @pytest.mark.parametrize("output", ["../a.png", "/etc/passwd", "", 3, "a\0.png"])
    def test_one_that_leads_out_of_its_folder_is_none_of_ours(
        self, photos: Path, tmp_path: Path, output: Any
    ) -> None:
        run(photos, tmp_path / "out")
        lines = manifest(tmp_path / "out")
        lines[3]["output"] = output
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (tmp_path / "out" / "manifest.jsonl").write_text(text)
        with pytest.raises(InputError, match="did not write it"):
            run(photos, tmp_path / "out")


class TestSameBytes:
    def test_whatever_the_jobs_and_the_order(self, photos: Path, tmp_path: Path) -> None:
        paths = [path for path in photos.rglob("*.*") if path.is_file()]
        found = []
        for jobs, seed in ((1, 0), (8, 0), (8, 1)):
            random.Random(jobs).shuffle(paths)
            out = tmp_path / f"{jobs}-{seed}"
            run(list(paths), out, copies=11, jobs=jobs, seed=seed, recipe=BLOG)
            found.append(digests(out))
            found[-1].pop("manifest.jsonl")
        assert found[0] == found[1]
        assert len(set(found[0].values())) == 44
        assert not set(found[0].values()) & set(found[2].values())

    def test_a_renamed_picture_has_the_same_copies(self, photos: Path, tmp_path: Path) -> None:
        (photos / "cats/1.png").rename(photos / "cats/other.png")
        one, other = (run([photos / "cats/other.png"], tmp_path / name, copies=3) for name in "ab")
        (photos / "cats/other.png").rename(photos / "cats/1.png")
        again = run([photos / "cats/1.png"], tmp_path / "c", copies=3)
        sums = [[r.line["sha256"] for r in each] for each in (one, other, again)]  # type: ignore[union-attr]
        assert sums[0] == sums[1] == sums[2]

    def test_another_run_of_the_same_leaves_every_file_as_it_was(
        self, photos: Path, tmp_path: Path
    ) -> None:
        out = tmp_path / "out"
        assert set(states(run(photos, out))) == {"made"}
        before = {path: path.stat().st_mtime_ns for path in out.rglob("*__aug*")}
        text = (out / "manifest.jsonl").read_bytes()
        assert set(states(run(photos, out))) == {"present"}
        assert {path: path.stat().st_mtime_ns for path in out.rglob("*__aug*")} == before
        assert (out / "manifest.jsonl").read_bytes() == text

    def test_only_what_is_missing_or_differs_is_made(self, photos: Path, tmp_path: Path) -> None:
        out = tmp_path / "out"
        run(photos, out)
        before = digests(out)
        (out / "cats/1__aug-002.png").unlink()
        (out / "dogs/1__aug-001.png").write_bytes(b"x" * 99)
        os.truncate(out / "dogs/1__aug-002.png", 0)
        expected = ["present", "made", "present", "present", "remade", "remade"]
        assert states(run(photos, out)) == [*expected, "present", "present"]
        assert digests(out) == before
        picture(80, 70, seed=77).save(photos / "cats/2.jpg")
        assert states(run(photos, out))[2:4] == ["remade", "remade"]
        assert set(states(run(photos, out, seed=5))) == {"remade"}
        assert states(run(photos, out, copies=3, seed=5)) == ["present", "present", "made"] * 4

    def test_what_an_earlier_run_wrote_stays_and_is_told_of(
        self, photos: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        out = tmp_path / "out"
        run(photos, out, copies=3)
        lines = manifest(out)
        (out / "dogs/wild/a b__aug-003.png").unlink()
        run(photos, out, copies=1)
        assert "7 copies of earlier runs" in caplog.text
        kept = [line for line in lines if line["copy"] == 1]
        gone = "dogs/wild/a b__aug-003.png"
        rest = [line for line in lines if line["copy"] > 1 and line["output"] != gone]
        assert manifest(out) == kept + rest

    def test_a_run_that_ends_early_is_completed(self, photos: Path, tmp_path: Path) -> None:
        out = tmp_path / "out"
        records = cnnkit.augment(photos, out=out, copies=4, recipe=TURNED, jobs=2)
        for _ in range(3):
            next(records)
        records.close()
        assert not (out / "manifest.jsonl").exists()
        again = run(photos, out, copies=4)
        assert "present" in states(again)
        run(photos, tmp_path / "whole", copies=4)
        assert digests(out) == digests(tmp_path / "whole")
