"""One writer at a time."""

import logging
import os
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)


def place_of(store: str | os.PathLike[str]) -> Path:
    """Where a store really lies, so that it has one lock and one journal by whatever link."""
    return Path(os.path.realpath(store)) if os.path.islink(store) else Path(store)


def lock(store: Path, timeout: float = -1) -> Any:
    """The lock of whoever writes the store; `filelock.Timeout` after `timeout` seconds."""
    from filelock import FileLock

    return FileLock(store.with_name(f".{store.name}.lock"), timeout=timeout)


def taken(store: Path) -> Any:
    """The lock on the store, held; waited for where another process has it.

    Raises `OSError` where none can be made.
    """
    from filelock import Timeout

    store.parent.mkdir(parents=True, exist_ok=True)
    held = lock(store)
    # Where no file can be made, filelock may wait for ever, as for one that somebody holds.
    Path(held.lock_file).touch()
    try:
        held.acquire(timeout=0)
    except Timeout:
        log.warning("another process writes to %s; waiting for it.", store)
        held.acquire()
    return held
