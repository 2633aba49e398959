"""Pictures that are there, and what a store holds by any program and by cnnkit's own reader."""

from pathlib import Path

from cnnkit.outputs.store.reading import Reader
from tests.outputs.store.rows import assert_plain, assert_reader


def picture(name: str) -> str:
    Path(name).touch()
    return name


def assert_holds(store: Path, rows: dict[str, str]) -> Reader:
    assert_plain(store, rows)
    return assert_reader(store, rows)
