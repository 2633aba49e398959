"""A training run's folder."""

import hashlib
import json
import os
import tomllib
from dataclasses import asdict
from pathlib import Path

import pytest

from cnnkit.errors import InputError, OutputError
from cnnkit.outputs import bundle
from cnnkit.records import EpochRow, Example, Recipe, Settings

ROW = EpochRow("scratch", 1, 0.5, 0.25, None, None, 1e-3, True, 0.1)


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_runs_are_numbered() -> None:
    made = [str(bundle.new_run(None, "flowers-resnet50")) for _ in range(3)]
    assert made == [f"runs/flowers-resnet50-00{number}" for number in (1, 2, 3)]
    assert str(bundle.new_run(None, "other")) == "runs/other-001"
    # What is in the way is never taken, be it a file; a gap is filled.
    Path(made[1]).rmdir()
    Path("runs/flowers-resnet50-004").touch()
    assert str(bundle.new_run(None, "flowers-resnet50")) == made[1]
    assert str(bundle.new_run(None, "flowers-resnet50")) == "runs/flowers-resnet50-005"


@pytest.mark.parametrize(
    ("stem", "expected"),
    [
        ("a b/c", "a_b_c"),
        ("../../etc", "etc"),
        ("blå\udcff", "bl"),
        ("...", "run"),
        ("", "run"),
        ("x" * 300, "x" * 100),
        ("mobilenet_0.25", "mobilenet_0.25"),
        ("new\nline", "new_line"),
    ],
)
def test_any_name_makes_a_plain_folder(stem: str, expected: str) -> None:
    assert str(bundle.new_run(None, stem)) == f"runs/{expected}-001"


def test_a_folder_that_was_named() -> None:
    assert bundle.new_run("deep/er", "x") == Path("deep/er")
    assert bundle.new_run("deep/er", "x") == Path("deep/er")  # it is empty still
    Path("deep/er/mine").touch()
    with pytest.raises(OutputError, match=r"new or empty.*deep/er.*'mine'\. Name another\."):
        bundle.new_run("deep/er", "x")
    bundle.write_state(Path("deep/er"), {})
    with pytest.raises(OutputError, match=r"--resume deep/er"):
        bundle.new_run("deep/er", "x")
    Path("file").touch()
    for taken in ("file", "file/below"):
        with pytest.raises(OutputError, match="cannot be made"):
            bundle.new_run(taken, "x")
    assert sorted(os.listdir("deep/er")) == ["checkpoints", "mine"]


def test_runs_is_a_file() -> None:
    Path("runs").touch()
    with pytest.raises(OutputError, match="cannot be made"):
        bundle.new_run(None, "x")


def test_the_split_comes_back() -> None:
    examples = [
        Example("a.jpg", "tulip", "train", "film 1"),
        Example(os.fsdecode(b"caf\xe9\n.jpg"), "ro\udcffse", "val"),
        Example("/absolute/é ☃.jpg", "", "test"),
    ]
    contents = ["0" * 64, "1" * 64, "2" * 64]
    bundle.write_split(Path(), examples, contents)
    rows, known = bundle.read_split(Path())
    assert known == contents
    assert [row.path for row in rows] == [os.path.abspath(each.path) for each in examples]
    assert [(r.label, r.split, r.group) for r in rows] == [
        (e.label, e.split, e.group) for e in examples
    ]
    assert len(Path("split.jsonl").read_bytes().splitlines()) == 3


@pytest.mark.parametrize(
    "text",
    ["x\n", "{}\n", "[]\n", "3\n", '{"path": "a", "sha256": "b"}\n', '{"sha256": 1, "x": 2}\n',
     '{"path": "a", "label": "b", "sha256"', "null\n"],
)  # fmt: skip
def test_a_split_that_is_none(text: str) -> None:
    Path("split.jsonl").write_text(text)
    with pytest.raises(InputError, match=r"Expected a training run"):
        bundle.read_split(Path())


def test_a_folder_without_a_split() -> None:
    with pytest.raises(InputError, match=r"absent, whose split.jsonl .* No such file .* ls runs"):
        bundle.read_split(Path("absent"))


def test_labels_in_the_layout_of_the_class_index() -> None:
    bundle.write_labels(Path(), ["tulip", "ro\udcffse", "é"])
    told = json.loads(Path("labels.json").read_text("utf-8"))
    assert told == {"0": ["tulip"] * 2, "1": ["ro\udcffse"] * 2, "2": ["é"] * 2}


def test_the_recipe_is_of_pixels() -> None:
    recipe = Recipe(9, 8, "pad", "nearest", (8, 7), "bgr", 2.0, (1, 2, 3), (4, 5, 6))
    bundle.write_recipe(Path(), recipe)
    told = json.loads(Path("recipe.json").read_text())
    plain = asdict(Recipe(9, 8, "pad", "nearest", (8, 7)))
    assert told == json.loads(json.dumps(plain))


def test_the_history_grows_line_by_line() -> None:
    bundle.write_history(Path(), [])
    assert Path("history.jsonl").read_bytes() == b""
    bundle.append_history(Path(), ROW)
    bundle.append_history(Path(), ROW)
    lines = Path("history.jsonl").read_text().splitlines()
    assert [EpochRow.of(json.loads(line)) for line in lines] == [ROW, ROW]
    bundle.write_history(Path(), [ROW])
    assert len(Path("history.jsonl").read_text().splitlines()) == 1
    with pytest.raises(OutputError, match="cannot be written"):
        bundle.append_history(Path("absent"), ROW)


@pytest.mark.parametrize("text", ['say "hi"\\', "line\nbreak\ttab", "é ☃ 😀", "\x7f\x01", "a'b"])
def test_the_configuration_is_toml_that_says_what_was_wished(text: str) -> None:
    wished = Settings("/data", model=text, lr=1e-5, epochs=3, compare=True, augment=None)
    bundle.write_configuration(Path(), wished)
    told = tomllib.loads(Path("config.toml").read_text("utf-8"))
    expected = {
        name: value
        for name, value in asdict(wished).items()
        if value is not None and name != "data"
    }
    assert told == {"finetune": expected}
    assert Path("config.toml").read_text("utf-8").startswith("# cnnkit --config")


@pytest.mark.parametrize("data", ["/with\nnewline = 1", os.fsdecode(b"/caf\xe9"), "/it's"])
def test_the_configuration_of_data_with_any_name(data: str) -> None:
    bundle.write_configuration(Path(), Settings(data))
    assert set(tomllib.loads(Path("config.toml").read_text("utf-8"))) == {"finetune"}


def test_an_option_with_bytes_that_are_no_text() -> None:
    """The name of a file may hold any; the run must not fail on it."""
    bundle.write_configuration(Path(), Settings("/data", augment=os.fsdecode(b"caf\xe9.toml")))
    assert "finetune" in tomllib.loads(Path("config.toml").read_text("utf-8"))


def test_the_state_lasts_until_the_run_is_closed() -> None:
    told = {"name": os.fsdecode(b"caf\xe9"), "labels": ["a"]}
    bundle.write_state(Path(), told)
    assert bundle.read_state(Path()) == told
    Path("checkpoints/scratch.npz").touch()
    bundle.close_run(Path())
    assert not Path("checkpoints").exists()
    with pytest.raises(InputError, match="is finished"):
        bundle.read_state(Path())
    bundle.close_run(Path())


def test_a_state_that_is_none() -> None:
    bundle.write_state(Path(), {})
    for text in ("{", "\udcff"):
        Path("checkpoints/run.json").write_bytes(text.encode("utf-8", "surrogatepass"))
        with pytest.raises(InputError, match="cannot be read"):
            bundle.read_state(Path())


def test_files_are_whole_or_as_they_were() -> None:
    bundle.write_json(Path(), "metrics.json", {"a": 1})
    bundle.write_json(Path(), "metrics.json", {"a": 2})
    assert json.loads(Path("metrics.json").read_text()) == {"a": 2}
    assert os.listdir() == ["metrics.json"]
    Path("recipe.json").mkdir()
    with pytest.raises(OutputError, match="cannot be written"):
        bundle.write_text(Path(), "recipe.json", "x")
    with pytest.raises(OutputError, match="cannot be written"):
        bundle.write_text(Path("absent"), "x", "x")
    assert sorted(os.listdir()) == ["metrics.json", "recipe.json"]


def test_a_digest() -> None:
    Path("model.keras").write_bytes(b"abc")
    assert bundle.digest(Path("model.keras")) == (3, hashlib.sha256(b"abc").hexdigest())
