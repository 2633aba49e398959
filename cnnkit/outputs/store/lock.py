"""One writer at a time."""

import os
from pathlib import Path
from typing import Any


def place_of(store: str | os.PathLike[str]) -> Path:
    """Where a store really lies, so that it has one lock and one journal by whatever link."""
    return Path(os.path.realpath(store)) if os.path.islink(store) else Path(store)


def lock(store: Path, timeout: float = -1) -> Any:
    """The lock of whoever writes the store; `filelock.Timeout` after `timeout` seconds."""
    from filelock import FileLock

    return FileLock(store.with_name(f".{store.name}.lock"), timeout=timeout)
