"""Where the embeddings of training pictures are kept: a folder of stores beside the networks.

The least recently used go when all together are too large; each is made again when it is needed.
"""

import os
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from cnnkit.outputs.store import lock
from cnnkit.outputs.store.journal import journal_of
from cnnkit.records import CacheRow

# Bytes that all stores together may take.
LARGEST = 8 << 30
_SUFFIX, STATE = ".h5", "embeddings"


def folder() -> Path:
    """Where these stores lie, once there are any."""
    from cnnkit.engines import cache

    return cache.folder().with_name("features")


def rows() -> list[CacheRow]:
    """A row for each store, by name. Raises `OSError` where the folder cannot be read."""
    return [_row(path) for path in _stores()]


def remove(path: Path) -> bool:
    """Remove a store, unless a process writes to it; whether it is gone."""
    from filelock import Timeout

    try:
        with lock.lock(path, timeout=0):
            # With it goes the journal of a commit that a killed process has left; the lock stays,
            # for somebody may be waiting for it.
            for each in (path, journal_of(path)):
                each.unlink(missing_ok=True)
    except Timeout:
        return False
    return True


def bound(keep: Path, largest: int = LARGEST) -> None:
    """Note that a store is used now, and drop the least recently used ones, but never this one."""
    with suppress(OSError):
        os.utime(keep)
        total = 0
        for path in sorted(_stores(), key=lambda each: (each != keep, -each.stat().st_mtime)):
            total += path.stat().st_size
            if total > largest and path != keep:
                remove(path)


def _stores() -> list[Path]:
    with suppress(FileNotFoundError):
        return sorted(each for each in folder().iterdir() if each.suffix == _SUFFIX)
    return []


def _row(path: Path) -> CacheRow:
    status = path.stat()
    return CacheRow(
        model=path.stem.rpartition("-")[0],
        state=STATE,
        size=status.st_size,
        used=datetime.fromtimestamp(status.st_mtime).astimezone().isoformat(timespec="seconds"),
        note="of training pictures; made again when they are next needed",
        path=str(path),
    )
