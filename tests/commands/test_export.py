"""`cnnkit export`, typed."""

import csv
import io
import json
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cnnkit.cli import main
from cnnkit.tasks import export as task
from tests.conftest import PATIENCE, Run, picture

pytestmark = pytest.mark.network


def typed(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["export", *map(str, arguments)])


def test_one_row_per_file_and_not_a_word_on_stderr(cnnkit: Run, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    for seed in range(3):
        picture(seed=seed).save(tmp_path / "photos" / f"{seed}.png")
    # As a shell hands `--verify photos/*.png` over.
    photos = [f"photos/{seed}.png" for seed in range(3)]
    done = cnnkit(
        *("export", "patternnet", "--format", "saved_model", "--out", "deep/out"),
        *("--rows", "jsonl", "--verify", *photos),
    )
    assert (done.returncode, done.stderr) == (0, b"")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["path"] for row in rows][:3] == [
        "deep/out/labels.json", "deep/out/labels.txt", "deep/out/recipe.json"
    ]  # fmt: skip
    assert all(row["status"] == "ok" and len(row["sha256"]) == 64 for row in rows)
    assert [row["size"] for row in rows] == [
        (tmp_path / row["path"]).stat().st_size for row in rows
    ]
    (compared,) = [row for row in rows if row["pictures"]]
    assert compared["pictures"] == 3 and compared["same_label"] == 1
    again = cnnkit("export", "patternnet", "--format", "saved_model", "--out", "deep/out")
    assert again.returncode == 1
    assert b"--force" in again.stderr and b"Traceback" not in again.stderr


def test_a_picture_that_cannot_be_read_is_a_row_and_exit_code_3(tmp_path: Path) -> None:
    picture().save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"")
    options = ("--format", "saved_model", "--out", tmp_path / "out", "--rows", "csv")
    result = typed("patternnet", *options, "--verify", tmp_path / "a.png", tmp_path / "b.png")
    assert result.exit_code == 3
    first, *others = csv.DictReader(io.StringIO(result.stdout))
    assert first["path"].endswith("b.png") and first["status"] == "error"
    assert first["error"].startswith("empty")
    assert {row["status"] for row in others} == {"ok"} and len(others) >= 5


def test_a_check_that_does_not_hold_has_exit_code_4_and_keeps_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture().save(tmp_path / "a.png")
    describe = task._describe

    def tampered(job: object, format: object, folder: Path) -> None:
        describe(job, format, folder)  # type: ignore[arg-type]
        path = folder / "recipe.json"
        path.write_text(path.read_text().replace("stretch", "pad"))

    monkeypatch.setattr(task, "_describe", tampered)
    out = tmp_path / "out"
    options = ("--format", "saved_model", "--out", out, "--verify", tmp_path / "a.png")
    result = typed("patternnet", *options)
    assert result.exit_code == 4
    assert "Expected a recipe" in result.stderr and not result.stdout
    assert not out.exists() and not list(tmp_path.glob(".*.part"))


def test_an_empty_list_names_no_picture(tmp_path: Path) -> None:
    result = typed("patternnet", "--out", tmp_path / "out", "--verify", "-")
    assert result.exit_code == 4
    assert "no picture was named" in result.stderr and "can be read" not in result.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("later", [0.0, 1.0])
def test_ctrl_c_leaves_nothing(later: float, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "cnnkit", "export", "patternnet", "--format", "litert"]
    process = subprocess.Popen(
        [*command, "--out", "deep/out"], cwd=tmp_path, stderr=subprocess.PIPE
    )
    end = time.monotonic() + PATIENCE
    while not list(tmp_path.glob("deep/.*.part")) and time.monotonic() < end:
        time.sleep(0.01)
    time.sleep(later)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=PATIENCE)
    assert (process.returncode, told) == (130, b"cnnkit: interrupted\n")
    assert not (tmp_path / "deep").exists()


@pytest.mark.skipif(find_spec("openvino") is None, reason="not installed: openvino")
def test_nothing_is_reported_to_anybody(tmp_path: Path) -> None:
    script = (
        "import sys\n"
        "def watch(event, arguments):\n"
        "    if event in ('socket.connect', 'socket.getaddrinfo', 'socket.sendto'):\n"
        "        print('reached for the network:', arguments, file=sys.stderr)\n"
        "sys.addaudithook(watch)\n"
        "import cnnkit\n"
        "cnnkit.export('patternnet', format='openvino', out='out')\n"
        "assert sys.modules['openvino_telemetry'] is None\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, timeout=PATIENCE
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("patternet", "--out", "o"), "Did you mean patternnet"),
        (("patternnet", "--out", "o", "--format", "onix"), "Did you mean onnx"),
        (("patternnet", "--out", "o", "--format", "jsonl"), "type: --rows jsonl"),
        (("patternnet", "--out", "o", "a.jpg"), "Type: --verify a.jpg"),
        (("patternnet",), "--out"),
        (("patternnet", "--out", "o", "--tolerance", "2"), "0<=x<=1"),
    ],
    ids=["model", "format", "rows", "pictures", "no folder", "tolerance"],
)
def test_what_makes_no_sense_has_exit_code_2(
    arguments: tuple[str, ...], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = typed(*arguments)
    assert result.exit_code == 2
    assert told in result.stderr
    assert not (tmp_path / "o").exists()
