"""Ten thousand paths on stdin: one record each, in order, in memory that does not grow."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import picture

pytestmark = pytest.mark.network

HOSTILE = (
    *(b"with space.png", b"new\nline.png", b"tab\t.png", b"odd \xff\xfe.png", b"-dash.png"),
    *(b"[glob]*?.png", b'"quoted".png', b"'q'.png", "grüß 猫.png".encode(), b"back\\slash.png"),
    *(b"carriage\r", b"$(touch pwned).png"),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("many")
    for i in range(20):
        picture(96, 80, seed=i).save(folder / f"{i}.png")
    content = (folder / "0.png").read_bytes()
    for name in HOSTILE:
        with open(os.path.join(os.fsencode(folder), name), "wb") as file:  # noqa: PTH123
            file.write(content)
    (folder / "torn.png").write_bytes(content[: len(content) // 2])
    return folder


def the_list(count: int) -> list[bytes]:
    """Duplicates of ordinary and hostile names, and every hundredth a torn file."""
    names = [b"%d.png" % i for i in range(20)] + list(HOSTILE)
    return [b"torn.png" if i % 100 == 50 else names[i % len(names)] for i in range(count)]


def classified(folder: Path, names: list[bytes]) -> tuple[int, list[dict[str, object]], int]:
    """Exit code, records, and the peak memory in MiB of one run of the program."""
    command = [sys.executable, "-m", "cnnkit", "classify", "-0", "-", "--format", "jsonl"]
    command += ["--model", "mobilenet_0.25", "--weights", "none", "--top", "1"]
    (folder / "list").write_bytes(b"".join(name + b"\0" for name in names))
    with (folder / "list").open("rb") as stdin, (folder / "answers").open("wb") as stdout:
        process = subprocess.Popen(command, stdin=stdin, stdout=stdout, cwd=folder)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    lines = (folder / "answers").read_bytes().splitlines()
    return process.returncode, [json.loads(line) for line in lines], usage.ru_maxrss // 1024


@pytest.mark.timeout(900)
def test_ten_thousand_paths_give_ten_thousand_records_in_bounded_memory(folder: Path) -> None:
    classified(folder, the_list(1))  # the conversion, which is done once, takes memory of its own
    names = the_list(10_000)
    code, records, peak = classified(folder, names)
    assert code == 3
    assert [os.fsencode(str(record["path"])) for record in records] == names
    failed = [i for i, record in enumerate(records) if record["status"] == "error"]
    assert failed == [i for i, name in enumerate(names) if name == b"torn.png"]
    assert len(failed) == 100
    _, fewer, smaller_peak = classified(folder, the_list(1_000))
    assert len(fewer) == 1_000
    print(f"peak memory: {smaller_peak} MiB for 1,000 paths, {peak} MiB for 10,000")
    assert peak < 1.05 * smaller_peak
