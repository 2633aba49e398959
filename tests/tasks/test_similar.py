"""Queries of every kind, stored and new, in stores of every kind: what brute force says of them."""

import os
import subprocess
import sys
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cnnkit
from cnnkit.errors import CnnkitError, InputError, UnknownName, UsageError
from cnnkit.records import Neighbours, Unanswered
from cnnkit.tasks.inputs import Inputs
from cnnkit.tasks.similar import answers_to_come, similar
from tests.conftest import PATIENCE, picture
from tests.stores import (
    agree,
    brute_force,
    names,
    told,
    vectors,
    write_plain,
    write_store,
)

ROWS = 40
VALUES = vectors(ROWS)
SMALL: dict[str, Any] = {"model": "patternnet", "precision": "float32", "threads": 2}


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    write_store(Path("img_emb.h5"), VALUES)
    return "img_emb.h5"


class TestStoredQueries:
    @pytest.mark.parametrize("metric", ["l2", "cosine"])
    def test_the_nearest_are_those_of_brute_force(self, store: str, metric: Any) -> None:
        queries = [names(ROWS)[row] for row in (7, 3, 7, 39)]
        records = list(similar(queries, metric=metric, top_n=6))
        assert [r.query for r in records] == queries
        for row, record in zip((7, 3, 7, 39), records, strict=True):
            expected = brute_force(VALUES, VALUES[row], metric, leave_out=row)[:6]
            agree(told(record), expected)
            assert isinstance(record, Neighbours)
            assert record.metric == metric
            assert [n.path for n in record.neighbours] == [names(ROWS)[r] for r, _ in expected]
            assert {n.store for n in record.neighbours} == {None}

    def test_five_by_default_and_fewer_where_there_are_fewer(self, store: str) -> None:
        assert len(told(next(similar(rows=[0])))) == 5
        assert len(told(next(similar(rows=[0], top_n=ROWS + 5)))) == ROWS - 1
        (record,) = similar(rows=[0], top_n=ROWS + 5, include_self=True)
        agree(told(record), brute_force(VALUES, VALUES[0]))
        assert told(record)[0] == (0, 0.0)

    @pytest.mark.parametrize("metric", ["l2", "cosine"])
    @pytest.mark.parametrize("top_n", [None, 3])
    def test_a_threshold_names_all_that_are_near_enough(
        self, store: str, metric: Any, top_n: int | None
    ) -> None:
        threshold = {"l2": 3.0, "cosine": 0.54}[metric]
        sign = {"l2": 1, "cosine": -1}[metric]
        lengths = []
        records = similar(metric=metric, threshold=threshold, top_n=top_n)
        for row, record in enumerate(records):
            all_of_them = brute_force(VALUES, VALUES[row], metric, leave_out=row)
            near = [each for each in all_of_them if sign * each[1] <= sign * threshold]
            agree(told(record), near[:top_n])
            lengths.append(len(near))
        assert max(lengths) > 3 and len(set(lengths)) > 3

    def test_a_threshold_is_a_limit_that_belongs_to_it(self, store: str) -> None:
        exactly = brute_force(VALUES, VALUES[0], leave_out=0)[0][1]
        (none,) = similar(rows=[0], threshold=exactly * 0.999)
        (one,) = similar(rows=[0], threshold=exactly * 1.000001)
        assert (len(told(none)), len(told(one))) == (0, 1)
        assert not none.failed and not none.selected

    def test_with_no_query_every_row_is_one(self, store: str) -> None:
        records = list(similar(top_n=4))
        assert [r.query for r in records] == names(ROWS)
        for row, record in enumerate(records):
            agree(told(record), brute_force(VALUES, VALUES[row], leave_out=row)[:4])
        assert list(similar([])) == []

    def test_a_path_in_any_spelling_is_the_stored_one(self, store: str, tmp_path: Path) -> None:
        path = names(ROWS)[9]
        queries = [path, f"./{path}", str(tmp_path / path), f"photos/../{path}"]
        answers = [told(record) for record in similar(queries)]
        assert answers == [answers[0]] * 4

    def test_rows_come_before_paths(self, store: str) -> None:
        records = list(similar(names(ROWS)[:2], rows=[5, 4]))
        assert [r.query for r in records] == [names(ROWS)[row] for row in (5, 4, 0, 1)]

    def test_distances_of_any_size_keep_their_digits(self, tmp_path: Path) -> None:
        for scale in (1e-9, 1e9):
            file = write_plain(tmp_path / "a.h5", VALUES * np.float32(scale))
            (record,) = similar(rows=[0], store=file)
            expected = brute_force(VALUES, VALUES[0], leave_out=0)[:5]
            found = [(row, value / scale) for row, value in told(record)]
            agree(found, expected)

    def test_what_cannot_be_asked_is_refused_at_once(self, store: str, tmp_path: Path) -> None:
        wrong: list[dict[str, Any]] = [
            *({"top_n": 0}, {"top_n": 1.5}, {"metric": "l1"}, {"threshold": float("nan")}),
            *({"rows": [ROWS]}, {"rows": [-1]}, {"threads": 0}, {"index": "annoy"}),
            *({"gallery": "page.txt"}, {"contact_sheet": "sheet.html"}, {"store": []}),
            {"store": [store, "img_emb.h5"]},
        ]
        for options in wrong:
            with pytest.raises(UsageError):
                similar(**options)
        with pytest.raises(UnknownName, match="No index is called 'annoy'"):
            similar(index="annoy")  # type: ignore[arg-type]
        with pytest.raises(InputError, match="There is no store"):
            similar(store=tmp_path / "absent.h5")
        with pytest.raises(UsageError, match="several paths"):
            cnnkit.Inputs("photos/")

    def test_a_query_without_a_name_is_one_that_cannot_be_read(self, tmp_path: Path) -> None:
        file = write_plain(tmp_path / "a.h5", VALUES, names(ROWS))
        (record,) = similar([""], store=file)
        assert isinstance(record, Unanswered)


class TestSmallStores:
    def test_an_empty_one_has_no_neighbours_and_no_rows(self, store: str) -> None:
        write_store(Path("none.h5"), VALUES[:0], [])
        assert list(similar(store="none.h5")) == []
        with pytest.raises(UsageError, match="a store that has some"):
            similar(rows=[0], store="none.h5")

    def test_one_row_has_none_but_itself(self, store: str) -> None:
        write_store(Path("one.h5"), VALUES[:1], ["a.jpg"])
        assert told(next(similar(["a.jpg"], store="one.h5"))) == []
        (record,) = similar(store="one.h5", include_self=True)
        assert told(record) == [(0, 0.0)]


class TestSeveralStores:
    def test_rows_are_named_by_their_stores(self, store: str) -> None:
        write_store(Path("none.h5"), VALUES[:0], [])
        write_store(Path("b.h5"), VALUES[25:], names(ROWS)[25:])
        write_store(Path("a.h5"), VALUES[:25], names(ROWS)[:25])
        records = list(similar(store=["a.h5", "none.h5", "b.h5"], top_n=6))
        for row, (record, alone) in enumerate(zip(records, similar(top_n=6), strict=True)):
            assert isinstance(record, Neighbours) and isinstance(alone, Neighbours)
            assert record.query == names(ROWS)[row]
            assert [n.path for n in record.neighbours] == [n.path for n in alone.neighbours]
            for each in record.neighbours:
                first = 0 if each.store == "a.h5" else 25
                assert names(ROWS)[first + each.row] == each.path

    def test_what_was_made_differently_is_refused(self, store: str) -> None:
        write_store(Path("other.h5"), VALUES, model="vgg16")
        write_plain(Path("plain.h5"), VALUES)
        write_plain(Path("narrow.h5"), VALUES[:, :8].copy())
        with pytest.raises(UsageError, match=r"resnet50  \|  vgg16"):
            similar(store=[store, "other.h5"])
        with pytest.raises(UsageError, match=r"resnet50  \|  vgg16"):
            similar(store=["plain.h5", store, "other.h5"])
        with pytest.raises(InputError, match=r"16 numbers .* 8"):
            similar(store=[store, "narrow.h5"])

    def test_one_named_twice_is_refused_wherever_it_stands(self, store: str) -> None:
        write_plain(Path("plain.h5"), VALUES)
        Path("link.h5").symlink_to(store)
        for stores in ([store, "link.h5"], ["plain.h5", store, store]):
            with pytest.raises(UsageError, match="named twice"):
                similar(store=stores)


class TestFilesOfOthers:
    """`img_emb` and perhaps `paths`, as the scripts that cnnkit replaces wrote them."""

    @pytest.mark.parametrize("kind", ["f2", "f4", "f8", ">f4"])
    @pytest.mark.parametrize("options", [{}, {"compression": "gzip", "chunks": (7, 16)}])
    def test_every_float_is_opened_packed_or_not(
        self, kind: str, options: dict[str, Any], tmp_path: Path
    ) -> None:
        values = VALUES.astype(kind)
        file = write_plain(tmp_path / "a.h5", values, **options)
        for row, record in enumerate(similar(store=file)):
            assert record.query == row
            agree(told(record), brute_force(values, values[row], leave_out=row)[:5])
            assert isinstance(record, Neighbours)
            assert {each.path for each in record.neighbours} == {None}

    @pytest.mark.parametrize("fixed", [True, False])
    def test_paths_are_names_where_there_are_any(self, fixed: bool, tmp_path: Path) -> None:
        paths = [f"bild {row} ü.jpg" for row in range(ROWS)]
        file = write_plain(tmp_path / "a.h5", VALUES, paths, fixed=fixed)
        (record,) = similar([paths[3]], store=file)
        assert record.query == paths[3]
        agree(told(record), brute_force(VALUES, VALUES[3], leave_out=3)[:5])

    def test_numbers_are_queries_where_there_are_no_paths(self, tmp_path: Path) -> None:
        file = write_plain(tmp_path / "a.h5", VALUES)
        asked = ["3", "39", "40", "-1", "9" * 5000, "a.jpg", ""]
        found = list(similar(asked, store=file))
        assert [r.query for r in found] == [3, 39, *asked[2:]]
        assert [r.failed for r in found] == [False, False, *[True] * 5]
        agree(told(found[0]), brute_force(VALUES, VALUES[3], leave_out=3)[:5])
        assert isinstance(found[2], Unanswered)
        assert found[2].kind == "not_stored"

    def test_numbers_are_rows_of_the_first_store_alone(self, tmp_path: Path) -> None:
        files = [write_plain(tmp_path / f"{i}.h5", VALUES[:5]) for i in range(2)]
        found = list(similar(["4", "5"], store=files))
        assert [r.failed for r in found] == [False, True]

    def test_a_stamp_goes_on_telling_how_to_embed_beside_vectors_without_one(
        self, tmp_path: Path
    ) -> None:
        plain = write_plain(tmp_path / "plain.h5", VALUES)
        stamped = write_store(tmp_path / "b.h5", VALUES, [f"{i}.jpg" for i in range(ROWS)])
        # ResNet50's weights are not here, so that asking for them is what tells.
        with pytest.raises(CnnkitError, match="resnet50"):
            list(similar([str(_a_picture(tmp_path))], store=[plain, stamped], offline=True))

    def test_vectors_that_are_no_numbers_are_near_nothing(self, tmp_path: Path) -> None:
        values = VALUES.copy()
        values[4] = np.nan
        values[6] = 0
        file = write_plain(tmp_path / "a.h5", values)
        records = list(similar(store=file, top_n=ROWS, metric="cosine"))
        assert told(records[4]) == []
        assert all(4 not in dict(told(record)) for record in records)
        assert dict(told(records[0]))[6] == 0


def _a_picture(folder: Path) -> Path:
    picture().save(folder / "new.png")
    return folder / "new.png"


class TestNetworksThatAreNotHere:
    def test_stored_queries_of_a_list_need_none(self, store: str) -> None:
        write_store(Path("future.h5"), VALUES, model="a-network-of-tomorrow")
        queries = names(ROWS)[:3]
        records = list(similar(iter(queries), store="future.h5"))
        assert [r.query for r in records if not r.failed] == queries

    def test_a_new_one_is_an_error_after_the_answers_before_it(self, store: str) -> None:
        write_store(Path("future.h5"), VALUES, model="a-network-of-tomorrow")
        records = similar([names(ROWS)[0], "new.jpg"], store="future.h5")
        assert next(records).query == names(ROWS)[0]
        with pytest.raises(UsageError, match="a-network-of-tomorrow"):
            next(records)


MEMORY = """
import sys
from cnnkit.tasks.inputs import Inputs
from cnnkit.tasks.similar import answers_to_come, similar
def peak():  # of this program alone; what getrusage tells is inherited
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
before = peak()
count = sum(len(r.neighbours) for r in similar(store=sys.argv[1], threads=2))
print(count, peak() - before)
"""


class TestAllPairs:
    def test_3000_rows_are_answered_as_brute_force_does(self, tmp_path: Path) -> None:
        values = vectors(3000, 32)
        file = write_store(tmp_path / "a.h5", values)
        for row, record in enumerate(similar(store=file)):
            if row % 10 == 0:
                agree(told(record), brute_force(values, values[row], leave_out=row)[:5])
        assert row == 2999

    def test_memory_does_not_grow_with_the_square(self, tmp_path: Path) -> None:
        peaks = []
        for rows in (3_000, 12_000):
            file = write_plain(tmp_path / f"{rows}.h5", vectors(rows, 8))
            command = [sys.executable, "-c", MEMORY, str(file)]
            done = subprocess.run(command, capture_output=True, check=True, timeout=PATIENCE)
            count, peak = map(int, done.stdout.split())
            assert count == 5 * rows
            peaks.append(peak / 1024)
        print(f"peak memory beyond the imports: {peaks} MiB")
        # A row of 12,000 float32 distances for each would be 550 MiB.
        assert peaks[1] < peaks[0] + 30

    def test_answers_come_before_all_are_known(self, store: str) -> None:
        records = similar()
        assert isinstance(records, Iterator)
        assert next(records).query == names(ROWS)[0]


class TestStoresThatChange:
    def test_a_search_goes_on_in_what_it_has_opened(self, store: str) -> None:
        records = similar(top_n=3)
        first = next(records)
        write_store(Path("other.h5"), VALUES[::-1].copy(), names(ROWS))
        os.replace("other.h5", store)
        for row, record in enumerate([first, *records]):
            agree(told(record), brute_force(VALUES, VALUES[row], leave_out=row)[:3])
        agree(told(next(similar(rows=[0]))), brute_force(VALUES[::-1], VALUES[-1], leave_out=0)[:5])


def test_how_many_answers_will_come_is_known_before_they_do(store: str) -> None:
    assert answers_to_come(None, (), store) == ROWS
    assert answers_to_come(None, (1, 2), store) == 2
    assert answers_to_come(Inputs.of(["a.jpg", "b.jpg"]), (1,), store) == 3
    assert answers_to_come(Inputs(("-",), BytesIO(b"a.jpg")), (), store) is None
