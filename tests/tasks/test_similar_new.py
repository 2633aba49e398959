"""Queries that are not stored, the approximate index, and pages that show the answers."""

import os
import shutil
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import cnnkit
from cnnkit.engines import libraries
from cnnkit.errors import CnnkitError, OutputError, UsageError
from cnnkit.outputs.store.reading import Reader
from cnnkit.outputs.store.rows import Facts, NewRow
from cnnkit.outputs.store.writing import Writer
from cnnkit.records import Neighbours, Unanswered
from cnnkit.search import ann
from cnnkit.tasks import products
from cnnkit.tasks.collection import Collection
from cnnkit.tasks.similar import similar
from tests.conftest import picture
from tests.stores import agree, brute_force, names, told, vectors, write_plain, write_store

SMALL: dict[str, Any] = {"model": "patternnet", "precision": "float32", "threads": 2}
HOSTILE = (
    "<img src=x onerror=alert(1)>.png", "new\nline.png", '"onload="x.png', "odd \udcff.png",
    "$(touch pwned).png", "{{ 7 * 7 }}.png",
)  # fmt: skip
needs_usearch = pytest.mark.skipif(
    find_spec("usearch") is None, reason="usearch is not installed: pip install 'cnnkit[ann]'"
)
if find_spec("usearch"):
    libraries.load_openvino_first()  # the tests of one process share its native libraries


@pytest.fixture
def drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Eight pictures, the first six of them in `img_emb.h5`, under relative paths."""
    monkeypatch.chdir(tmp_path)
    Path("in").mkdir()
    paths = [f"in/{i}.png" for i in range(8)]
    for i, path in enumerate(paths):
        picture(160, 120, seed=i).save(path)
    records = list(cnnkit.extract_features(paths[:6], **SMALL))
    assert not any(record.failed for record in records)
    return paths


def stored(file: str | Path = "img_emb.h5") -> Any:
    reader = Reader(file)
    return np.stack([reader.vector(row) for row in range(reader.rows)])


def embedded_alone(path: str, **options: Any) -> Any:
    """A picture's vector, by way of a store of its own."""
    list(cnnkit.extract_features([path], store="alone.h5", **SMALL | options))
    return Reader("alone.h5").vector(Reader("alone.h5").find(path) or 0)


@pytest.mark.network
class TestNewPictures:
    def test_stored_new_and_unreadable_ones_are_answered_in_order(self, drawn: list[str]) -> None:
        Path("torn.png").write_bytes(Path(drawn[0]).read_bytes()[:200])
        asked = [drawn[6], drawn[2], "absent.png", "torn.png", drawn[6], drawn[7], drawn[2]]
        records = list(similar(asked, top_n=3, threads=2))
        assert [r.query for r in records] == asked
        assert [r.failed for r in records] == [False, False, True, True, False, False, False]
        kinds = [r.kind for r in records if isinstance(r, Unanswered)]
        assert kinds == ["missing", "truncated"]
        values = stored()
        agree(told(records[1]), brute_force(values, values[2], leave_out=2)[:3])
        assert told(records[1]) == told(records[6])
        expected = brute_force(values, embedded_alone(drawn[6]))[:3]
        for record in (records[0], records[4]):
            assert [row for row, _ in told(record)] == [row for row, _ in expected]
            # Batches of another size add up in another order.
            found = [value for _, value in told(record)]
            assert found == pytest.approx([value for _, value in expected], rel=1e-4)

    @pytest.mark.parametrize("engine", ["keras", "openvino"])
    def test_the_same_bytes_under_another_name_are_at_no_distance(
        self, engine: Any, drawn: list[str]
    ) -> None:
        if engine == "openvino":
            pytest.importorskip("openvino", reason="the compiled runtime is not installed")
        shutil.copy(drawn[4], "copy.png")
        (record,) = similar(["copy.png"], engine=engine, threads=2, top_n=1)
        ((row, distance),) = told(record)
        assert row == 4
        # Not 0: the stored vector came out of a batch of another size, or of another engine.
        assert distance < 1e-3 * np.linalg.norm(stored()[4])

    def test_a_stream_is_answered_before_it_goes_on(self, drawn: list[str]) -> None:
        answered: list[object] = []
        known_then: list[int] = []

        def asked() -> Iterator[str]:
            for query in (drawn[0], drawn[6], "absent.png", drawn[1], drawn[7]):
                yield query
                hopeless = time.monotonic() + 60
                while len(answered) <= len(known_then) and time.monotonic() < hopeless:
                    time.sleep(0.02)
                known_then.append(len(answered))

        for record in similar(asked(), threads=2):
            answered.append(record)  # noqa: PERF402
        assert known_then == [1, 2, 3, 4, 5]

    def test_weights_that_are_others_are_refused(self, drawn: list[str]) -> None:
        values = stored()
        paths = drawn[:6]
        write_store(Path("other.h5"), values, paths, model="patternnet", weights="1" * 64,
                    recipe=Reader("img_emb.h5").stamp.recipe, layer="embedding")  # type: ignore[union-attr] # fmt: skip
        assert not next(similar(paths, store="other.h5")).failed
        with pytest.raises(CnnkitError, match="111111111111"):
            list(similar([drawn[7]], store="other.h5"))

    def test_a_row_that_is_replaced_meanwhile_is_the_old_or_the_new(self, drawn: list[str]) -> None:
        values = vectors(300)
        write_store(Path("a.h5"), values)
        records = similar(store="a.h5", top_n=299, include_self=True)
        first = next(records)
        new = -100 * values[7]
        with Writer("a.h5") as writer:
            writer.put([NewRow(names(300)[7], Facts("f" * 64, 5, 5), new)])
        for row, record in enumerate([first, *records]):
            assert record.query == names(300)[row]
            assert len(told(record)) == 299
        values[7] = new
        expected = brute_force(values, new, leave_out=7)[:5]
        agree(told(next(similar(rows=[7], store="a.h5"))), expected)


@pytest.mark.network
class TestNamesakes:
    """Paths that spell the name of a stored picture, and lead to another one."""

    @pytest.fixture(autouse=True)
    def namesake(self, drawn: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
        """In another folder, the picture that is stored as `in/5.png` is called `in/0.png`."""
        (tmp_path / "other" / "in").mkdir(parents=True)
        shutil.copy(drawn[5], "other/in/0.png")
        shutil.copy2(drawn[1], "other/in/1.png")
        shutil.copy(drawn[2], "other/in/2.png")
        monkeypatch.chdir("other")
        return str(Path("in/0.png").resolve())

    @pytest.mark.parametrize("spell", [os.path.abspath, os.path.normpath, "./{}".format])
    def test_they_are_looked_at(self, spell: Any) -> None:
        (record,) = similar([spell("in/0.png")], store="../img_emb.h5", top_n=1, threads=2)
        ((row, distance),) = told(record)
        assert row == 5
        assert distance < 1e-3 * np.linalg.norm(stored("../img_emb.h5")[5])

    def test_the_same_picture_is_the_stored_one(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("cnnkit.tasks.embedding.Embedder.for_stamp", None)
        asked = [os.path.abspath("in/1.png"), "in/2.png", os.path.abspath("in/4.png")]
        records = similar(asked, store="../img_emb.h5", top_n=1, include_self=True)
        assert [told(record) for record in records] == [[(1, 0.0)], [(2, 0.0)], [(4, 0.0)]]

    def test_their_labels_are_not_those_of_the_stored(self, namesake: str) -> None:
        collection = Collection("../img_emb.h5")
        assert collection.find("in/0.png") == 0  # by its name
        assert collection.find(namesake) is None
        assert collection.find(os.path.abspath("in/2.png")) == 2
        assert [collection.find_picture(f"in/{i}.png") for i in (0, 1, 3)] == [None, 1, 3]


@needs_usearch
class TestApproximateIndex:
    @pytest.fixture(autouse=True)
    def _builds(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Note how many rows are added, each time that some are."""
        monkeypatch.chdir(tmp_path)
        self.builds: list[int] = []
        add = ann._Keeper._add

        def noted(keeper: Any, index: Any, ids: Any, rows: Any, matrix: Any) -> None:
            self.builds.append(len(rows))
            add(keeper, index, ids, rows, matrix)

        monkeypatch.setattr(ann._Keeper, "_add", noted)

    def asked(self, file: str, **options: Any) -> list[Neighbours | Unanswered]:
        """Answers by the index, nearly all of which are exact.

        One thread: the graph that several build is another each time, and now and then a worse one.
        """
        exact = list(similar(store=file, **options))
        found = list(similar(store=file, index="usearch", threads=1, **options))
        assert [r.query for r in found] == [r.query for r in exact]
        same = sum(one == other for one, other in zip(found, exact, strict=True))
        assert same >= 0.98 * len(exact)
        return found

    @pytest.mark.parametrize("metric", ["l2", "cosine"])
    def test_it_answers_as_the_exact_search_does(self, metric: Any) -> None:
        values = vectors(400, 16)
        write_store(Path("a.h5"), values)
        write_plain(Path("plain.h5"), values, names(400))
        for file in ("a.h5", "plain.h5"):
            self.asked(file, metric=metric)
            self.asked(file, metric=metric, threshold={"l2": 3, "cosine": 0.6}[metric])
            self.asked(file, metric=metric, include_self=True, top_n=3)
            assert Path(f"{file}.{metric}.usearch").exists()
        assert self.builds == [400, 400]

    def test_it_follows_the_store(self) -> None:
        values, more = vectors(300), vectors(20, seed=9)
        write_store(Path("a.h5"), values)
        self.asked("a.h5")
        added = [
            NewRow(f"new/{i}.jpg", Facts(f"{i:064x}", 2, 2), each) for i, each in enumerate(more)
        ]
        with Writer("a.h5") as writer:
            writer.put(added)
        self.asked("a.h5")
        with Writer("a.h5") as writer:
            writer.keep_only([*range(5, 320)])
        self.asked("a.h5")
        with Writer("a.h5") as writer:
            writer.put([NewRow(names(300)[9], Facts("e" * 64, 3, 3), -values[9])])
        self.asked("a.h5")
        assert self.builds == [300, 20, 0, 1]

    @pytest.mark.parametrize("write", [write_store, write_plain])
    def test_another_store_in_the_files_place_is_another(self, write: Any) -> None:
        write(Path("a.h5"), vectors(200))
        before = Path("a.h5").stat()
        self.asked("a.h5")
        write(Path("b.h5"), vectors(200, seed=5))
        os.replace("b.h5", "a.h5")
        os.utime("a.h5", ns=(before.st_atime_ns, before.st_mtime_ns))
        self.asked("a.h5")
        assert self.builds == [200, 200]

    def test_an_empty_store_has_an_index_of_nothing(self) -> None:
        write_store(Path("a.h5"), vectors(8)[:0], [])
        assert self.asked("a.h5") == []
        write_store(Path("one.h5"), vectors(8)[:1], ["a.jpg"])
        assert [told(r) for r in self.asked("one.h5")] == [[]]

    def test_it_is_opened_once_for_many_queries(self, monkeypatch: pytest.MonkeyPatch) -> None:
        write_plain(Path("a.h5"), vectors(50), names(50))
        opened: list[str] = []
        of = ann.AnnIndex.open

        def noted(path: Path, *rest: Any, **options: Any) -> Any:
            opened.append(path.name)
            return of(path, *rest, **options)

        monkeypatch.setattr(ann.AnnIndex, "open", noted)
        asked = ["absent.jpg", *names(50)[:9]]
        records = list(similar(iter(asked), rows=[3], store="a.h5", index="usearch"))
        assert [r.failed for r in records] == [False, True, *[False] * 9]
        assert opened == ["a.h5.l2.usearch"]

    def test_several_stores_have_none(self) -> None:
        files = [write_store(Path(f"{i}.h5"), vectors(5)) for i in range(2)]
        with pytest.raises(UsageError, match="Expected one --store"):
            similar(store=files, index="usearch")

    @pytest.mark.network
    def test_new_pictures_are_embedded_after_it_was_loaded(self, drawn: list[str]) -> None:
        pytest.importorskip("openvino", reason="the compiled runtime is not installed")
        options: dict[str, Any] = {"engine": "openvino", "threads": 2, "top_n": 3}
        exact = list(similar(drawn[5:], **options))
        assert list(similar(drawn[5:], index="usearch", **options)) == exact
        assert "usearch" in sys.modules


@pytest.mark.network
class TestPages:
    def test_they_show_the_query_first_and_then_its_neighbours(self, drawn: list[str]) -> None:
        asked = [drawn[6], "absent.png", drawn[0]]
        records = list(similar(asked, top_n=2, gallery="deep/a.html", contact_sheet="a.png"))
        page = Path("deep/a.html").read_text()
        assert page.count("data:image/jpeg;base64,") == 6
        for outside in ("http://", "https://", 'src="in/'):
            assert outside not in page
        places = [page.index(drawn[6])]
        (first, _, last) = records
        assert isinstance(first, Neighbours) and isinstance(last, Neighbours)
        for each in first.neighbours:
            places.append(page.index(str(each.path), places[-1]))
        places.append(page.index(drawn[0], places[-1]))
        assert places == sorted(places)
        with Image.open("a.png") as sheet:
            assert sheet.format == "PNG"
            colour = np.asarray(sheet.convert("RGB"))
        assert colour.shape[1] > 3 * 160

    def test_pictures_beside_the_store_are_found_from_elsewhere(
        self, drawn: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "elsewhere").mkdir()
        monkeypatch.chdir(tmp_path / "elsewhere")
        list(similar(rows=[0], store="../img_emb.h5", gallery="a.html", top_n=2))
        assert Path("a.html").read_text().count("data:image/jpeg") == 3

    def test_pictures_that_are_gone_leave_a_note(self, drawn: list[str]) -> None:
        Path(drawn[0]).unlink()
        list(similar(rows=[0], gallery="a.html", contact_sheet="a.webp", top_n=2))
        assert Path("a.html").read_text().count("data:image/jpeg") == 2
        assert "no such file" in Path("a.html").read_text()

    def test_after_an_error_nothing_is_left(self, drawn: list[str]) -> None:
        Path("old.html").write_text("what was there")
        before = sorted(os.listdir())

        def asked() -> Iterator[str]:
            yield drawn[0]
            raise OutputError("out of breath")

        for gallery in ("new/a.html", "old.html"):
            with pytest.raises(OutputError, match="out of breath"):
                list(similar(asked(), gallery=gallery, contact_sheet="a.png"))
            records = similar(gallery=gallery, contact_sheet="a.png")
            next(records)
            records.close()  # type: ignore[attr-defined]
        assert sorted(os.listdir()) == before
        assert Path("old.html").read_text() == "what was there"

    def test_hostile_names_are_text(self, drawn: list[str]) -> None:
        for name in HOSTILE:
            shutil.copy(drawn[0], name)
        list(cnnkit.extract_features(list(HOSTILE), **SMALL))
        list(similar(list(HOSTILE), gallery="a.html", contact_sheet="a.png", top_n=3))
        page = Path("a.html").read_text()
        assert "<img src=x" not in page and "&lt;img src=x" in page
        assert '"onload="x' not in page
        assert "{{ 7 * 7 }}.png" in page
        assert page.count("data:image/jpeg") == 4 * len(HOSTILE)


def test_rows_without_paths_say_so_on_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_plain(Path("a.h5"), vectors(9))
    (record,) = similar(["3"], store="a.h5", gallery="a.html", top_n=2)
    assert record.query == 3
    assert Path("a.html").read_text().count("no path is known") == 3


class TestProducts:
    """What multiplies large matrices changes nothing but the time."""

    def test_answers_are_the_same_with_any(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pytest.importorskip("openvino", reason="the compiled runtime is not installed")
        file = write_plain(tmp_path / "a.h5", vectors(500, 64))
        for options in ({}, {"metric": "cosine", "threshold": 0.6}):
            expected = list(similar(store=file, **options))  # type: ignore[arg-type]
            with monkeypatch.context() as patch:
                patch.setattr(products, "_WORTH_LOADING", 0)
                assert list(similar(store=file, **options)) == expected  # type: ignore[arg-type]

    def test_numpy_serves_where_the_runtime_is_not_installed(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "cnnkit.engines.openvino_product", None)
        assert products.product_for(1 << 20, 1 << 20, 2048, 2) is None
        assert products.product_for(None, 1 << 20, 2048, 2) is None


def test_a_sheet_says_how_many_it_leaves_out(tmp_path: Path) -> None:
    write_plain(tmp_path / "a.h5", vectors(60))
    list(similar(store=tmp_path / "a.h5", contact_sheet=tmp_path / "a.png", top_n=1))
    list(similar(store=tmp_path / "a.h5", rows=range(50), contact_sheet=tmp_path / "b.png",
                 gallery=tmp_path / "b.html", top_n=1))  # fmt: skip
    with Image.open(tmp_path / "a.png") as more, Image.open(tmp_path / "b.png") as all_of_them:
        assert more.height > all_of_them.height
    assert (tmp_path / "b.html").read_text().count("no path is known") == 100
