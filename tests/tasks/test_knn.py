"""Classes by the classes of the nearest stored pictures: a vote that can be counted by hand."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cnnkit
from cnnkit.errors import InputError, UsageError
from cnnkit.records import Classification, Skipped
from cnnkit.tasks.knn import classify_by_neighbours
from tests.conftest import picture
from tests.stores import brute_force, vectors, write_plain, write_store

ROWS = 60
VALUES = vectors(ROWS)
CLASSES = ["ash", "birch", "cedar", "d e"]
LABELS = [CLASSES[int(i)] for i in np.random.default_rng(4).integers(0, 4, ROWS)]
PATHS = [f"trees/{label}/{i}.jpg" for i, label in enumerate(LABELS)]


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return write_store(Path("a.h5"), VALUES, PATHS)


def voted(images: Any = PATHS, **options: Any) -> list[list[tuple[str, float]]]:
    """The labels and scores of each record, all of which are answers."""
    records = list(classify_by_neighbours(images, **{"store": "a.h5"} | options))
    assert all(isinstance(record, Classification) for record in records)
    return [
        [(p.label, p.score) for p in record.predictions]
        for record in records
        if isinstance(record, Classification)
    ]


def by_hand(row: int, count: int, metric: str = "cosine", labels: Any = None) -> Any:
    """Shares of the nearest that have a label, most votes first, then the smaller sum of ranks."""
    label_of = dict(enumerate(LABELS)) if labels is None else labels
    nearest = [r for r, _ in brute_force(VALUES, VALUES[row], metric, leave_out=row)]
    nearest = [r for r in nearest if r in label_of][:count]
    ranks: dict[str, int] = Counter()
    votes: dict[str, int] = Counter()
    for rank, each in enumerate(nearest, 1):
        ranks[label_of[each]] += rank
        votes[label_of[each]] += 1
    order = sorted(votes, key=lambda label: (-votes[label], ranks[label], label))
    return [(label, round(votes[label] / len(nearest), 6)) for label in order]


class TestVotes:
    @pytest.mark.parametrize("metric", ["l2", "cosine"])
    @pytest.mark.parametrize("neighbours", [1, 3, 10, 1000])
    def test_they_are_those_of_brute_force(self, metric: Any, neighbours: int) -> None:
        found = voted(neighbours=neighbours, metric=metric)
        assert found == [by_hand(row, neighbours, metric) for row in range(ROWS)]

    def test_ten_vote_by_default_and_a_stored_picture_has_no_vote_for_itself(self) -> None:
        assert voted() == [by_hand(row, 10) for row in range(ROWS)]
        write_store(Path("two.h5"), VALUES[:2], ["x/1.jpg", "y/2.jpg"])
        assert voted(["x/1.jpg", "y/2.jpg"], store="two.h5") == [[("y", 1.0)], [("x", 1.0)]]

    def test_of_equal_votes_the_nearer_class_comes_first(self) -> None:
        line = np.array([[0], [1], [2], [3], [4]], np.float32) + np.zeros((5, 2), np.float32)
        paths = ["q/0.jpg", "far/1.jpg", "near/2.jpg", "near/3.jpg", "far/4.jpg"]
        write_store(Path("line.h5"), line, paths)
        ((first, second),) = voted(["q/0.jpg"], store="line.h5", neighbours=4, metric="l2")
        assert (first, second) == (("far", 0.5), ("near", 0.5))  # ranks 1 + 4 and 2 + 3: by name
        write_store(Path("line.h5"), line, [*paths[:3], "far/3.jpg", "near/4.jpg"])
        ((first, _),) = voted(["q/0.jpg"], store="line.h5", neighbours=4, metric="l2")
        assert first[0] == "far"

    def test_top_and_min_score_limit_what_is_said(self) -> None:
        full = voted(neighbours=10)
        assert voted(neighbours=10, top=1) == [answer[:1] for answer in full]
        expected = [[each for each in answer if each[1] >= 0.4] for answer in full]
        assert voted(neighbours=10, min_score=0.4) == expected
        assert [] in expected and any(expected)

    def test_the_record_names_the_store_and_the_labels(self) -> None:
        (record,) = classify_by_neighbours(PATHS[:1], store="a.h5")
        assert isinstance(record, Classification)
        assert (record.path, record.model) == (PATHS[0], "knn:a.h5")
        assert [p.rank for p in record.predictions] == [1, 2, 3, 4][: len(record.predictions)]
        assert all(p.id == p.label for p in record.predictions)

    def test_several_stores_vote_together(self) -> None:
        write_store(Path("b.h5"), VALUES[:20], PATHS[:20])
        write_store(Path("c.h5"), VALUES[20:], PATHS[20:])
        assert voted(store=["b.h5", "c.h5"]) == voted()

    def test_what_cannot_be_read_is_skipped(self) -> None:
        write_plain(Path("plain.h5"), VALUES, PATHS)
        records = list(classify_by_neighbours([PATHS[0], "absent.jpg"], store="plain.h5"))
        assert [type(record) for record in records] == [Classification, Skipped]
        assert isinstance(records[1], Skipped)
        assert (records[1].path, records[1].kind) == ("absent.jpg", "not_stored")

    def test_wrong_arguments_are_refused_at_once(self) -> None:
        wrong: list[dict[str, Any]] = [
            *({"neighbours": 0}, {"neighbours": 1.5}, {"top": 0}, {"min_score": 1.5}),
            *({"min_score": -1}, {"metric": "l1"}, {"threads": 0}),
        ]
        for options in wrong:
            with pytest.raises(UsageError):
                classify_by_neighbours(PATHS, store="a.h5", **options)
        with pytest.raises(InputError, match="There is no store"):
            classify_by_neighbours(PATHS, store="absent.h5")


class TestFolders:
    def test_pictures_in_no_folder_have_no_vote(self) -> None:
        paths = [*PATHS[:30], *(f"{i}.jpg" for i in range(20)), *(f"../{i}.jpg" for i in range(10))]
        write_store(Path("b.h5"), VALUES, paths)
        labels = {row: LABELS[row] for row in range(30)}
        expected = [by_hand(row, 10, labels=labels) for row in range(ROWS)]
        assert voted(paths, store="b.h5") == expected

    def test_the_innermost_folder_is_the_class(self) -> None:
        write_store(Path("b.h5"), VALUES[:2], ["/a/b/c/1.jpg", "d/2.jpg"])
        assert voted(["d/2.jpg"], store="b.h5") == [[("c", 1.0)]]

    def test_none_at_all_is_an_error(self) -> None:
        write_store(Path("b.h5"), VALUES[:2], ["1.jpg", "2.jpg"])
        write_plain(Path("plain.h5"), VALUES)
        write_store(Path("none.h5"), VALUES[:0], [])
        for file in ("b.h5", "plain.h5", "none.h5"):
            with pytest.raises(InputError, match="No stored picture has a label"):
                classify_by_neighbours(PATHS, store=file)


OTHER = {row: "even" if row % 2 == 0 else 'odd, or "so"' for row in range(0, ROWS, 3)}


class TestLabelFiles:
    def quoted(self, row: int) -> str:
        return OTHER[row].replace('"', '""')

    def lines(self) -> str:
        """Some stored paths, one that is not stored, one without a label, and an empty line."""
        lines = [f'{PATHS[row]},"{self.quoted(row)}"\n' for row in OTHER]
        return "".join([*lines, "elsewhere.jpg,even\n", f"{PATHS[1]},\n", "\n"])

    @pytest.mark.parametrize(
        "head", ["", "path,label\n", "\ufeffpath,label\n", " Path , LABEL \r\n"], ids=repr
    )
    def test_only_what_they_name_has_a_vote(self, head: str) -> None:
        Path("labels.csv").write_text(head + self.lines(), encoding="utf-8", newline="")
        expected = [by_hand(row, 10, labels=OTHER) for row in range(ROWS)]
        assert voted(labels="labels.csv") == expected

    def test_columns_are_found_by_their_names(self) -> None:
        rows = [f'7,"{self.quoted(row)}",x,{PATHS[row]}' for row in OTHER]
        Path("labels.csv").write_text("\n".join(["id,label,note,path", *rows]))
        expected = [by_hand(row, 10, labels=OTHER) for row in range(ROWS)]
        assert voted(labels="labels.csv") == expected

    def test_paths_may_be_spelled_in_any_way(self, tmp_path: Path) -> None:
        rows = [f"./{PATHS[0]},here", f"{tmp_path / PATHS[1]},here"]
        Path("labels.csv").write_text("\n".join(rows))
        assert voted(PATHS[2:3], labels="labels.csv") == [[("here", 1.0)]]

    def test_what_makes_no_sense_is_told_with_its_line(self) -> None:
        wrong = {
            "path,label\na.jpg\n": r"labels\.csv, line 2: expected a path and a label.*'a\.jpg'",
            "a.jpg,cat\nb.jpg\n": "line 2",
            "path,category\na.jpg,cat\n": "expected the columns path and label.*path, category",
            "path\na.jpg\n": "expected the columns path and label",
            "elsewhere.jpg,cat\n": "'labels.csv' names none of them",
            "": "No stored picture has a label",
            '"' + "a" * 200_000 + '",cat\n': "field larger than field limit",
        }
        for content, message in wrong.items():
            Path("labels.csv").write_text(content)
            with pytest.raises(InputError, match=message):
                classify_by_neighbours(PATHS, store="a.h5", labels="labels.csv")
        for name in ("absent.csv", ".", "nul\0"):
            with pytest.raises(InputError, match="cannot be read"):
                classify_by_neighbours(PATHS, store="a.h5", labels=name)


@pytest.mark.network
def test_new_pictures_are_named_by_the_folders_of_their_likes() -> None:
    small: dict[str, Any] = {"model": "patternnet", "precision": "float32", "threads": 2}
    for kind, seed in (("one", 1), ("two", 2)):
        (Path("in") / kind).mkdir(parents=True)
        for i in range(3):
            picture(150 + 10 * i, 120, seed=seed).save(f"in/{kind}/{i}.png")
    list(cnnkit.extract_features("in", store="in.h5", **small))
    picture(200, 160, seed=2).save("new.png")
    Path("torn.png").write_bytes(b"no picture")
    asked = ["new.png", "torn.png", "in/one/0.png", "absent.png"]
    records = list(classify_by_neighbours(asked, store="in.h5", neighbours=2, threads=2))
    assert [record.path for record in records] == asked
    assert [record.failed for record in records] == [False, True, False, True]
    named = [r.predictions[0].label for r in records if isinstance(r, Classification)]
    assert named == ["two", "one"]
