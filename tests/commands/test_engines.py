"""The engines as a person meets them: whole processes, and everything that can befall a cache."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from cnnkit.engines import cache
from tests.conftest import PATIENCE, Run, picture

pytest.importorskip("openvino", reason="the compiled runtime is not installed")
pytestmark = pytest.mark.network
COMMAND = ("classify", "-m", "patternnet", "--format", "jsonl", "a.png")
# The program in a process that ends with 99 when it does one of the things named first.
WATCHED = """
import os, sys
watched = sys.argv.pop(1).split()
def watch(event, arguments):
    if any(event.startswith(each) for each in watched):
        os.write(1, f"{event} {arguments}\\n".encode())
        os._exit(99)
sys.addaudithook(watch)
from cnnkit.cli import main
sys.argv = ["cnnkit", *sys.argv[1:]]
main()
"""
WITHOUT_OPENVINO = """
import sys
sys.modules["openvino"] = None
from cnnkit.cli import main
sys.argv = ["cnnkit", *sys.argv[1:]]
main()
"""


@pytest.fixture(autouse=True)
def engines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own, and the picture that every test classifies."""
    picture().save(tmp_path / "a.png")
    monkeypatch.setenv("CNNKIT_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache" / "engines"


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, float]]:
    """What the reference answers."""
    import cnnkit

    path = tmp_path_factory.mktemp("reference") / "a.png"
    picture().save(path)
    (record,) = cnnkit.classify(path, model="patternnet", engine="keras")
    return [(p.label, p.score) for p in record.predictions]  # type: ignore[union-attr]


def agrees(stdout: bytes, expected: list[tuple[str, float]]) -> bool:
    (record,) = map(json.loads, stdout.splitlines())
    found = [(p["label"], p["score"]) for p in record["predictions"]]
    return [label for label, _ in found] == [label for label, _ in expected] and [
        score for _, score in found
    ] == pytest.approx([score for _, score in expected], abs=1e-4)


def test_a_stored_engine_imports_no_tensorflow(cnnkit: Run, expected: Any, tmp_path: Path) -> None:
    first = cnnkit(*COMMAND)
    assert agrees(first.stdout, expected)
    assert first.stderr == b""
    script = (
        "import sys\nfrom cnnkit.cli import main\nsys.argv = ['cnnkit', *sys.argv[1:]]\n"
        "try:\n    main()\nfinally:\n"
        "    loaded = {name.split('.')[0] for name, module in sys.modules.items() if module}\n"
        "    print(*sorted(loaded), file=sys.stderr)\n"
    )
    again = subprocess.run(
        [sys.executable, "-c", script, *COMMAND], cwd=tmp_path, capture_output=True
    )
    assert agrees(again.stdout, expected)
    loaded = set(again.stderr.decode().split())
    assert "openvino" in loaded
    assert not loaded & {"tensorflow", "keras", "h5py", "scipy", "cv2", "openvino_telemetry"}


def test_two_processes_that_need_it_at_once(expected: Any, tmp_path: Path, engines: Path) -> None:
    command = [sys.executable, "-m", "cnnkit", *COMMAND]
    pair = [subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE) for _ in range(2)]
    assert all(agrees(process.communicate(timeout=PATIENCE)[0], expected) for process in pair)
    assert len([path for path in engines.iterdir() if path.is_dir()]) == 1


def test_one_killed_in_the_middle_of_a_conversion(
    cnnkit: Run, expected: Any, tmp_path: Path, engines: Path
) -> None:
    victim = subprocess.Popen([sys.executable, "-m", "cnnkit", *COMMAND], cwd=tmp_path)
    end = time.monotonic() + PATIENCE
    while not list(engines.glob(".*.building")) and time.monotonic() < end:
        time.sleep(0.005)
    victim.send_signal(signal.SIGKILL)
    assert victim.wait() == -signal.SIGKILL
    assert list(engines.glob(".*.building")), "it was killed too late to tell anything"
    assert agrees(cnnkit(*COMMAND).stdout, expected)
    assert not list(engines.glob(".*.building"))


def test_files_that_are_cut_off_altered_or_gone(
    cnnkit: Run, expected: Any, engines: Path, tmp_path: Path
) -> None:
    assert agrees(cnnkit(*COMMAND).stdout, expected)
    (entry,) = cache.entries()
    spare = tmp_path / "spare"
    shutil.copytree(entry.folder, spare)
    for name in ("model.bin", "model.xml", "bfloat16-biases.npy"):
        whole = (spare / name).read_bytes()
        for damaged in (whole[: len(whole) // 2], b"", whole[:-9] + b"\x00" * 9):
            (entry.folder / name).write_bytes(damaged)
            done = cnnkit(*COMMAND)
            assert (done.returncode, done.stderr) == (0, b""), name
            assert agrees(done.stdout, expected)
            assert (entry.folder / name).read_bytes() != damaged
    (entry.folder / "model.bin").unlink()
    assert agrees(cnnkit(*COMMAND).stdout, expected)


def test_a_cache_that_cannot_be_written(cnnkit: Run, expected: Any) -> None:
    done = cnnkit(*COMMAND, env=os.environ | {"CNNKIT_CACHE_DIR": "/proc/no-such-place"})
    assert done.returncode == 0
    assert agrees(done.stdout, expected)
    (line,) = done.stderr.decode().splitlines()
    assert "cannot be kept in /proc/no-such-place" in line
    assert "CNNKIT_CACHE_DIR=FOLDER" in line


def test_another_backend_of_keras_is_a_clear_error(cnnkit: Run) -> None:
    for backend in ("jax", "bogus"):
        done = cnnkit(*COMMAND, "--engine", "keras", env=os.environ | {"KERAS_BACKEND": backend})
        assert done.returncode == 2
        assert f"Received: KERAS_BACKEND={backend}. Unset it." in done.stderr.decode()


def watched(events: str, program: str = WATCHED, **options: Any) -> Any:
    command = [sys.executable, "-c", program, events, *COMMAND]
    return subprocess.run(command, capture_output=True, **options)


def test_a_conversion_reaches_for_nobody_and_a_stored_engine_opens_no_socket(
    expected: Any, tmp_path: Path
) -> None:
    # While TensorFlow is imported, urllib3 tries whether a socket could be bound to ::1.
    reaching = "socket.connect socket.getaddrinfo socket.gethostby socket.send"
    for events in (reaching, "socket."):
        done = watched(events, cwd=tmp_path)
        assert (done.returncode, done.stderr) == (0, b""), done.stdout
        assert agrees(done.stdout, expected)
    opens = WATCHED.replace("main()", "import socket; socket.socket()")
    looks = WATCHED.replace("main()", "import socket; socket.getaddrinfo('localhost', 80)")
    assert watched("socket.", opens).returncode == 99, "the watch is blind"
    assert watched(reaching, looks).returncode == 99, "the watch is blind"


def test_without_openvino_keras_answers(expected: Any, tmp_path: Path, engines: Path) -> None:
    command = [sys.executable, "-c", WITHOUT_OPENVINO]
    done = subprocess.run([*command, *COMMAND], cwd=tmp_path, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
    assert agrees(done.stdout, expected)
    assert not engines.exists()
    refused = subprocess.run(
        [*command, *COMMAND, "--engine", "openvino"], cwd=tmp_path, capture_output=True
    )
    assert refused.returncode == 2
    assert b"pip install openvino" in refused.stderr
