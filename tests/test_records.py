"""What leaves the program in three shapes, and what the shapes promise."""

import json
from dataclasses import FrozenInstanceError, asdict, fields, replace

import pytest

from cnnkit.records import (
    Classification,
    Group,
    LabelRow,
    ModelRow,
    Neighbour,
    Neighbours,
    Prediction,
    Recipe,
    Record,
    Redundant,
    Skipped,
    Unanswered,
    WeightsRow,
)

CAT = Prediction(1, "n02123045", "tabby", 0.75)
DOG = Prediction(2, "n02099601", "golden_retriever", 0.2)
OK = Classification("a.jpg", "resnet50", (CAT, DOG))
BAD = Skipped("c.jpg", "empty", "the file has no content")
ROWS: list[Record] = [
    ModelRow("vgg16", 224, 224, 138_357_544, 4096, "fc2", "crop", "bicubic", "caffe", "absent"),
    LabelRow(281, "n02123045", "tabby"),
    WeightsRow("vgg16", "vgg16.h5", "absent", None, "/keras/vgg16.h5"),
]


class TestAnswers:
    def test_each_says_whether_it_failed(self) -> None:
        assert (OK.failed, OK.selected) == (False, True)
        assert (BAD.failed, BAD.selected) == (True, False)

    def test_an_answer_of_no_class_is_no_failure_and_not_selected(self) -> None:
        nothing = Classification("a.jpg", "resnet50", ())
        assert (nothing.failed, nothing.selected) == (False, False)

    def test_all_have_a_path_and_a_status(self) -> None:
        assert [r.to_dict()["status"] for r in (OK, BAD)] == ["ok", "error"]
        assert [r.cells()["status"] for r in (OK, BAD)] == ["ok", "error"]
        assert [r.cells()["path"] for r in (OK, BAD)] == ["a.jpg", "c.jpg"]

    def test_the_columns_hold_every_cell(self) -> None:
        assert Classification.columns_for(2) == (
            *("path", "status", "label_1", "score_1", "id_1"),
            *("label_2", "score_2", "id_2", "error"),
        )
        for record in (OK, BAD):
            assert set(record.cells()) <= set(Classification.columns_for(2))

    def test_what_a_person_reads(self) -> None:
        assert OK.text() == ("a.jpg", "tabby 0.7500", "golden_retriever 0.2000")
        assert BAD.text() == ("c.jpg", "error: the file has no content")

    def test_json_gives_everything_back(self) -> None:
        record = json.loads(json.dumps(OK.to_dict()))
        predictions = tuple(Prediction(**p) for p in record["predictions"])
        assert Classification(record["path"], record["model"], predictions) == OK
        assert json.loads(json.dumps(BAD.to_dict()))["error"] == {
            "kind": "empty",
            "message": "the file has no content",
        }


class TestAlike:
    NEAR = (Neighbour(1, "b.jpg", 7, 2.5), Neighbour(2, None, 8, 3.0))
    FAR = (Neighbour(1, "b.jpg", 7, 0.9, "one.h5"),)

    def test_the_columns_hold_every_cell_of_every_row(self) -> None:
        found = Neighbours("a.jpg", "l2", self.NEAR)
        for record in (found, Neighbours(3, "l2", ()), Unanswered("a.jpg", "missing", "gone")):
            for row in record.rows():
                assert set(row) <= set(Neighbours.columns_for("l2"))
        (row,) = Neighbours("a.jpg", "cosine", self.FAR).rows()
        assert {*row, "error"} == set(Neighbours.columns_for("cosine", several=True))
        redundant = (Redundant("b.jpg", 7, 0.99, "one.h5"),)
        for row in Group(1, "a.jpg", 0, redundant, "two.h5").rows():
            assert set(row) <= set(Group.columns_for(several=True))

    def test_what_a_person_reads(self) -> None:
        assert Neighbours("a.jpg", "l2", self.NEAR).lines() == [
            ("a.jpg", "1", "b.jpg", "2.5000"), ("a.jpg", "2", "row 8", "3.0000"),
        ]  # fmt: skip
        assert Neighbours(3, "cosine", self.FAR).lines() == [
            ("3", "1", "b.jpg", "0.9000", "one.h5")
        ]
        assert Neighbours("a.jpg", "l2", ()).lines() == [("a.jpg", "nothing near")]
        assert Unanswered("a.jpg", "missing", "gone").text() == ("a.jpg", "error: gone")
        group = Group(2, "a.jpg", 0, (Redundant("b.jpg", 7, 0.99, "one.h5"),), "two.h5")
        assert group.lines() == [
            ("2", "keep", "a.jpg", "", "two.h5"), ("2", "redundant", "b.jpg", "0.9900", "one.h5"),
        ]  # fmt: skip
        alone = Group(1, "a.jpg", 0, (Redundant("b.jpg", 7, 0.99),))
        assert alone.lines() == [("1", "keep", "a.jpg"), ("1", "redundant", "b.jpg", "0.9900")]

    def test_a_store_is_named_only_where_there_are_several(self) -> None:
        alone = Group(1, "a.jpg", 0, (Redundant("b.jpg", 7, 0.99),)).to_dict()
        assert alone["redundant"] == [{"path": "b.jpg", "row": 7, "similarity": 0.99}]
        assert "store" not in alone
        both = Group(1, "a.jpg", 0, (Redundant("b.jpg", 7, 0.99, "one.h5"),), "two.h5").to_dict()
        assert (both["store"], both["redundant"][0]["store"]) == ("two.h5", "one.h5")

    def test_only_redundant_paths_are_chosen(self) -> None:
        assert Group(1, "a.jpg", 0, (Redundant("b.jpg", 7, 0.99),)).chosen() == ["b.jpg"]


class TestListings:
    @pytest.mark.parametrize("row", ROWS, ids=lambda row: type(row).__name__)
    def test_the_shapes_agree(self, row: Record) -> None:
        assert row.columns() == tuple(field.name for field in fields(row))
        assert tuple(row.cells()) == row.columns()
        assert row.to_dict() == row.cells()
        assert len(row.text()) == len(row.columns())
        assert row.listed and not row.failed and row.selected

    def test_what_is_not_there_is_empty_to_a_person(self) -> None:
        assert ROWS[2].text()[3] == ""
        assert ROWS[2].to_dict()["size"] is None


def test_records_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        OK.path = "b.jpg"  # type: ignore[misc]
    assert len({OK, replace(OK), BAD}) == 2


class TestRecipe:
    def test_json_gives_it_back_with_its_hash(self) -> None:
        recipe = Recipe(224, 448, fit="pad", mean=(0.485, 0.456, 0.406), scale=1 / 255)
        stored = json.loads(json.dumps(asdict(recipe)))
        lists = {name: tuple(v) for name, v in stored.items() if isinstance(v, list)}
        again = Recipe(**(stored | lists))
        assert again == recipe
        assert again.hash == recipe.hash

    def test_the_hash_tells_neighbours_apart(self) -> None:
        one = Recipe(224, 448)
        assert one.hash != Recipe(448, 224).hash
        assert one.hash != replace(one, scale=1.0 + 1e-15).hash
