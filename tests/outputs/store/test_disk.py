"""Disks that are full, and folders that cannot be written."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cnnkit.errors import OutputError
from cnnkit.outputs.store.writing import Writer
from tests.conftest import PATIENCE
from tests.outputs.store.rows import assert_plain, assert_reader, fill, news, numbered, stamp

WIDE = 100_000
# Puts rows while no file may grow beyond a limit, and again when it may.
CRAMPED = """
import resource, sys
from cnnkit.errors import OutputError
from tests.outputs.store.rows import Writer, assert_plain, assert_reader, news, numbered, stamp

store, limit = sys.argv[1], int(sys.argv[2])
begun = numbered(0, 3)
with Writer(store) as writer:
    writer.stamp = writer.stamp or stamp(100_000)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    for _ in range(2):
        try:
            writer.put(news(numbered(3, 10), 100_000))
        except OutputError as error:
            print("refused:", error)
        else:
            print("there was room")
            sys.exit()
        assert_plain(store, begun)
        assert_reader(store, begun)
    resource.setrlimit(resource.RLIMIT_FSIZE, (-1, -1))
    assert writer.paths == list(begun)
    writer.put(news(numbered(3, 5), 100_000))
"""
FIRST = """
import resource, sys
from cnnkit.errors import OutputError
from tests.outputs.store.rows import Path, Writer, news, numbered, stamp

store, limit = sys.argv[1], int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
try:
    with Writer(store) as writer:
        writer.stamp = stamp(100_000)
        writer.put(news(numbered(0, 5), 100_000))
except OutputError as error:
    print("refused:", error)
resource.setrlimit(resource.RLIMIT_FSIZE, (-1, -1))
with Writer(store) as writer:
    writer.stamp = writer.stamp or stamp(100_000)
    assert writer.paths == []
    writer.put(news(numbered(0, 5), 100_000))
"""


def run(script: str, *arguments: object) -> str:
    command = [sys.executable, "-c", script, *map(str, arguments)]
    root = Path(__file__).parents[3]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("room", [0, 1, 4096, 500_000, 2_000_000])
def test_a_full_disk_takes_nothing_away(tmp_path: Path, room: int) -> None:
    store = fill(tmp_path / "s.h5", numbered(0, 3), WIDE)
    said = run(CRAMPED, store, store.stat().st_size + room)
    assert said.count("refused:") == 2
    assert "What it held before, it still holds." in said
    assert_plain(store, numbered(0, 5))
    assert_reader(store, numbered(0, 5))
    with Writer(store) as writer:
        assert writer.recovered == ""


def test_a_journal_that_does_not_fit_takes_nothing_away(tmp_path: Path) -> None:
    """The file may be as large as it is, and the journal is refused: there is no room for both."""
    store = fill(tmp_path / "s.h5", numbered(0, 3), WIDE)
    said = run(CRAMPED, store, 1000)
    assert said.count("refused:") == 2
    assert_plain(store, numbered(0, 5))
    assert_reader(store, numbered(0, 5))


@pytest.mark.parametrize("room", [0, 100, 4096, 100_000, 1_500_000])
def test_a_disk_that_is_full_from_the_first_row_on(tmp_path: Path, room: int) -> None:
    store = tmp_path / "s.h5"
    assert run(FIRST, store, room).count("refused:") == 1
    assert_plain(store, numbered(0, 5))
    assert_reader(store, numbered(0, 5))
    assert sorted(path.name for path in tmp_path.iterdir()) == [".s.h5.lock", "s.h5"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("no file system can be mounted here: that takes root")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_small_disk(small_disk: Path) -> None:
    store = fill(small_disk / "s.h5", numbered(0, 3), WIDE)
    with Writer(store) as writer:
        with pytest.raises(OutputError, match="No space left"):
            writer.put(news(numbered(3, 20), WIDE))
        assert_plain(store, numbered(0, 3))
        assert_reader(store, numbered(0, 3))
        with pytest.raises(OutputError, match="No space left"):
            writer.put(news(numbered(3, 20), WIDE))
        writer.put(news(numbered(3, 5), WIDE))
        assert_plain(store, numbered(0, 5))
        with pytest.raises(OutputError, match="No space left"):
            writer.keep_only([4, 3, 2, 1, 0])
        assert_plain(store, numbered(0, 5))
        assert sorted(path.name for path in small_disk.iterdir()) == [".s.h5.lock", "s.h5"]
        writer.put(news(numbered(5, 6), WIDE))
    assert_reader(store, numbered(0, 6))


@pytest.mark.timeout(60)
@pytest.mark.parametrize("folder", ["file", "file/below", "/proc/none", "/proc", "/dev/null"])
def test_a_folder_that_cannot_be_written(tmp_path: Path, folder: str) -> None:
    (tmp_path / "file").write_bytes(b"a file")
    with (
        pytest.raises(OutputError, match="cannot be written"),
        Writer(tmp_path / folder / "s.h5") as writer,
    ):
        writer.stamp = stamp()
        writer.put(news(numbered(0, 1)))
    assert (tmp_path / "file").read_bytes() == b"a file"
