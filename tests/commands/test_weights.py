"""`cnnkit weights …` as processes against a mirror: exit codes, messages, kills."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from cnnkit.zoo.catalog import CLASS_INDEX, find
from tests.conftest import PATIENCE, Run
from tests.zoo.mirror import Mirror, Turn, content, serving

SMALL = find("mobilenet_0.25")
TOP, NO_TOP = SMALL.top.name, SMALL.no_top.name
HASHED = find("resnet50")
WHOLE = content(900_000)


@pytest.fixture
def mirror(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mirror]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serving() as mirror:
        monkeypatch.setenv("CNNKIT_WEIGHTS_URL", mirror.url)
        mirror.files |= {TOP: WHOLE, NO_TOP: WHOLE}
        yield mirror


@pytest.fixture
def models(tmp_path: Path) -> Path:
    return tmp_path / "keras" / "models"


def started(*arguments: str, **options: Any) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "cnnkit", "weights", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)


def wait_until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.01)


def rows(stdout: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stdout.splitlines()]


def said(result: "subprocess.CompletedProcess[bytes]") -> str:
    """What a failed run says on stderr, which is one clear error and no traceback."""
    message = result.stderr.decode()
    assert result.stdout == b""
    assert "cnnkit: " in message
    assert "Traceback" not in message and "internal error" not in message
    return message


# ---- pull


@pytest.mark.real
def test_pull_of_real_weights(mirror: Mirror, models: Path, cnnkit: Run, data: Path) -> None:
    real = data / "keras_home" / "models"
    mirror.files = {name: (real / name).read_bytes() for name in (TOP, CLASS_INDEX.name)}
    mirror.turns = [Turn(cut=1_000_000)]
    result = cnnkit("weights", "pull", "mobilenet_0.25", "--format", "jsonl")
    assert result.returncode == 0, result.stderr
    assert [(row["file"], row["state"]) for row in rows(result.stdout)] == [
        (TOP, "pulled"), (CLASS_INDEX.name, "pulled"),
    ]  # fmt: skip
    assert (models / TOP).read_bytes() == (real / TOP).read_bytes()
    assert [request.range for request in mirror.requests] == [None, "bytes=1000000-", None]
    again = cnnkit("weights", "pull", "mobilenet_0.25", "--format", "jsonl")
    assert [row["state"] for row in rows(again.stdout)] == ["present", "present"]
    assert len(mirror.requests) == 3
    verified = cnnkit("weights", "verify", "--format", "jsonl")
    assert verified.returncode == 0
    # patternnet's, MobileNet's, and the labels.
    assert [row["state"] for row in rows(verified.stdout)] == ["verified", "recorded", "verified"]
    path = cnnkit("weights", "path", "mobilenet_0.25")
    assert path.stdout.decode() == f"{models / TOP}\n"
    removed = cnnkit("weights", "remove", "mobilenet_0.25", "labels", "--format", "jsonl")
    assert [row["state"] for row in rows(removed.stdout)] == ["removed", "removed"]
    assert list(models.iterdir()) == []
    assert cnnkit("weights", "path", "mobilenet_0.25").returncode == 1


@pytest.mark.parametrize("changed", [False, True])
def test_a_pull_that_was_killed_is_continued(
    mirror: Mirror, models: Path, cnnkit: Run, changed: bool
) -> None:
    mirror.turns = [Turn(stall=600_000)]
    part = models / f".{NO_TOP}.part"
    process = started("pull", "--no-top", "mobilenet_0.25")
    with process:
        wait_until(lambda: part.exists() and part.stat().st_size > 500_000)
        process.send_signal(signal.SIGKILL)
    assert not (models / NO_TOP).exists()
    kept, expected = part.stat().st_size, WHOLE
    if changed:
        expected = mirror.files[NO_TOP] = content(900_000, seed=1)
        mirror.version = '"2"'
    result = cnnkit("weights", "pull", "--no-top", "mobilenet_0.25")
    assert result.returncode == 0, result.stderr
    assert (models / NO_TOP).read_bytes() == expected
    last = mirror.requests[-1]
    assert (last.range, last.if_range) == (f"bytes={kept}-", '"1"')
    assert last.sent == (len(WHOLE) if changed else len(WHOLE) - kept)
    assert {p.name for p in models.iterdir()} == {NO_TOP, f".{NO_TOP}.lock"}


def test_ctrl_c_ends_a_pull_with_130(mirror: Mirror, models: Path) -> None:
    mirror.always = Turn(stall=600_000)
    part = models / f".{NO_TOP}.part"
    process = started("pull", "--no-top", "mobilenet_0.25")
    wait_until(lambda: part.exists() and part.stat().st_size > 500_000)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert b"Traceback" not in stderr
    assert part.exists() and not (models / NO_TOP).exists()


def test_two_pulls_at_once_fetch_once(mirror: Mirror, models: Path) -> None:
    both = [started("pull", "--no-top", "mobilenet_0.25") for _ in range(2)]
    for process in both:
        _, stderr = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, stderr
    assert (models / NO_TOP).read_bytes() == WHOLE
    assert len(mirror.requests) == 1


def test_two_forced_pulls_at_once(mirror: Mirror, models: Path) -> None:
    models.mkdir(parents=True)
    (models / NO_TOP).write_bytes(b"old")
    both = [started("pull", "--force", "--no-top", "mobilenet_0.25") for _ in range(2)]
    for process in both:
        _, stderr = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, stderr
    assert (models / NO_TOP).read_bytes() == WHOLE


def test_garbage_for_a_published_hash(mirror: Mirror, models: Path, cnnkit: Run) -> None:
    mirror.files[HASHED.top.name] = b"garbage"
    result = cnnkit("weights", "pull", "resnet50")
    assert result.returncode == 1
    message = said(result)
    received = hashlib.md5(b"garbage").hexdigest()
    assert f"expected md5 {HASHED.top.hash}, received {received}" in message
    assert [p.name for p in models.iterdir()] == [f".{HASHED.top.name}.lock"]


def test_not_found(mirror: Mirror, models: Path, cnnkit: Run) -> None:
    mirror.files.clear()
    result = cnnkit("weights", "pull", "resnet50")
    assert result.returncode == 1
    message = said(result)
    assert "answered 404" in message and f"{mirror.url}/{HASHED.top.name}" in message
    assert "cnnkit weights import" in message
    assert len(mirror.requests) == 1


def test_500_then_200(mirror: Mirror, models: Path, cnnkit: Run) -> None:
    mirror.turns = [Turn(status=500)]
    assert cnnkit("weights", "pull", "--no-top", "mobilenet_0.25").returncode == 0
    assert [request.status for request in mirror.requests] == [500, 200]


def test_a_failing_pull_leaves_what_was_there(mirror: Mirror, models: Path, cnnkit: Run) -> None:
    """Of two models the second cannot be had: the first stays; so does what --force failed on."""
    result = cnnkit("weights", "pull", "--no-top", "mobilenet_0.25", "resnet50")
    assert result.returncode == 1
    assert (models / NO_TOP).read_bytes() == WHOLE
    mirror.files.clear()
    forced = cnnkit("weights", "pull", "--no-top", "--force", "mobilenet_0.25")
    assert forced.returncode == 1
    assert "as it was" in said(forced)
    assert (models / NO_TOP).read_bytes() == WHOLE


@pytest.mark.parametrize("way", ["flag", "flag before", "variable"])
def test_offline(mirror: Mirror, cnnkit: Run, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ["weights", "pull", "resnet50"]
    if way == "variable":
        monkeypatch.setenv("CNNKIT_OFFLINE", "1")
    else:
        arguments.insert(3 if way == "flag" else 0, "--offline")
    result = cnnkit(*arguments)
    assert result.returncode == 1
    message = said(result)
    for told in ("offline", HASHED.top.name, "MB", HASHED.top.hash, "keras/models", "import FILE"):
        assert told in message
    assert not mirror.requests


@pytest.mark.parametrize("home", ["/proc/1/cnnkit", "/sys/cnnkit", "a file"])
def test_a_cache_that_cannot_be_written(
    mirror: Mirror, cnnkit: Run, home: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if home == "a file":
        home = str(tmp_path / "file")
        Path(home).write_text("no folder")
    monkeypatch.setenv("KERAS_HOME", home)
    result = cnnkit("weights", "pull", "--no-top", "mobilenet_0.25")
    assert result.returncode == 1
    message = said(result)
    assert "cannot be written to" in message and home in message
    assert not mirror.requests
    # And the other verbs do not stumble over it.
    assert cnnkit("weights", "list").returncode == 0
    assert cnnkit("weights", "verify").returncode == 0
    assert cnnkit("weights", "remove", "mobilenet_0.25").returncode == 0


def test_a_disk_that_is_full(mirror: Mirror, models: Path, cnnkit: Run) -> None:
    """A limit on the size of files stands in for it; what fits is kept."""
    script = (
        "import resource, runpy; resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000));"
        "runpy.run_module('cnnkit', run_name='__main__', alter_sys=True)"
    )
    command = [sys.executable, "-c", script, "weights", "pull", "--no-top", "mobilenet_0.25"]
    result = subprocess.run(command, capture_output=True, timeout=PATIENCE)
    assert result.returncode == 1
    message = said(result)
    assert "cannot be written to" in message and "File too large" in message
    assert not (models / NO_TOP).exists()
    assert len(mirror.requests) == 1
    assert cnnkit("weights", "pull", "--no-top", "mobilenet_0.25").returncode == 0
    assert (models / NO_TOP).read_bytes() == WHOLE


def test_a_folder_as_mirror(
    tmp_path: Path, models: Path, cnnkit: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    share = tmp_path / "a share"
    share.mkdir()
    (share / NO_TOP).write_bytes(WHOLE)
    monkeypatch.setenv("CNNKIT_WEIGHTS_URL", share.as_uri())
    assert cnnkit("weights", "pull", "--no-top", "mobilenet_0.25").returncode == 0
    assert (models / NO_TOP).read_bytes() == WHOLE
    result = cnnkit("weights", "pull", "resnet50")
    assert result.returncode == 1 and "No such file" in said(result)


@pytest.mark.parametrize("address", ["ftp://example.org/keras", "not a url", "/srv/keras"])
def test_other_mirrors_are_refused(
    cnnkit: Run, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CNNKIT_WEIGHTS_URL", address)
    result = cnnkit("weights", "pull", "resnet50")
    assert result.returncode == 1
    assert "Expected a URL of http, https, file" in said(result)


def test_a_timeout_that_is_none(
    mirror: Mirror, cnnkit: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CNNKIT_TIMEOUT", "soon")
    result = cnnkit("weights", "pull", "resnet50")
    assert result.returncode == 2
    assert "CNNKIT_TIMEOUT" in said(result)


def test_unknown_models(mirror: Mirror, cnnkit: Run) -> None:
    for verb in ("pull", "verify", "remove", "path"):
        result = cnnkit("weights", verb, "resnet51")
        assert result.returncode == 2
        assert "Did you mean resnet50" in said(result)
    assert not mirror.requests


# ---- verify


def test_verify_exit_codes(models: Path, cnnkit: Run) -> None:
    def verified(*arguments: str) -> tuple[int, list[str]]:
        result = cnnkit("weights", "verify", *arguments, "--format", "jsonl")
        assert b"Traceback" not in result.stderr
        found = [row for row in rows(result.stdout) if row["model"] != "patternnet"]
        return result.returncode, [row["state"] for row in found]

    def holds(path: Path, size: int) -> None:
        with h5py.File(path, "w") as file:
            file["kernel"] = np.ones(size)

    models.mkdir(parents=True)
    assert verified() == (0, [])
    assert verified("mobilenet_0.25") == (4, ["absent"])
    holds(models / TOP, 10_000)
    assert verified() == (0, ["recorded"])
    holds(models / TOP, 20_000)
    assert verified() == (4, ["changed"])
    assert verified("--accept") == (0, ["recorded"])
    assert verified() == (0, ["recorded"])
    holds(models / HASHED.top.name, 10)
    assert verified("resnet50", "--accept") == (4, ["unpublished"])
    assert verified() == (4, ["unpublished", "recorded"])
    with (models / TOP).open("r+b") as file:
        file.truncate(1000)
    assert verified("mobilenet_0.25") == (4, ["damaged"])


@pytest.mark.real
def test_verify_of_the_real_ones(cnnkit: Run, keras_home: Path) -> None:
    result = cnnkit("weights", "verify", "--format", "jsonl")
    assert result.returncode == 0
    assert {row["file"]: row["state"] for row in rows(result.stdout)}[CLASS_INDEX.name] == (
        "verified"
    )


def test_a_state_folder_that_is_none(
    mirror: Mirror, models: Path, cnnkit: Run, tmp_path: Path
) -> None:
    (tmp_path / "state").write_text("no folder")
    assert cnnkit("weights", "pull", "--no-top", "mobilenet_0.25").returncode == 0
    assert (models / NO_TOP).read_bytes() == WHOLE


# ---- import


def test_import_that_is_killed_leaves_nothing_under_the_name(
    models: Path, cnnkit: Run, tmp_path: Path
) -> None:
    """The source is a pipe that has given half of a file when the process dies."""
    source = tmp_path / "slow.h5"
    os.mkfifo(source)
    script = (
        "import sys; from pathlib import Path; from cnnkit.zoo import weights as store;"
        "from cnnkit.zoo.catalog import find;"
        "store.copy_in(Path(sys.argv[1]), find('mobilenet_0.25').top)"
    )
    process = subprocess.Popen([sys.executable, "-c", script, str(source)])
    with process, source.open("wb") as pipe:
        pipe.write(WHOLE[:60_000])
        pipe.flush()
        wait_until(lambda: any(models.iterdir()) if models.exists() else False)
        process.send_signal(signal.SIGKILL)
    assert not (models / TOP).exists()
    assert [p.suffix for p in models.iterdir()] == [".import"]
    assert cnnkit("weights", "remove", "mobilenet_0.25").returncode == 0
    assert list(models.iterdir()) == []


@pytest.mark.real
def test_import_of_a_folder_with_the_class_index(
    models: Path, cnnkit: Run, data: Path, tmp_path: Path
) -> None:
    stick = tmp_path / "stick"
    stick.mkdir()
    real = data / "keras_home" / "models"
    shutil.copyfile(real / CLASS_INDEX.name, stick / CLASS_INDEX.name)
    result = cnnkit("weights", "import", stick, "--format", "jsonl")
    assert result.returncode == 0, result.stderr
    assert [row["state"] for row in rows(result.stdout)] == ["imported"]
    assert (models / CLASS_INDEX.name).read_bytes() == (real / CLASS_INDEX.name).read_bytes()


def test_imports_that_are_refused(models: Path, cnnkit: Run, tmp_path: Path) -> None:
    garbage = tmp_path / TOP
    garbage.write_bytes(b"garbage")
    result = cnnkit("weights", "import", garbage)
    assert result.returncode == 1 and "cannot be opened as an HDF5" in said(result)
    garbage.rename(tmp_path / "mine.h5")
    result = cnnkit("weights", "import", tmp_path / "mine.h5")
    assert result.returncode == 1 and "--model NAME" in said(result)
    result = cnnkit("weights", "import", tmp_path / "nothing.h5")
    assert result.returncode == 1 and "no file or folder" in said(result)
    assert not models.exists()
