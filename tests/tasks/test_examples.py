import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cnnkit.errors import InputError, UsageError
from cnnkit.tasks.examples import gathered


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two classes of eight pictures, no two alike."""
    folder = tmp_path / "data"
    for label in ("one", "two"):
        (folder / label).mkdir(parents=True)
        for number in range(8):
            seed = number + 100 * (label == "two")
            _detailed(seed).save(folder / label / f"{number}.png")
    return folder


def _detailed(seed: int) -> Image.Image:
    """A picture with as much to see as a photograph has."""
    coarse = np.random.default_rng(seed).integers(0, 256, (15, 20, 3), np.uint8)
    return Image.fromarray(coarse).resize((160, 120), Image.Resampling.BICUBIC)


def test_each_picture_is_on_one_side(data: Path) -> None:
    known = gathered(data, share=0.25)
    assert known.labels == ("one", "two")
    assert {label: dict(sides) for label, sides in known.counts().items()} == {
        "one": {"train": 6, "val": 2}, "two": {"train": 6, "val": 2},
    }  # fmt: skip
    assert sorted([*known.places("train"), *known.places("val")]) == list(range(16))
    assert known.truth(known.places("train")).tolist() == [0] * 6 + [1] * 6


def test_copies_stay_together_whatever_they_are_called(data: Path) -> None:
    for number in range(8):
        source = data / "one" / f"{number}.png"
        Image.open(source).convert("RGB").save(data / "one" / f"copy-{number}.jpg", quality=60)
    known = gathered(data, share=0.25)
    sides = {Path(each.path).name: each.split for each in known.examples if each.label == "one"}
    assert all(sides[f"{n}.png"] == sides[f"copy-{n}.jpg"] for n in range(8))
    assert known.kept_together == 16


def test_groups_stay_together(data: Path) -> None:
    known = gathered(data, share=0.25, group_by=r"/([0-3]|[4-7])\.png")
    sides = {(each.label, Path(each.path).stem): each.split for each in known.examples}
    assert all(sides["one", str(n)] == sides["two", str(n)] for n in range(8))


@pytest.mark.parametrize("pattern", ["patient([0-9]+)", "png"])
def test_groups_that_tell_nothing_apart_are_a_mistake(data: Path, pattern: str) -> None:
    with pytest.raises(UsageError, match="group-by"):
        gathered(data, group_by=pattern)


def test_the_split_is_one_of_contents_not_of_names(data: Path) -> None:
    before = gathered(data, seed=3)
    held = {before.contents[place] for place in before.places("val")}
    for path in sorted(data.rglob("*.png")):
        path.rename(path.with_name(f"z{9 - int(path.stem)}.png"))
    after = gathered(data, seed=3)
    assert {after.contents[place] for place in after.places("val")} == held
    other = gathered(data, seed=4)
    assert {other.contents[place] for place in other.places("val")} != held


def test_what_cannot_be_read_is_left_out_and_told(data: Path) -> None:
    (data / "one" / "torn.jpg").write_bytes(b"\xff\xd8\xff torn")
    known = gathered(data)
    assert [Path(each.path).name for each in known.skipped] == ["torn.jpg"]
    assert len(known.examples) == 16


def test_near_duplicates_on_two_given_sides_are_reported(data: Path, tmp_path: Path) -> None:
    given = tmp_path / "given"
    shutil.copytree(data, given / "train")
    shutil.copytree(data, given / "val")
    for path in [*(given / "val").rglob("*.png")][2:]:
        path.unlink()
    known = gathered(given)
    assert len(known.straddling) == 2
    assert all(known.contents[one] == known.contents[two] for one, two in known.straddling)


def test_flat_pictures_are_no_copies_of_each_other(data: Path) -> None:
    for number in range(6):
        grey = np.full((40, 40, 3), 30 * number, np.uint8)
        Image.fromarray(grey).save(data / "one" / f"flat-{number}.png")
    assert gathered(data).kept_together == 0


def test_one_class_is_none(data: Path) -> None:
    shutil.rmtree(data / "two")
    with pytest.raises(InputError, match="two classes"):
        gathered(data)
