"""Fixtures of the tasks' tests: drawn pictures, and networks that may not be opened."""

from collections.abc import Callable
from pathlib import Path

import pytest

from cnnkit.tasks.network import Job
from tests.conftest import picture
from tests.tasks.extracting import PATHS


@pytest.fixture
def five_drawn(tmp_path: Path) -> list[str]:
    """Five pictures of which the third cannot be read."""
    (tmp_path / "drawn").mkdir()
    paths = [str(tmp_path / "drawn" / f"{i}.png") for i in range(5)]
    for i, path in enumerate(paths):
        picture(160, 120, seed=i).save(path)
    Path(paths[2]).write_bytes(b"no picture")
    return paths


@pytest.fixture
def six_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with six pictures in `p`."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "p" / "deep").mkdir(parents=True)
    for i, path in enumerate(PATHS):
        picture(64, 48, seed=i).save(path)
    return tmp_path


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Call it: from then on a network that is opened is a failure."""

    def forbid() -> None:
        def opened(job: Job) -> None:
            raise AssertionError("a network was opened")

        monkeypatch.setattr(Job, "open", opened)

    return forbid
