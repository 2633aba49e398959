"""Converted networks on disk."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnnkit.engines import cache

FACTS = {"model": "tiny"}
# A process that wants the same network as others, and takes its time to build it.
BUILDER = """
import sys, time
from pathlib import Path
from cnnkit.engines import cache

def build(folder):
    with open(sys.argv[1], "a") as log:
        log.write("built\\n")
    (folder / "model.bin").write_bytes(b"half")
    time.sleep(float(sys.argv[2]))
    (folder / "model.bin").write_bytes(b"whole")
    return {}

entry = cache.keep("tiny-1", {"model": "tiny"}, build)
print((entry.folder / "model.bin").read_text())
"""


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CNNKIT_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache" / "engines"


def build(folder: Path, content: bytes = b"x" * 100) -> Mapping[str, Any]:
    (folder / "model.bin").write_bytes(content)
    (folder / "model.xml").write_text("<net/>")
    return {"strays": 0.0}


def never(folder: Path) -> Mapping[str, Any]:
    raise AssertionError("it was built though it is there")


def test_a_network_is_built_once_and_then_found() -> None:
    assert cache.find("tiny-1") is None
    kept = cache.keep("tiny-1", FACTS, build)
    found = cache.find("tiny-1")
    assert found is not None
    assert found.folder == kept.folder == cache.keep("tiny-1", FACTS, never).folder
    assert found.facts["model"] == "tiny"
    assert found.facts["strays"] == 0.0
    assert found.intact()
    assert found.size > 106


def test_what_is_cut_off_is_not_found_and_is_built_anew(root: Path) -> None:
    entry = cache.keep("tiny-1", FACTS, build)
    os.truncate(entry.folder / "model.bin", 50)
    assert cache.find("tiny-1") is None
    again = cache.keep("tiny-1", FACTS, build)
    assert (again.folder / "model.bin").stat().st_size == 100
    assert not list(root.glob("*.old*")), "what was damaged is still there"


def test_what_is_altered_is_noticed() -> None:
    entry = cache.keep("tiny-1", FACTS, build)
    (entry.folder / "model.bin").write_bytes(b"x" * 99 + b"y")
    found = cache.find("tiny-1")
    assert found is not None
    assert not found.intact()
    (entry.folder / "model.bin").write_bytes(b"x" * 100)
    assert found.intact()


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "3", "null", "{}", '{"files": 3}', '{"files": {"model.bin": 3}}',
     '{"files": {"model.bin": ["a", "b"]}}', '{"files": {"/dev/zero": [0, 1]}}',
     "\x00\xff", "[" * 100_000],
)  # fmt: skip
def test_facts_that_make_no_sense_are_no_facts(text: str) -> None:
    entry = cache.keep("tiny-1", FACTS, build)
    (entry.folder / "engine.json").write_text(text, "latin-1")
    assert cache.find("tiny-1") is None
    assert list(cache.entries()) == []
    assert cache.keep("tiny-1", FACTS, build).intact()


def test_a_failed_build_leaves_nothing(root: Path) -> None:
    def fails(folder: Path) -> Mapping[str, Any]:
        build(folder)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cache.keep("tiny-1", FACTS, fails)
    assert cache.find("tiny-1") is None
    assert [path.name for path in root.iterdir()] == [".tiny-1.lock"]


def test_of_two_processes_one_builds_and_the_other_waits(tmp_path: Path) -> None:
    log = tmp_path / "log"
    command = [sys.executable, "-c", BUILDER, str(log), "1"]
    pair = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(2)]
    assert [process.communicate(timeout=60)[0] for process in pair] == [b"whole\n", b"whole\n"]
    assert log.read_text() == "built\n"


def test_one_killed_while_building_is_succeeded_by_the_next(tmp_path: Path, root: Path) -> None:
    log = tmp_path / "log"
    victim = subprocess.Popen([sys.executable, "-c", BUILDER, str(log), "60"])
    end = time.monotonic() + 60
    while not log.exists() and time.monotonic() < end:
        time.sleep(0.01)
    victim.kill()
    victim.wait()
    assert cache.find("tiny-1") is None, "half a network stands under its name"
    done = subprocess.run(
        [sys.executable, "-c", BUILDER, str(log), "0"], capture_output=True, timeout=60
    )
    assert done.stdout == b"whole\n"
    assert [path.name for path in sorted(root.iterdir())] == [".tiny-1.lock", "tiny-1"]


def test_a_folder_that_cannot_be_written_is_an_oserror(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CNNKIT_CACHE_DIR", "/proc/no-such-place")
    with pytest.raises(OSError, match="no-such-place"):
        cache.keep("tiny-1", FACTS, build)
    assert cache.find("tiny-1") is None
    assert list(cache.entries()) == []


def test_the_least_recently_used_make_room(root: Path) -> None:
    for number in range(4):
        entry = cache.keep(f"tiny-{number}", FACTS, build)
        os.utime(entry.folder / "engine.json", (number, number))
    found = cache.find("tiny-0")  # which is now the most recently used
    assert found is not None
    cache.bound(largest=2 * found.size)
    assert {entry.folder.name for entry in cache.entries()} == {"tiny-0", "tiny-3"}
    cache.bound(keep="tiny-3", largest=0)
    assert {entry.folder.name for entry in cache.entries()} == {"tiny-3"}


def test_a_verdict_is_kept_beside_its_network(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = cache.keep("tiny-1", FACTS, build)
    assert entry.verdict() is None
    entry.keep_verdict({"same_label": 1.0})
    assert entry.verdict() == {"same_label": 1.0}
    found = cache.find("tiny-1")
    assert found is not None
    assert found.intact(), "a verdict is no damage"
    shutil.rmtree(entry.folder)
    entry.keep_verdict({"same_label": 0.5})  # nowhere to keep it: no error


def test_a_discarded_network_is_gone_and_what_is_open_stays_readable(root: Path) -> None:
    entry = cache.keep("tiny-1", FACTS, build)
    with (entry.folder / "model.bin").open("rb") as file:
        cache.discard(entry)
        assert file.read() == b"x" * 100
    assert cache.find("tiny-1") is None
    cache.discard(entry)  # a second time: nothing to do


@given(st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=5), max_size=4))
def test_a_key_is_a_function_of_what_it_stands_for(identity: dict[str, Any]) -> None:
    shuffled = dict(reversed(list(identity.items())))
    key = cache.key_of("tiny", identity)
    assert key == cache.key_of("tiny", shuffled)
    assert key != cache.key_of("tiny", {**identity, "one more": json.dumps(identity)})
    assert Path(key).name == key
