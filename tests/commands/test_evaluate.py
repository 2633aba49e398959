"""`cnnkit evaluate`, typed."""

import csv
import io
import json
import os
from pathlib import Path

import pytest

import cnnkit as package
from tests.conftest import Run

pytestmark = pytest.mark.network
MODEL = ("--model", "patternnet")


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Drawn pictures in class folders, one of which patternnet gets wrong for certain."""
    monkeypatch.chdir(tmp_path)
    for _ in package.sample_images("data", classes=["brick", "maze"], per_class=2, size=112):
        pass
    first = next(Path("data", "maze").iterdir())
    first.rename(Path("data", "brick", "in truth a maze.jpg"))
    return Path("data")


def test_the_output_is_one_record_in_every_format(cnnkit: Run) -> None:
    done = cnnkit("evaluate", *MODEL, "data", "--format", "json", "--predictions", "p.jsonl")
    assert done.returncode == 0
    (told,) = json.loads(done.stdout)
    rows = [json.loads(line) for line in Path("p.jsonl").read_text().splitlines()]
    assert told["pictures"] == len(rows) == 4
    assert told["top1"] == sum(row["correct"] for row in rows) / 4 < 1
    assert sum(map(sum, told["confusion"])) == 4
    assert b"without a picture (47)" in done.stderr
    done = cnnkit("evaluate", *MODEL, "data", "-q", "--format", "csv")
    assert (done.returncode, done.stderr) == (0, b"")
    table = list(csv.DictReader(io.StringIO(done.stdout.decode())))
    done = cnnkit("evaluate", *MODEL, "data")  # rows alone: the figures go where people look
    assert b"cnnkit: top-1 accuracy: 0.7500, " in done.stderr
    assert b"accuracy" not in done.stdout
    assert [row["label"] for row in table] == told["labels"]
    assert {row["support"] for row in table if row["label"] in ("brick", "maze")} == {"3", "1"}


def test_gates_end_with_four_once_the_output_is_there(cnnkit: Run) -> None:
    done = cnnkit(
        *("evaluate", *MODEL, "data", "--min-accuracy", "0.9", "--format", "json", "-o", "old.json")
    )
    assert done.returncode == 4
    assert b"Expected a top-1 accuracy of at least 0.9. Received: 0." in done.stderr
    (told,) = json.loads(Path("old.json").read_text())
    done = cnnkit("evaluate", *MODEL, "data", "--baseline", "old.json", "--min-accuracy", "0")
    assert done.returncode == 0
    better = {"accuracy": told["top1"] + 0.05}
    Path("metrics.json").write_text(json.dumps(better))
    done = cnnkit("evaluate", *MODEL, "data", "--baseline", "metrics.json", "--max-drop", "0.06")
    assert done.returncode == 0
    done = cnnkit("evaluate", *MODEL, "data", "--baseline", "metrics.json", "--max-drop", "0.04")
    assert done.returncode == 4
    assert b"a drop of 0.05." in done.stderr
    assert done.stdout


def test_pictures_that_cannot_be_read_end_with_three_and_a_gate_with_four(cnnkit: Run) -> None:
    Path("data", "brick", "torn.jpg").write_bytes(b"torn")
    done = cnnkit("evaluate", *MODEL, "data", "--format", "jsonl")
    assert done.returncode == 3
    assert json.loads(done.stdout)["pictures"] == 4
    assert b"left out: data/brick/torn.jpg: not a picture" in done.stderr
    assert b"1 of 5 inputs could not be answered" in done.stderr
    done = cnnkit("evaluate", *MODEL, "data", "--min-accuracy", "1")
    assert done.returncode == 4
    assert b"torn.jpg" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--min-accuracy", "90"), 2, "Type: --min-accuracy 0.9"),
        (("--min-accuracy", "90%"), 2, "Type: --min-accuracy 0.9"),
        (("--max-drop", "0.1"), 2, "goes with --baseline"),
        (("--baseline", "absent.json"), 1, "cannot be read as a baseline"),
        (("--split", "test"), 2, "Received: 4 of no split"),
        (("-m", "resnet50", "-w", "none"), 2, "resnet50 knows none of the classes"),
        (("-o", "m.json", "--baseline", "m.json"), 2, "a file of its own after -o"),
        (("-o", "p.jsonl", "--predictions", "./p.jsonl"), 2, "a file of its own after -o"),
        (("--predictions", "no/p.jsonl"), 1, "cannot be written"),
    ],
)
def test_what_makes_no_sense_is_said_at_once_and_writes_nothing(
    arguments: tuple[str, ...], code: int, message: str, cnnkit: Run
) -> None:
    before = sorted(os.listdir())
    done = cnnkit("evaluate", *MODEL, "data", *arguments)
    assert (done.returncode, done.stdout) == (code, b"")
    assert message in done.stderr.decode()
    assert sorted(os.listdir()) == before


def test_the_model_and_the_data_have_to_be_named(cnnkit: Run) -> None:
    for arguments in (("data",), MODEL):
        done = cnnkit("evaluate", *arguments)
        assert done.returncode == 2
        assert b"Missing" in done.stderr
    done = cnnkit("evaluate", "nowhere", *MODEL)
    assert done.returncode == 1
    assert b"There is no folder or list 'nowhere'" in done.stderr


def test_the_data_are_never_overwritten(cnnkit: Run) -> None:
    rows = [{"path": str(path), "label": "maze"} for path in Path("data", "maze").iterdir()]
    Path("list.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    before = Path("list.jsonl").read_bytes()
    for option in ("-o", "--predictions"):
        done = cnnkit("evaluate", *MODEL, "list.jsonl", option, "list.jsonl")
        assert done.returncode == 2
        assert Path("list.jsonl").read_bytes() == before
    assert cnnkit("evaluate", *MODEL, "list.jsonl", "-o", "/dev/null").returncode == 0
