"""Several who write into a store, by threads, processes and links, or have it open."""

import subprocess
import sys
import threading
from pathlib import Path

import h5py
import pytest

from cnnkit.outputs.store.writing import Writer
from tests.conftest import PATIENCE
from tests.outputs.store.contents import assert_holds
from tests.outputs.store.rows import assert_reader, fill, news, numbered, stamp

# Adds one row in a process of its own.
ADDER = """
import sys
from tests.outputs.store.rows import Writer, news, numbered
with Writer(sys.argv[1]) as writer:
    count = len(writer.paths)
    writer.put(news(numbered(count, count + 1)))
"""


def test_the_second_writer_waits(store: Path, caplog: pytest.LogCaptureFixture) -> None:
    entered = threading.Event()

    def second() -> None:
        with Writer(store) as writer:
            entered.set()
            writer.put(news(numbered(2, 3)))

    with Writer(store) as writer:
        writer.stamp = stamp()
        writer.put(news(numbered(0, 1)))
        thread = threading.Thread(target=second)
        thread.start()
        assert not entered.wait(0.3)
        writer.put(news(numbered(1, 2)))
    thread.join(PATIENCE)
    assert_holds(store, numbered(0, 3))
    assert "waiting" in caplog.text


def test_many_processes_write_one_after_another(store: Path) -> None:
    fill(store, numbered(0, 1))
    root = Path(__file__).parents[3]
    command = [sys.executable, "-c", ADDER, str(store)]
    running = [subprocess.Popen(command, cwd=root, stderr=subprocess.DEVNULL) for _ in range(4)]
    assert [process.wait(PATIENCE) for process in running] == [0] * 4
    assert_holds(store, numbered(0, 5))


def test_a_link_is_the_store_that_it_leads_to(store: Path) -> None:
    fill(store, numbered(0, 1))
    link = store.with_name("link.h5")
    link.symlink_to(store.name)
    with Writer(link) as writer:
        writer.put(news(numbered(1, 3)))
        writer.keep_only([0, 1, 2])
    assert link.is_symlink()
    assert_holds(store, numbered(0, 3))
    assert_reader(link, numbered(0, 3))


def test_what_the_same_process_has_open_hides_nothing(store: Path) -> None:
    """HDF5 shows what it remembers of an open file: rows would be written over others."""
    fill(store, numbered(0, 3))
    with h5py.File(store) as file:
        assert len(file["paths"][:]) == 3
        fill(store, numbered(3, 6))
        assert_reader(store, numbered(0, 6))
        fill(store, numbered(6, 9))
    assert_holds(store, numbered(0, 9))
