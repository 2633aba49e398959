"""`cnnkit finetune`, as a person types it: on drawn pictures, with the packaged network."""

import json
import os
import pty
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from cnnkit import sample_images
from tests.conftest import PATIENCE, ROOT, Run

pytestmark = pytest.mark.network
CLASSES = ("brick", "chequered", "dotted")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three classes of twelve drawn pictures."""
    folder = tmp_path_factory.mktemp("drawn") / "drawn"
    for _ in sample_images(folder, classes=CLASSES, per_class=12, size=64):
        pass
    return folder


def history(run: Path) -> list[dict[str, object]]:
    rows = [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]
    return [{name: row[name] for name in row if name != "seconds"} for row in rows]


def weights(run: Path) -> list[np.ndarray[tuple[int, ...], np.dtype[np.float32]]]:
    import keras

    return keras.models.load_model(run / "model.keras", compile=False).get_weights()


def test_a_folder_becomes_a_classifier(cnnkit: Run, pictures: Path, tmp_path: Path) -> None:
    done = cnnkit("finetune", str(pictures), "-m", "patternnet", "--out", "runs/a",
               "--format", "json", cwd=tmp_path)  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    [record] = json.loads(done.stdout)
    assert {row["strategy"] for row in record["strategies"]} == {"bottleneck", "finetune"}
    assert record["accuracy"] >= 0.8
    folder = tmp_path / "runs" / "a"
    found = {each.name for each in folder.iterdir()}
    assert found == {
        "bundle.json", "model.keras", "labels.json", "recipe.json", "split.jsonl",
        "history.jsonl", "metrics.json", "config.toml", "environment.json", "report.html",
    }  # fmt: skip
    named = cnnkit("classify", str(pictures / "brick"), "--model", "runs/a", "--top", "1",
                "--format", "jsonl", cwd=tmp_path)  # fmt: skip
    guesses = [json.loads(line)["predictions"][0]["label"] for line in named.stdout.splitlines()]
    assert guesses.count("brick") >= 10
    judged = cnnkit("evaluate", "--model", "runs/a", str(pictures), cwd=tmp_path)
    assert judged.returncode == 0, judged.stderr.decode()
    assert "30 of the 36 pictures" in judged.stderr.decode()


def test_the_same_command_gives_the_same_network(
    cnnkit: Run, pictures: Path, tmp_path: Path
) -> None:
    for name in ("a", "b"):
        done = cnnkit("finetune", str(pictures), "-m", "patternnet", "--strategy", "bottleneck",
                   "--out", name, cwd=tmp_path)  # fmt: skip
        assert done.returncode == 0, done.stderr.decode()
    assert history(tmp_path / "a") == history(tmp_path / "b")
    for one, two in zip(weights(tmp_path / "a"), weights(tmp_path / "b"), strict=True):
        np.testing.assert_array_equal(one, two)


def test_its_configuration_runs_it_again(cnnkit: Run, pictures: Path, tmp_path: Path) -> None:
    told = ("-m", "patternnet", "--strategy", "bottleneck", "--epochs", "4", "--seed", "3")
    assert cnnkit("finetune", str(pictures), *told, "--out", "a", cwd=tmp_path).returncode == 0
    again = cnnkit("--config", "a/config.toml", "finetune", "a/split.jsonl", "--out", "b",
                cwd=tmp_path)  # fmt: skip
    assert again.returncode == 0, again.stderr.decode()
    assert history(tmp_path / "a") == history(tmp_path / "b")


def test_a_run_is_never_overwritten(cnnkit: Run, pictures: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("years of work")
    done = cnnkit("finetune", str(pictures), "-m", "patternnet", "--out", "mine", cwd=tmp_path)
    assert done.returncode == 1
    assert "notes.txt" in done.stderr.decode()
    assert [each.name for each in (tmp_path / "mine").iterdir()] == ["notes.txt"]


def test_a_plan_makes_nothing(cnnkit: Run, pictures: Path, tmp_path: Path) -> None:
    done = cnnkit("finetune", str(pictures), "--plan", "--format", "json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr.decode()
    [plan] = json.loads(done.stdout)
    assert [row[0] for row in plan["balance"]] == list(CLASSES)
    assert (plan["train"], plan["val"]) == (30, 6)
    assert plan["model"] == "resnet50"
    assert plan["parameters"] == 25_636_712
    done = cnnkit("finetune", str(pictures), "--plan", cwd=tmp_path)
    assert b"cnnkit: time: about " in done.stderr
    assert b"cnnkit: pictures: 30 to train on, 6 to validate, 0 to test" in done.stderr
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "DATA"),
        (("{}", "--lr", "0"), "lr above 0"),
        (("{}", "--val-split", "1"), "val_split"),
        (("{}", "--arch", "INPUT -> FC"), "--strategy scratch"),
        (("{}", "--views", "3"), "--augment"),
        (("{}", "--strategy", "scratch", "--arch", "INPUT -> CONV -> FC"), "CONV"),
        (("{}", "--strategy", "bottleneck", "--mixup", "0.2"), "--mixup"),
        (("{}", "--compare", "--strategy", "scratch"), "--compare"),
        (("{}", "-m", "resnet5"), "resnet50"),
        (("{}", "--unfreeze", "no_such_layer", "-m", "patternnet"), "no_such_layer"),
        (("{}", "--group-by", "("), "--group-by"),
        (("--resume", "run", "--plan"), "--plan"),
        (("--resume", "run", "--epochs", "9"), "--epochs"),
        (("{}", "--resume", "run"), "--resume"),
    ],
)
def test_what_makes_no_sense_is_said(
    cnnkit: Run, pictures: Path, tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    filled = [each.format(pictures) for each in arguments]
    done = cnnkit("finetune", *filled, cwd=tmp_path)
    assert done.returncode == 2, done.stderr.decode()
    assert said in done.stderr.decode()
    assert "Traceback" not in done.stderr.decode()


def test_pictures_that_cannot_be_read_are_named_and_left_out(
    cnnkit: Run, pictures: Path, tmp_path: Path
) -> None:
    import shutil

    shutil.copytree(pictures, tmp_path / "data")
    (tmp_path / "data" / "brick" / "torn.jpg").write_bytes(b"\xff\xd8\xff\xe0 torn")
    (tmp_path / "data" / "empty").mkdir()
    done = cnnkit("finetune", "data", "-m", "patternnet", "--strategy", "bottleneck", "--out", "a",
               cwd=tmp_path)  # fmt: skip
    assert done.returncode == 3
    assert "torn.jpg" in done.stderr.decode()
    assert "empty" in done.stderr.decode()
    assert set(json.loads((tmp_path / "a" / "labels.json").read_text())) == {"0", "1", "2"}


def test_on_a_terminal_nothing_is_drawn_over_the_answer(pictures: Path, tmp_path: Path) -> None:
    told = ["finetune", str(pictures), "-m", "patternnet", "--epochs", "3", "--out", "runs/a"]
    screen, cable = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "cnnkit", *told], cwd=tmp_path, stdout=cable, stderr=cable,
        stdin=subprocess.DEVNULL, env=os.environ | {"TERM": "xterm", "PYTHONPATH": str(ROOT)},
    ) as process:  # fmt: skip
        os.close(cable)
        shown = b""
        with suppress(OSError):  # what Linux says where the other end is closed
            while data := os.read(screen, 1 << 16):
                shown += data
    os.close(screen)
    assert process.returncode == 0, shown.decode()
    assert b"\x1b[" in shown
    answer = shown.split(b"\x1b[")[-1].decode()
    assert "RUN" in answer or "bottleneck" in answer
    assert "finetune" in answer
    assert "cnnkit: look at runs/a/report.html" in answer


@pytest.mark.parametrize("strategy", ["finetune", "scratch"])
def test_a_run_that_is_killed_and_resumed_is_the_run_that_was_not(
    cnnkit: Run, pictures: Path, tmp_path: Path, strategy: str
) -> None:
    """SIGKILL at five random moments; history and weights are equal to the last bit."""
    (tmp_path / "augment.toml").write_text("rotation_range = 20\nhorizontal_flip = true\n")
    told = [
        "finetune", str(pictures), "-m", "patternnet", "--strategy", strategy, "--augment",
        "augment.toml", "--epochs", "24", "--patience", "0", "--batch-size", "8",
        "--checkpoint-every", "0",
    ]  # fmt: skip
    whole = cnnkit(*told, "--out", "whole", cwd=tmp_path)
    assert whole.returncode == 0, whole.stderr.decode()
    drawn = random.Random(strategy)
    kills = 0
    arguments = [*told, "--out", "killed"]
    for _ in range(40):
        if kills == 5 or _finished(tmp_path / "killed"):
            break
        kills += _killed(arguments, tmp_path, drawn.uniform(0.0, 0.2))
        if (tmp_path / "killed" / "split.jsonl").exists():
            arguments = ["finetune", "--resume", "killed", "--checkpoint-every", "0"]
    assert kills == 5
    last = cnnkit(*arguments, cwd=tmp_path)
    assert last.returncode == 0, last.stderr.decode()
    assert history(tmp_path / "killed") == history(tmp_path / "whole")
    for one, two in zip(weights(tmp_path / "killed"), weights(tmp_path / "whole"), strict=True):
        np.testing.assert_array_equal(one, two)


def test_ctrl_c_leaves_a_network_and_says_how_to_go_on(
    cnnkit: Run, pictures: Path, tmp_path: Path
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "cnnkit", "finetune", str(pictures), "-m", "patternnet",
         "--strategy", "finetune", "--epochs", "2000", "--patience", "0", "--out", "run"],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    rows, deadline = tmp_path / "run" / "history.jsonl", time.monotonic() + PATIENCE
    while not rows.exists() or '"finetune"' not in rows.read_text():
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert b"finetune" in out
    assert b"cnnkit finetune --resume run" in err
    named = cnnkit("classify", str(pictures / "brick"), "--model", "run", cwd=tmp_path)
    assert named.returncode == 0, named.stderr.decode()


def _finished(folder: Path) -> bool:
    return (folder / "bundle.json").exists()


def _killed(arguments: list[str], cwd: Path, patience: float) -> bool:
    """Start it, kill it so many seconds after it has begun an epoch; whether it still ran."""
    folder = cwd / "killed" / "checkpoints"
    before = _newest(folder)
    process = subprocess.Popen(
        [sys.executable, "-m", "cnnkit", *arguments], cwd=cwd, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    deadline = time.monotonic() + PATIENCE
    while process.poll() is None and _newest(folder) == before:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    time.sleep(patience)
    process.send_signal(signal.SIGKILL)
    return process.wait() == -signal.SIGKILL


def _newest(folder: Path) -> float:
    return max((each.stat().st_mtime for each in folder.glob("*.npz")), default=0.0)
