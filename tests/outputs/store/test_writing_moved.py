"""Files that were moved, copied, touched or exchanged, and whose rows may be taken over."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from cnnkit.outputs.store.rows import described
from cnnkit.outputs.store.writing import Writer
from tests.outputs.store.contents import assert_holds, picture
from tests.outputs.store.rows import FEATURES, facts, fill, known, new, sha256, vector


def test_a_file_that_moved_is_the_same_row(store: Path) -> None:
    old = picture("a.jpg")
    fill(store, {old: "A", "b.jpg": "B"})
    Path(old).rename("c.jpg")
    with Writer(store) as writer:
        assert writer.put([known("c.jpg", "A")]) == [0]
        assert old not in writer.row_of
        assert writer.row_of["c.jpg"] == 0
    assert_holds(store, {"c.jpg": "A", "b.jpg": "B"})


def test_of_several_new_places_one_is_the_old_row(store: Path) -> None:
    fill(store, {"a.jpg": "A", "b.jpg": "B"})
    with Writer(store) as writer:
        assert writer.put([known("c.jpg", "A"), known("d.jpg", "A")]) == [0, 2]
    assert_holds(store, {"c.jpg": "A", "b.jpg": "B", "d.jpg": "A"})


def test_a_copy_gets_a_row_of_its_own(store: Path) -> None:
    old = picture("a.jpg")
    fill(store, {old: "A"})
    with Writer(store) as writer:
        assert writer.knows(sha256("A"))
        assert writer.put([known("copy.jpg", "A")]) == [1]
    assert_holds(store, {old: "A", "copy.jpg": "A"})


def test_of_a_file_that_was_only_touched_the_vector_stays(store: Path) -> None:
    fill(store, {"a.jpg": "A", "b.jpg": "B"})
    sevens = np.full(FEATURES, 7, np.float32)  # which are computed again only by mistake
    with h5py.File(store, "r+") as file:
        file["img_emb"][0] = sevens
        file["files"][0] = described("a.jpg", facts("A"), sevens)
    with Writer(store) as writer:
        assert writer.unchanged("a.jpg", 1, 1) == 0
        assert writer.unchanged("a.jpg", 1, 5) is None
        assert writer.put([known("a.jpg", "A", time=5)]) == [0]
        assert writer.unchanged("a.jpg", 1, 5) == 0
        assert writer.holds("a.jpg", facts("A", 5)) == 0
    with h5py.File(store) as file:
        assert file["files"]["mtime_ns"].tolist() == [5, 1]
        assert (file["img_emb"][0] == 7).all()
        assert (file["img_emb"][1] == vector("B")).all()


def test_two_files_that_changed_places(store: Path) -> None:
    fill(store, {picture("a.jpg"): "A", picture("b.jpg"): "B"})
    with Writer(store) as writer:
        assert writer.put([known("a.jpg", "B"), known("b.jpg", "A")]) == [0, 1]
        assert writer.knows(sha256("A"))
        assert writer.knows(sha256("B"))
    assert_holds(store, {"a.jpg": "B", "b.jpg": "A"})


def test_a_content_that_moved_on_while_another_took_its_path(store: Path) -> None:
    fill(store, {picture("a.jpg"): "A"})
    with Writer(store) as writer:
        assert writer.put([new("a.jpg", "C"), known("b.jpg", "A")]) == [0, 1]
    assert_holds(store, {"a.jpg": "C", "b.jpg": "A"})


def test_a_path_that_was_given_away_in_the_same_commit_is_a_new_row(store: Path) -> None:
    fill(store, {"a.jpg": "A"})
    with Writer(store) as writer:
        assert writer.put([known("b.jpg", "A"), new("a.jpg", "A2")]) == [0, 1]
    assert_holds(store, {"b.jpg": "A", "a.jpg": "A2"})


class TestGone:
    """Whose row may be taken over: only that of a file which is surely not there."""

    @pytest.fixture
    def elsewhere(self, store: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        Path("photos").mkdir()
        fill(store, {picture("photos/a.jpg"): "A", "photos/b.jpg": "B"})
        Path("other").mkdir()
        monkeypatch.chdir("other")
        return store

    def test_a_file_beside_the_store_is_there(self, elsewhere: Path) -> None:
        with Writer(elsewhere) as writer:
            assert [writer.is_gone(row) for row in (0, 1)] == [False, True]
            assert writer.put([known("a.jpg", "A"), known("b.jpg", "B")]) == [2, 1]
            assert writer.renamed == 1
        assert_holds(elsewhere, {"photos/a.jpg": "A", "b.jpg": "B", "a.jpg": "A"})

    def test_beside_a_link_to_the_store_too(self, elsewhere: Path, tmp_path: Path) -> None:
        Path("deep").mkdir()
        elsewhere.rename("deep/s.h5")
        elsewhere.symlink_to("other/deep/s.h5")
        with Writer(elsewhere) as writer:
            assert [writer.is_gone(row) for row in (0, 1)] == [False, True]

    @pytest.mark.parametrize(
        ("error", "gone"),
        [(PermissionError(13, "no"), False), (OSError(5, "broken disk"), False),
         (NotADirectoryError(20, "a file"), True), (FileNotFoundError(2, "none"), True)],
    )  # fmt: skip
    def test_where_nobody_may_look_there_may_be_one(
        self, elsewhere: Path, error: OSError, gone: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def lstat(path: str) -> None:
            raise error

        with Writer(elsewhere) as writer, monkeypatch.context() as patch:
            patch.setattr("cnnkit.outputs.store.writing.os.lstat", lstat)
            assert writer.is_gone(0) == gone
