"""Gates: a least accuracy, and a baseline."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from cnnkit.errors import GateFailed, InputError, UsageError
from cnnkit.records import Evaluation
from cnnkit.tasks.gates import Gate, read_baseline, share

SOME = Evaluation(100, 0.82, 1.0, None, None, 0.8, 0.8, 0.1, (), ())


def baseline(folder: Path, content: object) -> Path:
    file = folder / "old.json"
    file.write_text(json.dumps(content))
    return file


@pytest.mark.parametrize(("text", "value"), [("0.9", 0.9), (" 1 ", 1.0), (0, 0.0), (0.5, 0.5)])
def test_shares(text: float | str, value: float) -> None:
    assert share("--x", text) == value


@pytest.mark.parametrize(
    ("text", "meant"),
    [("90", "Type: --x 0.9"), ("90%", "Type: --x 0.9"), ("0.5 %", "Type: --x 0.005"),
     (95.5, "Type: --x 0.955"), ("101", ""), ("-0.1", ""), ("nan", ""), ("inf", ""), ("ten", ""),
     ("", ""), ("%", "")],
)  # fmt: skip
def test_other_figures_are_refused_with_what_was_meant(text: float | str, meant: str) -> None:
    with pytest.raises(UsageError, match="Expected --x as a share from 0 to 1") as caught:
        share("--x", text)
    assert str(caught.value).endswith(meant or f"Received: {str(text)!r}.")


def test_a_least_accuracy() -> None:
    Gate.of(min_accuracy=0.82).check(SOME)
    Gate.of(min_accuracy=0.3).check(replace(SOME, top1=0.1 + 0.2))
    with pytest.raises(GateFailed, match=r"at least 0\.83\. Received: 0\.82 on 100 pictures"):
        Gate.of(min_accuracy="0.83").check(SOME)
    with pytest.raises(GateFailed, match="Received: no accuracy on 0 pictures"):
        Gate.of(min_accuracy=0).check(replace(SOME, top1=None, pictures=0))


def test_no_gate_holds_always() -> None:
    Gate.of().check(replace(SOME, top1=None))
    assert Gate.of() == Gate()


@pytest.mark.parametrize("content", [{"top1": 0.83}, [{"top1": 0.83, "x": 1}], {"accuracy": 0.83}])
def test_a_drop_of_just_so_much_is_no_failure(content: object, tmp_path: Path) -> None:
    file = baseline(tmp_path, content)
    Gate.of(baseline=file, max_drop=0.01).check(SOME)  # 0.83 - 0.82 > 0.01 in binary
    Gate.of(baseline=file).check(replace(SOME, top1=0.9))
    with pytest.raises(
        GateFailed, match=r"at most 0 below 0\.83, that of .*0\.82, a drop of 0\.01"
    ):
        Gate.of(baseline=file).check(SOME)
    with pytest.raises(GateFailed, match=r"at least 0\.9\..*at most 0 below"):
        Gate.of(baseline=file, min_accuracy=0.9).check(SOME)
    with pytest.raises(GateFailed, match=r"Received: no accuracy\."):
        Gate.of(baseline=file, max_drop=1).check(replace(SOME, top1=None))


def test_another_number_of_pictures_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    Gate.of(baseline=baseline(tmp_path, {"top1": 0.8, "pictures": 100})).check(SOME)
    assert not caplog.records
    Gate.of(baseline=baseline(tmp_path, {"accuracy": 0.8, "val": 30})).check(SOME)
    assert "old.json is of 30 pictures, and this is of 100" in caplog.text


def test_an_evaluation_is_its_own_baseline(tmp_path: Path) -> None:
    read = read_baseline(baseline(tmp_path, [SOME.to_dict()]))
    assert (read.accuracy, read.pictures) == (0.82, 100)


@pytest.mark.parametrize(
    "content",
    [{}, [], [{"top1": 1}, {"top1": 1}], 0.9, {"top1": None}, {"top1": True}, {"top1": "0.9"},
     {"top1": 90}, {"accuracy": -0.1}, {"top1": float("nan")}, {"top1": [0.9]}],
)  # fmt: skip
def test_what_is_no_baseline_is_refused(content: object, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cnnkit evaluate --format json"):
        read_baseline(baseline(tmp_path, content))


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    for content in (b"", b"\xff\xfe", b"path\tlabel\n", b"[" * 100_000):
        (tmp_path / "old.json").write_bytes(content)
        with pytest.raises(InputError, match="cannot be read as a baseline"):
            read_baseline(tmp_path / "old.json")
    for path in (tmp_path, tmp_path / "absent.json"):
        with pytest.raises(InputError, match="cannot be read as a baseline"):
            Gate.of(baseline=path)


def test_a_file_that_would_fill_the_memory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cnnkit.tasks.gates._LARGEST", 8)
    with pytest.raises(InputError, match="larger than"):
        read_baseline(baseline(tmp_path, {"top1": 0.5}))


def test_a_drop_from_nothing_makes_no_sense() -> None:
    with pytest.raises(UsageError, match="--max-drop goes with --baseline"):
        Gate.of(max_drop=0.1)
