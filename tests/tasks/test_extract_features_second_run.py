"""A second run into a store: what is not computed again, and what becomes of the rows."""

import os
import shutil
from itertools import pairwise
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

import cnnkit
from cnnkit.errors import UsageError
from cnnkit.outputs.store.reading import Reader
from cnnkit.outputs.store.upkeep import damaged_rows
from cnnkit.records import Embedded
from cnnkit.tasks import content
from tests.conftest import picture
from tests.tasks.extracting import CLOSE, PATHS, again, made_by, run, stored, told

pytest.importorskip("openvino", reason="the compiled runtime is not installed")
pytestmark = [pytest.mark.network, pytest.mark.usefixtures("six_here")]


class TestFilesThatMove:
    @pytest.fixture(autouse=True)
    def before(self, six_here: Path) -> dict[str, NDArray[np.float32]]:
        run()
        return stored()

    def test_what_changed_is_replaced_in_its_row(self, before: Any) -> None:
        picture(64, 48, seed=70).save("p/2.png")
        assert told(again())[2] == ("p/2.png", 2, False)
        after = stored()
        assert list(after) == PATHS
        np.testing.assert_allclose(after["p/2.png"], made_by(["p/2.png"])[0], atol=CLOSE)
        assert all((after[path] == before[path]).all() for path in PATHS if path != "p/2.png")

    def test_what_was_renamed_keeps_its_row(self, before: Any, no_network: Any) -> None:
        no_network()
        Path("p/1.png").rename("p/deep/one.png")
        assert told(again("p/deep")) == [("p/deep/one.png", 1, True)]
        Path("p").rename("q")
        moved = [path.replace("p/", "q/") for path in PATHS]
        moved[1] = "q/deep/one.png"
        assert sorted(told(again("q"))) == sorted(
            (path, row, True) for row, path in enumerate(moved)
        )
        after = stored()
        assert list(after) == moved
        assert all((after[moved[i]] == before[path]).all() for i, path in enumerate(PATHS))

    def test_a_copy_is_a_row_of_its_own(self, before: Any, no_network: Any) -> None:
        no_network()
        shutil.copy("p/3.png", "p/deep/copy.png")
        assert told(again("p/deep")) == [("p/deep/copy.png", 6, True)]
        assert (stored()["p/deep/copy.png"] == before["p/3.png"]).all()
        assert (stored()["p/3.png"] == before["p/3.png"]).all()

    def test_a_file_that_was_only_touched(self, before: Any, no_network: Any) -> None:
        no_network()
        os.utime("p/3.png", (1, 1))
        assert told(again("p/3.png")) == [("p/3.png", 3, True)]

    @pytest.mark.parametrize("rehash", [False, True])
    def test_two_that_swap_contents(self, rehash: bool, before: Any, no_network: Any) -> None:
        no_network()
        for old, new in (("p/0.png", "t"), ("p/1.png", "p/0.png"), ("t", "p/1.png")):
            Path(old).rename(new)
        assert [row for _, row, _ in told(again(rehash=rehash))] == list(range(6))
        after = stored()
        assert (after["p/0.png"] == before["p/1.png"]).all()
        assert (after["p/1.png"] == before["p/0.png"]).all()

    def test_a_content_that_was_overwritten_when_its_turn_comes(self, before: Any) -> None:
        """Every picture gets its predecessor's content, over more than one commit."""
        names = [f"many/{i:03d}.png" for i in range(100)]
        Path("many").mkdir()
        for i, name in enumerate(names):
            picture(32, 32, seed=200 + i).save(name)
        again("many")
        first = stored()
        for name in reversed(names):
            Path(name).rename(f"many/{1 + int(name[5:8]):03d}.png")
        picture(32, 32, seed=199).save(names[0])
        told(again("many"))
        after = stored()
        for old, new in pairwise(names):
            np.testing.assert_allclose(after[new], first[old], atol=CLOSE)

    def test_a_file_that_looks_unchanged_is_not_opened(
        self, before: Any, no_network: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        status = Path("p/0.png").stat()
        other = Path("p/1.png").read_bytes()
        Path("p/0.png").write_bytes(other[: status.st_size].ljust(status.st_size, b"\0"))
        os.utime("p/0.png", ns=(status.st_atime_ns, status.st_mtime_ns))
        with monkeypatch.context() as patched:
            patched.setattr(content, "facts_of", None)
            assert told(again()) == [(path, row, True) for row, path in enumerate(PATHS)]
        assert (stored()["p/0.png"] == before["p/0.png"]).all()
        (record,) = again("p/0.png", rehash=True) if len(other) <= status.st_size else (None,)
        if record:
            assert told([record]) == [("p/0.png", 0, False)]
            np.testing.assert_allclose(stored()["p/0.png"], before["p/1.png"], atol=CLOSE)


class TestDamage:
    """A vector that the disk has changed is computed again before anything is made of it."""

    @pytest.fixture(autouse=True)
    def before(self, six_here: Path) -> NDArray[np.float32]:
        run()
        whole = stored()["p/1.png"]
        with h5py.File("s.h5", "r+") as file:
            file["img_emb"][1] = 64
        return whole

    def check(self, path: str, before: NDArray[np.float32], damaged: list[int]) -> None:
        np.testing.assert_allclose(stored()[path], before, atol=CLOSE)
        assert [row for row, _ in damaged_rows(Reader("s.h5"))] == damaged

    def test_a_copy_of_its_picture(self, before: NDArray[np.float32]) -> None:
        shutil.copy("p/1.png", "p/copy.png")
        records = again()
        assert [record.path for record in records if not getattr(record, "cached", 0)] == [
            "p/copy.png"
        ]
        self.check("p/copy.png", before, [1])
        cnnkit.remove_from_store("p/1.png", store="s.h5")
        assert all(getattr(record, "cached", 0) for record in again())
        self.check("p/1.png", before, [])

    @pytest.mark.parametrize("prune", [False, True])
    def test_its_picture_under_another_name(self, prune: bool, before: NDArray[np.float32]) -> None:
        Path("p/1.png").rename("p/renamed.png")
        records = {record.path: record for record in again(prune=prune)}
        assert records["p/renamed.png"] == Embedded("p/renamed.png", 5 if prune else 1, False)
        self.check("p/renamed.png", before, [])

    def test_its_picture_touched(self, before: NDArray[np.float32]) -> None:
        os.utime("p/1.png", (1, 1))
        assert told(again("p/1.png")) == [("p/1.png", 1, False)]
        self.check("p/1.png", before, [])

    def test_rehash(self, before: NDArray[np.float32]) -> None:
        assert [getattr(record, "cached", 0) for record in again()] == [True] * 6
        found = told(again(rehash=True))
        assert [cached for _, _, cached in found] == [True, False, True, True, True, True]
        self.check("p/1.png", before, [])


class TestFromElsewhere:
    """A store that is used from a folder where its relative paths lead nowhere, or to others."""

    @pytest.fixture(autouse=True)
    def copies(self, six_here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        run()
        shutil.copytree("p", "other/copies")
        monkeypatch.chdir("other")

    def test_pictures_beside_the_store_keep_their_rows(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        records = list(cnnkit.extract_features("copies", store="../s.h5"))
        assert [getattr(each, "row", None) for each in records] == list(range(6, 12))
        assert set(PATHS) < set(Reader("../s.h5").paths or ())
        assert caplog.text == ""

    def test_they_are_not_pruned(self) -> None:
        Path("p").mkdir()
        picture(64, 48, seed=0).save("p/0.png")
        Path("../p/5.png").unlink()
        list(cnnkit.extract_features("p", store="../s.h5", prune=True))
        assert Reader("../s.h5").paths == PATHS[:5]

    def test_rows_that_are_renamed_are_counted(self, caplog: pytest.LogCaptureFixture) -> None:
        for gone in PATHS[:2]:
            Path("..", gone).unlink()
        records = cnnkit.extract_features("copies", store="../s.h5")
        assert [getattr(each, "row", None) for each in records] == [0, 1, 6, 7, 8, 9]
        assert "2 rows of files that are gone now stand for files of the same" in caplog.text


class TestPrune:
    def test_only_what_is_gone_below_the_folders(self, no_network: Any) -> None:
        for folder in ("q", "pp"):
            shutil.copytree("p", folder)
        run(["p", "q", "pp"])
        before = stored()
        no_network()
        Path("p/0.png").unlink()
        Path("p/1.png").rename("p/renamed.png")
        for elsewhere in ("q/0.png", "pp/2.png"):
            Path(elsewhere).unlink()
        told(again(["p/", "q/1.png"], prune=True))
        after = stored()
        gone = {"p/0.png", "p/1.png"}
        assert set(after) == set(before) - gone | {"p/renamed.png"}
        assert (after["p/renamed.png"] == before["p/1.png"]).all()
        assert all((after[path] == before[path]).all() for path in set(before) - gone)

    def test_a_renamed_folder_is_not_computed(self, no_network: Any) -> None:
        run()
        before = stored()
        no_network()
        Path("p").rename("q")
        records = again(".", prune=True)
        assert all(cached for _, _, cached in told(records))
        assert {path.replace("q/", "p/") for path in stored()} == set(before)
        assert all((stored()[p.replace("p/", "q/")] == v).all() for p, v in before.items())

    def test_the_folder_we_are_in_ends_here(self, monkeypatch: pytest.MonkeyPatch) -> None:
        Path("below").mkdir()
        shutil.copy("p/0.png", "below/own.png")
        monkeypatch.chdir("below")
        absolute = str(Path("../p/2.png").resolve())
        pictures = ["own.png", "../p/1.png", absolute]
        run(pictures, store="../s.h5")
        for each in pictures:
            Path(each).unlink()
        picture(seed=8).save("new.png")
        run(".", store="../s.h5", prune=True)
        assert set(Reader("../s.h5").paths or ()) == {"../p/1.png", absolute, "new.png"}
        run(["..", "."], store="../s.h5", prune=True)
        assert absolute in (Reader("../s.h5").paths or ())
        assert "../p/1.png" not in (Reader("../s.h5").paths or ())

    def test_it_needs_a_folder(self) -> None:
        for images in ("p/0.png", ["p/0.png", "p/*.png"], iter(["p"])):
            with pytest.raises(UsageError, match=r"--prune is about folders"):
                cnnkit.extract_features(images, prune=True)
