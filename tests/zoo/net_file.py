"""The file that a mirror has, what is left of it half fetched, and that it is all here."""

import hashlib
from pathlib import Path

from tests.zoo.mirror import Mirror, content

WHOLE = content()
MD5 = hashlib.md5(WHOLE).hexdigest()
NAME = "net.h5"


def url(mirror: Mirror) -> str:
    return f"{mirror.url}/{NAME}"


def part_of(target: Path) -> Path:
    return target.with_name(f".{NAME}.part")


def begin(target: Path, size: int, mark: str | None) -> None:
    """What an earlier process that was killed has left."""
    target.parent.mkdir()
    part_of(target).write_bytes(WHOLE[:size])
    if mark is not None:
        target.with_name(f".{NAME}.version").write_text(mark, "latin-1")


def assert_right(target: Path, expected: bytes = WHOLE) -> None:
    assert target.read_bytes() == expected
    assert {path.name for path in target.parent.iterdir()} == {NAME, f".{NAME}.lock"}
