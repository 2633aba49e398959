"""Labelled pictures → how well a network names them."""

import csv
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cnnkit
from cnnkit.errors import (
    InputError,
    OutputError,
    UnknownName,
    UsageError,
    WeightsError,
    WeightsUnavailable,
)
from cnnkit.records import Classification, Judged, Skipped
from cnnkit.tasks.evaluate import evaluate
from tests.conftest import picture

KINDS = ("brick", "maze", "rays", "stars")
EACH = 3
PATTERNS: dict[str, Any] = {"model": "patternnet", "threads": 2}
pytestmark = pytest.mark.network


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures in class folders, on which patternnet is right and wrong."""
    folder = tmp_path_factory.mktemp("drawn")
    for _ in cnnkit.sample_images(folder, classes=KINDS, per_class=EACH, size=40, threads=1):
        pass
    return folder


@pytest.fixture
def data(drawn: Path, tmp_path: Path) -> Path:
    """A copy of them that a test may change."""
    return Path(shutil.copytree(drawn, tmp_path / "data"))


def judged(data: Path, **options: Any) -> dict[str, Judged | Skipped]:
    """What is said of each picture, by its file's content."""
    told: list[Judged | Skipped] = []
    evaluate(data, **PATTERNS | options, told=told.append)
    return {Path(record.path).name + Path(record.path).parent.name: record for record in told}


def listing(file: Path, rows: list[dict[str, str]]) -> Path:
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def answers(data: Path) -> Iterator[tuple[str, list[str]]]:
    """The true class of each picture, and all classes as `classify` ranks them."""
    for record in cnnkit.classify(data, **PATTERNS, precision="float32", top=49):
        assert isinstance(record, Classification)
        yield Path(record.path).parent.name, [p.label for p in record.predictions]


def test_figures_are_those_of_the_answers_that_classify_gives(drawn: Path) -> None:
    ranks = [order.index(truth) + 1 for truth, order in answers(drawn)]
    guesses = [order[0] for _, order in answers(drawn)]
    told: list[Judged | Skipped] = []
    found = evaluate(drawn, **PATTERNS, told=told.append)
    assert [r.rank for r in told if isinstance(r, Judged)] == ranks
    assert [r.predicted for r in told if isinstance(r, Judged)] == guesses
    assert len(set(ranks)) > 1, "pictures on which it is always right would show little"
    assert found.pictures == len(ranks) == len(KINDS) * EACH
    assert found.top1 == sum(rank == 1 for rank in ranks) / len(ranks)
    assert found.top5 == sum(rank <= 5 for rank in ranks) / len(ranks)
    assert len(found.classes) == len(found.confusion) == 49
    row = found.classes[found.labels.index("maze")]
    right = sum(r.correct for r in told if isinstance(r, Judged) and r.label == "maze")
    assert (row.support, row.recall) == (EACH, right / EACH)


def test_folders_sorted_otherwise_lacking_added_or_empty_change_no_answer(
    data: Path, caplog: pytest.LogCaptureFixture
) -> None:
    expected = judged(data)
    (data / "aaa nothing").mkdir()
    shutil.copytree(data / "rays", data / "0 weeds")
    shutil.rmtree(data / "brick")
    (data / "maze").rename(data / "MAZE")
    found = judged(data)
    assert len(found) == 4 * EACH
    for key, record in found.items():
        assert isinstance(record, Judged)
        if "0 weeds" in key:
            same = expected[key.replace("0 weeds", "rays")]
            assert isinstance(same, Judged)
            assert (record.predicted, record.score) == (same.predicted, same.score)
            assert (record.label, record.rank, record.correct) == ("0 weeds", None, False)
        else:
            same = expected[key.replace("MAZE", "maze")]
            assert isinstance(same, Judged)
            assert record.to_dict() | {"path": ""} == same.to_dict() | {"path": ""}
    for notice in ("empty folder: aaa nothing", "all its pictures are wrong: 0 weeds",
                   "another spelling: MAZE as maze", "without a picture (46)"):  # fmt: skip
        assert notice in caplog.text


def test_pictures_of_unknown_classes_are_wrong_and_in_no_cell(data: Path) -> None:
    before = evaluate(data, **PATTERNS)
    shutil.copytree(data / "rays", data / "weeds")
    after = evaluate(data, **PATTERNS)
    assert (after.unknown, after.pictures) == (EACH, before.pictures + EACH)
    assert after.top1 == pytest.approx((before.top1 or 0) * before.pictures / after.pictures)
    assert (after.confusion, after.classes) == (before.confusion, before.classes)
    assert after.ece == before.ece


@pytest.mark.parametrize(
    ("sides", "wished", "taken"),
    [(("train", "val", "test"), None, "test"), (("train", "val", ""), None, "val"),
     (("train", "", ""), None, "all"), (("train", "val", "test"), "train", "train"),
     (("train", "val", "test"), "all", "all")],
)  # fmt: skip
def test_the_part_is_the_one_wished_for_or_the_most_honest(
    sides: tuple[str, ...], wished: Any, taken: str, drawn: Path, tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    paths = sorted((drawn / "maze").iterdir())
    rows = [
        {"path": str(path), "label": "maze", "split": side}
        for path, side in zip(paths, sides, strict=True)
    ]
    told: list[Judged | Skipped] = []
    evaluate(listing(tmp_path / "list.jsonl", rows), **PATTERNS, split=wished, told=told.append)
    wanted = [row["path"] for row in rows if taken in (row["split"], "all")]
    assert [record.path for record in told] == wanted
    said = f"evaluating on the {len(wanted)} pictures of {taken}" in caplog.text
    assert said == (wished is None)


def test_where_nothing_is_split_nothing_is_said_of_it(
    drawn: Path, caplog: pytest.LogCaptureFixture
) -> None:
    evaluate(drawn, **PATTERNS)
    assert "--split" not in caplog.text


def test_a_part_that_is_not_there_is_an_error_that_tells_what_is(drawn: Path) -> None:
    with pytest.raises(UsageError, match=r"pictures of val in drawn.* 12 of no split.*split all"):
        evaluate(drawn, **PATTERNS, split="val")


def test_pictures_that_cannot_be_read_are_named_and_count_for_nothing(
    data: Path, caplog: pytest.LogCaptureFixture
) -> None:
    expected = evaluate(data, **PATTERNS)
    (data / "brick" / "torn\n\x1b[31m.jpg").write_bytes(b"no picture")
    (data / "stars" / "0.jpg").touch()
    told: list[Judged | Skipped] = []
    counted: list[tuple[int, int]] = []
    found = evaluate(
        data, **PATTERNS, told=told.append, counted=lambda *done: counted.append(done)
    )  # fmt: skip
    assert found == expected
    assert [r.kind for r in told if isinstance(r, Skipped)] == ["format", "empty"]
    assert counted == [(i + 1, 14) for i in range(14)]
    lines = [r.message for r in caplog.records if r.message.startswith("left out: ")]
    assert len(lines) == 2
    assert "torn\\n\\x1b[31m.jpg" in lines[0]


def test_where_none_can_be_read_there_are_no_figures(tmp_path: Path) -> None:
    (tmp_path / "data" / "maze").mkdir(parents=True)
    (tmp_path / "data" / "maze" / "a.png").touch()
    found = evaluate(tmp_path / "data", **PATTERNS)
    assert (found.pictures, found.top1, found.top5, found.ece) == (0, None, None, None)


@pytest.mark.parametrize("options", [{"batch_size": 1}, {"batch_size": 5}, {"engine": "keras"}])
def test_how_it_is_computed_changes_nothing(options: dict[str, Any], drawn: Path) -> None:
    expected, found = judged(drawn), judged(drawn, **options)
    for key, record in found.items():
        same = expected[key]
        assert isinstance(record, Judged)
        assert isinstance(same, Judged)
        assert (record.predicted, record.rank) == (same.predicted, same.rank)
        assert record.score == pytest.approx(same.score, abs=1e-4)


def test_crops_are_averaged_as_classify_does(drawn: Path) -> None:
    told: list[Judged | Skipped] = []
    evaluate(drawn / ".." / drawn.name, **PATTERNS, crops=10, told=told.append)
    best = cnnkit.classify(drawn, **PATTERNS, precision="float32", crops=10, top=1)
    scores = [r.predictions[0].score for r in best if isinstance(r, Classification)]
    assert [r.score for r in told if isinstance(r, Judged)] == pytest.approx(scores, abs=1e-5)


def test_predictions_are_what_was_told_in_order(data: Path, tmp_path: Path) -> None:
    (data / "brick" / "torn.jpg").touch()
    told: list[Judged | Skipped] = []
    file = tmp_path / "answers.jsonl"
    evaluate(data, **PATTERNS, predictions=file, told=told.append)
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    assert rows == [record.to_dict() for record in told]
    assert [row["status"] for row in rows].count("error") == 1
    evaluate(data, **PATTERNS, predictions=tmp_path / "answers.csv")
    with (tmp_path / "answers.csv").open(newline="") as lines:
        table = list(csv.DictReader(lines))
    assert [row["path"] for row in table] == [row["path"] for row in rows]
    # A list of errors and answers is a dataset itself.
    again = evaluate(file, **PATTERNS)
    assert again.top1 == evaluate(data, **PATTERNS).top1


def test_predictions_are_there_whole_or_not_at_all(data: Path, tmp_path: Path) -> None:
    file = tmp_path / "answers.jsonl"
    file.write_text("older\n")

    def interrupt(record: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate(data, **PATTERNS, predictions=file, told=interrupt)
    assert file.read_text() == "older\n"
    assert not [path for path in tmp_path.iterdir() if path.name.endswith(".part")]
    with pytest.raises(OutputError):
        evaluate(data, **PATTERNS, predictions=tmp_path / "no" / "a.jsonl")


def test_predictions_never_replace_the_data(drawn: Path, tmp_path: Path) -> None:
    rows = [{"path": str(path), "label": "maze"} for path in (drawn / "maze").iterdir()]
    file = listing(tmp_path / "list.jsonl", rows)
    (tmp_path / "link.jsonl").symlink_to(file)
    before = file.read_bytes()
    with pytest.raises(UsageError, match="Expected a new file for predictions"):
        evaluate(file, **PATTERNS, predictions=tmp_path / "link.jsonl")
    assert file.read_bytes() == before


def test_names_of_any_kind_are_carried_through(drawn: Path, tmp_path: Path) -> None:
    names = ["a\nb", "=1+1", "ü 日本", "x" * 200, "<script>", "\udcff"]
    source = next((drawn / "maze").iterdir())
    for name in [*names, "maze"]:
        (tmp_path / "data" / name).mkdir(parents=True)
        shutil.copy(source, tmp_path / "data" / name / f"{name[:9]}.jpg")
    told: list[Judged | Skipped] = []
    file = tmp_path / "answers.jsonl"
    found = evaluate(tmp_path / "data", **PATTERNS, predictions=file, told=told.append)
    assert (found.pictures, found.unknown) == (7, 6)
    assert {record.label for record in told if isinstance(record, Judged)} == {*names, "maze"}
    assert len({r.score for r in told if isinstance(r, Judged)}) == 1
    assert len(file.read_bytes().splitlines()) == 7


def test_of_a_thousand_classes_the_table_holds_those_concerned(drawn: Path, tmp_path: Path) -> None:
    rows = [
        {"path": str(path), "label": f"class {700 + 7 * place}"}
        for place, path in enumerate(sorted(drawn.rglob("*.jpg")))
    ]
    told: list[Judged | Skipped] = []
    found = evaluate(
        listing(tmp_path / "list.jsonl", rows), model="mobilenet_0.25", weights="none", threads=2,
        told=told.append,
    )  # fmt: skip
    guesses = {record.predicted for record in told if isinstance(record, Judged)}
    assert set(found.labels) == guesses | {row["label"] for row in rows}
    assert sum(map(sum, found.confusion)) == len(rows)


def test_wrong_arguments_are_refused_before_anything_is_read() -> None:
    wrong: list[tuple[type[Exception], dict[str, Any]]] = [
        (UsageError, {"crops": 3}),
        (UnknownName, {"split": "nonsense"}),
        (UnknownName, {"model": "resnet49"}),
        (UsageError, {"batch_size": 0}),
        (UsageError, {"precision": "float8"}),
        (UsageError, {"seed": -1}),
    ]
    for kind, options in wrong:
        with pytest.raises(kind):
            evaluate("absent", **PATTERNS | options)
    with pytest.raises(InputError):
        evaluate("absent", **PATTERNS)


def test_a_network_that_knows_none_of_the_classes_is_a_slip(tmp_path: Path) -> None:
    (tmp_path / "data" / "cat").mkdir(parents=True)
    picture().save(tmp_path / "data" / "cat" / "a.png")
    with pytest.raises(UsageError, match=r"banded, bokeh.*Received: cat\."):
        evaluate(tmp_path / "data", **PATTERNS)


def test_missing_weights_say_how_to_get_them(drawn: Path) -> None:
    with pytest.raises(WeightsUnavailable):
        evaluate(drawn, model="vgg16", offline=True)


def test_values_that_are_no_numbers_never_come_out_as_figures(
    drawn: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "cnnkit.engines.keras_engine.KerasEngine.run",
        lambda self, pixels: (np.full((len(pixels), 49), np.nan, np.float32),),
    )
    with pytest.raises(WeightsError, match="no numbers"):
        evaluate(drawn, **PATTERNS, engine="keras")


@pytest.mark.real
def test_200_photographs_come_to_what_plain_keras_says(
    photos: Path, keras_home: Path, tmp_path: Path
) -> None:
    rows = [
        {"path": str(path), "label": path.name.split("_")[0]} for path in sorted(photos.iterdir())
    ]
    file = listing(tmp_path / "list.jsonl", rows)
    found = evaluate(file, model="mobilenet_0.75", engine="keras")
    assert found.top1 == pytest.approx(0.875, abs=0.005)
    assert found.top5 == pytest.approx(0.98, abs=0.005)
    assert found.unknown == 0
    low, high = found.top1_interval or (0, 0)
    assert 0.81 < low < 0.875 < high < 0.93
