"""One writer at a time."""

from pathlib import Path
from typing import Any


def lock(store: Path, timeout: float = -1) -> Any:
    """The lock of whoever writes the store; `filelock.Timeout` after `timeout` seconds."""
    from filelock import FileLock

    return FileLock(store.with_name(f".{store.name}.lock"), timeout=timeout)
