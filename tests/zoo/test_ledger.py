"""First sights: recorded, compared, accepted; and nothing breaks where they cannot be kept."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cnnkit.errors import WeightsError
from cnnkit.zoo import ledger


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "net.h5"
    path.write_bytes(b"first content")
    return path


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    return tmp_path / "state" / "cnnkit" / "weights.json"


def secretly(path: Path, content: bytes) -> None:
    """Other content of the same size, under the same time and inode."""
    status = path.stat()
    assert len(content) == status.st_size
    with path.open("r+b") as file:
        file.write(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_the_published_hash_decides(file: Path) -> None:
    content = file.read_bytes()
    assert ledger.check(file, hashlib.md5(content).hexdigest()) == "verified"
    ledger.forget(file)
    assert ledger.check(file, hashlib.sha256(content).hexdigest()) == "verified"
    ledger.forget(file)
    assert ledger.check(file, "0" * 32) == "unpublished"


def test_a_later_change_is_seen_and_stays_seen(file: Path) -> None:
    assert ledger.check(file, "") == "recorded"
    assert ledger.check(file, "") == "recorded"
    file.write_bytes(b"second")
    assert ledger.check(file, "") == "changed"
    assert ledger.check(file, "") == "changed", "the second look must not trust the change"
    assert ledger.check(file, "", anew=True) == "changed"
    file.write_bytes(b"first content")
    assert ledger.check(file, "") == "recorded", "it is again as it was first seen"


def test_trust_and_forget(file: Path) -> None:
    ledger.check(file, "")
    file.write_bytes(b"second")
    assert ledger.check(file, "") == "changed"
    ledger.trust(file)
    assert ledger.check(file, "", anew=True) == "recorded"
    file.write_bytes(b"third")
    ledger.forget(file)
    assert ledger.check(file, "") == "recorded"


def test_an_untouched_file_is_not_read_again(file: Path) -> None:
    assert ledger.check(file, "") == "recorded"
    secretly(file, b"other content")
    assert ledger.check(file, "") == "recorded", "it was read, though size and time are the same"
    assert ledger.check(file, "", anew=True) == "changed", "it was not read, though told to"


def test_the_same_file_from_another_folder(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relative KERAS_HOME must not mix up the files of two folders."""
    ledger.check(file, "")
    monkeypatch.chdir(tmp_path)
    secretly(file, b"other content")
    assert ledger.check(Path(file.name), "") == "recorded", "known by its full name, so not read"
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / file.name).write_bytes(b"another")
    monkeypatch.chdir(tmp_path / "other")
    assert ledger.check(Path(file.name), "") == "recorded"


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "folder.h5").mkdir()
    for path in (tmp_path / "folder.h5", tmp_path / "nothing.h5"):
        with pytest.raises(WeightsError, match="cannot be read"):
            ledger.check(path, "")


@pytest.mark.parametrize(
    "text",
    ["", "{", "null", "[]", "3", '"a"', '{"a": 1}', '{"a": {"sha256": "", "verdict": "recorded"}}',
     '{"a": {"sha256": "", "verdict": "recorded", "seen": 1}}', "\x00\xff" * 9, "[" * 100_000],
)  # fmt: skip
def test_a_corrupt_ledger_is_begun_anew(file: Path, stored: Path, text: str) -> None:
    stored.parent.mkdir(parents=True)
    stored.write_text(text, "latin-1")
    assert ledger.check(file, "") == "recorded"
    file.write_bytes(b"second")
    assert ledger.check(file, "") == "changed"
    assert list(json.loads(stored.read_text())) == [str(file)]


def test_a_verdict_of_another_version_is_not_believed(file: Path, stored: Path) -> None:
    ledger.check(file, "")
    stored.write_text(stored.read_text().replace("recorded", "blessed"))
    assert ledger.check(file, "") == "recorded"


def test_an_unwritable_ledger_costs_only_the_reading(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "state").write_text("a file where a folder should be")
    assert ledger.check(file, "") == "recorded"
    file.write_bytes(b"second")
    assert ledger.check(file, "") == "recorded", "nothing could be kept of the first sight"
    ledger.trust(file)
    ledger.forget(file)
    monkeypatch.setenv("XDG_STATE_HOME", "/proc/1/cnnkit")
    assert ledger.check(file, "0" * 32) == "unpublished"


def test_nothing_is_left_beside_a_ledger_that_cannot_be_replaced(file: Path, stored: Path) -> None:
    stored.mkdir(parents=True)
    assert ledger.check(file, "") == "recorded"
    assert {path.name for path in stored.parent.iterdir()} == {"weights.json", "weights.lock"}


WRITER = """
import sys
from pathlib import Path
from cnnkit.zoo import ledger
for path in sorted(Path(sys.argv[1]).glob("*.h5")):
    ledger.check(path, "")
"""


def test_processes_that_write_at_once_lose_nothing(tmp_path: Path, stored: Path) -> None:
    folders = [tmp_path / name for name in "abc"]
    for folder in folders:
        folder.mkdir()
        for number in range(20):
            (folder / f"{number}.h5").write_bytes(b"x")
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(f)]) for f in folders]
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    assert len(json.loads(stored.read_text())) == 60
    assert {path.name for path in stored.parent.iterdir()} == {"weights.json", "weights.lock"}
