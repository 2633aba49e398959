"""Fixtures of the store's tests."""

from pathlib import Path

import pytest


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a store will be; paths are relative to the folder it is in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path / "s.h5"
