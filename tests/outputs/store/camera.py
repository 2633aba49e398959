"""What a process leaves behind that is killed in the midst of a commit."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cnnkit.outputs.store import journal, recovery
from cnnkit.outputs.store.journal import journal_of


@dataclass
class Snapshot:
    """The files as a process leaves them that is killed at this moment."""

    store: Path
    moment: str
    # Whether the journal was whole, so that the commit has happened.
    promised: bool
    # Whether a write to the file's own pages was cut off half-way.
    torn: bool = False


class Camera:
    """Keeps what a kill would leave before every effect on the disk, and in every write."""

    def __init__(self, store: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.taken: list[Snapshot] = []
        self._store, self._folder = store, folder
        for name in ("fsync", "ftruncate", "posix_fallocate"):
            monkeypatch.setattr(os, name, self._before(name, getattr(os, name)))
        monkeypatch.setattr(journal, "write_at", self._in_halves(journal.write_at))

    def take(self, moment: str, torn: bool = False) -> None:
        folder = self._folder / str(len(self.taken))
        leave_out = shutil.ignore_patterns("*.lock", "snapshots")
        shutil.copytree(self._store.parent, folder, ignore=leave_out)
        left = folder / journal_of(self._store).name
        promised = left.exists() and recovery._parsed(left.read_bytes()) is not None
        store = folder / self._store.name
        self.taken.append(Snapshot(store, moment, promised, torn and promised))

    def _before(self, name: str, call: Any) -> Any:
        def called(*arguments: Any) -> Any:
            self.take(f"{name}{arguments}")
            return call(*arguments)

        return called

    def _in_halves(self, call: Any) -> Any:
        def called(descriptor: int, data: bytes, offset: int) -> None:
            moment = f"write of {len(data)} at {offset}"
            self.take(moment)
            # A sector is written whole or not at all.
            half = len(data) // 1024 * 512
            call(descriptor, data[:half], offset)
            self.take(f"half a {moment}", torn=True)
            call(descriptor, data[half:], offset + half)

        return called
