"""Rows whose vector the disk has changed: what is put into their store heals or leaves them."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from cnnkit.errors import InputError
from cnnkit.outputs.store.reading import Reader
from cnnkit.outputs.store.upkeep import damaged_rows
from cnnkit.outputs.store.writing import Writer
from tests.outputs.store.contents import assert_holds, picture
from tests.outputs.store.rows import facts, fill, known, new, sha256, vector


def damage(store: Path, row: int) -> None:
    """Change a vector behind the back of its checksum."""
    with h5py.File(store, "r+") as file:
        file["img_emb"][row] = 7


def damaged(store: Path) -> list[int]:
    return [row for row, _ in damaged_rows(Reader(store))]


class TestDamage:
    """A vector whose checksum does not hold never gets one that does."""

    @pytest.fixture(autouse=True)
    def _damaged(self, store: Path) -> None:
        fill(store, {picture("a.jpg"): "A", "gone.jpg": "B", picture("c.jpg"): "C"})
        for row in (0, 1):
            damage(store, row)

    def test_its_content_is_not_known(self, store: Path) -> None:
        with Writer(store) as writer:
            assert [writer.knows(sha256(each)) for each in "ABC"] == [False, False, True]
            assert writer.unchanged("a.jpg", 1, 1) == 0
            assert writer.holds("a.jpg", facts("A")) is None
            assert writer.holds("c.jpg", facts("C")) == 2

    def test_facts_that_are_damaged_are_not_believed(self, store: Path) -> None:
        with h5py.File(store, "r+") as file:
            files = file["files"][:]
            files["norm"][2] = 0.5
            file["files"][:] = files
        with Writer(store) as writer:
            assert not writer.knows(sha256("C"))

    def test_it_is_not_copied(self, store: Path) -> None:
        before = store.read_bytes()
        with Writer(store) as writer, pytest.raises(InputError, match="row 0 is damaged"):
            writer.put([known("copy.jpg", "A")])
        assert store.read_bytes() == before

    @pytest.mark.parametrize("path", ["a.jpg", "moved.jpg"])
    def test_touched_or_renamed_it_stays_damaged(self, store: Path, path: str) -> None:
        content, row = ("A", 0) if path == "a.jpg" else ("B", 1)
        with Writer(store) as writer:
            assert writer.put([known(path, content, time=5)]) == [row]
        assert damaged(store) == [0, 1]

    def test_it_is_healed_by_a_vector_that_comes(self, store: Path) -> None:
        with Writer(store) as writer:
            assert writer.put([new("a.jpg", "A"), new("moved.jpg", "B")]) == [0, 1]
            assert writer.knows(sha256("A"))
            assert writer.put([known("copy.jpg", "A")]) == [3]
        assert_holds(store, {"a.jpg": "A", "moved.jpg": "B", "c.jpg": "C", "copy.jpg": "A"})

    def test_it_is_healed_by_a_copy_that_is_whole(self, store: Path) -> None:
        with Writer(store) as writer:
            writer.put([new("copy.jpg", "A")])
            assert writer.put([known("a.jpg", "A")]) == [0]
        assert damaged(store) == [1]

    def test_what_is_dropped_is_not_handed_on(self, store: Path) -> None:
        dropped = Reader(store).vectors_by_content([1, 2])
        assert dropped.get(sha256("B")) is None
        assert sha256("B") not in dropped
        np.testing.assert_array_equal(dropped[sha256("C")], vector("C"))
