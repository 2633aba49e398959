"""How many cores this process may use."""

import os
from pathlib import Path


def available_cores() -> int:
    """The cores that the scheduler and the container's quota leave to this process; at least 1."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, min(allowed or 1, _quota() or allowed or 1))


def _quota(file: Path = Path("/sys/fs/cgroup/cpu.max")) -> int | None:
    """The whole cores of a cgroup's quota, rounded up; None without one."""
    try:
        quota, period = file.read_text("ascii").split()
        return -(-int(quota) // int(period))
    except (OSError, ValueError):  # no cgroup v2 here, or "max": no limit
        return None
