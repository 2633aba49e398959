"""Groups of near-duplicates: what brute force says, and that nobody who deletes loses a picture."""

import logging
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import cnnkit
from cnnkit.errors import InputError, UnknownName, UsageError
from cnnkit.records import Group
from cnnkit.tasks.dedupe import dedupe
from tests.conftest import picture
from tests.stores import names, vectors, write_plain, write_store


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def turned(*degrees: float) -> NDArray[np.float32]:
    """Unit vectors in a plane: the cosine of two is that of the angle between them."""
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def shape(groups: Any) -> list[tuple[str, list[str]]]:
    """Who is kept, and who is redundant."""
    return [(group.path, [each.path for each in group.redundant]) for group in groups]


def by_brute_force(values: NDArray[Any], order: list[int], threshold: float) -> dict[int, set[int]]:
    """The kept rows, each with those that it makes redundant."""
    unit = values / np.linalg.norm(values.astype(np.float64), axis=1, keepdims=True)
    cosines = unit @ unit.T
    kept: dict[int, set[int]] = {}
    for row in order:
        near = [k for k in kept if cosines[row, k] >= threshold]
        if near:
            kept[max(near, key=lambda k: cosines[row, k])].add(row)
        else:
            kept[row] = set()
    return {k: rows for k, rows in kept.items() if rows}


def pictures(*sizes: tuple[int, int]) -> list[str]:
    paths = [f"{i}.png" for i in range(len(sizes))]
    for path, size in zip(paths, sizes, strict=True):
        picture(*size).save(path)
    return paths


class TestGroups:
    @pytest.mark.parametrize("threshold", [0.3, 0.7, 0.9])
    def test_they_are_those_of_brute_force(self, threshold: float) -> None:
        values = vectors(200, 8)
        write_store(Path("a.h5"), values)
        found = list(dedupe(store="a.h5", threshold=threshold, keep="first"))
        expected = by_brute_force(values, list(range(200)), threshold)
        assert {g.row: {e.row for e in g.redundant} for g in found} == expected
        assert [g.row for g in found] == sorted(expected)
        assert [g.group for g in found] == list(range(1, len(expected) + 1))
        for group in found:
            assert group.path == names(200)[group.row]
            for each in group.redundant:
                one, other = values[group.row].astype(float), values[each.row].astype(float)
                cosine = one @ other / np.linalg.norm(one) / np.linalg.norm(other)
                assert each.similarity == pytest.approx(cosine, abs=1e-6)
                assert each.similarity >= threshold

    def test_there_are_no_chains(self) -> None:
        # Each is near the next one, and the third is not near the first.
        write_store(Path("a.h5"), turned(0, 10, 20, 90), ["a", "b", "c", "d"])
        near = float(np.cos(np.radians(15)))
        groups = shape(dedupe(store="a.h5", threshold=near, keep="first"))
        assert groups == [("a", ["b"])]

    def test_a_threshold_of_one_is_for_the_same_vector(self) -> None:
        write_store(Path("a.h5"), turned(0, 30, 0, 31), ["a", "b", "c", "d"])
        assert shape(dedupe(store="a.h5", threshold=1, keep="first")) == [("a", ["c"])]
        assert shape(dedupe(store="a.h5", threshold=0, keep="first")) == [("a", ["b", "c", "d"])]

    def test_none_in_an_empty_store_or_one_of_one_picture(self) -> None:
        write_store(Path("none.h5"), turned(0)[:0], [])
        write_store(Path("one.h5"), turned(0), ["a"])
        assert list(dedupe(store="none.h5")) == list(dedupe(store="one.h5")) == []

    def test_several_stores_are_looked_through_together(self) -> None:
        write_store(Path("a.h5"), turned(0, 90), ["a", "b"])
        write_store(Path("b.h5"), turned(90, 45, 0), ["c", "d", "e"])
        groups = list(dedupe(store=["a.h5", "b.h5"], keep="first"))
        assert shape(groups) == [("a", ["e"]), ("b", ["c"])]
        assert [g.store for g in groups] == ["a.h5", "a.h5"]
        assert [(e.store, e.row) for g in groups for e in g.redundant] == [("b.h5", 2), ("b.h5", 0)]

    def test_what_cannot_be_asked_is_refused_at_once(self) -> None:
        write_plain(Path("a.h5"), turned(0, 0))
        with pytest.raises(InputError, match="without paths"):
            dedupe(store="a.h5")
        write_store(Path("b.h5"), turned(0, 0), ["a", "b"])
        for wrong in (1.01, -0.1, float("nan")):
            with pytest.raises(UsageError, match="from 0 to 1"):
                dedupe(store="b.h5", threshold=wrong)
        with pytest.raises(UnknownName, match="No choice"):
            dedupe(store="b.h5", keep="last")  # type: ignore[arg-type]
        with pytest.raises(UsageError):
            dedupe(store="b.h5", threads=0)


class TestWhichIsKept:
    def test_the_one_with_most_pixels(self) -> None:
        paths = pictures((20, 20), (40, 40), (80, 10))
        write_store(Path("a.h5"), turned(0, 0, 0), paths)
        (group,) = dedupe(store="a.h5")
        assert group.path == "1.png"
        assert {e.path for e in group.redundant} == {"0.png", "2.png"}
        assert shape(dedupe(store="a.h5", keep="first")) == [("0.png", ["1.png", "2.png"])]

    def test_of_equal_ones_the_larger_file_and_then_the_first(self) -> None:
        image = picture(64, 64)
        image.save("0.jpg", quality=30)
        image.save("1.jpg", quality=95)
        shutil.copy("1.jpg", "2.jpg")
        write_store(Path("a.h5"), turned(0, 0, 0), ["0.jpg", "1.jpg", "2.jpg"])
        (group,) = dedupe(store="a.h5")
        assert group.path == "1.jpg"
        assert [e.path for e in group.redundant] == ["2.jpg", "0.jpg"]

    def test_files_of_others_have_sizes_too(self) -> None:
        paths = pictures((20, 20), (40, 40))
        write_plain(Path("a.h5"), turned(0, 0), paths)
        assert shape(dedupe(store="a.h5")) == [("1.png", ["0.png"])]

    def test_one_that_cannot_be_read_is_never_the_best(self) -> None:
        pictures((20, 20))
        Path("torn.png").write_bytes(b"no picture at all" * 1000)
        write_store(Path("a.h5"), turned(0, 0), ["torn.png", "0.png"])
        assert shape(dedupe(store="a.h5")) == [("0.png", ["torn.png"])]

    def test_pictures_beside_the_store_are_found_from_elsewhere(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write_store(Path("a.h5"), turned(0, 0), pictures((20, 20), (40, 40)))
        (tmp_path / "elsewhere").mkdir()
        monkeypatch.chdir(tmp_path / "elsewhere")
        assert shape(dedupe(store="../a.h5")) == [("1.png", ["0.png"])]


class TestNothingIsLost:
    """Whoever deletes every redundant picture has each of its likes left."""

    def survivors(self, **options: Any) -> set[str]:
        for group in dedupe(**options):
            for each in group.redundant:
                Path(each.path).unlink()
        return {name for name in os.listdir() if name.endswith(".png") and os.path.exists(name)}

    @pytest.mark.parametrize("keep", ["best", "first"])
    def test_one_file_under_two_paths_is_one_picture(self, keep: Any, tmp_path: Path) -> None:
        (path,) = pictures((20, 20))
        Path("link.png").symlink_to(path)
        Path("hard.png").hardlink_to(path)
        stored = ["link.png", str(tmp_path / path), path, "hard.png", f"./{path}"]
        write_store(Path("a.h5"), turned(*[0] * 5), stored)
        assert self.survivors(store="a.h5", keep=keep) == {path, "link.png", "hard.png"}

    @pytest.mark.parametrize("keep", ["best", "first"])
    def test_nor_is_one_file_in_two_stores(self, keep: Any) -> None:
        paths = pictures((20, 20), (30, 30))
        for name in ("a.h5", "b.h5"):
            write_store(Path(name), turned(0, 90), paths)
        assert self.survivors(store=["a.h5", "b.h5"], keep=keep) == set(paths)

    @pytest.mark.parametrize("keep", ["best", "first"])
    def test_one_that_is_gone_makes_no_other_redundant(
        self, keep: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        paths = pictures((40, 40), (20, 20), (20, 20))
        write_store(Path("a.h5"), turned(0, 0, 0), paths)
        Path(paths[0]).unlink()
        with caplog.at_level(logging.WARNING, "cnnkit"):
            assert shape(dedupe(store="a.h5", keep=keep)) == [("1.png", ["2.png"])]
        assert "1 of 3 stored pictures are gone" in caplog.text
        assert self.survivors(store="a.h5", keep=keep) == {"1.png"}
        assert list(dedupe(store="a.h5", keep=keep)) == []

    @pytest.mark.parametrize("keep", ["best", "first"])
    def test_one_that_has_changed_is_neither_kept_nor_redundant(
        self, keep: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        paths = pictures((40, 40), (20, 20), (20, 20), (20, 20))
        write_store(Path("a.h5"), turned(0, 0, 0, 0), paths)
        picture(40, 40, seed=7).save(paths[0])
        content = Path(paths[1]).read_bytes()
        Path(paths[1]).write_bytes(content[:-1] + b"\1")  # as long as before
        os.utime(paths[2], (1, 1))  # touched, and the same as before
        with caplog.at_level(logging.WARNING, "cnnkit"):
            assert shape(dedupe(store="a.h5", keep=keep)) == [("2.png", ["3.png"])]
        assert "2 pictures have changed" in caplog.text

    def test_where_all_are_gone_the_store_alone_is_asked(self) -> None:
        write_store(Path("a.h5"), turned(0, 90, 0, 90), ["a", "b", "c", "d"])
        assert shape(dedupe(store="a.h5")) == [("a", ["c"]), ("b", ["d"])]

    def test_nothing_is_deleted_by_itself(self) -> None:
        paths = pictures((40, 40), (20, 20))
        write_store(Path("a.h5"), turned(0, 0), paths)
        before = sorted(os.listdir())
        assert len(list(dedupe(store="a.h5", gallery="a.html", contact_sheet="a.png"))) == 1
        assert sorted(os.listdir()) == sorted([*before, "a.html", "a.png"])


def test_pages_show_the_kept_one_first() -> None:
    paths = pictures((40, 40), (80, 80), (20, 20))
    write_store(Path("a.h5"), turned(0, 0, 0), paths)
    (group,) = dedupe(store="a.h5", gallery="a.html")
    page = Path("a.html").read_text()
    assert page.count("data:image/jpeg;base64,") == 3
    order = [group.path, *(each.path for each in group.redundant)]
    places = [page.index(path) for path in order]
    assert order[0] == "1.png" and places == sorted(places)
    with pytest.raises(UsageError, match="html"):
        dedupe(store="a.h5", gallery="a.png")


@pytest.mark.network
def test_copies_among_drawn_pictures_are_found() -> None:
    Path("in").mkdir()
    paths = [f"in/{i}.png" for i in range(4)]
    for i, path in enumerate(paths):
        picture(160, 120, seed=i).save(path)
    shutil.copy(paths[2], "in/copy.png")
    list(cnnkit.extract_features("in", model="patternnet", precision="float32", threads=2))
    groups = list(dedupe(threshold=0.999))
    assert [isinstance(group, Group) for group in groups] == [True]
    assert {groups[0].path, groups[0].redundant[0].path} == {paths[2], "in/copy.png"}
