"""What is told of a model, in each shape."""

import csv
import io
import json
from dataclasses import replace

import pytest

from cnnkit.outputs.tables import write_records
from cnnkit.records import ClassRow, Evaluation, Judged, Record, Skipped

CLASSES = (
    ClassRow("daisy", 1.0, 0.5, 2 / 3, 4),
    ClassRow("rose", 0.25, 1.0, 0.4, 1),
    ClassRow("tulip", None, 0.0, 0.0, 2),
    ClassRow("cactus", None, None, None, 0),
)
CONFUSION = ((2, 2, 0, 0), (0, 1, 0, 0), (0, 2, 0, 0), (0, 0, 0, 0))
FOUND = Evaluation(
    pictures=8,
    top1=0.375,
    top5=1.0,
    top1_interval=(0.125, 0.75),
    top5_interval=(1.0, 1.0),
    macro_f1=0.3556,
    balanced_accuracy=0.5,
    ece=0.0421,
    classes=CLASSES,
    confusion=CONFUSION,
    unknown=1,
)
NOTHING = Evaluation(0, None, None, None, None, None, None, None, (), ())
RIGHT = Judged("a.jpg", "daisy", "daisy", 0.9, 1, True)
WRONG = Judged("b.jpg", "rose", "daisy", 0.61234, 3, False)
STRANGE = Judged("c.jpg", "oak", "tulip", 0.5, None, False)


def written(records: list[Record], format: str, columns: tuple[str, ...]) -> str:
    stream = io.BytesIO()
    write_records(records, stream, format=format, columns=columns)
    return stream.getvalue().decode()


class Screen(io.BytesIO):
    """A stream that a person watches."""

    def isatty(self) -> bool:
        return True


def shown(records: list[Record]) -> str:
    screen = Screen()
    write_records(records, screen, columns=type(records[0]).columns())
    return screen.getvalue().decode()


class TestEvaluation:
    def test_json_holds_everything(self) -> None:
        (told,) = json.loads(written([FOUND], "json", Evaluation.columns()))
        assert told == json.loads(written([FOUND], "jsonl", ()))
        assert told["confusion"] == [list(row) for row in CONFUSION]
        assert told["labels"] == ["daisy", "rose", "tulip", "cactus"]
        assert told["top1_interval"] == [0.125, 0.75]
        assert tuple(ClassRow(**each) for each in told["classes"]) == CLASSES
        again = Evaluation(
            **{k: v for k, v in told.items() if k not in ("labels", "classes", "confusion")
               and not k.endswith("interval")},
            classes=tuple(ClassRow(**each) for each in told["classes"]),
            confusion=tuple(map(tuple, told["confusion"])),
            top1_interval=tuple(told["top1_interval"]),
            top5_interval=tuple(told["top5_interval"]),
        )  # fmt: skip
        assert again == FOUND

    def test_a_table_has_a_row_per_class(self) -> None:
        for format, mark in (("csv", ","), ("tsv", "\t")):
            text = written([FOUND], format, Evaluation.columns())
            rows = list(csv.DictReader(io.StringIO(text), delimiter=mark))
            assert [row["label"] for row in rows] == list(FOUND.labels)
            assert rows[0] == {
                "label": "daisy", "precision": "1.0", "recall": "0.5", "f1": str(2 / 3),
                "support": "4",
            }  # fmt: skip
            assert (rows[2]["precision"], rows[3]["f1"]) == ("", "")

    def test_what_a_person_reads(self) -> None:
        assert shown([FOUND]).splitlines() == [
            "pictures            8",
            "of unknown classes  1",
            "unseen classes      1",
            "top-1 accuracy      0.3750  0.1250–0.7500  95% interval",
            "top-5 accuracy      1.0000  1.0000–1.0000  95% interval",
            "macro F1            0.3556                 of the known classes alone",
            "balanced accuracy   0.5000                 of the known classes alone",
            "calibration error   0.0421",
            "",
            "LABEL  PRECISION  RECALL  F1      SUPPORT",
            "daisy  1.0000     0.5000  0.6667  4",
            "rose   0.2500     1.0000  0.4000  1",
            "tulip  –          0.0000  0.0000  2",
            "",
            "TRUE / ANSWERED  daisy  rose  tulip",
            "daisy            2      2     0",
            "rose             0      1     0",
            "tulip            0      2     0",
        ]

    def test_a_pipe_gets_the_rows_of_the_classes(self) -> None:
        text = written([FOUND], "text", Evaluation.columns())
        assert text.splitlines()[1:3] == ["rose\t0.25\t1.0\t0.4\t1", "tulip\t\t0.0\t0.0\t2"]

    @pytest.mark.parametrize(("count", "there"), [(12, True), (13, False)])
    def test_a_large_matrix_is_for_json(self, count: int, there: bool) -> None:
        classes = tuple(ClassRow(f"c{i}", 1.0, 1.0, 1.0, 1) for i in range(count))
        matrix = tuple(tuple(int(i == j) for j in range(count)) for i in range(count))
        large = replace(FOUND, classes=classes, confusion=matrix)
        heads = [line[0] for line in large.lines()]
        assert ("TRUE / ANSWERED" in heads) == there
        assert heads.count("c11") == 1 + there
        assert large.to_dict()["confusion"][-1][-1] == 1

    def test_classes_that_were_not_seen_are_only_counted(self) -> None:
        rest = tuple(ClassRow(f"c{i}", None, None, None, 0) for i in range(996))
        lines = replace(FOUND, classes=(*CLASSES, *rest)).lines()
        assert ("unseen classes", "997") in lines
        assert ("TRUE / ANSWERED", "daisy", "rose", "tulip") in lines

    def test_a_class_that_was_only_answered_is_seen(self) -> None:
        assert ClassRow("oak", 0.0, None, 0.0, 0).seen
        assert not CLASSES[3].seen

    def test_nothing_was_evaluated(self) -> None:
        assert (
            written([NOTHING], "csv", Evaluation.columns()) == "label,precision,recall,f1,support\n"
        )
        (told,) = json.loads(written([NOTHING], "json", ()))
        assert (told["top1"], told["top1_interval"], told["confusion"]) == (None, None, [])
        assert NOTHING.lines() == [
            ("pictures", "0"), ("top-1 accuracy", "–"), ("top-5 accuracy", "–"),
            ("macro F1", "–"), ("balanced accuracy", "–"), ("calibration error", "–"),
        ]  # fmt: skip

    def test_it_stands_for_no_picture(self) -> None:
        assert not FOUND.failed and not FOUND.listed
        assert written([FOUND], "print0", ()) == ""

    def test_the_level_is_told(self) -> None:
        line = replace(FOUND, level=0.999).lines()[3]
        assert line == ("top-1 accuracy", "0.3750", "0.1250–0.7500", "99.9% interval")


class TestJudged:
    def test_the_columns_hold_every_cell_of_what_failed_too(self) -> None:
        bad = Skipped("d.jpg", "empty", "the file has no content")
        for record in (RIGHT, STRANGE, bad):
            assert set(record.cells()) <= set(Judged.columns())
        assert written([WRONG, bad], "csv", Judged.columns()).splitlines() == [
            "path,status,label,predicted,score,rank,correct,error",
            "b.jpg,ok,rose,daisy,0.61234,3,False,",
            "d.jpg,error,,,,,,empty: the file has no content",
        ]

    def test_json_gives_everything_back(self) -> None:
        for record in (RIGHT, WRONG, STRANGE):
            told = json.loads(json.dumps(record.to_dict()))
            assert list(told)[:2] == ["path", "status"] and told.pop("status") == "ok"
            assert Judged(**told) == record

    def test_what_a_person_reads(self) -> None:
        assert RIGHT.text() == ("a.jpg", "right", "daisy", "daisy 0.9000", "rank 1")
        assert WRONG.text() == ("b.jpg", "wrong", "rose", "daisy 0.6123", "rank 3")
        assert STRANGE.text() == ("c.jpg", "wrong", "oak", "tulip 0.5000", "unknown class")
        assert not RIGHT.listed and not RIGHT.failed
